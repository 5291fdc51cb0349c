# SPDX-License-Identifier: Apache-2.0
"""Set aside what new servers will use of their project's quota, before any pod is asked."""

import base64
import contextlib
import dataclasses
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from tricircle.db import allocations, definitions, models, storage
from tricircle.db.allocations import Wish
from tricircle.db.errors import Excess, OverLimit
from tricircle.db.operations import ServerCreate
from tricircle.db.storage import Use
from tricircle.gateway import storage_limits
from tricircle.gateway.call import Call
from tricircle.gateway.compute.networking.networks import PlannedNic
from tricircle.gateway.compute.quota import project_quota
from tricircle.gateway.compute.server_request import CreateRequest, NewVolume
from tricircle.gateway.http import bounds
from tricircle.gateway.http.errors import Fault
from tricircle.gateway.threads import in_thread
from tricircle.gateway.upstream.forward import ask_any
from tricircle.gateway.upstream.pod_request import PodRequest
from tricircle.pods.unified_limits import NAMES

# Seconds after which it is looked at what a server uses that was resized, restored and the like.
_CHECK_IN = 3.0


async def reserve(
    call: Call, wanted: CreateRequest, planned: Sequence[PlannedNic], group: str | None
) -> list[str]:
    """Ids of the operations begun: ``max_count`` of them, or as many as the quota has room for.

    Raises Fault 403 as Nova words it when ``min_count`` are too many.
    """
    context = call.context
    cores, ram = await size(call, str(wanted.server.get("flavorRef", "")))
    volumes = tuple([await _volume(call, device) for device in wanted.volumes_made])
    wish = Wish(context.project_id, context.user_id, cores, ram, group, volumes)
    held = await project_quota.held(call, context.project_id, context.user_id)
    limits = held.servers
    if volumes:
        most = await storage_limits.of_project(context.project_id)
        limits = dataclasses.replace(limits, storage=most)
    _check_parts(wanted, held.all)
    began = models.now().isoformat()
    brought = [nic.port["id"] for nic in planned if nic.port is not None]
    creates = [
        ServerCreate(wanted.one_of_many(index).name, began, brought)
        for index in range(wanted.max_count)
    ]
    try:
        return await in_thread(allocations.reserve, wish, limits, creates, wanted.min_count)
    except OverLimit as error:
        raise too_much(error, context.project_id) from None


async def _volume(call: Call, device: NewVolume) -> Use:
    """What a volume uses that the pod makes for a server.

    One of a snapshot has the snapshot's size and type where the request names none.
    """
    size, named = device.gigabytes, device.volume_type
    if device.snapshot_id is not None:
        row = await in_thread(storage.get, "snapshot", device.snapshot_id)
        if row is not None:
            return Use("volume", size or row.gigabytes, row.volume_type)
    project = call.context.project_id
    return Use("volume", size or 0, await storage_limits.type_name(project, named))


def _check_parts(wanted: CreateRequest, limits: Mapping[str, int]) -> None:
    """Raises Fault 403 for more metadata or files than one server may have."""
    check_metadata(wanted.server.get("metadata"), limits)
    files = wanted.server.get("personality")
    if not isinstance(files, list) or not files:
        return
    if _over(len(files), limits["injected_files"]):
        raise Fault(403, "Personality file limit exceeded")
    known = [file for file in files if isinstance(file, dict)]
    path = max((len(str(file.get("path", ""))) for file in known), default=0)
    if _over(path, most := limits["injected_file_path_bytes"]):
        raise Fault(403, f"Personality file path exceeds maximum {most}")
    content = max((_decoded_length(file.get("contents")) for file in known), default=0)
    if _over(content, most := limits["injected_file_content_bytes"]):
        raise Fault(403, f"Personality file content exceeds maximum {most}")


def check_metadata(metadata: Any, limits: Mapping[str, int]) -> None:
    """Raises Fault 403 as Nova words it for too many items."""
    most = limits["metadata_items"]
    if isinstance(metadata, dict) and _over(len(metadata), most):
        raise Fault(403, f"Maximum number of metadata items exceeds {most}")


def _over(amount: int, limit: int) -> bool:
    return 0 <= limit < amount


def _decoded_length(contents: Any) -> int:
    """Bytes in a file that is sent in base64; one that is not is for a pod to refuse."""
    try:
        return len(base64.b64decode(str(contents or "")))
    except ValueError:
        return 0


