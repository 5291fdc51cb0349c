# SPDX-License-Identifier: Apache-2.0
"""Repairs: what was changed in pods behind Tricircle's back, and was put right."""

from typing import Any

from aiohttp import web

from tricircle.db import models
from tricircle.db import repairs as table
from tricircle.gateway.admin.common import list_projects, placed, when
from tricircle.gateway.call import Call

FILTERS = ("resource_type", "resource_id", "pod_id", "region_name", "project_id")


def _view(call: Call, repair: models.Repair) -> dict[str, Any]:
    return {
        "id": repair.id,
        "resource_type": repair.resource_type,
        "resource_id": repair.resource_id,
        **placed(call, repair.pod_id),
        "project_id": repair.project_id,
        "done": repair.done,
        "created_at": when(repair.created_at),
    }


async def list_repairs(call: Call) -> web.Response:
    """GET /repairs."""
    return await list_projects(
        call,
        "repairs",
        FILTERS,
        table.page,
        lambda repair: _view(call, repair),
        lambda repair: repair.id,
    )
