# SPDX-License-Identifier: Apache-2.0
"""Answers that no single pod wrote."""

from typing import Any

import orjson
from aiohttp import web


def respond(document: dict[str, Any]) -> web.Response:
    return web.Response(body=orjson.dumps(document), content_type="application/json")


def accepted() -> web.Response:
    """202 without a word."""
    return web.Response(status=202, content_type="application/json")
