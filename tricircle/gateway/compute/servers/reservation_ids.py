# SPDX-License-Identifier: Apache-2.0
"""Reservation ids of servers that were made together but asked of pods one by one.

Each server has a reservation of its own in its pod; the first one's id was told to the client and
stands for all.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

from aiohttp import web

from tricircle.db import routings
from tricircle.gateway.call import Call
from tricircle.gateway.compute import pod_server_groups
from tricircle.gateway.compute.servers import addresses, zones
from tricircle.gateway.http.errors import Fault
from tricircle.gateway.http.responses import respond
from tricircle.gateway.threads import in_thread
from tricircle.gateway.upstream import lookup
from tricircle.gateway.upstream.forward import forward, rewrite_links
from tricircle.gateway.upstream.pod_request import PodRequest
from tricircle.pods.pod import Pod

KIND = "reservation"
_BRIEF = ("id", "name", "links")


async def remember(call: Call, reservation_id: str, servers: Sequence[str], pod: Pod) -> None:
    """Write down which servers a reservation id stands for."""
    project = call.context.project_id
    detail = {"servers": list(servers)}
    await lookup.remember(call, KIND, reservation_id, pod, project_id=project, detail=detail)


async def listed(call: Call, detailed: bool) -> web.Response | None:
    """The list of servers with the reservation id the query names; None for one of a pod's own.

    Raises PodUnreachable and Fault 503 when a pod that has one of them does not answer.
    """
    reservation_id = call.query.get("reservation_id")
    row = await in_thread(routings.get, KIND, reservation_id) if reservation_id else None
    if row is None or row.project_id != call.context.project_id:
        return None
    shown = await asyncio.gather(*(_show(call, server) for server in row.detail["servers"]))
    servers = [server for server in shown if server is not None]
    if not servers:
        await lookup.forget(call, KIND, row.resource_id)
    servers.sort(key=lambda server: (server["created"], server["id"]), reverse=True)
    if not detailed:
        servers = [{name: server[name] for name in _BRIEF} for server in servers]
    await addresses.show(call, *servers)
    return respond({"servers": servers})


async def _show(call: Call, server_id: str) -> dict[str, Any] | None:
    """A server's document, which in lists is the same; None when it is gone."""
    try:
        pod = await lookup.find(call, "server", server_id)
    except Fault as fault:
        if fault.status == 404:
            return None
        raise
    answer = await forward(
        call, pod, PodRequest.of(call).get(lookup.path(call, "server", server_id))
    )
    if not answer.ok:
        return None
    document = answer.json(rewrite_links(call, pod, answer.body))
    await pod_server_groups.show((pod, document["server"]))
    return zones.show(pod, document["server"])
