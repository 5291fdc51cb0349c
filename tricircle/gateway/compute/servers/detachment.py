# SPDX-License-Identifier: Apache-2.0
"""What follows a detached interface: its central port goes too, or is its user's again.

As with a server's end (``deletion``), an operation is written down first, for xjob.
"""

import asyncio
from typing import Any

from oslo_db import exception as db_exc
from oslo_log import log as logging

from tricircle.db import operations, routings
from tricircle.db.operations import InterfaceDetach
from tricircle.gateway.call import Call
from tricircle.gateway.compute.networking import nics
from tricircle.gateway.compute.networking.nics import BoundPort
from tricircle.gateway.threads import in_thread
from tricircle.gateway.transport.client import PodResponse
from tricircle.gateway.upstream import lookup
from tricircle.gateway.upstream.background import start
from tricircle.gateway.upstream.forward import forward
from tricircle.gateway.upstream.pod_request import PodRequest
from tricircle.pods import rights
from tricircle.pods.errors import PodError
from tricircle.pods.pod import Pod

LOG = logging.getLogger(__name__)

_PAUSES = (0.2, 0.3, 0.5, *[1.0] * 30, *[5.0] * 18)


async def run(call: Call, server_id: str, port: dict[str, Any], request: PodRequest) -> PodResponse:
    """Let the pod detach a port by ``request`` and see to what follows, in the background."""
    pod = await lookup.find(call, "server", server_id)
    bound = BoundPort.of(port)
    mine = await _begin(call, server_id, pod, port["id"], bound)
    answer = await lookup.ask(call, "server", server_id, request)
    if answer.ok and bound is not None:
        while not mine:
            mine = await _take(call, bound.id) or await _begin(
                call, server_id, pod, bound.id, bound
            )
        start(call.services, _follow(call, server_id, pod, bound))
    elif answer.status < 500:
        row = InterfaceDetach.row_id(port["id"])
        await in_thread(operations.withdraw, row, call.context.request_id)
    return answer


async def _begin(
    call: Call, server_id: str, pod: Pod, port_id: str, bound: BoundPort | None
) -> bool:
    """Whether nobody else is detaching it already."""
    routing = await in_thread(routings.get, "server", server_id)
    made = routing is not None and port_id in routing.detail.get("ports", ())
    inside, by = bound.pod_port_id if bound else None, call.context.request_id
    detachment = InterfaceDetach(server_id, port_id, inside, made, by)
    row, project = InterfaceDetach.row_id(port_id), call.context.project_id
    try:
        await in_thread(operations.begin, detachment, project, pod.id, row)
    except db_exc.DBDuplicateEntry:
        return False
    return True


async def _take(call: Call, port_id: str) -> bool:
    context = call.context
    row = InterfaceDetach.row_id(port_id)
    return await in_thread(operations.take, row, context.project_id, context.request_id)


async def settle(call: Call, port_id: str) -> None:
    """The pod's server does not have the port any more: if we were waiting for that, finish."""
    row = await in_thread(operations.get, InterfaceDetach.row_id(port_id))
    if row is None:
        return
    detachment: InterfaceDetach = operations.of(row)
    if await nics.release_one(call, port_id, detachment.deletes(port_id)):
        await in_thread(routings.change_ports, detachment.server_id, (), [port_id])
        await in_thread(operations.end, row.id)


async def _follow(call: Call, server_id: str, pod: Pod, bound: BoundPort) -> None:
    """Wait until the pod's port is free; xjob goes on when this takes too long."""
    path = f"/v2.0/ports/{bound.pod_port_id}"
    request = PodRequest.as_service_user(rights.POD_PORT, "GET", path)
    for pause in _PAUSES:
        await asyncio.sleep(pause)
        try:
            answer = await forward(call, pod, request)
        except PodError as error:
            LOG.info("Whether port %s is detached is not known yet: %s", bound.id, error)
            continue
        if answer.status == 404 or (
            answer.ok and answer.json()["port"].get("device_id") != server_id
        ):
            await settle(call, bound.id)
            return
