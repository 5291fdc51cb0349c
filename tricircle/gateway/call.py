# SPDX-License-Identifier: Apache-2.0
"""One request on its way through the gateway."""

import dataclasses
from typing import TYPE_CHECKING, Any

from aiohttp import web
from multidict import CIMultiDict, MultiMapping

from tricircle.gateway import bodies
from tricircle.gateway.routes import Match, Route

if TYPE_CHECKING:
    from tricircle.gateway.services import Services
    from tricircle.pods.pod import Pod

Version = tuple[int, int]


@dataclasses.dataclass(frozen=True, slots=True)
class Context:
    """Who calls. ``environ`` is what keystonemiddleware tells about the token, WSGI style.

    A ``restricted`` token (an application credential with access rules) is good for some methods
    and paths only: calls of ours on the way must not be made with it. ``service_token`` is that of
    a service that calls for the user; it goes on with what it was given for.
    """

    request_id: str
    global_id: str | None = None
    token: str = dataclasses.field(default="", repr=False)
    user_id: str = ""
    user_name: str = ""
    user_domain_id: str = ""
    project_id: str = ""
    project_name: str = ""
    project_domain_id: str = ""
    roles: tuple[str, ...] = ()
    restricted: bool = False
    service_token: str = dataclasses.field(default="", repr=False)
    environ: dict[str, Any] = dataclasses.field(default_factory=dict, repr=False)

    def of_request(self, request_id: str, global_id: str | None) -> "Context":
        """The same caller, of one request. (``dataclasses.replace`` takes three times as long.)"""
        return Context(
            request_id,
            global_id,
            self.token,
            self.user_id,
            self.user_name,
            self.user_domain_id,
            self.project_id,
            self.project_name,
            self.project_domain_id,
            self.roles,
            self.restricted,
            self.service_token,
            self.environ,
        )

    @property
    def is_admin(self) -> bool:
        """Whether the token has the admin role.

        It lets answers say more (which pods are away, say); what may be done is for policies and
        the pods to decide.
        """
        return "admin" in self.roles

    @property
    def upstream_id(self) -> str:
        """The request id that calls made for this one carry."""
        return self.global_id or self.request_id

    def to_policy(self) -> dict[str, Any]:
        """The credentials oslo.policy's Enforcer takes.

        A RequestContext would do as well, but it puts itself where the log of this thread looks
        for whom a line is about, and stays there.
        """
        return {
            "user_id": self.user_id,
            "user_domain_id": self.user_domain_id,
            "system_scope": self.environ.get("HTTP_OPENSTACK_SYSTEM_SCOPE"),
            "domain_id": self.environ.get("HTTP_X_DOMAIN_ID"),
            "project_id": self.project_id or None,
            "project_domain_id": self.project_domain_id,
            "roles": list(self.roles),
        }


@dataclasses.dataclass(slots=True)
class Call:
    """A request that passed authentication, microversion and route table.

    ``root`` is our own scheme, host and prefix as the client sees them, without the version,
    which is ``base``.
    ``path`` is still percent-encoded, without version and project; ``params`` are decoded.
    ``version`` is the negotiated microversion, None where the service has none.
    """

    services: "Services"
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
    def pods(self) -> list["Pod"]:
        """All pods that have the service called, in the registry's order."""
        return [pod for pod in self.services.registry.all() if pod.has(self.service)]

    @property
    def serving(self) -> list["Pod"]:
        """Those of ``pods`` that are in use, whatever their health."""
        return [pod for pod in self.services.serving() if pod.has(self.service)]

    @property
    def answering(self) -> list["Pod"]:
        """Those of ``pods`` that are in use and worth asking now."""
        return [pod for pod in self.services.answering() if pod.has(self.service)]

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

    def on_pod(self, path: str, pod: "Pod | None" = None) -> str:
        """``path`` as sent to a pod: with the project in it when the client's URL had it.

        Pods then write links of the same form as the client's own URL. A ``pod`` that knows no
        other URLs has it always.
        """
        project = self.match.project_id
        if not project and pod is not None and pod.wants_project(self.service):
            project = self.context.project_id
        return f"/{project}{path}" if project else path

    def json(self) -> Any:
        """The request's body. Raises Fault 400 when it is not JSON."""
        return bodies.parse(self.body)
