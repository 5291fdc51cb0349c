# SPDX-License-Identifier: Apache-2.0
"""What of a pod's document is not the same for users: its availability zone."""

from typing import Any

from aiohttp import web

from tricircle.gateway.call import Call
from tricircle.gateway.transport.client import PodResponse
from tricircle.gateway.upstream import lookup, move_guard
from tricircle.gateway.upstream.forward import reply, reply_with
from tricircle.pods.pod import Pod

ZONE = "availability_zone"


def show(pod: Pod, item: dict[str, Any]) -> dict[str, Any]:
    """A document with the zone the user knows it in; changed in place and returned."""
    if item.get(ZONE):
        item[ZONE] = pod.availability_zone
    return item


async def routed(call: Call) -> web.Response:
    """To the pod that holds it, its document shown as users know it."""
    resource_id = call.params[call.route.id_param]
    if call.route.resource_type == "volume" and call.method != "GET":
        await move_guard.refuse_while_moving(call, resource_id)
    return shown(call, await lookup.ask(call, call.route.resource_type, resource_id))


def shown(call: Call, answer: PodResponse) -> web.Response:
    """The client's response to one document, ``{"volume": {…}}``."""
    if not answer.ok or f'"{ZONE}"'.encode() not in answer.body:
        return reply(call, answer)
    document = answer.json()
    for item in document.values():
        if isinstance(item, dict):
            show(answer.pod, item)
    return reply_with(call, answer, document)
