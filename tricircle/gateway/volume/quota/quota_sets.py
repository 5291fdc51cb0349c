# SPDX-License-Identifier: Apache-2.0
"""Quota sets, quota classes and limits: of storage in all pods together.

A pod writes the documents, with its own numbers for ours to stand in: so what a caller may see
and do is as the pod has it. No pod's own quotas are ever changed.
"""

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from tricircle.db import quotas as table
from tricircle.db import storage
from tricircle.gateway import parameters, storage_limits
from tricircle.gateway.call import Call
from tricircle.gateway.http import bounds
from tricircle.gateway.http.errors import Fault
from tricircle.gateway.threads import in_thread
from tricircle.gateway.transport.client import PodResponse
from tricircle.gateway.upstream.forward import ask_any, forward, reply, reply_with
from tricircle.gateway.upstream.pod_request import PodRequest

_SET, _CLASS = "quota_set", "quota_class_set"
# What a body may have that is no limit.
_OTHER = ("tenant_id", "id", "force")
_LIMITS = {
    "maxTotalVolumes": "volumes",
    "maxTotalVolumeGigabytes": "gigabytes",
    "maxTotalSnapshots": "snapshots",
    "maxTotalBackups": "backups",
    "maxTotalBackupGigabytes": "backup_gigabytes",
}
_USED = {
    "totalVolumesUsed": "volumes",
    "totalGigabytesUsed": "gigabytes",
    "totalSnapshotsUsed": "snapshots",
    "totalBackupsUsed": "backups",
    "totalBackupGigabytesUsed": "backup_gigabytes",
}


async def show(call: Call) -> web.Response:
    """GET /os-quota-sets/{id}, with what is used where that is asked for."""
    project = call.params["id"]
    return await _told(
        call, await storage_limits.of_project(project), await in_thread(storage.used, project)
    )


async def defaults(call: Call) -> web.Response:
    """GET /os-quota-sets/{id}/defaults."""
    return await _told(call, await storage_limits.of_class(table.DEFAULT))


async def show_class(call: Call) -> web.Response:
    """GET /os-quota-class-sets/{id}."""
    return await _told(call, await storage_limits.of_class(call.params["id"]))


async def update(call: Call) -> web.Response:
    """PUT /os-quota-sets/{id}."""
    project = call.params["id"]
    used = await in_thread(storage.used, project)

    def check(limits: Mapping[str, int]) -> None:
        for name, limit in limits.items():
            if limit != -1 and name != storage_limits.PER_VOLUME and limit < used.get(name, 0):
                raise Fault(
                    400,
                    f"Quota {name} limit must be equal or greater than existing resources. "
                    f"Current usage is {used[name]} and the requested limit is {limit}.",
                )

    judged, limits = await _judged(call, _SET)
    check(limits)
    await in_thread(table.put, table.PROJECT, project, limits)
    return _with(call, judged, await storage_limits.of_project(project), used)


async def update_class(call: Call) -> web.Response:
    """PUT /os-quota-class-sets/{id}."""
    judged, limits = await _judged(call, _CLASS)
    name = call.params["id"]
    await in_thread(table.put, table.CLASS, name, limits)
    return _with(call, judged, await storage_limits.of_class(name), {})


async def delete(call: Call) -> web.Response:
    """DELETE /os-quota-sets/{id}: back to the defaults."""
    judged = (await ask_any(call)).raise_for_status()
    # The project's limits that are not of storage stay.
    await in_thread(
        table.delete,
        table.PROJECT,
        call.params["id"],
        names=(*storage.RESOURCES, storage_limits.PER_VOLUME),
        families=storage.BY_TYPE,
    )
    return reply(call, judged)


async def show_limits(call: Call) -> web.Response:
    """GET /limits: a pod's document with our numbers."""
    answer = (await ask_any(call)).raise_for_status()
    project = call.context.project_id
    if call.context.is_admin:
        told = (parameters.STORAGE_LIMITS_PROJECT, parameters.STORAGE_LIMITS_TENANT)
        project = next((value for one in told if (value := one.of(call)) is not None), project)
    document = answer.json()
    absolute = document["limits"]["absolute"]
    limits, used = await storage_limits.of_project(project), await in_thread(storage.used, project)
    for names, values in ((_LIMITS, limits), (_USED, used)):
        absolute.update({shown: values[ours] for shown, ours in names.items() if shown in absolute})
    return reply_with(call, answer, document)


async def _judged(call: Call, key: str) -> tuple[PodResponse, dict[str, int]]:
    """A pod's yes to a change, told in its own numbers so that nothing changes; the limits.

    Raises Refused.
    """
    wanted = call.member(key)
    now = (await ask_any(call, PodRequest.of(call).get(call.path))).raise_for_status()
    if wanted is None:
        return (await forward(call, now.pod)).raise_for_status(), {}
    current = now.json()[key]
    named = {name: value for name, value in wanted.items() if name not in _OTHER}
    limits = {name: _limit(value) for name, value in named.items()}
    known = {name: limit for name, limit in limits.items() if limit is not None}
    if known != limits:
        (await forward(call, now.pod)).raise_for_status()
        raise Fault(400, "These limits are not known here.")
    inside = {name: current.get(name, value) for name, value in named.items()}
    others = {name: value for name, value in wanted.items() if name in _OTHER}
    request = PodRequest.of(call).with_body({**call.json(), key: inside | others})
    return (await forward(call, now.pod, request)).raise_for_status(), known


def _limit(value: Any) -> int | None:
    return bounds.whole(value, bounds.STORED, least=-1)


async def _told(
    call: Call, values: Mapping[str, int], used: Mapping[str, int] | None = None
) -> web.Response:
    return _with(call, (await ask_any(call)).raise_for_status(), values, used or {})


def _with(
    call: Call, answer: PodResponse, values: Mapping[str, int], used: Mapping[str, int]
) -> web.Response:
    """A pod's document with our numbers; what no limit is set for is unlimited."""
    document = answer.json()
    _, content = document.only()
    for name, told in content.items():
        if name == "id":
            continue
        limit = values.get(name, -1)
        if isinstance(told, dict):
            told.update(limit=limit, in_use=used.get(name, 0), reserved=0)
        else:
            content[name] = limit
    return reply_with(call, answer, document)
