# SPDX-License-Identifier: Apache-2.0
"""Creates that name what they are made of: they go to its pod."""

import dataclasses
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from aiohttp import web
from oslo_log import log as logging

from tricircle.db import routings, storage
from tricircle.db.errors import OverLimit
from tricircle.db.storage import COUNTS, Use
from tricircle.gateway import attach_moves, storage_limits
from tricircle.gateway.call import Call
from tricircle.gateway.http.errors import Fault
from tricircle.gateway.threads import in_thread
from tricircle.gateway.transport.client import PodResponse, Refused
from tricircle.gateway.upstream import broadcast, lookup, move_guard
from tricircle.gateway.upstream.forward import ask_any, forward, reply
from tricircle.gateway.upstream.pod_request import PodRequest
from tricircle.gateway.volume import documents, lost_creation
from tricircle.gateway.volume.quota import groups, project_quota, usage
from tricircle.gateway.volume.request import name_of
from tricircle.pods.errors import PodError
from tricircle.pods.pod import Pod

LOG = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, slots=True)
class _Made:
    """``kind`` is what is made, ``key`` its key in the request, ``sources`` {field: type} there.

    Whether one whose answer is lost can be ``found`` again: a transfer's key, for one, is lost with
    it. ``told`` is what the answer shows where that is not all of the document.
    """

    kind: str
    key: str
    sources: Mapping[str, str]
    found: bool = False
    told: tuple[str, ...] = ()


