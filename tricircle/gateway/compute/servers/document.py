# SPDX-License-Identifier: Apache-2.0
"""One server's document."""

import asyncio

from aiohttp import web

from tricircle.gateway.call import Call
from tricircle.gateway.compute import pod_server_groups
from tricircle.gateway.compute.servers import addresses, deletion, zones
from tricircle.gateway.http.errors import Fault
from tricircle.gateway.upstream import lookup, scatter
from tricircle.gateway.upstream.forward import reply, reply_with
from tricircle.gateway.upstream.pod_request import PodRequest


async def show(call: Call) -> web.Response:
    """GET and PUT /servers/{id}: the pod's document, in the zone users know."""
    if call.method == "PUT":
        return await _shown(call, await _toward_pod(call), None)
    with addresses.ahead(call, call.params["id"]) as ahead:
        return await _shown(call, PodRequest.of(call), ahead)


async def _shown(call: Call, request: PodRequest, ahead: addresses.Ahead | None) -> web.Response:
    answer = await lookup.ask(call, "server", call.params["id"], request)
    if answer.status == 404:
        await deletion.settle(call, call.params["id"])
    if not answer.ok or not answer.body:
        return reply(call, answer)
    document = answer.json()
    if document["server"].get("status") == deletion.ENDED:
        await deletion.settle(call, call.params["id"])
    zones.show(answer.pod, document["server"])
    await asyncio.gather(
        addresses.show(call, document["server"], ahead=ahead),
        pod_server_groups.show((answer.pod, document["server"])),
    )
    return reply_with(call, answer, document)


async def actions(call: Call) -> web.Response:
    """GET /servers/{server_id}/os-instance-actions…: from 2.21 also of a server that is gone.

    No routing knows that one any more, but the pod it was in still tells.
    """
    answer = await lookup.ask(call, "server", call.params["server_id"])
    if answer.status == 404:
        told = await scatter.gather(call, call.answering)
        answer = told.good[0] if told.good else answer
    return reply(call, answer)


async def _toward_pod(call: Call) -> PodRequest:
    """An update; one that pins a server to its zone has the pod's name of that.

    Raises Fault 409 as Nova words it for another zone.
    """
    update = PodRequest.of(call)
    if zones.PINNED.encode() not in call.body:
        return update
    body = call.json()
    server = body.get("server") if isinstance(body, dict) else None
    wanted = server.get(zones.PINNED) if isinstance(server, dict) else None
    if not isinstance(server, dict) or not isinstance(wanted, str):
        return update
    server_id = call.params["id"]
    showing = update.get(lookup.path(call, "server", server_id))
    current = await lookup.ask(call, "server", server_id, showing)
    if not current.ok:
        return update
    shown = current.json()["server"]
    if wanted != current.pod.availability_zone and shown.get(zones.PINNED):
        raise Fault(
            409,
            "Cannot change pinned availability zone directly. Unpin first by setting "
            "pinned_availability_zone to null.",
        )
    if wanted != current.pod.availability_zone:
        raise Fault(
            409,
            "Server can only be pinned to its current availability zone "
            f"'{current.pod.availability_zone}', but '{wanted}' was requested.",
        )
    return update.with_body({**body, "server": {**server, zones.PINNED: shown[zones.FIELD]}})
