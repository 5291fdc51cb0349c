# SPDX-License-Identifier: Apache-2.0
"""The groups pods have for the server groups users know.

A pod's own Nova sees to the hosts of those in the pod, so the pod gets a group of the same policy
when the first server of a group is made there. It is the user's, made with his token, and has the
central group's id for its name: by that it is found again when whoever made it died.
"""

import asyncio
import time
from typing import Any

from tricircle.conf import CONF
from tricircle.db import models, session
from tricircle.db import server_groups as table
from tricircle.db.errors import NotFound
from tricircle.db.models import ServerGroup
from tricircle.db.realizations import Store
from tricircle.gateway import restricted
from tricircle.gateway.call import Call, Version
from tricircle.gateway.client import PodResponse
from tricircle.gateway.errors import Fault
from tricircle.gateway.threads import in_thread
from tricircle.pods.errors import PodError, PodRefused, PodTimeout
from tricircle.pods.pod import Pod

AFFINITY = "affinity"
_SHOWN = "server_groups"
_RULES: Version = (2, 64)
_SOFT: Version = (2, 15)
_PAGE = 1000
_PAUSE = 0.1


async def ensure(call: Call, group: ServerGroup, pod: Pod) -> str:
    """The id of the pod's group for a group, made there if there is none.

    Raises PodError, and Fault 400 when the group was deleted meanwhile.
    """
    until = time.monotonic() + CONF.gateway.request_deadline
    while True:
        try:
            row = await in_thread(table.want, group.id, pod.id)
        except NotFound:
            raise Fault(400, f"Instance group {group.id} could not be found.") from None
        if row.pod_resource_id is not None:
            return row.pod_resource_id
        rows = Store(models.Realization, session.write)
        mine = await in_thread(rows.claim, row.id)
        if mine is not None:
            return await _made(call, group, pod, rows, mine)
        if time.monotonic() > until:
            raise PodTimeout(pod.region_name, f"did not make server group {group.id} in time.")
        await asyncio.sleep(_PAUSE)  # somebody else is making it


async def _made(call: Call, group: ServerGroup, pod: Pod, rows: Store, row: Any) -> str:
    """Make the pod's group, or find the one an earlier attempt made."""
    try:
        inside = await _find(call, group, pod) if row.attempts > 1 else None
        inside = inside or await _make(call, group, pod)
    except PodError as error:
        await in_thread(rows.failed, row, str(error))
        raise
    await in_thread(rows.realized, row, inside)
    return inside


async def _find(call: Call, group: ServerGroup, pod: Pod) -> str | None:
    name, offset = table.marker(group.id), 0
    while True:
        query = f"limit={_PAGE}&offset={offset}"
        answer = await _ask(call, pod, "GET", "/os-server-groups", query=query)
        listed = answer.json()["server_groups"]
        for one in listed:
            if one["name"] == name:
                return str(one["id"])
        if not listed:
            return None
        offset += len(listed)


async def _make(call: Call, group: ServerGroup, pod: Pod) -> str:
    newest = pod.versions.get("compute", {}).get("max", "2.1")
    major, _, minor = str(newest).partition(".")
    wanted: dict[str, Any] = {"name": table.marker(group.id)}
    if (int(major), int(minor or 0)) >= _RULES:
        version = _RULES
        wanted |= {"policy": group.policy}
        if group.rules:
            wanted |= {"rules": group.rules}
    elif group.rules:
        raise PodRefused(pod.region_name, 400, "It knows no rules of server groups.", b"")
    else:
        version = _SOFT
        wanted |= {"policies": [group.policy]}
    body = {"server_group": wanted}
    answer = await _ask(call, pod, "POST", "/os-server-groups", body=body, version=version)
    return str(answer.json()["server_group"]["id"])


async def _ask(call: Call, pod: Pod, method: str, path: str, **more: Any) -> PodResponse:
    answer = await call.services.client.request(
        pod,
        "compute",
        method,
        path,
        token=call.context.token,
        headers=await restricted.beside(call),
        request_id=call.context.upstream_id,
        **more,
    )
    if not answer.ok:
        raise PodRefused(pod.region_name, answer.status, answer.message(), answer.body)
    return answer


async def show(pod: Pod, server: dict[str, Any]) -> None:
    """Name the groups a pod's server document names as users know them; changed in place."""
    if server.get(_SHOWN):
        known = await in_thread(table.known_by, pod.id, server[_SHOWN])
        server[_SHOWN] = [known[inside] for inside in server[_SHOWN] if inside in known]
