# SPDX-License-Identifier: Apache-2.0
"""Choose a pod for what has none yet."""

import asyncio
import contextlib
import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from tricircle.db import definitions
from tricircle.db import rules as rules_table
from tricircle.gateway.call import Call
from tricircle.gateway.http.errors import Fault
from tricircle.gateway.threads import PODS, in_thread
from tricircle.gateway.upstream import image_document, lookup
from tricircle.pods.pod import Pod
from tricircle.scheduling.request import Facts, Request
from tricircle.scheduling.rules import FLAVOR, IMAGE, Rule, default_zone, kinds, left_out
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
    call: Call,
    request: Request,
    unknown_zone: str | None = None,
    *,
    service: str | None = None,
    images: Sequence[Any] = (),
    flavor: Any = None,
) -> Choice:
    """The pods for what has none yet, best first: those with the ``service`` it is of.

    That is the service called if none is given. A pod's own name of its zone, which servers read in
    its metadata, stands for the pods that have it. ``unknown_zone`` is what the service says of a
    zone that is none. ``images`` and ``flavor`` are what it is made of, as the client named them:
    rules may ask for their properties. Raises Fault 400 and 503.
    """
    named = dict.fromkeys(filter(None, map(image_document.id_of, images)))
    request = dataclasses.replace(request, images=tuple(named))
    request = await _ruled(call, request, flavor)
    services = call.services
    if services.scheduler is None:
        facts = Facts(services.identity, services.availability)
        services.scheduler = await PODS.run(Scheduler, facts)
    pods = [pod for pod in services.registry.all() if pod.has(service or call.service)]
    usual = (
        default_zone(request.rules) if request.zone.by_default or not request.zone.name else None
    )
    if usual is not None:
        wish = dataclasses.replace(request, zone=dataclasses.replace(request.zone, name=usual))
        # What is elsewhere already, a volume say, takes it there.
        with contextlib.suppress(UnknownZone, NoPodFits):
            return await PODS.run(services.scheduler.choose, pods, wish)
    try:
        return await PODS.run(services.scheduler.choose, *_by_zone(pods, request))
    except UnknownZone as error:
        raise Fault(400, unknown_zone or str(error)) from None
    except NoPodFits as error:
        raise Fault(503 if error.temporary else 400, str(error)) from None


async def check_rules(call: Call, pod: Pod, project_id: str, what: str) -> None:
    """Raises Fault 400 when no rule lets a project have something in a pod that was named."""
    rules = await rules_for(call, project_id)
    if (reason := left_out(rules, [pod]).get(pod.id)) is not None:
        raise Fault(400, f"Pod {pod.region_name} cannot take the {what}: it {reason}.")


async def rules_for(call: Call, project_id: str, domain_id: str | None = None) -> tuple[Rule, ...]:
    """The rules for a project. Those of domains are known for the caller's own project only,
    unless its domain is named.
    """
    if domain_id is None:
        own = project_id == call.context.project_id
        domain_id = call.context.project_domain_id if own else ""
    rows = await in_thread(rules_table.concerning, project_id, domain_id)
    return tuple(map(Rule.of, rows))


async def _ruled(call: Call, request: Request, flavor: Any) -> Request:
    """The request with the rules for it, and the properties that they ask for.

    Raises PodError when Glance does not answer: a rule that cannot be judged lets nothing through.
    """
    rules = await rules_for(call, request.project_id)
    if not rules:
        return request
    properties: dict[str, Mapping[str, Any]] = {}
    asked = kinds(rules)
    if IMAGE in asked:
        found: dict[str, Any] = {}
        for image_id in request.images:
            found = {**(await image_document.shown(call, image_id) or {}), **found}
        properties[IMAGE] = found
    if FLAVOR in asked and isinstance(flavor, str | int):
        row = await in_thread(definitions.get, "flavor", str(flavor).rsplit("/", 1)[-1])
        properties[FLAVOR] = {} if row is None else row.body.get("extra_specs") or {}
    return dataclasses.replace(request, rules=rules, properties=properties)


def _by_zone(pods: list[Pod], request: Request) -> tuple[list[Pod], Request]:
    zone = request.zone.name
    own = [pod for pod in pods if pod.own_zone == zone]
    if not own or zone in {pod.availability_zone for pod in pods}:
        return pods, request
    return own, dataclasses.replace(request, zone=dataclasses.replace(request.zone, name=None))