async def grow(call: Call, server_id: str, flavor: str) -> None:
    """A server is to be resized: what it will use more is set aside. Raises Fault 403."""
    row = await in_thread(allocations.get, server_id)
    if row is None:
        return
    cores, ram = await size(call, flavor)
    limits = (await project_quota.held(call, row.project_id, row.user_id)).servers
    try:
        await in_thread(
            allocations.grow, server_id, {"cores": cores, "ram": ram}, limits, _CHECK_IN
        )
    except OverLimit as error:
        raise too_much(error, row.project_id) from None


async def restore(call: Call, server_id: str) -> None:
    """A server that is deleted softly is to be restored. Raises Fault 403."""
    row = await in_thread(allocations.get, server_id)
    if row is None or row.instances:
        return
    limits = (await project_quota.held(call, row.project_id, row.user_id)).servers
    wanted = {"instances": 1, "cores": row.vcpus, "ram": row.ram}
    try:
        await in_thread(allocations.grow, server_id, wanted, limits, _CHECK_IN)
    except OverLimit as error:
        raise too_much(error, row.project_id) from None


@contextlib.asynccontextmanager
async def snapshots(call: Call, server_id: str, volumes: Sequence[str]) -> AsyncIterator[None]:
    """Snapshots of a server's volumes are to be made: they are set aside, and given back when that
    fails. Raises Fault 403.
    """
    row = await in_thread(allocations.get, server_id)
    if row is None or not volumes:
        yield
        return
    known = [await in_thread(storage.get, "volume", volume_id) for volume_id in volumes]
    uses = [
        Use("snapshot", one.gigabytes if one else 0, one.volume_type if one else None)
        for one in known
    ]
    project, ids = call.context.project_id, [models.new_id() for _ in uses]
    limits = await storage_limits.of_project(project)
    try:
        await in_thread(storage.begin_with, row.id, project, uses, limits, ids)
    except OverLimit as error:
        raise too_much(error, project) from None
    try:
        yield
    except BaseException:
        for one in ids:
            await in_thread(storage.give_back, one)
        raise
    await look_soon(server_id)


async def size(call: Call, reference: str) -> tuple[int, int]:
    """The processors and MB of a flavor; nothing of one that is not found: a pod says so."""
    flavor_id = reference.rpartition("/")[2]
    row = await in_thread(definitions.get, "flavor", flavor_id)
    if row is not None and row.body:
        return _amount(row.body["vcpus"]), _amount(row.body["ram"])
    request = PodRequest.of(call).get(f"/flavors/{quote(flavor_id, safe='')}")
    answer = await ask_any(call, request)
    if not answer.ok:
        return 0, 0
    flavor = answer.json()["flavor"]
    return _amount(flavor["vcpus"]), _amount(flavor["ram"])


def _amount(told: Any) -> int:
    """A number of a pod's document that is to be written down. Raises ValueError."""
    found = bounds.whole(told, bounds.STORED)
    if found is None:
        raise ValueError(f"{told!r:.40} is no amount of anything")
    return found


def too_much(error: OverLimit, project_id: str) -> Fault:
    """Nova's words for what is over a limit; of volumes made with a server, Cinder's."""
    excess = error.excess
    if storage_limits.concerns(error):
        return Fault(403, storage_limits.words(error))
    if any(one.resource == "server_group_members" for one in excess):
        return Fault(403, "Quota exceeded, too many servers in group")
    if project_quota.unified():
        return Fault(403, _as_oslo_limit(project_id, excess))
    names = ", ".join(one.resource for one in excess)
    requested = ", ".join(one.requested for one in excess)
    used = ", ".join(str(one.used) for one in excess)
    allowed = ", ".join(str(one.limit) for one in excess)
    return Fault(
        403,
        f"Quota exceeded for {names}: Requested {requested}, but already used {used} of "
        f"{allowed} {names}",
    )


def _as_oslo_limit(project_id: str, excess: Sequence[Excess]) -> str:
    told = ", ".join(
        f"Resource {NAMES[one.resource]} is over limit of {one.limit} due to current usage "
        f"{one.used} and delta {one.requested}"
        for one in sorted(excess, key=lambda one: NAMES[one.resource])
    )
    return f"Project {project_id} is over a limit for [{told}]"


async def look_soon(server_id: str) -> None:
    """Something was done that may change what a server uses: xjob is to see what it is now."""
    await in_thread(allocations.look, server_id, _CHECK_IN)
