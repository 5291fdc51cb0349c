# SPDX-License-Identifier: Apache-2.0
"""In which pod a resource lives: remembered, read from the routings, or asked of all pods.

The routing table is an index, not the truth. A pod's own 404 is the truth: then the other pods
are asked, and the index is healed.
"""

import asyncio
import dataclasses
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from oslo_db import exception as db_exc
from oslo_log import log as logging

from tricircle.conf import CONF
from tricircle.db import routings
from tricircle.gateway.call import Call
from tricircle.gateway.http.errors import Fault
from tricircle.gateway.threads import in_thread
from tricircle.gateway.transport.client import PodResponse
from tricircle.gateway.upstream import whereabouts
from tricircle.gateway.upstream.forward import ask_any, forward
from tricircle.gateway.upstream.pod_request import PodRequest
from tricircle.gateway.upstream.scatter import maybe_away
from tricircle.pods.errors import PodBroken, PodError
from tricircle.pods.pod import Pod

LOG = logging.getLogger(__name__)

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


@dataclasses.dataclass(frozen=True, slots=True)
class Place:
    """The ``pod`` that holds a resource, if one is known to, and the pods that did not say.

    When it was ``remembered`` rather than asked it may be old.
    """

    pod: Pod | None
    remembered: bool = False
    away: Sequence[Pod] = ()

    @property
    def is_nowhere(self) -> bool:
        """Whether every pod says that it does not have it."""
        return self.pod is None and not self.away


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
    place = await locate(call, resource_type, resource_id, cached=True)
    if place.is_nowhere:
        return await ask_any(call, request)
    pod = _usable(call, place, resource_type, resource_id)
    answer = await forward(call, pod, request)
    if (
        answer.status == 404
        and place.remembered
        and await has_moved(call, resource_type, resource_id)
    ):
        place = await locate(call, resource_type, resource_id)
        pod = _usable(call, place, resource_type, resource_id)
        answer = await forward(call, pod, request)
    if answer.status != 404 or not place.remembered:
        return answer
    if not await _is_gone(call, pod, request, resource_type, resource_id):
        return answer
    place = await _search(call, resource_type, resource_id, but=pod)
    if place.pod is not None:
        LOG.info("%s %s is in pod %s now", resource_type, resource_id, place.pod.region_name)
        return await forward(call, place.pod, request)
    if place.is_nowhere:
        await _vanished(call, pod, resource_type, resource_id)
    return answer


async def find(call: Call, resource_type: str, resource_id: str) -> Pod:
    """The pod that holds a resource; an id no routing knows is asked of all pods and learned.

    Raises Fault 404 as Nova words it when no pod has it, 503 when a pod that may have it is away.
    """
    place = await locate(call, resource_type, resource_id, cached=True)
    return _usable(call, place, resource_type, resource_id)


async def locate(
    call: Call, resource_type: str, resource_id: str, *, cached: bool = False
) -> Place:
    """Where a resource of any service is; an id no routing knows is asked of all pods and learned.

    With ``cached`` what this process remembers is good enough: then the answer of the pod itself
    is to tell when that is old.
    """
    if not cached:
        call.services.routings.drop(resource_type, resource_id)
    if (pod := await _recall(call, resource_type, resource_id)) is not None:
        return Place(pod, remembered=True)
    place = await _search(call, resource_type, resource_id)
    # Its new pod may have been asked by the id it had in the old one.
    if place.is_nowhere and await has_moved(call, resource_type, resource_id):
        return Place(await _recall(call, resource_type, resource_id))
    return place


def _usable(call: Call, place: Place, resource_type: str, resource_id: str) -> Pod:
    """The pod of a place. Raises Fault 404 when there is none, 503 when it cannot be asked."""
    pod = place.pod
    if pod is not None and place.remembered and not pod.in_use:
        raise Fault(503, f"Pod {pod.region_name}, which holds {resource_id}, is in maintenance.")
    if pod is not None:
        return pod
    if place.away:
        raise maybe_away(place.away, f"{resource_type} {resource_id}")
    raise missing(call, resource_type, resource_id)


def path(call: Call, resource_type: str, resource_id: str) -> str:
    """Where a pod shows a resource, below version and project."""
    return call.resource_types[resource_type].path_of(resource_id)


