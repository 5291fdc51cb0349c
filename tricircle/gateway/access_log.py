# SPDX-License-Identifier: Apache-2.0
"""The access log: one line for each request that was answered, and nothing secret in it.

``SERVICE METHOD PATH project=ID status=N seconds=N bytes=N way=WAY pods=REGIONS from=ADDRESS``, and
``-`` for what is not known; oslo.log puts the request's id before each line. Queries, headers and
bodies are not told, and paths only if a route has them.
"""

from aiohttp import web
from oslo_log import log as logging

from tricircle.gateway.http.routing import Match, RouteTable
from tricircle.telemetry.requests import UnderWay

LOG = logging.getLogger("tricircle.access")

# What these name is a secret.
_SECRET = ("/os-console-auth-tokens/{id}",)


def is_on() -> bool:
    return LOG.isEnabledFor(logging.INFO)


def path_of(match: Match) -> str:
    """The path of a request as it may be told."""
    return match.route.path if match.route.path in _SECRET else match.path


def sought(table: RouteTable, method: str, path: str) -> str:
    """The path of a request that was refused before it had a route."""
    match = table.match(method, path)
    return "-" if match is None else path_of(match) or "/"


def write(
    request: web.BaseRequest, path: str, service: str, about: UnderWay, status: int, size: int,
    seconds: float,
) -> None:  # fmt: skip
    LOG.info(
        "%s %s %s project=%s status=%d seconds=%.4f bytes=%d way=%s pods=%s from=%s",
        service,
        request.method,
        path,
        (about.caller.project_id if about.caller is not None else "") or "-",
        status,
        seconds,
        size,
        about.way,
        ",".join(about.pods) or "-",
        request.remote or "-",
    )
