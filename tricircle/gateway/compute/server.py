# SPDX-License-Identifier: Apache-2.0
"""One server's document."""

import orjson
from aiohttp import web

from tricircle.gateway import lookup
from tricircle.gateway.call import Call
from tricircle.gateway.compute import deletion, zones
from tricircle.gateway.forward import reply


async def show(call: Call) -> web.Response:
    """GET and PUT /servers/{id}: the pod's document, in the zone users know."""
    answer = await lookup.ask(call, "server", call.params["id"])
    if answer.status == 404:
        await deletion.settle(call, call.params["id"])
    if not answer.ok or not answer.body:
        return reply(call, answer)
    document = answer.json()
    zones.show(answer.pod, document["server"])
    return reply(call, answer, body=orjson.dumps(document))