def missing(call: Call, resource_type: str, resource_id: str) -> Fault:
    """No pod has it, in the words of its service."""
    return Fault(404, call.resource_types[resource_type].missing.format(resource_id))


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
    call.services.nowhere.drop(resource_type, resource_id)
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


async def forget(call: Call, resource_type: str, resource_id: str) -> None:
    """The resource is gone: drop its routing."""
    call.services.routings.drop(resource_type, resource_id)
    await in_thread(routings.delete, resource_type, resource_id)


async def _vanished(call: Call, pod: Pod, resource_type: str, resource_id: str) -> None:
    """No pod shows a resource to this caller: let what knows its type see, and tidy up."""
    on_vanished = call.resource_types[resource_type].on_vanished
    if on_vanished is None:
        await forget(call, resource_type, resource_id)
    else:
        await on_vanished(call, resource_type, resource_id, pod)


async def has_moved(call: Call, resource_type: str, resource_id: str) -> bool:
    """Whether something was ever moved; what is known of where it is, and of its id there, may be
    older than that and is read anew next.
    """
    was_moved = call.resource_types[resource_type].was_moved
    if was_moved is None or not await in_thread(was_moved, resource_id):
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
) -> Place:
    """Ask all pods (but one), and learn the answer.

    Those in which the caller's project has something are asked first, where pods are many; and
    nobody is asked again at once for what no pod has.
    """
    nowhere, who = call.services.nowhere, _who(call)
    seconds = CONF.gateway.nowhere_seconds
    if but is None and nowhere.has(resource_type, resource_id, who, seconds):
        return Place(None)
    place = await _search_pods(call, resource_type, resource_id, but)
    if place.is_nowhere:
        nowhere.put(resource_type, resource_id, who)
    return place


def _who(call: Call) -> tuple[Any, ...]:
    context = call.context
    return context.user_id, context.project_id, context.roles, bool(context.service_token)


async def _search_pods(call: Call, resource_type: str, resource_id: str, but: Pod | None) -> Place:
    passed = {but.id} if but is not None else set()
    kind = call.resource_types[resource_type]
    if kind.copies is not None:
        passed |= await in_thread(kind.copies, resource_id)
    every = call.services.registry.all()
    pods = [pod for pod in every if pod.has(kind.service) and pod.id not in passed]
    answering = set(call.services.answering(kind.service))
    asked = [pod for pod in pods if pod in answering]
    away = [pod for pod in pods if pod not in answering]
    for some in await whereabouts.likely_first(call, asked):
        pod, silent, owner = await _ask_at_once(call, some, resource_type, resource_id)
        away += silent
        if pod is not None:
            await remember(call, resource_type, resource_id, pod, project_id=owner)
            return Place(pod, away=away)
    return Place(None, away=away)


async def _ask_at_once(
    call: Call, asked: Sequence[Pod], resource_type: str, resource_id: str
) -> tuple[Pod | None, list[Pod], str | None]:
    """The first of these pods to show a resource, those that did not say before it, and whose the
    resource is if that is told."""
    silent: list[Pod] = []
    tasks = {
        asyncio.ensure_future(_said(call, pod, resource_type, resource_id)): pod for pod in asked
    }
    try:
        for done in asyncio.as_completed(tasks):
            pod, answer = await done
            if answer is None:
                silent.append(pod)
            elif answer:
                told = answer.get(call.resource_types[resource_type].owner)
                return pod, silent, told if isinstance(told, str) else None
        return None, silent, None
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
    kind = call.resource_types[resource_type]
    # The client's microversion is one of the service they called.
    version = call.version if kind.service == call.service else None
    request = PodRequest("GET", kind.path_of(resource_id), kind.service, version=version)
    return await forward(call, pod, request.within(CONF.gateway.list_deadline))


async def _is_gone(
    call: Call, pod: Pod, request: PodRequest, resource_type: str, resource_id: str
) -> bool:
    """Whether a 404 to a request means the resource itself, not a part of it."""
    if request.method == "GET" and request.path == path(call, resource_type, resource_id):
        return True
    try:
        looked = await _look(call, pod, resource_type, resource_id)
    except PodError:
        return False
    return looked.status == 404


def is_uuid(text: str) -> bool:
    """Whether a text may be the id of something in a pod."""
    return _UUID.fullmatch(text) is not None
