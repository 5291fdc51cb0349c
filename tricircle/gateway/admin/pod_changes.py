# SPDX-License-Identifier: Apache-2.0
"""What became of a pod: who changed its state, when its services were down, and why."""

from typing import Any

from aiohttp import web

from tricircle.db import models, pod_changes
from tricircle.db import pods as table
from tricircle.gateway.admin.common import authorize, listed, page, when
from tricircle.gateway.call import Call
from tricircle.gateway.http.errors import Fault
from tricircle.gateway.threads import in_thread


def _view(change: models.PodChange) -> dict[str, Any]:
    return {
        "id": change.id,
        "what": change.what,
        "before": change.before,
        "after": change.after,
        "changed_by": change.changed_by,
        "reason": change.reason,
        "created_at": when(change.created_at),
    }


async def list_changes(call: Call) -> web.Response:
    """GET /pods/{id}/changes, the newest first."""
    await authorize(call, "pods:get_details")
    pod_id = call.params["id"]
    if await in_thread(table.get, pod_id) is None:
        raise Fault(404, f"Pod {pod_id} could not be found.")
    wanted = page(call, ())
    return await listed(
        call, "changes", wanted, pod_changes.page, {"pod_id": pod_id}, _view, lambda one: one.id
    )
