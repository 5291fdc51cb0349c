# SPDX-License-Identifier: Apache-2.0
"""Errors a client sees, each in the envelope of the service it called."""

from collections.abc import Mapping
from typing import Any

import orjson
from aiohttp import web

from tricircle.db.transaction import UNAVAILABLE
from tricircle.gateway.threads import Busy
from tricircle.pods import errors as pod_errors
from tricircle.pods.identity import KeystoneFailed

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
    """The error body of ``service`` (compute, volume, admin) for a status and a text."""
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


def is_overload(error: Exception) -> bool:
    """Whether it failed for want of the database, of Keystone or of a free thread: these pass."""
    return isinstance(error, (*UNAVAILABLE, Busy, KeystoneFailed))


def from_overload(error: Exception) -> Fault:
    """The fault for a database or a Keystone that is away, or for work there is no room for."""
    what = "cannot use its database now"
    if isinstance(error, Busy):
        what = "is too busy"
    elif isinstance(error, KeystoneFailed):
        what = "cannot ask Keystone now"
    return Fault(503, f"The gateway {what}. Try again later.", {"Retry-After": "5"})


def from_pod_error(error: pod_errors.PodError) -> Fault:
    """The fault for a pod that could not be asked, or that refused a call of our own."""
    if isinstance(error, pod_errors.PodBroken):
        return Fault(502, str(error))
    if isinstance(error, pod_errors.PodTimeout):
        return Fault(504, f"{error} Try again later.")
    if isinstance(error, pod_errors.PodRefused):
        return Fault(502, str(error))
    return Fault(503, f"{error} Try again later.", {"Retry-After": "5"})
