# SPDX-License-Identifier: Apache-2.0
"""Creates that name what they are made of: they go to its pod."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from tricircle.gateway import apart, lookup, placed, seek
from tricircle.gateway.call import Call
from tricircle.gateway.forward import ask_any, forward, reply
from tricircle.gateway.volume import documents
from tricircle.pods.pod import Pod


@dataclasses.dataclass(frozen=True, slots=True)
class _Made:
    """``kind`` is what is made, ``key`` its key in the request, ``sources`` {field: type} there."""

    kind: str
    key: str
    sources: Mapping[str, str]


_OF_VOLUME = {"volume_id": "volume"}
_MADE = {
    "/snapshots": _Made("snapshot", "snapshot", _OF_VOLUME),
    "/backups": _Made("backup", "backup", _OF_VOLUME),
    "/volume-transfers": _Made("transfer", "transfer", _OF_VOLUME),
    "/os-volume-transfer": _Made("transfer", "transfer", _OF_VOLUME),
    "/attachments": _Made("attachment", "attachment", {"volume_uuid": "volume"}),
    "/group_snapshots": _Made("group_snapshot", "group_snapshot", {"group_id": "group"}),
    "/groups/action": _Made(
        "group",
        "create-from-src",
        {"group_snapshot_id": "group_snapshot", "source_group_id": "group"},
    ),
    "/cgsnapshots": _Made("cgsnapshot", "cgsnapshot", {"consistencygroup_id": "consistencygroup"}),
    "/consistencygroups/create_from_src": _Made(
        "consistencygroup",
        "consistencygroup-from-src",
        {"cgsnapshot_id": "cgsnapshot", "source_cgid": "consistencygroup"},
    ),
}


async def create(call: Call) -> web.Response:
    """POST of what is made of something that is there."""
    made = _MADE[call.route.path]
    wanted = _wanted(call, made.key)
    pod = await _pod(call, made, wanted)
    if pod is None:
        return reply(call, await ask_any(call))
    answer = await forward(call, pod)
    if answer.ok:
        project = call.context.project_id
        new = answer.json()[made.kind]["id"]
        await lookup.remember(call, made.kind, new, pod, project_id=project)
    return documents.shown(call, answer)


async def attach(call: Call) -> web.Response:
    """POST /attachments: the server, where one is named, is to be in the volume's pod."""
    wanted = _wanted(call, "attachment")
    server = wanted.get("instance_uuid")
    pod = await _pod(call, _MADE["/attachments"], wanted)
    if pod is not None and isinstance(server, str):
        there = await placed.where(call, "server", server)
        if there is not None and there.id != pod.id:
            raise apart.server_and_volume(server, there, str(wanted["volume_uuid"]), pod)
    return await create(call)


async def accept(call: Call) -> web.Response:
    """POST …/accept: by somebody of another project, to whom no pod shows the transfer."""
    answer = await seek.anywhere(call)
    if answer.ok:
        volume = answer.json()["transfer"]["volume_id"]
        project = call.context.project_id
        await lookup.remember(call, "volume", volume, answer.pod, project_id=project)
        await lookup.forget(call, "transfer", call.params["id"])
    return reply(call, answer)


def _wanted(call: Call, key: str) -> dict[str, Any]:
    body = call.json()
    wanted = body.get(key) if isinstance(body, dict) else None
    return wanted if isinstance(wanted, dict) else {}


async def _pod(call: Call, made: _Made, wanted: Mapping[str, Any]) -> Pod | None:
    """Where what is named is; None when nothing is. Raises Fault 404 as Cinder words it, 503."""
    for field, kind in made.sources.items():
        if isinstance(source := wanted.get(field), str) and source:
            return await lookup.find(call, kind, source)
    return None
