# SPDX-License-Identifier: Apache-2.0
"""Jobs: what pods do not have yet as it is wanted, and why."""

from typing import Any

from aiohttp import web

from tricircle.db import jobs as table
from tricircle.gateway.admin.common import (
    LEFT_OUT,
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
from tricircle.gateway.threads import in_thread
from tricircle.pods.errors import without_addresses

FILTERS = ("resource_type", "resource_id", "pod_id", "region_name", "project_id", "state")
RETRY = {"type": "object", "additionalProperties": False}


def _view(call: Call, job: table.Job) -> dict[str, Any]:
    return {
        "id": job.id,
        "state": table.state(job),
        "action": _action(job),
        "resource_type": job.resource_type,
        "resource_id": job.resource_id,
        **placed(call, job.pod_id),
        "pod_resource_id": job.pod_resource_id,
        "project_id": job.project_id,
        "attempts": job.attempts,
        "last_error": job.last_error and without_addresses(job.last_error),
        "failing_since": when(job.failing_since),
        "next_try_at": when(job.next_try_at),
        "created_at": when(job.created_at),
    }


def _action(job: table.Job) -> str:
    """What is to be done in the pod."""
    if job.absent:
        return "delete"
    if job.realized_revision is None:
        return "create"
    return "check" if job.realized_revision == job.wanted_revision else "update"


async def list_jobs(call: Call) -> web.Response:
    """GET /jobs."""
    state = call.query.get("state", table.PENDING)
    if state not in table.STATES:
        raise Fault(400, f"state must be one of {', '.join(table.STATES)}, not {state!r}.")
    response = await list_projects(
        call, "jobs", FILTERS, table.page, lambda job: _view(call, job), lambda job: job.id
    )
    if not table.complete():
        response.headers.update(LEFT_OUT)
    return response


async def show(call: Call) -> web.Response:
    """GET /jobs/{id}."""
    project_id = await visible_project(call, "jobs", None)
    job = await in_thread(table.get, call.params["id"])
    if job is None or project_id not in (None, job.project_id):
        raise _unknown(call)
    return await _one(call, job, 200)


async def retry(call: Call) -> web.Response:
    """PUT /jobs/{id}: try it again now."""
    await authorize(call, "jobs:retry")
    if call.body:
        body(call, "job", RETRY)
    job = await in_thread(table.retry, call.params["id"])
    if job is None:
        raise _unknown(call)
    return await _one(call, job, 202)


async def _one(call: Call, job: table.Job, status: int) -> web.Response:
    await know_pods(call, [job.pod_id])
    return respond({"job": _view(call, job)}, status)


def _unknown(call: Call) -> Fault:
    text = f"Job {call.params['id']} could not be found: it is done, or there never was one."
    if not table.complete():
        text += " Jobs of networks, ports and the like cannot be seen from here."
    return Fault(404, text)
