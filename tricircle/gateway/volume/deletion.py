# SPDX-License-Identifier: Apache-2.0
"""Deletes: the routing goes when the thing is gone from its pod."""

import asyncio
from urllib.parse import urlencode

from aiohttp import web
from oslo_log import log as logging

from tricircle.db import backup_copies, moves, storage
from tricircle.gateway.call import Call
from tricircle.gateway.http.errors import Fault
from tricircle.gateway.threads import in_thread
from tricircle.gateway.upstream import lookup, move_guard
from tricircle.gateway.upstream.background import start
from tricircle.gateway.upstream.forward import forward, reply
from tricircle.gateway.upstream.pod_request import PodRequest
from tricircle.pods import rights
from tricircle.pods.errors import PodError
from tricircle.pods.pod import Pod

LOG = logging.getLogger(__name__)

# What is gone once a pod has said so; all else goes after the answer.
_AT_ONCE = ("attachment", "transfer", "message")
# {kind: (kind of its members, the field in them that names it)}
_MEMBERS = {"volume": ("snapshot", "volume_id"), "group": ("volume", "group_id")}
_PAUSES = (0.2, 0.3, 0.5, *[1.0] * 30, *[5.0] * 18)


async def delete(call: Call) -> web.Response:
    """DELETE of one thing."""
    kind, resource_id = call.route.resource_type, call.params[call.route.id_param]
    if kind == "volume":
        await move_guard.refuse_while_moving(call, resource_id)
    with_it = kind == "volume" and "cascade" in call.query
    below = await members(call, kind, resource_id) if with_it else []
    answer = await lookup.ask(call, kind, resource_id)
    if answer.ok and kind in _AT_ONCE:
        await lookup.forget(call, kind, resource_id)
    elif answer.ok:
        for one in ((kind, resource_id), *below):
            follow(call, *one, answer.pod)
    return reply(call, answer)


async def members(call: Call, kind: str, resource_id: str) -> list[tuple[str, str]]:
    """(kind, id) of what a volume or a group may take with it when it goes.

    What cannot be seen now xjob sees when it is gone.
    """
    of, field = _MEMBERS[kind]
    request = PodRequest.of(call).get(f"/{of}s", urlencode({field: resource_id}))
    try:
        pod = await lookup.find(call, kind, resource_id)
        answer = await forward(call, pod, request)
        return [(of, item["id"]) for item in answer.json()[f"{of}s"]] if answer.ok else []
    except (PodError, Fault) as error:
        LOG.info("What goes with %s %s is not known: %s", kind, resource_id, error)
        return []


def follow(call: Call, kind: str, resource_id: str, pod: Pod) -> None:
    """A pod was told to end something: see to what follows, in the background."""
    start(call.services, _follow(call, kind, resource_id, pod))


async def vanished(call: Call, kind: str, resource_id: str, pod: Pod) -> None:
    """A pod shows something no more to the caller, though no delete came this way."""
    if kind == moves.KIND and await in_thread(moves.under_way, resource_id) is not None:
        # The move cannot end without what is written of it.
        return
    if await _is_gone(call, kind, resource_id, pod):
        await _forget(call, kind, resource_id)


async def _follow(call: Call, kind: str, resource_id: str, pod: Pod) -> None:
    """Wait for the end of it; xjob and later lookups tidy up when this takes too long."""
    for pause in _PAUSES:
        await asyncio.sleep(pause)
        if await _is_gone(call, kind, resource_id, pod):
            await _forget(call, kind, resource_id)
            return


async def _forget(call: Call, kind: str, resource_id: str) -> None:
    await lookup.forget(call, kind, resource_id)
    await in_thread(storage.gone, kind, [resource_id])
    if kind == moves.KIND:
        await in_thread(moves.forget, resource_id)
    if kind == "backup":
        await in_thread(backup_copies.end, resource_id)


async def _is_gone(call: Call, kind: str, resource_id: str, pod: Pod) -> bool:
    # Below the microversion it comes with, a thing that is there is a 404 as well.
    version = pod.newest("volume", call.version or (3, 0))
    path = lookup.path(call, kind, resource_id)
    request = PodRequest.as_service_user(rights.STORED_GONE, "GET", path)
    try:
        answer = await forward(call, pod, request.at(version))
    except PodError as error:
        LOG.info("Whether %s %s is gone is not known yet: %s", kind, resource_id, error)
        return False
    return answer.status == 404
