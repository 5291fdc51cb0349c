# SPDX-License-Identifier: Apache-2.0
"""In which pod a resource lives: remembered, read from the routings, or asked of all pods.

The routing table is an index, not the truth. A pod's own 404 is the truth: then the other pods
are asked, and the index is healed.
"""

import asyncio
import dataclasses
import importlib
import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

from oslo_db import exception as db_exc
from oslo_log import log as logging

from tricircle.conf import CONF
from tricircle.db import backup_copies, moves, routings
from tricircle.gateway.call import Call
from tricircle.gateway.http.errors import Fault
from tricircle.gateway.threads import in_thread
from tricircle.gateway.transport.client import PodResponse
from tricircle.gateway.upstream.forward import ask_any, forward
from tricircle.gateway.upstream.pod_request import PodRequest
from tricircle.pods.errors import PodBroken, PodError
from tricircle.pods.pod import Pod

LOG = logging.getLogger(__name__)

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


@dataclasses.dataclass(frozen=True, slots=True)
class _Resource:
    """``vanished`` ("module:function" below tricircle.gateway) sees whether a resource is gone and
    what goes with it; ``owner`` is where a document shows the project.
    """

    path: str
    missing: str
    vanished: str | None = None
    service: str = "volume"
    owner: str = "tenant_id"


_STORED = "volume.deletion:vanished"
_RESOURCES = {
    "server": _Resource(
        "/servers/{}",
        "Instance {} could not be found.",
        "compute.servers.deletion:vanished",
        "compute",
    ),
    "volume": _Resource(
        "/volumes/{}",
        "Volume {} could not be found.",
        _STORED,
        owner="os-vol-tenant-attr:tenant_id",
    ),
    "snapshot": _Resource(
        "/snapshots/{}",
        "Snapshot {} could not be found.",
        _STORED,
        owner="os-extended-snapshot-attributes:project_id",
    ),
    "backup": _Resource(
        "/backups/{}",
        "Backup {} could not be found.",
        _STORED,
        owner="os-backup-project-attr:project_id",
    ),
    "group": _Resource("/groups/{}", "Group {} could not be found.", _STORED, owner="project_id"),
    "group_snapshot": _Resource(
        "/group_snapshots/{}", "GroupSnapshot {} could not be found.", _STORED, owner="project_id"
    ),
    "consistencygroup": _Resource("/consistencygroups/{}", "Group {} could not be found.", _STORED),
    "cgsnapshot": _Resource("/cgsnapshots/{}", "CgSnapshot {} could not be found.", _STORED),
    "transfer": _Resource("/os-volume-transfer/{}", "Transfer {} could not be found.", _STORED),
    "attachment": _Resource(
        "/attachments/{}",
        "Volume attachment could not be found with filter: attachment_id = {}.",
        _STORED,
    ),
    "message": _Resource("/messages/{}", "Message {} could not be found.", _STORED),
}


async def ask(
    call: Call, resource_type: str, resource_id: str, request: PodRequest | None = None
) -> PodResponse:
    """Ask the pod that holds a resource, wherever it turns out to be.

    It is asked for what the client asked, or for another ``request``. Raises Fault 404 and 503,
    PodUnreachable, PodTimeout.
    """
    request = request or PodRequest.of(call)
    if not is_uuid(resource_id):
        # No pod has it; any of them says so in its own words.
        return await ask_any(call, request)
    try:
        pod, remembered = await _find(call, resource_type, resource_id)
    except Fault as fault:
        if fault.status != 404:
            raise
        return await ask_any(call, request)
    answer = await forward(call, pod, request)
    if answer.status == 404 and remembered and await has_moved(call, resource_type, resource_id):
        pod, remembered = await _find(call, resource_type, resource_id)
        answer = await forward(call, pod, request)
    if answer.status != 404 or not remembered:
        return answer
    if not await _is_gone(call, pod, request, resource_type, resource_id):
        return answer
    found, away = await _search(call, resource_type, resource_id, but=pod)
    if found is not None:
        LOG.info("%s %s is in pod %s now", resource_type, resource_id, found.region_name)
        return await forward(call, found, request)
    if not away:
        await _vanished(call, pod, resource_type, resource_id)
    return answer


async def find(call: Call, resource_type: str, resource_id: str) -> Pod:
    """The pod that holds a resource; an id no routing knows is asked of all pods and learned.

    Raises Fault 404 as Nova words it when no pod has it, 503 when a pod that may have it is away.
    """
    pod, _ = await _find(call, resource_type, resource_id)
    return pod


