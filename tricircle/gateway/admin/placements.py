# SPDX-License-Identifier: Apache-2.0
"""Placements: in which pod a server was put, and why there."""

from typing import Any

from aiohttp import web

from tricircle.db import allocations, models
from tricircle.gateway.admin.common import know_pods, placed, visible_project, when
from tricircle.gateway.call import Call
from tricircle.gateway.http.errors import Fault
from tricircle.gateway.http.responses import respond
from tricircle.gateway.threads import in_thread


async def show(call: Call) -> web.Response:
    """GET /servers/{id}/placement."""
    project_id = await visible_project(call, "placements", None)
    row = await in_thread(allocations.get, call.params["id"])
    if row is None or row.pod_id is None or project_id not in (None, row.project_id):
        raise Fault(404, f"No placement of server {call.params['id']} could be found.")
    await know_pods(call, [row.pod_id])
    return respond({"placement": _view(call, row, row.pod_id)})


def _view(call: Call, row: models.Allocation, pod_id: str) -> dict[str, Any]:
    told = row.placement or {}
    return {
        "server_id": row.server_id,
        "project_id": row.project_id,
        **placed(call, pod_id),
        "server_group_id": row.group_id,
        "vcpus": row.vcpus,
        "ram": row.ram,
        # Nothing is known of why a server is where it was found.
        "chosen": bool(told),
        "chosen_at": told.get("at"),
        "availability_zone": told.get("zone"),
        "weights": told.get("weights", {}),
        "left_out": told.get("left_out", {}),
        "refused": told.get("refused", []),
        "created_at": when(row.created_at),
    }
