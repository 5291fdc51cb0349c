# SPDX-License-Identifier: Apache-2.0
"""Routings: where a resource lives, as far as the gateway has learned."""

from typing import Any

from aiohttp import web

from tricircle.db import models
from tricircle.db import routings as table
from tricircle.gateway.admin.common import know_pods, list_projects, placed, visible_project, when
from tricircle.gateway.call import Call
from tricircle.gateway.http.errors import Fault
from tricircle.gateway.http.responses import respond
from tricircle.gateway.threads import in_thread

FILTERS = ("resource_id", "resource_type", "pod_id", "region_name", "project_id")


def _view(call: Call, routing: models.Routing) -> dict[str, Any]:
    return {
        "resource_type": routing.resource_type,
        "resource_id": routing.resource_id,
        **placed(call, routing.pod_id),
        "project_id": routing.project_id,
        "created_at": when(routing.created_at),
    }


async def list_routings(call: Call) -> web.Response:
    """GET /routings."""
    return await list_projects(
        call,
        "routings",
        FILTERS,
        table.page,
        lambda routing: _view(call, routing),
        lambda routing: f"{routing.resource_type}:{routing.resource_id}",
    )


async def show(call: Call) -> web.Response:
    """GET /routings/{id}; ``resource_type`` tells which, for an id that several types have."""
    project_id = await visible_project(call, "routings", None)
    resource_id = call.params["id"]
    kind = call.query.get("resource_type")
    found = [
        routing
        for routing in await in_thread(table.find, resource_id)
        if project_id in (None, routing.project_id) and kind in (None, routing.resource_type)
    ]
    if not found:
        raise Fault(404, f"No routing of {resource_id} could be found.")
    if len(found) > 1:
        kinds = ", ".join(routing.resource_type for routing in found)
        raise Fault(409, f"Several types have this id ({kinds}): name one with resource_type.")
    await know_pods(call, [found[0].pod_id])
    return respond({"routing": _view(call, found[0])})