async def _find(call: Call, resource_type: str, resource_id: str) -> tuple[Pod, bool]:
    """The pod, and whether that was remembered (then it may be stale) rather than asked."""
    if (pod := await _recall(call, resource_type, resource_id)) is not None:
        if not pod.in_use:
            raise Fault(
                503, f"Pod {pod.region_name}, which holds {resource_id}, is in maintenance."
            )
        return pod, True
    found, away = await _search(call, resource_type, resource_id)
    if found is not None:
        return found, False
    if away:
        names = ", ".join(sorted(pod.region_name for pod in away))
        raise Fault(
            503,
            f"No pod that answers has {resource_type} {resource_id}, but it may be in one "
            f"that does not: {names}. Try again later.",
            {"Retry-After": "5"},
        )
    # Its new pod may have been asked by the id it had in the old one.
    if (
        await has_moved(call, resource_type, resource_id)
        and (pod := await _recall(call, resource_type, resource_id)) is not None
    ):
        return pod, False
    raise missing(resource_type, resource_id)


def path(resource_type: str, resource_id: str) -> str:
    """Where a pod shows a resource, below version and project."""
    return _RESOURCES[resource_type].path.format(quote(resource_id, safe=""))


def owner_key(resource_type: str) -> str:
    """Where a document shows an administrator whose the resource is."""
    return _RESOURCES[resource_type].owner


def missing(resource_type: str, resource_id: str) -> Fault:
    """No pod has it, in the words of its service."""
    return Fault(404, _RESOURCES[resource_type].missing.format(resource_id))


async def remember(
    call: Call,
    resource_type: str,
    resource_id: str,
    pod: Pod,
    detail: Mapping[str, Any] | None = None,
    *,
    project_id: str | None = None,
) -> None:
    """Write down where a resource lives, of the caller's project if none is given.

    ``detail`` None leaves what is already written.
    """
    owner = project_id or call.context.project_id
    await in_thread(routings.put, resource_type, resource_id, pod.id, owner, detail)
    call.services.routings.put(resource_type, resource_id, pod.id)


async def learned(resource_type: str, told: Any, pod: Pod) -> str:
    """The id a pod told for something new in it, checked before it is written down.

    Raises PodBroken for what is no UUID, and for the id of something known to be in another pod:
    else a pod could draw other pods' resources to itself.
    """
    if not isinstance(told, str) or not is_uuid(told):
        what = f"answered with {told!r:.80} as the id of a {resource_type}"
        raise PodBroken(pod.region_name, f"{what}, which is none.")
    try:
        taken = await elsewhere(resource_type, told, pod)
    except db_exc.DBError:
        # The thing exists all the same; its id is checked again when it is written down.
        taken = False
    if taken:
        what = f"answered with {told} as the id of a new {resource_type}"
        raise PodBroken(pod.region_name, f"{what}, which is in another pod.")
    return told


async def elsewhere(resource_type: str, resource_id: str, pod: Pod) -> bool:
    """Whether something is known to live in another pod."""
    row = await in_thread(routings.get, resource_type, resource_id)
    return row is not None and row.pod_id != pod.id


async def refuse_while_moving(call: Call, volume_id: str, arrived: bool = True) -> None:
    """Raises Fault 409 while a volume is being moved: what is changed now would be lost.

    Unless that is for one that has ``arrived`` too, and is only to go from its old pod yet.
    """
    row = await in_thread(moves.under_way, volume_id)
    if row is not None and (arrived or row.state != moves.ARRIVED):
        pod = call.services.registry.get(row.target_pod_id)
        raise Fault(
            409,
            f"Volume {volume_id} is being moved to pod {pod.region_name if pod else '?'} "
            f"({row.state}). Wait until it is there, or have the move called off.",
        )


async def forget(call: Call, resource_type: str, resource_id: str) -> None:
    """The resource is gone: drop its routing."""
    call.services.routings.drop(resource_type, resource_id)
    await in_thread(routings.delete, resource_type, resource_id)


async def _vanished(call: Call, pod: Pod, resource_type: str, resource_id: str) -> None:
    """No pod shows a resource to this caller: let what knows its type see, and tidy up."""
    vanished = _RESOURCES[resource_type].vanished
    if vanished is None:
        await forget(call, resource_type, resource_id)
        return
    module, _, function = vanished.partition(":")
    tidy = getattr(importlib.import_module(f"tricircle.gateway.{module}"), function)
    await tidy(call, resource_type, resource_id, pod)


