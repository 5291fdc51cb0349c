# SPDX-License-Identifier: Apache-2.0
"""Bodies of requests: read from a client, and understood, within limits."""

import asyncio
from typing import Any

import orjson
from aiohttp import HttpVersion11, web
from aiohttp.http_exceptions import HttpProcessingError

from tricircle.conf import CONF
from tricircle.gateway.http import bounds
from tricircle.gateway.http.errors import Fault

# Codings that make another body of one. Some clients name a charset there, which nobody minds.
_PACKED = {"gzip", "x-gzip", "deflate", "compress", "x-compress", "br", "zstd"}
_OPENING = (b"{", b"[")


async def read(request: web.BaseRequest) -> bytes:
    """The body as it was sent. What is nested too deep is refused here, for pods too.

    Raises Fault 400, 408, 413, 415 (for one in a content coding).
    """
    if not request.body_exists:
        return b""
    # Nova and Cinder undo no coding either: to them it is no JSON.
    codings = ",".join(request.headers.getall("Content-Encoding", ())).lower().split(",")
    if not _PACKED.isdisjoint(map(str.strip, codings)):
        raise Fault(415, "A packed body is not understood: send it without a Content-Encoding.")
    await _go_on(request)
    try:
        async with asyncio.timeout(CONF.gateway.body_deadline):
            body = await request.read()
    except TimeoutError:
        raise Fault(408, "The request's body did not come in time.") from None
    except web.HTTPRequestEntityTooLarge:
        raise Fault(413, "Request is too large.") from None
    except (web.RequestPayloadError, HttpProcessingError, ConnectionError):
        raise Fault(400, "The request's body is malformed.") from None
    _refuse_deep(body)
    return body


async def _go_on(request: web.BaseRequest) -> None:
    """Tell a client that waits for it that its body is wanted. What else it expects is ignored."""
    wish = request.headers.get("Expect", "")
    if wish.lower() != "100-continue" or request.version < HttpVersion11:
        return
    await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    # This is no part of the answer.
    request.writer.output_size = 0


def parse(body: bytes) -> Any:
    """The JSON in a body. Raises Fault 400 when it is none."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        raise Fault(400, "Malformed request body") from None


def _refuse_deep(body: bytes) -> None:
    # Counting takes no time; only what might be too deep is walked through.
    if sum(map(body.count, _OPENING)) <= bounds.DEPTH:
        return
    try:
        deep = _is_deeper(orjson.loads(body), bounds.DEPTH)
    except orjson.JSONDecodeError as error:
        deep = "depth" in str(error)
    if deep:
        raise Fault(400, f"The request's body is nested more than {bounds.DEPTH} deep.")


def _is_deeper(value: Any, than: int) -> bool:
    if isinstance(value, dict):
        value = value.values()
    elif not isinstance(value, list):
        return False
    return than == 0 or any(_is_deeper(part, than - 1) for part in value)
