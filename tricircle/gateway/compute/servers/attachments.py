# SPDX-License-Identifier: Apache-2.0
"""Volumes of a server: what is attached is to be in the server's own pod."""

from aiohttp import web

from tricircle.gateway.call import Call
from tricircle.gateway.upstream import cross_service_lookup, lookup
from tricircle.gateway.upstream.forward import reply


async def change(call: Call) -> web.Response:
    """POST of a volume to attach, PUT of one to have instead."""
    server, volume = call.params["server_id"], _volume(call)
    if volume is not None:
        await lookup.refuse_while_moving(call, volume)
    answer = await lookup.ask(call, "server", server)
    if answer.status not in (400, 404) or not volume or volume not in answer.message():
        return reply(call, answer)
    # The server's pod has no such volume: another may.
    pod = await cross_service_lookup.where(call, "volume", volume)
    if pod is not None and pod.id != answer.pod.id:
        raise cross_service_lookup.different_pods(server, answer.pod, volume, pod)
    return reply(call, answer)


def _volume(call: Call) -> str | None:
    body = call.json()
    wanted = body.get("volumeAttachment") if isinstance(body, dict) else None
    volume = wanted.get("volumeId") if isinstance(wanted, dict) else None
    return volume if isinstance(volume, str) else None
