# SPDX-License-Identifier: Apache-2.0
"""Moves of volumes to the pods of the servers they are attached to. xjob makes them.

A volume that nothing was ever written to is made anew in the server's pod, under its id. That
nothing was is known of a volume when the gateway made it empty, has not let anybody write to it
since (``let_write``), and its pod's Cinder noted no change after it was made: who goes to the pod
directly is seen by that. One that may hold something is copied, if it is small and the caller may
move it.
"""

import asyncio
import time
from typing import Any
from urllib.parse import urlencode

from oslo_log import log as logging

from tricircle.conf import CONF
from tricircle.db import models, moves, routings
from tricircle.db.errors import Duplicate
from tricircle.gateway.authorization import allows
from tricircle.gateway.call import Call
from tricircle.gateway.http.errors import Fault
from tricircle.gateway.threads import in_thread
from tricircle.gateway.upstream import lookup, move_guard
from tricircle.gateway.upstream.forward import forward
from tricircle.gateway.upstream.pod_request import PodRequest
from tricircle.pods.errors import without_addresses
from tricircle.pods.pod import Pod
from tricircle.pods.volumes import images_apart, is_untouched, obstacle

LOG = logging.getLogger(__name__)

# The first microversion that shows a volume's group.
_VERSION = (3, 13)
_PAUSE = 0.25


async def let_write(call: Call, volume_id: str, pod: Pod | None = None) -> None:
    """A pod (whichever, or this one) is about to be asked for what may write to a volume."""
    row = await in_thread(routings.get, "volume", volume_id)
    if row is None or not row.detail.get("empty") or (pod is not None and row.pod_id != pod.id):
        return
    # Nobody else can write to it, nor shall they be able to have it thought so.
    if call.context.is_admin or row.project_id == call.context.project_id:
        await in_thread(routings.written_to, volume_id)


async def bring(call: Call, server_id: str | None, its_pod: Pod, volume_id: str, pod: Pod) -> None:
    """Have a volume of ``pod`` in ``its_pod``, that of a server (None: of one to be made).

    Raises Fault 400 when it stays where it is, 409 when it is not there in time.
    """
    volume = await _document(call, volume_id, pod)
    row = await in_thread(routings.get, "volume", volume_id)
    detail: dict[str, Any] = row.detail if row is not None else {}
    empty = bool(detail.get("empty")) and is_untouched(volume)
    why = (
        _held_to_zone(detail.get("zone"), its_pod)
        or await _obstacle(call, volume, pod)
        or (None if empty else _no_way(pod, its_pod))
        or await _not_allowed(call, volume, empty)
        or _not_there(its_pod)
        or await _too_many(its_pod)
    )
    if why is not None:
        server = "The server would be" if server_id is None else f"Server {server_id} is"
        raise _stays(server, its_pod, volume_id, pod, why)
    LOG.info(
        "Volume %s follows server %s to pod %s",
        volume_id,
        server_id or "that is to be made",
        its_pod.region_name,
    )
    project = call.context.project_id
    try:
        await in_thread(moves.begin, volume_id, project, pod.id, its_pod.id, empty)
    except Duplicate:
        await move_guard.refuse_while_moving(call, volume_id)
    await _arrival(call, volume_id, its_pod)
    call.services.routings.drop("volume", volume_id)
    call.services.names.forget()


def _stays(server: str, its_pod: Pod, volume: str, pod: Pod, why: str) -> Fault:
    """A volume is attached in its own pod only. 400, as what is asked can never be done.

    ``server`` begins the sentence that says where the server is.
    """
    return Fault(
        400,
        f"{server} in pod {its_pod.region_name} (availability zone "
        f"{its_pod.availability_zone}) and volume {volume} is in pod {pod.region_name} "
        f"(availability zone {pod.availability_zone}). A volume is attached in its own pod only, "
        f"and this one does not follow the server: {why} Have an administrator move it, make the "
        "server in the volume's zone, or make a volume in the server's zone from an image of "
        "this one.",
    )


async def _document(call: Call, volume_id: str, pod: Pod) -> dict[str, Any]:
    """The volume as its pod shows it to the caller. Raises Fault."""
    request = PodRequest("GET", lookup.path(call, "volume", volume_id), "volume", version=_VERSION)
    answer = await forward(call, pod, request)
    if not answer.ok:
        raise Fault(answer.status, answer.message())
    volume: dict[str, Any] = answer.json()["volume"]
    return volume


def _held_to_zone(zone: str | None, its_pod: Pod) -> str | None:
    if zone is None or zone == its_pod.availability_zone:
        return None
    return f"its availability zone, {zone}, was named when it was made."


async def _obstacle(call: Call, volume: dict[str, Any], pod: Pod) -> str | None:
    if volume.get("os-vol-tenant-attr:tenant_id", call.context.project_id) != (
        call.context.project_id
    ):
        return "it is another project's."
    request = PodRequest(
        "GET", "/snapshots", "volume", urlencode({"volume_id": volume["id"]}), version=_VERSION
    )
    answer = await forward(call, pod, request)
    told = obstacle(volume, answer.json()["snapshots"] if answer.ok else [])
    return told and told[0].lower() + told[1:]


async def _not_allowed(call: Call, volume: dict[str, Any], empty: bool) -> str | None:
    if empty and await allows(call, "moves:follow"):
        return None
    if not await allows(call, "moves:create"):
        return "it may hold data, which only administrators move."
    if int(volume["size"]) > (most := CONF.gateway.attach_move_gigabytes):
        return f"it may hold data, and is larger than the {most} GB that are moved for this."
    return None


def _no_way(pod: Pod, its_pod: Pod) -> str | None:
    told = images_apart(pod, its_pod)
    return told and f"it may hold data. {told}"


def _not_there(its_pod: Pod) -> str | None:
    if not its_pod.has("volume"):
        return f"pod {its_pod.region_name} has no block storage."
    if not its_pod.takes_new:
        return f"pod {its_pod.region_name} takes nothing new: it is in state {its_pod.state}."
    return None


async def _too_many(its_pod: Pod) -> str | None:
    if await in_thread(moves.in_pod, its_pod.id) < (most := CONF.gateway.followed_volumes):
        return None
    return f"pod {its_pod.region_name} has {most} volumes that followed their servers already."


async def _arrival(call: Call, volume_id: str, its_pod: Pod) -> None:
    """Wait until a volume is in a pod. Raises Fault 409."""
    until = time.monotonic() + CONF.gateway.attach_patience
    row: models.VolumeMove | None = None
    while time.monotonic() < until:
        row = await in_thread(moves.get, volume_id)
        if row is not None and row.state in (moves.ARRIVED, "done"):
            return
        if row is None or row.state in (moves.UNDOING, moves.UNDONE):
            reason = without_addresses(row.reason or "") if row is not None else ""
            raise Fault(
                409,
                f"Volume {volume_id} could not be moved to pod {its_pod.region_name}, where the "
                f"server is, and is not attached. {reason}",
            )
        await asyncio.sleep(_PAUSE)
    raise Fault(
        409,
        f"Volume {volume_id} is being moved to pod {its_pod.region_name}, where the server is "
        f"({row.state if row else 'preparing'}). Attach it when it is there: try again later.",
        {"Retry-After": "10"},
    )