async def has_moved(call: Call, resource_type: str, resource_id: str) -> bool:
    """Whether something was ever moved; what is known of where it is, and of its id there, may be
    older than that and is read anew next.
    """
    if resource_type != moves.KIND or await in_thread(moves.get, resource_id) is None:
        return False
    call.services.routings.drop(resource_type, resource_id)
    call.services.names.forget()
    return True


async def _recall(call: Call, resource_type: str, resource_id: str) -> Pod | None:
    services = call.services
    pod_id = services.routings.get(resource_type, resource_id)
    if pod_id is None:
        row = await in_thread(routings.get, resource_type, resource_id)
        if row is None:
            return None
        pod_id = row.pod_id
        services.routings.put(resource_type, resource_id, pod_id)
    return services.registry.get(pod_id)


async def _search(
    call: Call, resource_type: str, resource_id: str, but: Pod | None = None
) -> tuple[Pod | None, list[Pod]]:
    """Ask all pods at once, learn the answer: (the pod or None, the pods that did not say)."""
    passed = {but.id} if but is not None else set()
    if resource_type == "backup":
        # A record there of another pod's backup is not the backup.
        passed |= await in_thread(backup_copies.pods_with, resource_id)
    service = _RESOURCES[resource_type].service
    every = call.services.registry.all()
    pods = [pod for pod in every if pod.has(service) and pod.id not in passed]
    answering = set(call.services.answering(service))
    asked = [pod for pod in pods if pod in answering]
    away = [pod for pod in pods if pod not in answering]
    tasks = {
        asyncio.ensure_future(_said(call, pod, resource_type, resource_id)): pod for pod in asked
    }
    try:
        for done in asyncio.as_completed(tasks):
            pod, answer = await done
            if answer is None:
                away.append(pod)
            elif answer:
                told = answer.get(_RESOURCES[resource_type].owner)
                owner = told if isinstance(told, str) else None
                await remember(call, resource_type, resource_id, pod, project_id=owner)
                return pod, away
        return None, away
    finally:
        await _cancel(tasks)


async def _cancel(tasks: Iterable[asyncio.Future[Any]]) -> None:
    pending = [task for task in tasks if not task.done()]
    for task in pending:
        task.cancel()
    await asyncio.gather(*pending, return_exceptions=True)


async def _said(
    call: Call, pod: Pod, resource_type: str, resource_id: str
) -> tuple[Pod, dict[str, Any] | None]:
    """A pod's document of a resource as this caller may see it.

    Empty when the pod has none to show, None when it does not say.
    """
    try:
        answer = await _look(call, pod, resource_type, resource_id)
        if 400 <= answer.status < 500:
            return pod, {}
        document = answer.json() if answer.status == 200 else None
    except PodError as error:
        LOG.warning("Looking for %s %s: %s", resource_type, resource_id, error)
        return pod, None
    found = document.get(resource_type) if document is not None else None
    # Else the first pod to answer anything at all would get it.
    if isinstance(found, dict) and str(found.get("id")).lower() == resource_id.lower():
        return pod, found
    what = (resource_type, resource_id, pod.region_name, answer.status)
    LOG.warning("Looking for %s %s: pod %s answered %d", *what)
    return pod, None


async def _look(call: Call, pod: Pod, resource_type: str, resource_id: str) -> PodResponse:
    service, shown_at = _RESOURCES[resource_type].service, path(resource_type, resource_id)
    # The client's microversion is one of the service they called.
    version = call.version if service == call.service else None
    request = PodRequest("GET", shown_at, service, version=version)
    return await forward(call, pod, request.within(CONF.gateway.list_deadline))


async def _is_gone(
    call: Call, pod: Pod, request: PodRequest, resource_type: str, resource_id: str
) -> bool:
    """Whether a 404 to a request means the resource itself, not a part of it."""
    if request.method == "GET" and request.path == path(resource_type, resource_id):
        return True
    try:
        looked = await _look(call, pod, resource_type, resource_id)
    except PodError:
        return False
    return looked.status == 404


def is_uuid(text: str) -> bool:
    """Whether a text may be the id of something in a pod."""
    return _UUID.fullmatch(text) is not None
