# SPDX-License-Identifier: Apache-2.0
"""Cross-origin requests, answered as Nova does by default: for no origin unless configured."""

from aiohttp import web
from multidict import CIMultiDict

from tricircle.conf import CONF

_METHODS = ("GET", "PUT", "POST", "DELETE", "PATCH")
_ALLOWED = (
    "X-Auth-Token",
    "X-Openstack-Request-Id",
    "X-Identity-Status",
    "X-Roles",
    "X-Service-Catalog",
    "X-User-Id",
    "X-Tenant-Id",
    "X-OpenStack-Nova-API-Version",
    "OpenStack-API-Version",
)
# Browsers need no permission to send these.
_SIMPLE = ("Accept", "Accept-Language", "Content-Type", "Cache-Control", "Content-Language")
_EXPOSED = (
    "X-Auth-Token",
    "X-Openstack-Request-Id",
    "X-Compute-Request-Id",
    "X-Subject-Token",
    "X-Service-Token",
    "X-OpenStack-Nova-API-Version",
    "OpenStack-API-Version",
)
_MAX_AGE = "3600"
_ANY = "*"


def is_preflight(request: web.BaseRequest) -> bool:
    """Whether a browser asks what it may send."""
    return (
        request.method == "OPTIONS"
        and "Origin" in request.headers
        and "Access-Control-Request-Method" in request.headers
    )


def preflight(request: web.BaseRequest) -> web.Response:
    """Yes with the terms, or an answer without them, which a browser takes as no."""
    response = web.Response(status=200)
    origin = _allowed_origin(request)
    wanted = request.headers.get("Access-Control-Request-Headers", "")
    names = [name.strip() for name in wanted.split(",") if name.strip()]
    known = {name.lower() for name in _ALLOWED + _SIMPLE}
    if (
        origin is None
        or request.headers["Access-Control-Request-Method"] not in _METHODS
        or not all(name.lower() in known for name in names)
    ):
        return response
    _permit(response.headers, origin)
    response.headers["Access-Control-Max-Age"] = _MAX_AGE
    response.headers["Access-Control-Allow-Methods"] = request.headers[
        "Access-Control-Request-Method"
    ]
    if names:
        response.headers["Access-Control-Allow-Headers"] = ",".join(names)
    return response


def mark(request: web.BaseRequest, response: web.StreamResponse) -> None:
    """Tell a browser whose origin is allowed that it may read the answer."""
    if (origin := _allowed_origin(request)) is not None:
        _permit(response.headers, origin)
        response.headers["Access-Control-Expose-Headers"] = ",".join(_EXPOSED)


def _allowed_origin(request: web.BaseRequest) -> str | None:
    """The origin to tell: the request's own where it is named, ``*`` where any may ask."""
    origin = request.headers.get("Origin")
    if not origin:
        return None
    allowed = CONF.gateway.cors_allowed_origin
    if origin in allowed:
        return origin
    return _ANY if _ANY in allowed else None


def _permit(headers: CIMultiDict[str], origin: str) -> None:
    headers["Access-Control-Allow-Origin"] = origin
    if origin != _ANY:
        # To pages of anybody a browser must not lend its user's cookies and certificates.
        headers["Access-Control-Allow-Credentials"] = "true"
    headers.add("Vary", "Origin")
