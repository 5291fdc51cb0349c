# SPDX-License-Identifier: Apache-2.0
"""Restore a backup, also in another pod that shares its store, and bring in records."""

import asyncio
from typing import Any

from aiohttp import web

from tricircle.conf import CONF
from tricircle.db import backup_copies, storage
from tricircle.db.storage import Use
from tricircle.gateway import attach_moves
from tricircle.gateway.authorization import authorize
from tricircle.gateway.call import Call, Version
from tricircle.gateway.http import bounds
from tricircle.gateway.http.errors import Fault
from tricircle.gateway.threads import in_thread
from tricircle.gateway.transport.client import PodResponse
from tricircle.gateway.upstream import lookup, move_guard
from tricircle.gateway.upstream.forward import ask_any, forward, reply
from tricircle.gateway.upstream.pod_request import PodRequest
from tricircle.gateway.volume.quota import project_quota, usage
from tricircle.pods import rights
from tricircle.pods.pod import Pod

# Seconds a pod has to take a record in, and between looks.
_PATIENCE, _PAUSE = 15.0, 0.5


async def restore(call: Call) -> web.Response:
    """POST /backups/{id}/restore: into a new volume in the backup's pod, or into one named."""
    backup = call.params["id"]
    volume = _wanted(call, "restore").get("volume_id")
    if isinstance(volume, str):
        await move_guard.refuse_while_moving(call, volume)
        pod = await lookup.find(call, "backup", backup)
        there = await lookup.find(call, "volume", volume)
        if pod.id != there.id:
            return reply(call, await _elsewhere(call, backup, pod, volume, there))
        await attach_moves.let_write(call, volume)
        return reply(call, await lookup.ask(call, "backup", backup))
    size = (await usage.document(call, "backup", backup)).get("size")
    use = Use("volume", bounds.whole(size, bounds.STORED) or 0)
    async with project_quota.set_aside(call, use) as row_id:
        answer = await lookup.ask(call, "backup", backup)
        if answer.ok:
            project = call.context.project_id
            new = await lookup.learned("volume", answer.json()["restore"]["volume_id"], answer.pod)
            await in_thread(storage.confirm, row_id, new, answer.pod.id, use)
            await lookup.remember(call, "volume", new, answer.pod, project_id=project)
    return reply(call, answer)


async def _elsewhere(call: Call, backup: str, pod: Pod, volume: str, there: Pod) -> PodResponse:
    """Restore into a volume of another pod, which is told of the backup first.

    The rest is done as ourselves, once the right to it is proven. Raises Fault 400, 403, 404, 503,
    504.
    """
    if not _shared(pod, there):
        raise _apart(backup, pod, volume, there)
    found = await usage.document(call, "backup", backup)
    if not found or not await usage.document(call, "volume", volume):
        raise lookup.missing(call, *(("volume", volume) if found else ("backup", backup)))
    refused = await _refused(call, backup, pod, volume, there)
    if refused is not None:
        return refused
    if found.get("is_incremental"):
        raise _stays(
            backup, pod, there, "it is incremental, and its data is nothing without its parents'",
            "make a full backup of its volume there",
        )  # fmt: skip
    if found.get("status") != "available":
        raise _stays(backup, pod, there, f"it is {found.get('status')}", "make another one")
    await in_thread(backup_copies.begin, backup, there.id, call.context.project_id)
    await _tell(call, backup, pod, there)
    await attach_moves.let_write(call, volume)
    wanted = {"restore": {**_wanted(call, "restore"), "volume_id": volume}}
    return await _ask(call, there, "POST", f"{_path(call, backup)}/restore", wanted)


async def _refused(
    call: Call, backup: str, pod: Pod, volume: str, there: Pod
) -> PodResponse | None:
    """What the volume's pod says to a caller who may not change the volume; None if they may.

    Whoever sees a backup and a volume may be a reader only. No Cinder has both and could judge the
    restore: so a rule of ours does, the same as Cinder's by default. Raises Fault 403.
    """
    target = {
        "project_id": await _owner(call, pod, "backup", backup, (3, 18)),
        "volume_project_id": await _owner(call, there, "volume", volume),
    }
    await authorize(call, "backups:restore_elsewhere", target)
    # A change that changes nothing is judged as any other.
    path = f"{lookup.path(call, 'volume', volume)}/metadata"
    answer = await forward(call, there, PodRequest.of(call).post(path, {"metadata": {}}))
    return None if answer.ok else answer


