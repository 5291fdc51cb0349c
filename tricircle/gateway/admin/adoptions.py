# SPDX-License-Identifier: Apache-2.0
"""What a project had in a pod before it joined is to become the region's. xjob does it; here it is
asked for and told of."""

from typing import Any

from aiohttp import web

from tricircle.db import adoptions, models
from tricircle.db import pods as table
from tricircle.db.errors import Duplicate
from tricircle.gateway.admin.common import authorize, body, listed, page, placed, when
from tricircle.gateway.call import Call
from tricircle.gateway.http.errors import Fault
from tricircle.gateway.http.responses import respond
from tricircle.gateway.threads import in_thread
from tricircle.pods.errors import without_addresses

CREATE = {
    "type": "object",
    "properties": {
        "project_id": {"type": "string", "minLength": 1, "maxLength": 64},
        "action": {"enum": list(adoptions.ACTIONS)},
        "dry_run": {"type": "boolean"},
    },
    "required": ["project_id"],
    "additionalProperties": False,
}


async def create(call: Call) -> web.Response:
    """POST /pods/{id}/adoptions: have a project's things in a pod taken over, or given back."""
    await authorize(call, "pods:adopt")
    wanted, pod = body(call, "adoption", CREATE), await _pod(call)
    if "network" not in (pod.endpoints or {}):
        raise Fault(409, f"Pod {pod.region_name} has no network service.")
    project_id, action = wanted["project_id"], wanted.get("action", adoptions.ADOPT)
    dry_run = wanted.get("dry_run", False)
    try:
        row = await in_thread(adoptions.begin, pod.id, project_id, action, dry_run)
    except Duplicate as error:
        raise Fault(
            409,
            f"Adoption {error} of project {project_id} in pod {pod.region_name} has not ended yet.",
        ) from None
    return respond({"adoption": _view(call, row)}, 202)


async def list_adoptions(call: Call) -> web.Response:
    """GET /pods/{id}/adoptions; what became of each object is told of one only."""
    await authorize(call, "pods:get_details")
    pod, wanted = await _pod(call), page(call, ("project_id",))
    filters = {**wanted.filters, "pod_id": pod.id}
    return await listed(
        call,
        "adoptions",
        wanted,
        adoptions.page,
        filters,
        lambda row: _view(call, row, objects=False),
        lambda row: row.id,
    )


async def show(call: Call) -> web.Response:
    """GET /pods/{id}/adoptions/{adoption}"""
    await authorize(call, "pods:get_details")
    pod = await _pod(call)
    row = await in_thread(adoptions.get, call.params["adoption"])
    if row is None or row.pod_id != pod.id:
        raise Fault(404, f"Adoption {call.params['adoption']} could not be found.")
    return respond({"adoption": _view(call, row)})


async def _pod(call: Call) -> models.Pod:
    """The pod that is meant. Raises Fault 404."""
    pod = await in_thread(table.get, call.params["id"])
    if pod is None:
        raise Fault(404, f"Pod {call.params['id']} could not be found.")
    return pod


def _view(call: Call, row: models.Adoption, objects: bool = True) -> dict[str, Any]:
    shown = {
        "id": row.id,
        **placed(call, row.pod_id),
        "project_id": row.project_id,
        "action": row.action,
        "dry_run": row.dry_run,
        "state": row.state,
        "reason": row.reason and without_addresses(row.reason),
        "created_at": when(row.created_at),
        "updated_at": when(row.updated_at),
    }
    return {**shown, "objects": row.objects} if objects else shown
