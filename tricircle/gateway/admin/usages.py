# SPDX-License-Identifier: Apache-2.0
"""Usages: what each pod holds, what it has room for, and what is to be done in it."""

import asyncio
from typing import Any

from aiohttp import web

from tricircle.db import allocations, jobs, models, routings, storage
from tricircle.db import pods as table
from tricircle.gateway.admin.common import (
    LEFT_OUT,
    authorize,
    know_pods,
    page,
    paged,
    placed,
    rows_of,
    visible_project,
)
from tricircle.gateway.call import Call
from tricircle.gateway.http.responses import respond
from tricircle.gateway.threads import in_thread
from tricircle.gateway.upstream import scatter
from tricircle.gateway.upstream.pod_request import PodRequest
from tricircle.pods.document import MISREAD
from tricircle.pods.errors import PodError, without_addresses

FILTERS = ("region_name", "availability_zone", "dc_name")
# Later ones of Nova tell no sums any more.
_VERSION = (2, 53)
_STATISTICS = PodRequest("GET", "/os-hypervisors/statistics", "compute", version=_VERSION)
# Ours, and what Nova calls it.
_CAPACITY = {
    "hosts": "count",
    "servers": "running_vms",
    "vcpus": "vcpus",
    "vcpus_used": "vcpus_used",
    "ram": "memory_mb",
    "ram_used": "memory_mb_used",
    "disk": "local_gb",
    "disk_used": "local_gb_used",
}


async def list_usages(call: Call) -> web.Response:
    """GET /usages. What a pod has room for it tells the caller, by its own policy."""
    await authorize(call, "pods:get_details")
    wanted = page(call, FILTERS)
    pods, more = await rows_of(wanted, table.page, wanted.filters)
    await know_pods(call, [pod.id for pod in pods])
    due = await in_thread(jobs.counts) if pods else {}
    documents = await asyncio.gather(*(_document(call, pod, due.get(pod.id, {})) for pod in pods))
    response = paged(call, "usages", documents, pods[-1].id if more else None)
    if not jobs.complete():
        response.headers.update(LEFT_OUT)
    return response


async def of_project(call: Call) -> web.Response:
    """GET /projects/{id}/usages: what a project uses of its quotas in each pod."""
    project = call.params["id"]
    await visible_project(call, "usages", project)
    servers, stored = await asyncio.gather(
        in_thread(allocations.by_pod, project), in_thread(storage.by_pod, project)
    )
    pods = {*servers, *stored}
    await know_pods(call, {pod_id for pod_id in pods if pod_id is not None})
    nothing = dict.fromkeys((*allocations.RESOURCES, *storage.RESOURCES), 0)
    found = [
        {
            # What is being made has no pod yet.
            **({"pod_id": None, "region_name": None} if one is None else placed(call, one)),
            "resources": nothing | servers.get(one, {}) | stored.get(one, {}),
        }
        for one in sorted(pods, key=lambda one: one or "")
    ]
    return respond({"usages": found})


async def _document(call: Call, pod: models.Pod, due: dict[str, int]) -> dict[str, Any]:
    held, (capacity, error) = await asyncio.gather(
        in_thread(routings.counts, pod.id), _capacity(call, pod)
    )
    return {
        "pod_id": pod.id,
        "region_name": pod.region_name,
        "availability_zone": pod.availability_zone,
        "resources": held,
        "jobs": dict.fromkeys(jobs.STATES, 0) | due,
        "capacity": capacity,
        "capacity_error": error,
    }


async def _capacity(call: Call, row: models.Pod) -> tuple[dict[str, int] | None, str | None]:
    """What the pod's Nova tells of all its hosts together, or why it does not."""
    if (pod := call.services.registry.get(row.id)) is None:
        return None, "The pod is being registered, or was forgotten just now."
    try:
        answer = await scatter.ask(call, pod, _STATISTICS)
        if isinstance(answer, PodError):
            return None, answer.message
        if not answer.ok:
            return None, without_addresses(answer.message())
        told = answer.json()["hypervisor_statistics"]
        return {name: int(told[theirs]) for name, theirs in _CAPACITY.items()}, None
    except (PodError, *MISREAD):
        return None, "What the pod answered is not understood."
