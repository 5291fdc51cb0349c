# SPDX-License-Identifier: Apache-2.0
"""Actions on what lives in one pod."""

from typing import Any

from aiohttp import web

from tricircle.db import storage
from tricircle.db.errors import OverLimit
from tricircle.gateway import attach_moves, storage_limits
from tricircle.gateway.call import Call
from tricircle.gateway.http import bounds
from tricircle.gateway.http.errors import Fault
from tricircle.gateway.threads import in_thread
from tricircle.gateway.transport.client import PodResponse
from tricircle.gateway.upstream import host_names, lookup, move_guard
from tricircle.gateway.upstream.pod_request import PodRequest
from tricircle.gateway.volume import deletion, documents
from tricircle.gateway.volume.quota import project_quota, usage
from tricircle.pods.errors import PodError, PodTimeout

# Actions on a volume after which one that was empty is empty yet.
_NEVER_WRITE = (
    "os-extend",
    "os-set_bootable",
    "os-update_readonly_flag",
    "os-set_image_metadata",
    "os-unset_image_metadata",
    "os-show_image_metadata",
    "os-reset_status",
    "os-volume_upload_image",
)
# Those that end what they are done to, as its pod sees it.
_ENDS = ("os-force_delete", "delete", "os-unmanage")


async def act(call: Call) -> web.Response:
    """POST of an action."""
    kind, resource_id = call.route.resource_type, call.params[call.route.id_param]
    name, argument = call.action()
    if kind == "volume":
        await move_guard.refuse_while_moving(call, resource_id)
        if name not in _NEVER_WRITE:
            await attach_moves.let_write(call, resource_id)
    if kind == "volume" and name == "os-extend" and isinstance(argument, dict):
        return documents.shown(call, await _extended(call, resource_id, argument.get("new_size")))
    if kind == "volume" and name == "os-retype" and isinstance(argument, dict):
        return documents.shown(call, await _retyped(call, resource_id, argument.get("new_type")))
    with_it = (kind, name) == ("group", "delete") and _deletes_volumes(argument)
    below = await deletion.members(call, kind, resource_id) if with_it else []
    request = PodRequest.of(call)
    if isinstance(argument, dict) and isinstance(host := argument.get("host"), str) and "@" in host:
        pod = await lookup.find(call, kind, resource_id)
        inside = {**argument, "host": host_names.inward(call, pod, host)}
        request = request.with_body({name: inside})
    answer = await lookup.ask(call, kind, resource_id, request)
    if answer.ok and name in _ENDS:
        for one in ((kind, resource_id), *below):
            deletion.follow(call, *one, answer.pod)
    return documents.shown(call, answer)


async def _extended(call: Call, volume_id: str, size: Any) -> PodResponse:
    """What a volume will have more is set aside before its pod is asked. Raises Fault 413."""
    was: int | None = None
    if (wanted := bounds.whole(size, bounds.STORED)) is not None:
        row = await in_thread(storage.get, "volume", volume_id)
        if row is not None and wanted > row.gigabytes:
            await project_quota.check_size(row.project_id, wanted)
            limits = await storage_limits.of_project(row.project_id)
            try:
                was = await in_thread(storage.grow, volume_id, wanted, limits)
            except OverLimit as error:
                raise project_quota.too_much(error) from None
    try:
        answer = await lookup.ask(call, "volume", volume_id)
    except (PodError, Fault) as error:
        if was is not None and wanted is not None:
            # Whether a pod that fell silent has done it is to be seen there.
            seen = await _size(call, volume_id) if isinstance(error, PodTimeout) else was
            await in_thread(storage.resize, volume_id, wanted if seen is None else seen)
        raise
    if not answer.ok and was is not None:
        await in_thread(storage.resize, volume_id, was)
    return answer


async def _retyped(call: Call, volume_id: str, wanted: Any) -> PodResponse:
    """A volume counts by its new type before its pod is asked. Raises Fault 413."""
    row = await in_thread(storage.get, "volume", volume_id)
    if row is None or not isinstance(wanted, str) or not wanted:
        return await lookup.ask(call, "volume", volume_id)
    limits = await storage_limits.of_project(row.project_id)
    try:
        named = await storage_limits.type_name(call.context.project_id, wanted)
        await in_thread(storage.retype, volume_id, named, limits)
    except OverLimit as error:
        raise project_quota.too_much(error) from None
    done = False
    try:
        answer = await lookup.ask(call, "volume", volume_id)
        done = answer.ok
    except PodTimeout:
        done = True  # perhaps; xjob sees
        raise
    finally:
        if not done:
            await in_thread(storage.retype, volume_id, row.volume_type, {})
    return answer


async def _size(call: Call, volume_id: str) -> int | None:
    """How large a volume is; None while that is not known."""
    try:
        shown = await usage.document(call, "volume", volume_id)
    except (PodError, Fault):
        return None
    return bounds.whole(shown.get("size"), bounds.STORED)


def _deletes_volumes(argument: Any) -> bool:
    return isinstance(argument, dict) and bool(argument.get("delete-volumes"))
