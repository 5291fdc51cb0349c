# SPDX-License-Identifier: Apache-2.0
"""Restore a backup, and bring in the record of one from elsewhere."""

from typing import Any

from aiohttp import web

from tricircle.db import storage
from tricircle.db.storage import Use
from tricircle.gateway import lookup
from tricircle.gateway.call import Call
from tricircle.gateway.errors import Fault
from tricircle.gateway.forward import ask_any, reply
from tricircle.gateway.threads import in_thread
from tricircle.gateway.volume import quota, usage
from tricircle.pods.pod import Pod


async def restore(call: Call) -> web.Response:
    """POST /backups/{id}/restore: in the pod of the backup, into a new volume or one there."""
    backup = call.params["id"]
    volume = _wanted(call, "restore").get("volume_id")
    if isinstance(volume, str):
        pod = await lookup.find(call, "backup", backup)
        there = await lookup.find(call, "volume", volume)
        if pod.id != there.id:
            raise _apart(backup, pod, volume, there)
        return reply(call, await lookup.ask(call, "backup", backup))
    size = (await usage.document(call, "backup", backup)).get("size")
    use = Use("volume", int(size or 0))
    async with quota.set_aside(call, use) as row_id:
        answer = await lookup.ask(call, "backup", backup)
        if answer.ok:
            new, project = answer.json()["restore"]["volume_id"], call.context.project_id
            await in_thread(storage.confirm, row_id, new, answer.pod.id, use)
            await lookup.remember(call, "volume", new, answer.pod, project_id=project)
    return reply(call, answer)


def _apart(backup: str, its_pod: Pod, volume: str, pod: Pod) -> Fault:
    return Fault(
        400,
        f"Backup {backup} is in pod {its_pod.region_name} (availability zone "
        f"{its_pod.availability_zone}) and volume {volume} is in pod {pod.region_name} "
        f"(availability zone {pod.availability_zone}). A backup is restored in its own pod only: "
        "name no volume, and a new one is made there.",
    )


async def import_record(call: Call) -> web.Response:
    """POST /backups/import_record: into the pod the backup's service is known in."""
    answer = await ask_any(call)
    if answer.ok:
        new = answer.json()["backup"]["id"]
        project = call.context.project_id
        await lookup.remember(call, "backup", new, answer.pod, project_id=project)
    return reply(call, answer)


def _wanted(call: Call, key: str) -> dict[str, Any]:
    body = call.json()
    wanted = body.get(key) if isinstance(body, dict) else None
    return wanted if isinstance(wanted, dict) else {}
