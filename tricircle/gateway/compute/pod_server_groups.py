# SPDX-License-Identifier: Apache-2.0
"""The groups pods have for the server groups users know.

A pod's own Nova sees to the hosts of those in the pod, so the pod gets a group of the same policy
when the first server of a group is made there. It is the user's, made with their token, and has the
central group's marker for its name: by that it is found again when whoever made it died.
"""

import asyncio
import time
from collections.abc import Sequence
from typing import Any

from tricircle.conf import CONF
from tricircle.db import server_groups as table
from tricircle.db.errors import NotFound
from tricircle.db.models import ServerGroup
from tricircle.db.outcomes import Outcome, Realized, Requeue
from tricircle.db.realizations import Row
from tricircle.db.work_queue import own_queue
from tricircle.gateway.call import Call, Version
from tricircle.gateway.http.errors import Fault
from tricircle.gateway.threads import in_thread
from tricircle.gateway.transport.client import PodResponse
from tricircle.gateway.upstream.forward import forward
from tricircle.gateway.upstream.pod_request import PodRequest
from tricircle.pods import server_groups
from tricircle.pods.document import pages
from tricircle.pods.errors import PodError, PodRefused, PodTimeout
from tricircle.pods.pod import Pod

AFFINITY = "affinity"
_PATH = "/os-server-groups"
# Where documents name groups: from 2.71 and 2.100 on.
_SHOWN, _HINTS = "server_groups", "scheduler_hints"
_RULES: Version = (2, 64)
_SOFT: Version = (2, 15)
# The first to tell whose a group is.
_OWNED: Version = (2, 13)
_PAGE, _MOST_PAGES = 1000, 100
_PAUSE = 0.1


async def ensure(call: Call, group: ServerGroup, pod: Pod) -> str:
    """The id of the pod's group for a group, made there if there is none.

    Raises PodError, and Fault 400 when the group was deleted meanwhile.
    """
    queue, until = own_queue(), time.monotonic() + CONF.gateway.request_deadline
    while time.monotonic() < until:
        row = await _wanted(group, pod)
        if row.pod_resource_id is not None:
            return row.pod_resource_id
        if (claimed := await in_thread(queue.claim, row.id)) is not None:
            return await _reconcile(call, group, pod, claimed)
        await asyncio.sleep(_PAUSE)  # somebody else is making it
    raise PodTimeout(pod.region_name, f"did not make server group {group.id} in time.")


async def _wanted(group: ServerGroup, pod: Pod) -> Row:
    try:
        return await in_thread(table.want, group.id, pod.id)
    except NotFound:
        raise Fault(400, f"Instance group {group.id} could not be found.") from None


async def _reconcile(call: Call, group: ServerGroup, pod: Pod, row: Row) -> str:
    """Make the pod's group with the user's token, or find the one an earlier attempt made; its id.

    It ends as other work on a claimed row does: its outcome is recorded, whatever happens.
    """
    outcome: Outcome = Requeue(reason="The request was broken off.")
    try:
        doubtful = row.attempts > 1 or pod.may_have_lost(group.created_at)
        inside = await _find(call, group, pod) if doubtful else None
        inside = inside or await _make(call, group, pod)
        outcome = Realized(inside)
    except Exception as error:
        outcome = Requeue(
            reason=str(error) if isinstance(error, PodError) else type(error).__name__
        )
        raise
    finally:
        # Nobody else is to wait until the claim is over by itself.
        await in_thread(own_queue().record, row, outcome)
    return inside


async def _find(call: Call, group: ServerGroup, pod: Pod) -> str | None:
    region, offset = pod.region_name, 0
    for _ in pages(pod.region_name, "server groups", _MOST_PAGES):
        query = f"limit={_PAGE}&offset={offset}"
        answer = await _ask(call, pod, PodRequest.of(call).get(_PATH, query).at(_OWNED))
        listed = answer.json()["server_groups"]
        for one in listed:
            if server_groups.is_for(region, one, group.id, group.project_id):
                return str(one["id"])
        if not listed:
            break
        offset += len(listed)
    return None


async def _make(call: Call, group: ServerGroup, pod: Pod) -> str:
    # It is made with the user's token.
    name = server_groups.name(pod.region_name, group.id, call.context.project_id)
    wanted: dict[str, Any] = {"name": name}
    if pod.newest("compute", unknown=(2, 1)) >= _RULES:
        version = _RULES
        wanted |= {"policy": group.policy}
        if group.rules:
            wanted |= {"rules": group.rules}
    elif group.rules:
        raise PodRefused(pod.region_name, 400, "It knows no rules of server groups.", b"")
    else:
        version = _SOFT
        wanted |= {"policies": [group.policy]}
    request = PodRequest.of(call).post(_PATH, {"server_group": wanted}).at(version)
    answer = await _ask(call, pod, request)
    return str(answer.json()["server_group"]["id"])


async def _ask(call: Call, pod: Pod, request: PodRequest) -> PodResponse:
    answer = await forward(call, pod, request)
    if not answer.ok:
        raise PodRefused(pod.region_name, answer.status, answer.message(), answer.body)
    return answer


async def show(*shown: tuple[Pod, dict[str, Any]]) -> None:
    """Name groups in servers' documents, each with its pod, as users know them; in place."""
    for pod in {pod.id: pod for pod, _ in shown}.values():
        servers = [server for one, server in shown if one.id == pod.id and _named(server)]
        if servers:
            await _show(pod, servers)


async def _show(pod: Pod, servers: Sequence[dict[str, Any]]) -> None:
    inside = {group for server in servers for group in _named(server)}
    known = await in_thread(table.known_by, pod.id, inside)
    if inside - known.keys():
        # A group that is deleted is still hinted at, but none of its servers is in it.
        hinted = await in_thread(table.hinted, [server["id"] for server in servers])
    else:
        hinted = {}
    for server in servers:
        if _SHOWN in server:
            server[_SHOWN] = [known[group] for group in server[_SHOWN] if group in known]
        hint = _hint(server)
        if hint:
            central = [known.get(group, hinted.get(server["id"], group)) for group in hint]
            hints = server[_HINTS]
            server[_HINTS] = {**hints, "group": _as(hints["group"], central)}


def _named(server: dict[str, Any]) -> list[str]:
    """Ids of the groups a document names."""
    return [*server.get(_SHOWN, ()), *_hint(server)]


def _hint(server: dict[str, Any]) -> list[str]:
    """The group a server was to be in when it was made: Nova tells it as it keeps it, in a list."""
    value = (server.get(_HINTS) or {}).get("group")
    return [value] if isinstance(value, str) else list(value or ())


def _as(value: Any, central: list[str]) -> Any:
    return central[0] if isinstance(value, str) else central
