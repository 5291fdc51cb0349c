# SPDX-License-Identifier: Apache-2.0
"""What headers of a request are believed, and what of them is refused."""

import random
import re

from aiohttp import web
from multidict import CIMultiDict, CIMultiDictProxy

from tricircle.gateway.http.errors import Fault

# What keystonemiddleware writes for the application behind it; from a client it would be a lie.
_IDENTITY = {
    f"x-{prefix}{name}"
    for prefix in ("", "service-")
    for name in (
        "catalog",
        "domain-id",
        "domain-name",
        "identity-status",
        "is-admin-project",
        "project-domain-id",
        "project-domain-name",
        "project-id",
        "project-name",
        "role",
        "roles",
        "system-scope",
        "tenant",
        "tenant-id",
        "tenant-name",
        "token",
        "user",
        "user-domain-id",
        "user-domain-name",
        "user-id",
        "user-name",
    )
} | {"openstack-system-scope", "x-service-catalog"}
_HOP_BY_HOP = {
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
}
_DROPPED = _IDENTITY | _HOP_BY_HOP
# What decides how a request is answered. Others, like User-Agent, may be in any encoding.
_UNDERSTOOD = {
    "x-auth-token",
    "x-service-token",
    "openstack-api-version",
    "x-openstack-nova-api-version",
    "x-openstack-request-id",
    "content-type",
    "content-encoding",
    "expect",
    "host",
    "x-forwarded-proto",
    "x-forwarded-host",
    "x-forwarded-prefix",
}
REQUEST_ID = "X-OpenStack-Request-ID"
_REQUEST_ID = re.compile(r"req-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def refuse_unreadable(request: web.BaseRequest) -> None:
    """Raise Fault 400 for a header that is no text where its meaning matters to us."""
    for name, value in request.headers.items():
        if not is_text(value) and _name(name) in _UNDERSTOOD:
            raise Fault(400, f"The header {name} is not UTF-8.")


def is_text(value: str) -> bool:
    """Whether a header can be told, sent on and written down."""
    # aiohttp reads bytes that are no UTF-8 as surrogates, which have no encoding.
    return value.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in value)


def _name(name: str) -> str:
    return name.lower().replace("_", "-")


def refuse_smuggling(request: web.BaseRequest) -> None:
    """Raise Fault 400 for a request whose end two servers could see at different places."""
    headers = request.headers
    if "Transfer-Encoding" in headers and "Content-Length" in headers:
        raise Fault(400, "Content-Length and Transfer-Encoding exclude each other.")
    if len(headers.getall("Content-Length", ())) > 1:
        raise Fault(400, "Content-Length is given more than once.")
    if len(headers.getall("Host", ())) > 1:
        raise Fault(400, "Host is given more than once.")


def strip(headers: CIMultiDictProxy[str]) -> CIMultiDict[str]:
    """The headers of a client without identities it may not claim, hop-by-hop ones, and what is
    no text.

    ``X-Auth-Token`` stays: it is proven, not believed.
    """
    named = {
        name.strip().lower()
        for value in headers.getall("Connection", ())
        for name in value.split(",")
    }
    dropped = _DROPPED if named <= _DROPPED else _DROPPED | named
    kept = [
        (name, value)
        for name, value in headers.items()
        if _name(name) not in dropped and is_text(value)
    ]
    return CIMultiDict(kept)


def new_request_id() -> str:
    # It must be rare, not secret: the kernel need not be asked.
    text = f"{random.getrandbits(128):032x}"
    return f"req-{text[:8]}-{text[8:12]}-4{text[13:16]}-8{text[17:20]}-{text[20:]}"


def is_request_id(text: str) -> bool:
    return _REQUEST_ID.fullmatch(text) is not None


def global_request_id(request: web.BaseRequest) -> str | None:
    """The id the caller gave its chain of requests, if it looks like one."""
    value = request.headers.get(REQUEST_ID, "")
    return value if is_request_id(value) else None