async def _owner(
    call: Call, pod: Pod, kind: str, resource_id: str, version: Version | None = None
) -> str:
    """The project of a thing; "" when its pod does not tell. Raises PodUnreachable, PodTimeout."""
    path = lookup.path(call, kind, resource_id)
    request = PodRequest.as_service_user(rights.RESTORE_ELSEWHERE, "GET", path)
    answer = await forward(call, pod, request if version is None else request.at(version))
    shown = answer.json()[kind] if answer.ok else {}
    return str(shown.get(call.resource_types[kind].owner) or "")


async def _tell(call: Call, backup: str, pod: Pod, there: Pod) -> None:
    """Let ``there`` know of a backup that ``pod`` has. Raises Fault 400, 502, 504."""
    known = await _ask(call, there, "GET", _path(call, backup))
    if known.status == 404:
        record = await _ask(call, pod, "GET", f"{_path(call, backup)}/export_record")
        told = record
        if record.ok:
            body = {"backup-record": record.json()["backup-record"]}
            told = await _ask(call, there, "POST", "/backups/import_record", body)
        # Another request may have been quicker.
        if not told.ok and "already exists" not in told.message():
            raise Fault(
                502,
                f"Pod {told.pod.region_name} would not hand on or take the record of backup "
                f"{backup}: {told.message()}",
            )
    loop = asyncio.get_running_loop()
    until = loop.time() + _PATIENCE
    while True:
        shown = await _ask(call, there, "GET", _path(call, backup))
        status = shown.json()["backup"]["status"] if shown.ok else shown.message()
        if status in ("available", "restoring"):
            return
        if status != "creating" or loop.time() > until:
            raise Fault(
                504 if status == "creating" else 400,
                f"Pod {there.region_name} does not have backup {backup} ({status}). Is its backup "
                f"store the one of pod {pod.region_name}, as [storage] backup_stores says?",
            )
        await asyncio.sleep(_PAUSE)


async def _ask(call: Call, pod: Pod, method: str, path: str, body: Any = None) -> PodResponse:
    request = PodRequest.as_service_user(rights.RESTORE_ELSEWHERE, method, path, body)
    return await forward(call, pod, request)


def _path(call: Call, backup: str) -> str:
    return lookup.path(call, "backup", backup)


def _shared(pod: Pod, other: Pod) -> bool:
    stores = (store.split("+") for store in CONF.storage.backup_stores)
    both = {pod.region_name, other.region_name}
    return any(both <= {name.strip() for name in store} for store in stores)


def _apart(backup: str, its_pod: Pod, volume: str, pod: Pod) -> Fault:
    return Fault(
        400,
        f"Backup {backup} is in pod {its_pod.region_name} (availability zone "
        f"{its_pod.availability_zone}) and volume {volume} is in pod {pod.region_name} "
        f"(availability zone {pod.availability_zone}), which do not share a backup store. Restore "
        "it in its own pod: name no volume, and a new one is made there.",
    )


def _stays(backup: str, pod: Pod, there: Pod, why: str, what: str) -> Fault:
    return Fault(
        400,
        f"Backup {backup} is in pod {pod.region_name} and cannot be restored in pod "
        f"{there.region_name}: {why}. Restore it in pod {pod.region_name} (name no volume, and a "
        f"new one is made there), or {what} and restore that.",
    )


async def import_record(call: Call) -> web.Response:
    """POST /backups/import_record: into a pod that takes it."""
    answer = await ask_any(call)
    if answer.ok:
        new = await lookup.learned("backup", answer.json()["backup"]["id"], answer.pod)
        project = call.context.project_id
        await lookup.remember(call, "backup", new, answer.pod, project_id=project)
    return reply(call, answer)


def _wanted(call: Call, key: str) -> dict[str, Any]:
    return call.member(key) or {}
