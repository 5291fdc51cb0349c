# SPDX-License-Identifier: Apache-2.0
"""Pages of a list that goes through the pods one after the other, as Nova goes through its cells.

A page after a marker begins in the pod that knows the marker and goes on in those after it, so
nothing need be remembered between pages.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar
from urllib.parse import urlencode

from tricircle.gateway.call import Call
from tricircle.gateway.upstream import scatter
from tricircle.gateway.upstream.pod_request import PodRequest
from tricircle.pods.errors import PodError
from tricircle.pods.pod import Pod

Item = TypeVar("Item")


async def page(
    call: Call,
    read: Callable[[Any], list[Item]],
    limit: int,
    marker: str | None = None,
    holder: Pod | None = None,
    more: Mapping[str, str] | None = None,
) -> list[tuple[Pod, Item]]:
    """At most ``limit`` items of all pods, by region, after ``marker``, each with its pod.

    Only ``holder`` is asked for the marker where it is known that no other pod may know it.
    ``read`` takes the items out of a pod's document; ``more`` are query parameters that replace
    the client's. Raises Refused, Fault 502, 503, 504.
    """
    pods = sorted(call.pods, key=lambda pod: pod.region_name)
    away: dict[Pod, PodError] = {}

    async def ask(asked: Sequence[Pod], limit: int, marker: str | None) -> scatter.Gathered:
        request = PodRequest.of(call).with_query(_query(call, limit, marker, more or {}))
        told = await scatter.gather(call, asked, request)
        away.update(told.away)
        scatter.tell_away(call, away)
        return told

    told = await ask(pods if holder is None else [holder], limit, marker)
    # A pod that does not know the marker refuses it with a 400.
    good = told.good_or_raise(absent=lambda answer: marker is not None and answer.status == 400)
    items = [(answer.pod, item) for answer in good for item in read(answer.json())]
    if marker is not None and len(items) < limit:
        region = good[-1].pod.region_name
        after = [pod for pod in pods if pod.region_name > region]
        told = await ask(after, limit - len(items), None)
        items += [(answer.pod, item) for answer in told.good for item in read(answer.json())]
    return items[:limit]


def _query(call: Call, limit: int, marker: str | None, more: Mapping[str, str]) -> str:
    dropped = {"limit", "marker", *more}
    kept = [(name, value) for name, value in call.query.items() if name not in dropped]
    kept += [*more.items(), ("limit", str(limit))]
    if marker is not None:
        kept.append(("marker", marker))
    return urlencode(kept)
