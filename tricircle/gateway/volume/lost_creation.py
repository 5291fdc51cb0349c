# SPDX-License-Identifier: Apache-2.0
"""Ask a pod to make something, and find what it may have made although its answer never came."""

import asyncio
import dataclasses
import datetime
import time
from collections.abc import Mapping
from typing import Any

import orjson

from tricircle.db import clock, routings
from tricircle.gateway.call import Call
from tricircle.gateway.http.errors import Fault
from tricircle.gateway.threads import in_thread
from tricircle.gateway.transport.client import PodResponse
from tricircle.gateway.upstream.forward import forward
from tricircle.gateway.upstream.pod_request import PodRequest
from tricircle.pods.errors import PodError, PodTimeout, PodUnreachable
from tricircle.pods.pod import Pod

# Seconds a pod has to show what it made, and between looks.
_PATIENCE, _PAUSE = 15.0, 1.0
_SKEW = datetime.timedelta(seconds=60)
_LATEST = "sort=created_at:desc&limit=50"


@dataclasses.dataclass(frozen=True, slots=True)
class Sought:
    """What was asked for, and when: a ``kind`` of thing, ``named`` so, whose document shows
    ``values``, as far as it shows them. The answer has no more than ``told`` of the document, where
    given."""

    kind: str
    name: str | None
    values: Mapping[str, Any]
    told: tuple[str, ...] = ()
    since: datetime.datetime = dataclasses.field(default_factory=clock.now)


async def ask(
    call: Call, pod: Pod, sought: Sought, request: PodRequest | None = None
) -> PodResponse:
    """Ask one pod to make it, by the client's own request if no other is given.

    Raises PodUnreachable, and Fault 504 when whether it made one is not known.
    """
    try:
        answer = await forward(call, pod, request)
    except PodTimeout as error:
        return await _found(call, pod, sought, str(error))
    if answer.ok and not _tells(answer, sought.kind):
        why = f"Pod {pod.region_name}: answered {answer.status} with a body that is not JSON."
        return await _found(call, pod, sought, why)
    if answer.status < 500:
        return answer
    try:
        found = await look(call, pod, sought, patience=0.0)
    except PodError as error:
        if answer.status == 503:
            return answer  # a proxy with nobody behind it says so to both, and handed on neither
        why = f"Pod {pod.region_name}: {answer.message()}"
        raise _not_known(sought, why, f" {error}") from None
    return found or answer


def _tells(answer: PodResponse, kind: str) -> bool:
    """Whether a success says what was made."""
    try:
        return bool(answer.json()[kind]["id"])
    except (PodError, KeyError, TypeError):
        return False


async def _found(call: Call, pod: Pod, sought: Sought, why: str) -> PodResponse:
    trouble = ""
    try:
        found = await look(call, pod, sought, patience=_PATIENCE)
        if found is not None:
            return found
    except PodError as error:
        trouble = f" {error}"
    raise _not_known(sought, why, trouble)


def _not_known(sought: Sought, why: str, trouble: str) -> Fault:
    return Fault(
        504,
        f"{why} Whether it made the {sought.kind} is not known: list them before you try again."
        f"{trouble}",
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
    kind = sought.kind
    # Its creates may hang and its lists answer; nobody else can tell what became of one.
    request = PodRequest.of(call).get(f"/{kind}s/detail", _LATEST).ignoring_breaker()
    answer = await forward(call, pod, request)
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
    (item,) = candidates
    shown = {name: item[name] for name in sought.told or item if name in item}
    return dataclasses.replace(answer, status=202, body=orjson.dumps({kind: shown}))


def _is_like(item: dict[str, Any], sought: Sought) -> bool:
    since = (sought.since - _SKEW).strftime("%Y-%m-%dT%H:%M:%S")
    if (item.get("name") or None) != (sought.name or None):
        return False
    for name, value in sought.values.items():
        if value is not None and name in item and str(item[name]) != str(value):
            return False
    return str(item.get("created_at", "")) >= since
