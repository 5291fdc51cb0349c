# SPDX-License-Identifier: Apache-2.0
"""Bindings: which project uses which pod."""

from typing import Any

from aiohttp import web
from oslo_log import log as logging

from tricircle.db import bindings as table
from tricircle.db import models
from tricircle.db.errors import Duplicate, NotFound
from tricircle.gateway.admin.common import (
    ROOT,
    authorize,
    body,
    know_pods,
    list_projects,
    placed,
    visible_project,
    when,
)
from tricircle.gateway.call import Call
from tricircle.gateway.http.errors import Fault
from tricircle.gateway.http.responses import respond
from tricircle.gateway.threads import KEYSTONE, in_thread
from tricircle.pods.identity import KeystoneFailed

LOG = logging.getLogger(__name__)

CREATE = {
    "type": "object",
    "properties": {
        "project_id": {
            "type": "string",
            "pattern": r"^[0-9A-Za-z_-]{1,64}\Z",
            "description": "is no id of a project",
        },
        "pod_id": {"type": "string", "minLength": 1, "maxLength": 36},
    },
    "required": ["project_id", "pod_id"],
    "additionalProperties": False,
}
FILTERS = ("project_id", "pod_id", "region_name")


def _view(call: Call, binding: models.Binding) -> dict[str, Any]:
    return {
        "id": binding.id,
        "project_id": binding.project_id,
        **placed(call, binding.pod_id),
        "by_operator": binding.by_operator,
        "created_at": when(binding.created_at),
    }


async def create(call: Call) -> web.Response:
    """POST /bindings: what a project makes belongs in a pod."""
    await authorize(call, "bindings:create")
    values = body(call, "binding", CREATE)
    project_id, pod_id = values["project_id"], values["pod_id"]
    await _check_project(call, project_id)
    try:
        binding = await in_thread(table.create, project_id, pod_id)
    except NotFound:
        raise Fault(400, f"Pod {pod_id} could not be found.") from None
    except Duplicate:
        raise Fault(409, f"Project {project_id} is bound to pod {pod_id} already.") from None
    await know_pods(call, [binding.pod_id])
    location = {"Location": f"{call.root}{ROOT}/bindings/{binding.id}"}
    return respond({"binding": _view(call, binding)}, 201, location)


async def list_bindings(call: Call) -> web.Response:
    """GET /bindings."""
    return await list_projects(
        call,
        "bindings",
        FILTERS,
        table.page,
        lambda binding: _view(call, binding),
        lambda binding: binding.id,
    )


async def show(call: Call) -> web.Response:
    """GET /bindings/{id}."""
    project_id = await visible_project(call, "bindings", None)
    binding = await in_thread(table.get, call.params["id"])
    if binding is None or project_id not in (None, binding.project_id):
        raise _unknown(call)
    await know_pods(call, [binding.pod_id])
    return respond({"binding": _view(call, binding)})


async def delete(call: Call) -> web.Response:
    """DELETE /bindings/{id}."""
    await authorize(call, "bindings:delete")
    try:
        await in_thread(table.delete, call.params["id"])
    except NotFound:
        raise _unknown(call) from None
    return web.Response(status=204)


async def _check_project(call: Call, project_id: str) -> None:
    """Raises Fault 400 when Keystone knows no such project; when it is away the id is believed."""
    try:
        if await KEYSTONE.run(call.services.identity.project_exists, project_id):
            return
    except KeystoneFailed as error:
        LOG.warning("The project %s is bound unchecked: %s", project_id, error)
        return
    raise Fault(400, f"Project {project_id} could not be found.")


def _unknown(call: Call) -> Fault:
    return Fault(404, f"Binding {call.params['id']} could not be found.")
