# SPDX-License-Identifier: Apache-2.0
"""The pipeline every request passes, in order, in one place.

``Pipeline._answer`` is the order: what no token is needed for (CORS, /healthcheck, version
discovery), the caller's token, the microversion, the route, the body, and then the handler that the
route's row names; what a pod refused (``Refused``) is answered in the pod's words. ``_respond``
around it makes an answer of whatever else goes wrong.
"""

import asyncio
import dataclasses
import time
from collections.abc import Callable, Iterable, Mapping

from aiohttp import web
from multidict import CIMultiDict
from oslo_log import log as logging

from tricircle.conf import CONF
from tricircle.gateway import access_log, audit_events, healthcheck
from tricircle.gateway.call import Call, Handler, ResourceType
from tricircle.gateway.failures import from_overload, from_pod_error, is_overload
from tricircle.gateway.http import bodies, bounds, cors, headers, microversion, paths
from tricircle.gateway.http.authentication import challenge
from tricircle.gateway.http.context import Context
from tricircle.gateway.http.errors import Fault, render
from tricircle.gateway.http.routing import Match, Route, RouteTable
from tricircle.gateway.services import Services
from tricircle.gateway.transport.client import Refused
from tricircle.gateway.upstream.forward import reply
from tricircle.pods.document import MISREAD, listen
from tricircle.pods.errors import PodError
from tricircle.pods.versions import Range, Version
from tricircle.telemetry import requests, tracing
from tricircle.telemetry.metrics import REQUEST_SECONDS, REQUESTS
from tricircle.telemetry.requests import UnderWay

LOG = logging.getLogger(__name__)

# The status that is written down when the client has not waited for one.
_GONE = 499


@dataclasses.dataclass(frozen=True, slots=True)
class Api:
    """One service's API: its name, its rows, and where and how they are offered.

    ``base`` is the path of its version, "" for a service without versions. ``offered`` gives the
    microversions that all pods have. ``discovery(services, root, path)`` answers paths outside the
    version, and the version itself, without a token; None for every other path. ``welcome`` does
    the same for those who have one. ``root`` is our scheme, host and prefix as the client sees
    them, ``path`` the request's, percent-encoded. ``link_prefix`` goes between host and path in
    the links we write. ``formats``: whether a path may end with the format that is wanted.
    ``knows_405``: whether it tells a method that a path has not from a path that is not there.
    ``resource_types`` are those of all services, by name: a request may name another one's.
    """

    service: str
    service_type: str
    table: RouteTable
    handlers: dict[Route, Handler]
    resource_types: Mapping[str, ResourceType]
    base: str = ""
    scheme: microversion.Scheme | None = None
    offered: Callable[[Services], Range] | None = None
    discovery: Callable[[Services, str, str], web.Response | None] | None = None
    welcome: Callable[[Services, str, str], web.Response | None] | None = None
    formats: bool = False
    knows_405: bool = False
    public_endpoint: str | None = None
    link_prefix: str = ""


# The version to serve, or why there is none: a client gets to know only with a valid token.
_Negotiated = Version | Fault | None


