# SPDX-License-Identifier: Apache-2.0
"""Responses that no single pod wrote."""

from collections.abc import Mapping
from typing import Any

import orjson
from aiohttp import web


def respond(
    document: Any, status: int = 200, headers: Mapping[str, str] | None = None
) -> web.Response:
    """JSON."""
    return web.Response(
        status=status,
        body=orjson.dumps(document),
        content_type="application/json",
        headers=headers,
    )


def accepted() -> web.Response:
    """202 without a word."""
    return web.Response(status=202, content_type="application/json")
