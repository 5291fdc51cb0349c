# SPDX-License-Identifier: Apache-2.0
"""What a snapshot of a group, or a group made of another, uses of its project's limits.

A pod makes a snapshot, or a volume, of each of the group's volumes, in the same call. All of them
are set aside before; with the pod's answer it is looked what they are.
"""

import asyncio
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from oslo_log import log as logging

from tricircle.db import storage
from tricircle.db.storage import Use
from tricircle.gateway.call import Call
from tricircle.gateway.http import bounds
from tricircle.gateway.threads import in_thread
from tricircle.gateway.upstream import lookup
from tricircle.gateway.upstream.forward import forward
from tricircle.gateway.upstream.pod_request import PodRequest
from tricircle.pods.document import MISREAD
from tricircle.pods.errors import PodError
from tricircle.pods.pod import Pod

LOG = logging.getLogger(__name__)

#: {what is made: (what is made of each volume, what names the whole there)}
_PARTS = {"group_snapshot": ("snapshot", "group_snapshot_id"), "group": ("volume", "group_id")}

Item = dict[str, Any]


def is_of_group(kind: str) -> bool:
    return kind in _PARTS


async def uses(call: Call, pod: Pod, kind: str, wanted: Mapping[str, Any]) -> list[Use]:
    """What a ``kind`` (group_snapshot, group) that is made of a group of ``pod`` will use, itself
    first, if that is counted. Raises PodError."""
    part, _ = _PARTS[kind]
    itself = [Use(kind)] if kind in storage.COUNTS else []
    group = wanted.get("group_id") or wanted.get("source_group_id")
    if isinstance(group, str):
        volumes = await _listed(call, pod, "volume", group_id=group)
        return [*itself, *(_use(part, one, one.get("volume_type")) for one in volumes)]
    named = str(wanted.get("group_snapshot_id"))
    answer = await forward(call, pod, PodRequest.of(call).get(f"/group_snapshots/{named}"))
    if not answer.ok:
        return itself  # The pod will say so.
    volumes = await _listed(
        call, pod, "volume", group_id=answer.json()["group_snapshot"]["group_id"]
    )
    snapshots = await _snapshots(call, pod, volumes, named)
    types = {one["id"]: one.get("volume_type") for one in volumes}
    return [*itself, *(_use(part, one, types.get(one["volume_id"])) for one in snapshots)]


async def count(
    call: Call, pod: Pod, kind: str, new: str, wanted: Mapping[str, Any], set_aside: list[str]
) -> None:
    """Write down what the pod has made of each volume; it stands for the rows that were set aside.

    Where it cannot be seen the rows stay until an audit of the pod has seen it.
    """
    part, whole = _PARTS[kind]
    try:
        if kind == "group":
            made = await _listed(call, pod, part, group_id=new)
            types = {one["id"]: one.get("volume_type") for one in made}
        else:
            volumes = await _listed(call, pod, "volume", group_id=str(wanted.get("group_id")))
            made = await _snapshots(call, pod, volumes, new)
            by_volume = {one["id"]: one.get("volume_type") for one in volumes}
            types = {one["id"]: by_volume.get(one["volume_id"]) for one in made}
        found = {
            await lookup.learned(part, one["id"], pod): _use(part, one, types[one["id"]])
            for one in made
            if one.get(whole) == new
        }
    except (PodError, *MISREAD) as error:
        LOG.warning("What was made with %s %s is counted later: %r", kind, new, error)
        return
    rows = iter(set_aside)
    for resource_id, use in found.items():
        row_id = next(rows, None)
        if row_id is not None:
            await in_thread(storage.confirm, row_id, resource_id, pod.id, use)
    for row_id in rows:
        await in_thread(storage.give_back, row_id)


async def _snapshots(call: Call, pod: Pod, volumes: list[Item], whole: str) -> list[Item]:
    """Those of a group's snapshot, of its volumes."""
    found = await asyncio.gather(
        *(_listed(call, pod, "snapshot", volume_id=one["id"]) for one in volumes)
    )
    return [one for some in found for one in some if one.get("group_snapshot_id") == whole]


async def _listed(call: Call, pod: Pod, kind: str, **of: str) -> list[Item]:
    answer = await forward(call, pod, PodRequest.of(call).get(f"/{kind}s/detail", urlencode(of)))
    if not answer.ok:
        return []  # Whoever may not see them is refused by the pod.
    listed: list[Item] = answer.json()[f"{kind}s"]
    return listed


def _use(part: str, item: Item, by_type: str | None) -> Use:
    return Use(part, bounds.whole(item.get("size"), bounds.STORED) or 0, by_type)
