# SPDX-License-Identifier: Apache-2.0
"""Find the volume or group a pod may have made although its answer never came."""

import asyncio
import dataclasses
import datetime
import time
from typing import Any

import orjson

from tricircle.db import routings
from tricircle.gateway.call import Call
from tricircle.gateway.client import PodResponse
from tricircle.gateway.forward import forward
from tricircle.gateway.threads import in_thread
from tricircle.gateway.volume.request import CreateRequest
from tricircle.pods.errors import PodUnreachable
from tricircle.pods.pod import Pod

_PAUSE = 1.0
_SKEW = datetime.timedelta(seconds=60)
_LATEST = "sort=created_at:desc&limit=50"


@dataclasses.dataclass(frozen=True, slots=True)
class Sought:
    """What was asked for, and when."""

    request: CreateRequest
    since: datetime.datetime = dataclasses.field(
        default_factory=lambda: datetime.datetime.now(datetime.UTC)
    )


async def look(call: Call, pod: Pod, sought: Sought, patience: float) -> PodResponse | None:
    """The answer the pod would have given, None when for ``patience`` seconds there is none.

    Raises PodUnreachable.
    """
    until = time.monotonic() + patience
    while True:
        found = await _once(call, pod, sought)
        if found is not None or time.monotonic() > until:
            return found
        await asyncio.sleep(_PAUSE)


async def _once(call: Call, pod: Pod, sought: Sought) -> PodResponse | None:
    kind = sought.request.kind
    path = f"/{kind}s/detail"
    answer = await forward(call, pod, method="GET", path=path, query=_LATEST, body=b"")
    if not answer.ok:
        raise PodUnreachable(pod.region_name, f"its {kind}s cannot be listed: {answer.message()}")
    candidates = [
        item
        for item in answer.json()[f"{kind}s"]
        if _is_like(item, sought) and await in_thread(routings.get, kind, item["id"]) is None
    ]
    # Two of one name made at the same moment cannot be told apart: neither is taken.
    if len(candidates) != 1:
        return None
    return dataclasses.replace(answer, status=202, body=orjson.dumps({kind: candidates[0]}))


def _is_like(item: dict[str, Any], sought: Sought) -> bool:
    since = (sought.since - _SKEW).strftime("%Y-%m-%dT%H:%M:%S")
    if (item.get("name") or None) != (sought.request.name or None):
        return False
    size = sought.request.wanted.get("size")
    if size is not None and "size" in item and str(item["size"]) != str(size):
        return False
    return str(item.get("created_at", "")) >= since
