# SPDX-License-Identifier: Apache-2.0
"""One request on its way through the gateway."""

import dataclasses
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import quote

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
    ``resource_types`` are those of all services, by name.
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
    resource_types: Mapping[str, "ResourceType"] = dataclasses.field(default_factory=dict)
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

    def at_least(self, version: Version) -> bool:
        """Whether the microversion asked for is this one or a newer one."""
        return self.version is not None and self.version >= version

    def member(self, key: str) -> dict[str, Any] | None:
        """The object that the body has by a key, if it has one. Raises Fault 400 as ``json``."""
        body = self.json()
        found = body.get(key) if isinstance(body, dict) else None
        return found if isinstance(found, dict) else None

    def action(self) -> tuple[str, Any]:
        """The action that the body names, and its argument; ("", None) if it names not just one.

        Raises Fault 400 as ``json``.
        """
        body = self.json()
        return next(iter(body.items())) if isinstance(body, dict) and len(body) == 1 else ("", None)

    def json(self) -> Any:
        """The request's body. Raises Fault 400 when it is not JSON."""
        return bodies.parse(self.body)


# What serves a row of a route table.
Handler = Callable[[Call], Awaitable[web.Response]]


@dataclasses.dataclass(frozen=True, slots=True)
class ResourceType:
    """What lives in one pod and is found by a UUID, as its service declares it.

    ``name`` is the key of its document, too. ``path`` is where a pod shows one, and ``missing``
    what the service says when there is none: both with ``{}`` for the id. ``owner`` is where a
    document shows an administrator whose it is.

    ``on_vanished(call, name, id, pod)`` is called when no pod shows one to the caller any more: it
    sees whether it is gone, and what goes with it. Without it the routing goes.
    ``copies(id)`` gives the ids of pods that have a mere record of another pod's, and
    ``was_moved(id)`` whether one was ever moved to another pod; both read the database.
    """

    name: str
    service: str
    path: str
    missing: str
    owner: str = "tenant_id"
    on_vanished: Callable[[Call, str, str, Pod], Awaitable[None]] | None = None
    copies: Callable[[str], set[str]] | None = None
    was_moved: Callable[[str], bool] | None = None

    def path_of(self, resource_id: str) -> str:
        """Where a pod shows one, below version and project."""
        return self.path.format(quote(resource_id, safe=""))