class Pipeline:
    """Serves one API."""

    def __init__(self, api: Api, services: Services) -> None:
        self.api = api
        self.services = services
        self._behind_proxy = CONF.gateway.enable_proxy_headers_parsing
        self._logs_access = CONF.telemetry.access_log

    async def respond(self, request: web.BaseRequest) -> web.Response:
        """The answer to a request, whatever it is and whatever goes wrong. Raises nothing."""
        request_id = headers.new_request_id()
        about = requests.begin(request_id, request.headers)
        tracing.request(about, self.api.service, request.method)
        try:
            response = await self._respond(request, about)
        except Exception as error:
            response = self._failed(request, request_id, error)
        except asyncio.CancelledError:
            self._tell(request, about, _GONE, 0)
            raise
        body = response.body
        self._tell(request, about, response.status, len(body) if isinstance(body, bytes) else 0)
        self._audit(request, about, response)
        return response

    def _tell(self, request: web.BaseRequest, about: UnderWay, status: int, size: int) -> None:
        """Count a request that is answered, write it down and end its span."""
        seconds, service = time.monotonic() - about.began, self.api.service
        REQUESTS.inc(service, about.way, str(status))
        REQUEST_SECONDS.observe(seconds, service, about.way)
        if self._logs_access and request.path != healthcheck.PATH and access_log.is_on():
            path = about.path
            if path == "-":
                asked = self._path(request).removeprefix(self.api.base)
                path = access_log.sought(self.api.table, request.method, asked)
            access_log.write(request, path, service, about, status, size, seconds)
        tracing.answered(about, request.method, status)

    def _audit(self, request: web.BaseRequest, about: UnderWay, response: web.Response) -> None:
        """Tell who watches of what was changed, behind the client's back."""
        if audit_events.wanted(self.api.service, request.method, about):
            made = response.headers.get("Location", "").rpartition("/")[2]
            address, status = request.remote or "unknown", response.status
            telling = audit_events.tell(about, request.method, address, status, made)
            task = asyncio.ensure_future(telling)
            self.services.tasks.add(task)
            task.add_done_callback(self.services.tasks.discard)

    def refuse(self, status: int, message: str) -> web.Response:
        """The answer to what could not be read as a request."""
        response = render(Fault(status, message), self.api.service)
        self._number(response, headers.new_request_id())
        return response

    async def stop(self) -> None:
        """Nothing to do: no request of an API goes on for ever."""

    async def close(self) -> None:
        """Nothing to do: what is open is shared by all APIs of the process."""

    async def _respond(self, request: web.BaseRequest, about: UnderWay) -> web.Response:
        request_id = about.request_id
        cleaned = headers.strip(request.headers)
        negotiated = self._negotiate(cleaned)
        version = self._told(negotiated)
        heard = listen()
        try:
            response = await self._answer(request, cleaned, negotiated, about)
        except Fault as fault:
            response = render(fault, self.api.service)
            if isinstance(fault, microversion.UnknownVersion):
                version = fault.version
        except PodError as error:
            LOG.warning("%s %s %s: %s", request_id, request.method, request.rel_url.raw_path, error)
            response = render(from_pod_error(error), self.api.service)
        except Exception as error:
            if not heard or not isinstance(error, MISREAD):
                response = self._failed(request, request_id, error)
            else:
                response = self._misread(request, request_id, heard)
        if request.method == "OPTIONS" and self.api.scheme is not None and _is_no(response.status):
            # oslo's middleware, which is in front of all else, has no other answer.
            response = web.Response(status=200)
        self._finish(request, response, request_id, version)
        return response

    def _failed(self, request: web.BaseRequest, request_id: str, error: Exception) -> web.Response:
        what = (request_id, request.method, request.rel_url.raw_path)
        if is_overload(error):
            LOG.warning("%s %s %s: %s", *what, str(error).splitlines()[0])
            response = render(from_overload(error), self.api.service)
        else:
            LOG.error("%s %s %s failed", *what, exc_info=error)
            text = f"The gateway failed on this request. Tell the operator its id, {request_id}."
            response = render(Fault(500, text), self.api.service)
        self._number(response, request_id)
        return response

    def _misread(
        self, request: web.BaseRequest, request_id: str, heard: Iterable[str]
    ) -> web.Response:
        """The answer when a pod's document has another shape than it should; the log says where."""
        names = " or ".join(heard)
        what = (request_id, request.method, request.rel_url.raw_path, names)
        LOG.exception("%s %s %s: what pod %s answered is not understood", *what)
        text = f"What pod {names} answered is not understood. The operator's log has {request_id}."
        return render(Fault(502, text), self.api.service)

    async def _answer(
        self,
        request: web.BaseRequest,
        cleaned: CIMultiDict[str],
        negotiated: _Negotiated,
        about: UnderWay,
    ) -> web.Response:
        """The answer when nothing goes wrong. Raises Fault and PodError."""
        if cors.is_preflight(request):
            return cors.preflight(request)
        if request.path == healthcheck.PATH:
            return healthcheck.answer(self.services, request.method)
        if not request.rel_url.raw_path.startswith("/"):
            raise Fault(400, "The request names no path.")
        headers.refuse_unreadable(request)
        headers.refuse_smuggling(request)
        _refuse_query(request.rel_url.raw_query_string)
        root, path = self._root(request), self._path(request)
        if self.api.discovery is not None:
            found = self.api.discovery(self.services, root, path)
            if found is not None:
                return found
        context = await self._authenticate(request, path, cleaned, about.request_id)
        about.caller = context
        if isinstance(negotiated, Fault):
            raise negotiated
        if self.api.welcome is not None:
            found = self.api.welcome(self.services, root, path)
            if found is not None:
                return found
        match = self._match(request.method, path, context)
        about.way, about.route = match.route.way.value, match.route.path
        about.path = access_log.path_of(match)
        call = Call(
            services=self.services,
            http=request,
            service=self.api.service,
            match=match,
            context=context,
            version=negotiated,
            headers=cleaned,
            body=await bodies.read(request),
            root=root,
            base=self.api.base,
            resource_types=self.api.resource_types,
        )
        try:
            response = await self.api.handlers[match.route](call)
        except Refused as refused:
            response = reply(call, refused.answer)
        response.headers.extend(call.answer_headers)
        return response

    async def _authenticate(
        self, request: web.BaseRequest, path: str, cleaned: CIMultiDict[str], request_id: str
    ) -> Context:
        caller = await self.services.authenticator.authenticate(
            cleaned.get("X-Auth-Token", "").strip(),
            # Proven, too; but it is none of the headers that anything else may see.
            ",".join(request.headers.getall("X-Service-Token", ())).strip(),
            self.api.service_type,
            request.method,
            path,
        )
        global_id = headers.global_request_id(request)
        return caller.of_request(request_id, global_id)

    def _negotiate(self, cleaned: CIMultiDict[str]) -> _Negotiated:
        if self.api.scheme is None or self.api.offered is None:
            return None
        offered = self.api.offered(self.services)
        try:
            return microversion.negotiate(self.api.scheme, cleaned, offered)
        except Fault as fault:
            return fault

    def _path(self, request: web.BaseRequest) -> str:
        raw = request.rel_url.raw_path
        return paths.canonical(raw, self.api.base, formats=self.api.formats)

    def _match(self, method: str, path: str, context: Context) -> Match:
        path = path.removeprefix(self.api.base)
        match = self.api.table.match(method, path)
        if match is None:
            if self.api.knows_405 and (known := self.api.table.methods(path)):
                allow = {"Allow": ", ".join(sorted(known))}
                raise Fault(405, f"{method} is not known here.", allow)
            # Nova's router knows no 405 either.
            raise Fault(404, "The resource could not be found.")
        if not all(map(bounds.is_name, match.params.values())):
            raise Fault(404, "The resource could not be found: nothing has such an id or name.")
        if match.project_id and match.project_id != context.project_id:
            raise Fault(
                400,
                f"Malformed request URL: URL's project_id '{match.project_id}' doesn't match "
                f"Context's project_id '{context.project_id or None}'",
            )
        return match

    def _told(self, negotiated: _Negotiated) -> Version | None:
        """The version in the answer's headers: as asked for, the lowest when that means nothing."""
        if isinstance(negotiated, Fault) and self.api.offered is not None:
            return self.api.offered(self.services).minimum
        return None if isinstance(negotiated, Fault) else negotiated

    def _root(self, request: web.BaseRequest) -> str:
        """Scheme, host and prefix as the client sees them."""
        if self.api.public_endpoint:
            return self.api.public_endpoint.rstrip("/") + self.api.link_prefix
        scheme, host, prefix = request.scheme, request.host, ""
        if self._behind_proxy:
            scheme = _first(request, "X-Forwarded-Proto") or scheme
            host = _first(request, "X-Forwarded-Host") or host
            prefix = _first(request, "X-Forwarded-Prefix").rstrip("/")
        return f"{scheme}://{host}{prefix}{self.api.link_prefix}"

    def _finish(
        self,
        request: web.BaseRequest,
        response: web.Response,
        request_id: str,
        version: Version | None,
    ) -> None:
        self._number(response, request_id)
        if response.status == 401:
            response.headers["WWW-Authenticate"] = challenge()
        if self.api.scheme is not None:
            in_version = self._path(request).startswith(self.api.base)
            if version is not None and in_version:
                microversion.tell(self.api.scheme, version, response.headers)
        cors.mark(request, response)

    def _number(self, response: web.Response, request_id: str) -> None:
        told = response.headers.setdefault(headers.REQUEST_ID, request_id)
        if told != request_id:
            response.headers["X-Tricircle-Request-ID"] = request_id
        if self.api.scheme is not None and self.api.service != "placement":
            # Cinder's header has this name, too.
            response.headers["X-Compute-Request-ID"] = told


def _is_no(status: int) -> bool:
    """Whether something is elsewhere, for others or not there; what is malformed stays so."""
    return status in (300, 302, 401, 404)


def _refuse_query(query: str) -> None:
    """Raises Fault 400 for more parameters than anybody needs, and for a NUL in them."""
    if query.count("&") >= bounds.PARAMETERS:
        raise Fault(400, f"There are more than {bounds.PARAMETERS} query parameters.")
    if "%00" in query:
        raise Fault(400, "A query parameter has a NUL in it.")


def _first(request: web.BaseRequest, name: str) -> str:
    """The first of the values proxies have put in a list: what the client itself asked for."""
    return request.headers.get(name, "").split(",")[0].strip()
