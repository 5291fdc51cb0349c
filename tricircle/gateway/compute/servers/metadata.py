# SPDX-License-Identifier: Apache-2.0
"""A server's metadata: not more items than its project may give it, in whichever pod it is."""

from typing import Any

from aiohttp import web

from tricircle.db import allocations
from tricircle.gateway.call import Call
from tricircle.gateway.compute.quota import allocation, project_quota
from tricircle.gateway.threads import in_thread
from tricircle.gateway.upstream import lookup
from tricircle.gateway.upstream.forward import reply
from tricircle.gateway.upstream.pod_request import PodRequest


async def add(call: Call) -> web.Response:
    """POST /servers/{server_id}/metadata, PUT …/metadata/{id}: beside what there is."""
    new = _items(call, "metadata") or _items(call, "meta")
    if new:
        server_id = call.params["server_id"]
        request = PodRequest.of(call).get(f"{lookup.path(call, 'server', server_id)}/metadata")
        current = (await lookup.ask(call, "server", server_id, request)).raise_for_status()
        await _check(call, {**current.json()["metadata"], **new})
    return await _forwarded(call)


async def replace(call: Call) -> web.Response:
    """PUT /servers/{server_id}/metadata: instead of what there is."""
    await _check(call, _items(call, "metadata"))
    return await _forwarded(call)


async def _forwarded(call: Call) -> web.Response:
    return reply(call, await lookup.ask(call, "server", call.params["server_id"]))


def _items(call: Call, key: str) -> dict[str, Any]:
    """The items of a body; none for one that a pod is to refuse."""
    return call.member(key) or {}


async def _check(call: Call, items: dict[str, Any]) -> None:
    """Raises Fault 403 when these are too many for the server."""
    if items:
        row = await in_thread(allocations.get, call.params["server_id"])
        project = row.project_id if row is not None else call.context.project_id
        held = await project_quota.held(call, project, call.context.user_id)
        allocation.check_metadata(items, held.all)
