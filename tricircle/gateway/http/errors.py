# SPDX-License-Identifier: Apache-2.0
"""Errors a client sees, each in the envelope of the service it called."""

from collections.abc import Mapping
from typing import Any

import orjson
from aiohttp import web

# Nova and Cinder name the outer key of an error by its status.
_NAMES = {
    400: "badRequest",
    401: "unauthorized",
    403: "forbidden",
    404: "itemNotFound",
    405: "badMethod",
    409: "conflictingRequest",
    413: "overLimit",
    415: "badMediaType",
    429: "overLimit",
    501: "notImplemented",
    503: "serviceUnavailable",
}
_OTHER = "computeFault"

_TITLES = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    408: "Request Timeout",
    409: "Conflict",
    413: "Request Entity Too Large",
    500: "Internal Server Error",
    501: "Not Implemented",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Timeout",
}


class Fault(Exception):
    """An answer that is an error: HTTP ``status``, a ``message`` for the user, extra headers."""

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = dict(headers or {})


def envelope(service: str, status: int, message: str) -> dict[str, Any]:
    """The error body of ``service`` (compute, volume, placement, admin) for a status and a text."""
    if service == "placement":
        title = _TITLES.get(status, "Error")
        return {"errors": [{"status": status, "title": title, "detail": message}]}
    if service == "admin" or status == 401:
        title = _TITLES.get(status, "Error")
        return {"error": {"code": status, "title": title, "message": message}}
    return {_NAMES.get(status, _OTHER): {"code": status, "message": message}}


def render(fault: Fault, service: str) -> web.Response:
    """The response that tells ``fault`` the way ``service`` tells its errors."""
    return web.Response(
        status=fault.status,
        body=orjson.dumps(envelope(service, fault.status, fault.message)),
        content_type="application/json",
        headers=fault.headers,
    )
