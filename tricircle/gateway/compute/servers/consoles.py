# SPDX-License-Identifier: Apache-2.0
"""Remote consoles: the pod makes one, its URL leads through us where there is a console front."""

from typing import Any

from aiohttp import web

from tricircle.gateway.call import Call
from tricircle.gateway.console import hosts, places
from tricircle.gateway.transport.client import PodResponse
from tricircle.gateway.upstream import lookup
from tricircle.gateway.upstream.forward import reply_with
from tricircle.pods.document import rubbish
from tricircle.pods.errors import PodBroken

#: What they were before they had a path of their own.
ACTIONS = ("os-getVNCConsole", "os-getSPICEConsole", "os-getRDPConsole", "os-getSerialConsole")


async def create(call: Call) -> web.Response:
    """POST /servers/{server_id}/remote-consoles."""
    return await _reply(call, await lookup.ask(call, "server", call.params["server_id"]))


async def action(call: Call, server_id: str, argument: Any) -> web.Response:
    """One of ACTIONS."""
    return await _reply(call, await lookup.ask(call, "server", server_id))


async def _reply(call: Call, answer: PodResponse) -> web.Response:
    document = answer.raise_for_status().json()
    _, console = document.only()
    if not console.keys() >= {"type", "url"}:
        raise rubbish(answer.pod.region_name, answer.status, "a console without type or URL")
    if (why := await hosts.refusal(call.services, answer.pod, console["url"])) is not None:
        raise PodBroken(answer.pod.region_name, why)
    console["url"] = places.public_url(answer.pod.region_name, console["type"], console["url"])
    return reply_with(call, answer, document)