_OF_VOLUME = {"volume_id": "volume"}
_MADE = {
    "/snapshots": _Made("snapshot", "snapshot", _OF_VOLUME, True),
    "/backups": _Made("backup", "backup", _OF_VOLUME, True, ("id", "name", "links")),
    "/volume-transfers": _Made("transfer", "transfer", _OF_VOLUME),
    "/os-volume-transfer": _Made("transfer", "transfer", _OF_VOLUME),
    "/attachments": _Made("attachment", "attachment", {"volume_uuid": "volume"}),
    "/group_snapshots": _Made("group_snapshot", "group_snapshot", {"group_id": "group"}, True),
    "/groups/action": _Made(
        "group",
        "create-from-src",
        {"group_snapshot_id": "group_snapshot", "source_group_id": "group"},
        True,
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
    if groups.is_of_group(made.kind):
        return documents.shown(call, await _of_group(call, made, pod, wanted))
    if made.kind not in COUNTS:
        return documents.shown(call, await _made(call, made, pod, wanted))
    use = Use(made.kind)
    if isinstance(volume := wanted.get("volume_id"), str):
        use = await usage.of_volume(call, made.kind, volume)
    async with project_quota.set_aside(call, use) as row_id:
        answer = await _made(call, made, pod, wanted)
        if answer.ok:
            new = answer.json()[made.kind]["id"]
            used = usage.told(made.kind, answer, use)
            await in_thread(storage.confirm, row_id, new, pod.id, used)
    return documents.shown(call, answer)


async def _of_group(call: Call, made: _Made, pod: Pod, wanted: Mapping[str, Any]) -> PodResponse:
    """With it the pod makes something of each of the group's volumes."""
    uses = await groups.uses(call, pod, made.kind, wanted)
    rows = await project_quota.reserve(call, uses)
    try:
        answer = await _made(call, made, pod, wanted)
    except BaseException:
        await project_quota.give_back(rows)
        raise
    if not answer.ok:
        await project_quota.give_back(rows)
        return answer
    new = await lookup.learned(made.kind, answer.json()[made.kind]["id"], pod)
    if made.kind in COUNTS:
        await in_thread(storage.confirm, rows.pop(0), new, pod.id, uses[0])
    await groups.count(call, pod, made.kind, new, wanted, rows)
    return answer


async def _made(call: Call, made: _Made, pod: Pod, wanted: Mapping[str, Any]) -> PodResponse:
    if made.found:
        values = {field: wanted.get(field) for field in made.sources}
        sought = lost_creation.Sought(made.kind, name_of(wanted), values, made.told)
        request = _toward_pod(call, made, pod, wanted)
        answer = await lost_creation.ask(call, pod, sought, request)
    else:
        answer = await forward(call, pod)
    if answer.ok:
        project = call.context.project_id
        new = await lookup.learned(made.kind, answer.json()[made.kind]["id"], pod)
        # Whoever is to accept a transfer cannot see what it is of.
        detail = {"volume": wanted["volume_id"]} if made.kind == "transfer" else None
        await lookup.remember(call, made.kind, new, pod, detail, project_id=project)
    return answer


def _toward_pod(call: Call, made: _Made, pod: Pod, wanted: Mapping[str, Any]) -> PodRequest:
    """The client's request, in the pod's own name of its zone: a backup may name that."""
    request = PodRequest.of(call)
    if not pod.availability_zone or wanted.get(documents.ZONE) != pod.availability_zone:
        return request
    inside = {key: value for key, value in wanted.items() if key != documents.ZONE}
    if pod.pod_availability_zone:
        inside[documents.ZONE] = pod.pod_availability_zone
    return request.with_body({**call.json(), made.key: inside})


async def attach(call: Call) -> web.Response:
    """POST /attachments: the server, where one is named, is to be in the volume's pod."""
    wanted = _wanted(call, "attachment")
    server = wanted.get("instance_uuid")
    pod = await _pod(call, _MADE["/attachments"], wanted)
    if pod is not None and isinstance(server, str):
        there = (await lookup.locate(call, "server", server)).pod
        if there is not None and there.id != pod.id:
            await attach_moves.bring(call, server, there, str(wanted["volume_uuid"]), pod)
    if isinstance(volume := wanted.get("volume_uuid"), str):
        await attach_moves.let_write(call, volume)
    return await create(call)


async def accept(call: Call) -> web.Response:
    """POST …/accept: by somebody of another project, to whom no pod shows the transfer."""
    project = call.context.project_id
    taken = await _taken(call, project)
    try:
        answer = await broadcast.anywhere(call)
    except (Refused, PodError, Fault) as error:
        refused = isinstance(error, Refused)
        if taken is not None and (refused or not await _has(call, taken[0])):
            await in_thread(storage.hand_over, *taken, {})
        raise
    told = answer.json()["transfer"]["volume_id"]
    volume = await lookup.learned("volume", told, answer.pod)
    await lookup.remember(call, "volume", volume, answer.pod, project_id=project)
    await lookup.forget(call, "transfer", call.params["id"])
    await _snapshots_too(call, answer.pod, volume)
    return reply(call, answer)


async def _has(call: Call, volume: str) -> bool:
    """Whether the volume is the caller's, as far as can be seen."""
    try:
        return bool(await usage.document(call, "volume", volume))
    except (PodError, Fault):
        return False


async def _snapshots_too(call: Call, pod: Pod, volume: str) -> None:
    """What of a taken volume's snapshots has come along is the taker's; later xjob sees it."""
    project = call.context.project_id
    request = PodRequest.of(call).get("/snapshots/detail", urlencode({"volume_id": volume}))
    try:
        answer = await forward(call, pod, request)
        listed = answer.json()["snapshots"] if answer.ok else []
        snapshots = [await lookup.learned("snapshot", one["id"], pod) for one in listed]
    except PodError as error:
        LOG.info("Whose the snapshots of volume %s are is not known yet: %s", volume, error)
        return
    for snapshot in snapshots:
        # They have come: no limit can hold them off any more.
        await in_thread(storage.hand_over, snapshot, project, {}, "snapshot")
        await lookup.remember(call, "snapshot", snapshot, pod, project_id=project)


async def _taken(call: Call, project: str) -> tuple[str, str] | None:
    """What is transferred counts as the taker's before a pod is asked: (volume, whose it was).

    None when that is not known. Raises Fault 413.
    """
    row = await in_thread(routings.get, "transfer", call.params["id"])
    volume = row.detail.get("volume") if row is not None else None
    if not isinstance(volume, str):
        return None
    try:
        limits = await storage_limits.of_project(project)
        giver = await in_thread(storage.hand_over, volume, project, limits)
    except OverLimit as error:
        raise project_quota.too_much(error) from None
    return (volume, giver) if giver is not None else None


def _wanted(call: Call, key: str) -> dict[str, Any]:
    return call.member(key) or {}


async def _pod(call: Call, made: _Made, wanted: Mapping[str, Any]) -> Pod | None:
    """Where what is named is; None when nothing is. Raises Fault 404 as Cinder words it, 503."""
    for field, kind in made.sources.items():
        if isinstance(source := wanted.get(field), str) and source:
            if kind == "volume":
                await move_guard.refuse_while_moving(call, source, arrived=False)
            return await lookup.find(call, kind, source)
    return None
