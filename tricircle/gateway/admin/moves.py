# SPDX-License-Identifier: Apache-2.0
"""Moves of volumes to other pods. xjob makes them; here they are asked for and told of."""

from typing import Any
from urllib.parse import urlencode

from aiohttp import web

from tricircle.db import models, moves
from tricircle.db.errors import Duplicate
from tricircle.gateway.admin.common import authorize, body, list_projects, visible_project, when
from tricircle.gateway.call import Call
from tricircle.gateway.http.errors import Fault
from tricircle.gateway.http.responses import respond
from tricircle.gateway.threads import in_thread
from tricircle.gateway.upstream import lookup, scheduling
from tricircle.gateway.upstream.forward import forward
from tricircle.gateway.upstream.pod_request import PodRequest
from tricircle.pods.errors import without_addresses
from tricircle.pods.pod import Pod
from tricircle.pods.volumes import images_apart, obstacle
from tricircle.scheduling.request import Request
from tricircle.scheduling.zones import Zone

FILTERS = ("volume_id", "project_id", "state", "pod_id", "region_name")
_TEXT = {"type": "string", "minLength": 1, "maxLength": 255}
CREATE = {
    "type": "object",
    "properties": {"region_name": _TEXT, "availability_zone": _TEXT},
    "minProperties": 1,
    "maxProperties": 1,
    "additionalProperties": False,
}
# The first at which a volume shows its group.
_VERSION = (3, 13)
# Percent done when a state is reached.
_PROGRESS = {"preparing": 0, "uploading": 5, "copying": 35, "verifying": 60, "handing over": 85,
             "removing": 90, "done": 100}  # fmt: skip


async def create(call: Call) -> web.Response:
    """POST /volumes/{id}/move: begin to move a volume to a pod, or to a zone."""
    await authorize(call, "moves:create")
    wanted, volume_id = body(call, "move", CREATE), call.params["id"]
    source = await lookup.find(call, "volume", volume_id)
    volume = await _movable(call, source, volume_id)
    project = volume.get("os-vol-tenant-attr:tenant_id") or call.context.project_id
    target = await _target(call, source, project, wanted)
    if (why := images_apart(source, target)) is not None:
        raise Fault(409, f"Volume {volume_id} cannot be moved. {why}")
    try:
        row = await in_thread(moves.begin, volume_id, project, source.id, target.id)
    except Duplicate:
        raise Fault(409, f"Volume {volume_id} is being moved already.") from None
    return respond({"move": _view(call, row)}, 202)


async def _movable(call: Call, source: Pod, volume_id: str) -> dict[str, Any]:
    """The volume's document. Raises Fault 404, and 409 when it cannot be moved."""
    asking = PodRequest("GET", lookup.path(call, "volume", volume_id), "volume", version=_VERSION)
    answer = await forward(call, source, asking)
    if not answer.ok:
        raise Fault(answer.status, answer.message())
    volume: dict[str, Any] = answer.json()["volume"]
    query = urlencode({"volume_id": volume_id, "all_tenants": 1})
    told = await forward(call, source, asking.get("/snapshots", query))
    why = obstacle(volume, told.json()["snapshots"] if told.ok else [])
    if why is not None:
        raise Fault(409, f"Volume {volume_id} cannot be moved. {why}")
    return volume


async def _target(call: Call, source: Pod, project: str, wanted: dict[str, str]) -> Pod:
    """The pod it is to be in. Raises Fault 400 and 503."""
    if (region := wanted.get("region_name")) is not None:
        pod = call.services.registry.by_region(region)
        if pod is None or not pod.has("volume"):
            raise Fault(400, f"There is no pod {region} with a block storage service.")
        if not pod.takes_new:
            raise Fault(400, f"Pod {region} takes nothing new: it is in state {pod.state}.")
        await scheduling.check_rules(call, pod, project, "volume")
    else:
        zone = wanted["availability_zone"]
        request = Request(project_id=project, zone=Zone(zone), what="volume")
        unknown = f"There is no availability zone {zone}."
        choice = await scheduling.choose(call, request, unknown, service="volume")
        others = [pod for pod in choice.pods if pod.id != source.id]
        pod = others[0] if others else source
    if pod.id == source.id:
        raise Fault(400, f"The volume is in pod {pod.region_name} already.")
    return pod


async def list_moves(call: Call) -> web.Response:
    """GET /moves; the filters pod_id and region_name mean from that pod or to it."""
    return await list_projects(
        call, "moves", FILTERS, moves.page, lambda row: _view(call, row), lambda row: row.volume_id
    )


async def show(call: Call) -> web.Response:
    """GET /volumes/{id}/move: how far a move is, or how the last one ended."""
    return respond({"move": _view(call, await _visible(call))})


async def delete(call: Call) -> web.Response:
    """DELETE /volumes/{id}/move: call a move off."""
    await authorize(call, "moves:delete")
    row = await _visible(call)
    if not await in_thread(moves.call_off, row.volume_id, "It was called off."):
        raise Fault(409, f"The move of volume {row.volume_id} is {row.state}: that is too late.")
    return web.Response(status=202)


async def _visible(call: Call) -> models.VolumeMove:
    project = await visible_project(call, "moves", None)
    row = await in_thread(moves.get, call.params["id"])
    if row is None or project not in (None, row.project_id):
        raise Fault(404, f"No move of volume {call.params['id']} could be found.")
    return row


def _view(call: Call, row: models.VolumeMove) -> dict[str, Any]:
    def region(pod_id: str) -> str | None:
        pod = call.services.registry.get(pod_id)
        return pod.region_name if pod is not None else None

    return {
        "volume_id": row.volume_id,
        "project_id": row.project_id,
        "from": region(row.source_pod_id),
        "to": region(row.target_pod_id),
        "state": row.state,
        "progress": _PROGRESS.get(row.state),
        "reason": row.reason and without_addresses(row.reason),
        "created_at": when(row.created_at),
        "updated_at": when(row.updated_at),
    }
