# SPDX-License-Identifier: Apache-2.0
"""Choose a pod for what has none yet."""

import asyncio
import dataclasses
from collections.abc import Sequence

from tricircle.gateway.call import Call
from tricircle.gateway.http.errors import Fault
from tricircle.gateway.threads import PODS
from tricircle.gateway.upstream import lookup
from tricircle.pods.pod import Pod
from tricircle.scheduling.request import Facts, Request
from tricircle.scheduling.scheduler import Choice, NoPodFits, Scheduler, UnknownZone


async def required_pods(call: Call, needs: Sequence[tuple[str, str]]) -> dict[str, str]:
    """{what a new resource is to be beside: the region name of its pod}, of ``needs``.

    These are (resource type, id), of whatever service. What is found nowhere is left to the pod,
    which says so in its own words.
    """
    places = await asyncio.gather(*(lookup.locate(call, *need) for need in needs))
    return {
        f"{kind.replace('_', ' ')} {item}": place.pod.region_name
        for (kind, item), place in zip(needs, places, strict=True)
        if place.pod is not None
    }


async def choose(
    call: Call, request: Request, unknown_zone: str | None = None, *, service: str | None = None
) -> Choice:
    """The pods for what has none yet, best first: those with the ``service`` it is of.

    That is the service called if none is given. A pod's own name of its zone, which servers read in
    its metadata, stands for the pods that have it. ``unknown_zone`` is what the service says of a
    zone that is none. Raises Fault 400 and 503.
    """
    services = call.services
    if services.scheduler is None:
        facts = Facts(services.identity, services.availability)
        services.scheduler = await PODS.run(Scheduler, facts)
    try:
        pods = [pod for pod in services.registry.all() if pod.has(service or call.service)]
        return await PODS.run(services.scheduler.choose, *_by_zone(pods, request))
    except UnknownZone as error:
        raise Fault(400, unknown_zone or str(error)) from None
    except NoPodFits as error:
        raise Fault(503 if error.temporary else 400, str(error)) from None


def _by_zone(pods: list[Pod], request: Request) -> tuple[list[Pod], Request]:
    zone = request.zone.name
    own = [pod for pod in pods if pod.own_zone == zone]
    if not own or zone in {pod.availability_zone for pod in pods}:
        return pods, request
    return own, dataclasses.replace(request, zone=dataclasses.replace(request.zone, name=None))
