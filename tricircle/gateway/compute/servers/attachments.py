# SPDX-License-Identifier: Apache-2.0
"""Volumes of a server: one that is in another pod follows the server, if it may."""

from aiohttp import web

from tricircle.gateway import attach_moves
from tricircle.gateway.call import Call
from tricircle.gateway.upstream import lookup, move_guard
from tricircle.gateway.upstream.forward import reply


async def change(call: Call) -> web.Response:
    """POST of a volume to attach, PUT of one to have instead."""
    server, volume = call.params["server_id"], _volume(call)
    if volume is not None:
        await move_guard.refuse_while_moving(call, volume, arrived=False)
        there = (await lookup.locate(call, "server", server)).pod
        await attach_moves.let_write(call, volume, there)
    answer = await lookup.ask(call, "server", server)
    if answer.status not in (400, 404) or not volume or volume not in answer.message():
        return reply(call, answer)
    # The server's pod has no such volume: another may.
    pod = (await lookup.locate(call, "volume", volume)).pod
    if pod is not None and pod.id != answer.pod.id:
        await attach_moves.bring(call, server, answer.pod, volume, pod)
        await attach_moves.let_write(call, volume)
    elif pod is None or not await lookup.has_moved(call, "volume", volume):
        return reply(call, answer)
    return reply(call, await lookup.ask(call, "server", server))


def _volume(call: Call) -> str | None:
    volume = (call.member("volumeAttachment") or {}).get("volumeId")
    return volume if isinstance(volume, str) else None
