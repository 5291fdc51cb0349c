# SPDX-License-Identifier: Apache-2.0
"""Find the server a pod may have made although its answer never came."""

import asyncio
import dataclasses
import datetime
import re
import time
from typing import Any
from urllib.parse import urlencode

import orjson
from multidict import CIMultiDict, CIMultiDictProxy

from tricircle.db import clock, routings
from tricircle.gateway.call import Call
from tricircle.gateway.compute.server_request import CreateRequest
from tricircle.gateway.threads import in_thread
from tricircle.gateway.transport.client import PodResponse
from tricircle.gateway.upstream import lookup
from tricircle.gateway.upstream.forward import forward
from tricircle.gateway.upstream.pod_request import PodRequest
from tricircle.pods import rights
from tricircle.pods.document import MISREAD
from tricircle.pods.errors import PodUnreachable
from tricircle.pods.pod import Pod

_PAUSE = 1.0
_SKEW = datetime.timedelta(seconds=60)


@dataclasses.dataclass(frozen=True, slots=True)
class Sought:
    """A server asked for; its ports in the pod, which will name it, or none."""

    request: CreateRequest
    pod_ports: tuple[str, ...]
    since: datetime.datetime = dataclasses.field(default_factory=clock.now)


@dataclasses.dataclass(frozen=True, slots=True)
class Found:
    server_id: str
    answer: PodResponse


async def look(call: Call, pod: Pod, sought: Sought, patience: float) -> Found | None:
    """The server, or None when for ``patience`` seconds there was none. Raises PodUnreachable."""
    until = time.monotonic() + patience
    while True:
        try:
            server = await _once(call, pod, sought)
            if server is not None:
                return Found(server["id"], _answer(pod, sought, server))
        except MISREAD as error:
            raise PodUnreachable(pod.region_name, "what it tells is not understood.") from error
        if time.monotonic() > until:
            return None
        await asyncio.sleep(_PAUSE)


async def _once(call: Call, pod: Pod, sought: Sought) -> dict[str, Any] | None:
    if sought.pod_ports:
        holder = await _holder(call, pod, sought.pod_ports[0])
        return await _server(call, pod, holder) if holder else None
    candidates = [
        server
        for server in await _named(call, pod, sought)
        if await in_thread(routings.get, "server", server["id"]) is None
    ]
    # Two of one name made at the same moment cannot be told apart: neither is taken.
    return candidates[0] if len(candidates) == 1 else None


async def _holder(call: Call, pod: Pod, pod_port_id: str) -> str:
    """The server that holds a port in the pod; "" while none does."""
    path = f"/v2.0/ports/{pod_port_id}"
    request = PodRequest.as_service_user(rights.POD_PORT, "GET", path)
    answer = await forward(call, pod, request.ignoring_breaker())
    if _is_missing(answer, f"port {pod_port_id}"):
        return ""
    return str(answer.json()["port"].get("device_id") or "")


async def _server(call: Call, pod: Pod, server_id: str) -> dict[str, Any] | None:
    answer = await _ask(call, pod, lookup.path(call, "server", server_id))
    if _is_missing(answer, f"server {server_id}"):
        return None
    server: dict[str, Any] = answer.json()["server"]
    return server


def _is_missing(answer: PodResponse, what: str) -> bool:
    """Whether the pod says that it has no such thing; what else it says tells nothing of it.

    Raises PodUnreachable: another server must not be made elsewhere while this one may be there.
    """
    if answer.ok or answer.status == 404:
        return not answer.ok
    raise PodUnreachable(answer.pod.region_name, f"its {what} cannot be shown: {answer.message()}")


async def _named(call: Call, pod: Pod, sought: Sought) -> list[dict[str, Any]]:
    """The project's servers of that name made since, whatever else is like them."""
    # Nova's name filter is a regular expression.
    query = urlencode({"name": f"^{re.escape(sought.request.name)}$"})
    answer = await _ask(call, pod, "/servers/detail", query)
    if not answer.ok:
        raise PodUnreachable(pod.region_name, f"its servers cannot be listed: {answer.message()}")
    since = (sought.since - _SKEW).strftime("%Y-%m-%dT%H:%M:%SZ")
    return [
        server
        for server in answer.json()["servers"]
        if server.get("name") == sought.request.name and server.get("created", "") >= since
    ]


async def _ask(call: Call, pod: Pod, path: str, query: str = "") -> PodResponse:
    # Its creates may hang and its lists answer; nobody else can tell what became of one.
    return await forward(call, pod, PodRequest.of(call).get(path, query).ignoring_breaker())


def _answer(pod: Pod, sought: Sought, server: dict[str, Any]) -> PodResponse:
    """The answer the pod would have given, from the server's own document.

    A password Nova made up is lost with the answer; one the client sent is told again.
    """
    told: dict[str, Any] = {
        key: server[key] for key in ("id", "links", "OS-DCF:diskConfig") if key in server
    }
    told["security_groups"] = [{"name": "default"}]
    if "adminPass" in sought.request.server:
        told["adminPass"] = sought.request.server["adminPass"]
    headers = CIMultiDict({"Content-Type": "application/json"})
    headers["Location"] = f"{pod.endpoint('compute')}/servers/{server['id']}"
    body = orjson.dumps({"server": told})
    return PodResponse(pod, 202, CIMultiDictProxy(headers), body)
