# SPDX-License-Identifier: Apache-2.0
"""One request on its way through the gateway."""

import dataclasses
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web
from multidict import CIMultiDict, MultiMapping

from tricircle.gateway.http import bodies
from tricircle.gateway.http.context import Context
from tricircle.gateway.http.routing import Match, Route
from tricircle.gateway.services import Services
from tricircle.pods.pod import Pod

Version = tuple[int, int]


@dataclasses.dataclass(slots=True)
class Call:
    """A request that passed authentication, microversion and route table.

    ``root`` is our own scheme, host and prefix as the client sees them, without the version,
    which is ``base``.
    ``path`` is still percent-encoded, without version and project; ``params`` are decoded.
    ``version`` is the negotiated microversion, None where the service has none.
    """

    services: Services
    http: web.BaseRequest
    service: str
    match: Match
    context: Context
    version: Version | None
    headers: CIMultiDict[str]  # the client's, without what it may not claim
    body: bytes
    root: str
    base: str = ""
    answer_headers: dict[str, str] = dataclasses.field(default_factory=dict)

    @property
    def pods(self) -> list[Pod]:
        """All pods that have the service called, in the registry's order."""
        return [pod for pod in self.services.registry.all() if pod.has(self.service)]

    @property
    def serving(self) -> list[Pod]:
        """Those of ``pods`` that are in use, whatever their health."""
        return [pod for pod in self.services.serving() if pod.has(self.service)]

    @property
    def answering(self) -> list[Pod]:
        """Those of ``pods`` that are in use and worth asking now."""
        return self.services.answering(self.service)

    def is_away(self, pod: Pod) -> bool:
        """Whether there is no use in asking a pod's service now."""
        return self.services.availability.is_away(pod, self.service)

    @property
    def route(self) -> Route:
        return self.match.route

    @property
    def params(self) -> dict[str, str]:
        return self.match.params

    @property
    def path(self) -> str:
        return self.match.path

    @property
    def method(self) -> str:
        return self.http.method

    @property
    def query(self) -> MultiMapping[str]:
        return self.http.rel_url.query

    @property
    def raw_query(self) -> str:
        return self.http.rel_url.raw_query_string

    def with_project(self, path: str) -> str:
        """``path`` as in the client's own URL: with the project in it where that had it."""
        return f"/{self.match.project_id}{path}" if self.match.project_id else path

    def json(self) -> Any:
        """The request's body. Raises Fault 400 when it is not JSON."""
        return bodies.parse(self.body)


# What serves a row of a route table.
Handler = Callable[[Call], Awaitable[web.Response]]
