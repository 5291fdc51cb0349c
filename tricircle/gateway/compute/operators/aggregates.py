# SPDX-License-Identifier: Apache-2.0
"""Host aggregates: in each pod one of the same name, to users one with the hosts of all.

An aggregate is made in a pod of its zone, and in another pod when it gets a host there. Its id is
that of the one made first, and any other id of it is as good.
"""

from typing import Any

from aiohttp import web

from tricircle.gateway.call import Call
from tricircle.gateway.compute.operators.aggregate_model import (
    ROOT,
    ZONE,
    Aggregate,
    Document,
    Member,
    gathered,
    toward_pod,
)
from tricircle.gateway.http.errors import Fault
from tricircle.gateway.http.responses import respond
from tricircle.gateway.transport.client import PodResponse, Refused
from tricircle.gateway.upstream import host_names, integer_ids, scatter
from tricircle.gateway.upstream.forward import ask_any, forward, reply, reply_with
from tricircle.gateway.upstream.pod_request import PodRequest
from tricircle.pods.pod import Pod

# Calls


async def list_all(call: Call) -> web.Response:
    """GET /os-aggregates."""
    known = gathered(await scatter.everywhere(call))
    return respond({"aggregates": [aggregate.shown() for aggregate in known]})


async def create(call: Call) -> web.Response:
    """POST /os-aggregates: in a pod of the zone; in the first one for a zone no pod is in."""
    wanted = call.member("aggregate")
    pods = sorted(call.services.serving(), key=lambda pod: (not pod.takes_new, pod.region_name))
    if wanted is None or not pods:
        return reply(call, await ask_any(call))
    zone = wanted.get(ZONE)
    fitting = [pod for pod in pods if pod.availability_zone == zone] or pods
    fitting.sort(key=call.is_away)
    try:
        known = await _known(call)
    except Refused:
        # Who may not look is told by a pod what else is wrong, and by which rule.
        known = []
    name = str(wanted.get("name")).strip()
    # A pod that has one of this name says so itself.
    taken = [one.first.pod for one in known if one.first.document["name"] == name]
    pod = (taken or fitting)[0]
    request = PodRequest.of(call).with_body(toward_pod(pod, "aggregate", wanted))
    answer = (await forward(call, pod, request)).raise_for_status()
    made = Aggregate([Member(pod, answer.json()["aggregate"])])
    return _reply(call, answer, made)


async def show(call: Call) -> web.Response:
    """GET /os-aggregates/{id}."""
    return await _each(call, _shown)


async def update(call: Call) -> web.Response:
    """PUT /os-aggregates/{id}: its name and zone."""
    return await _each(call, _update)


async def delete(call: Call) -> web.Response:
    """DELETE /os-aggregates/{id}."""
    return await _each(call, _delete)


async def action(call: Call) -> web.Response:
    """POST /os-aggregates/{id}/action."""
    name, argument = call.action()
    if name in _ACTIONS and isinstance(argument, dict):
        return await _each(call, _ACTIONS[name], argument)
    return reply(call, await integer_ids.ask(call))


async def images(call: Call) -> web.Response:
    """POST /os-aggregates/{id}/images: to the hosts of all pods."""
    return await _each(call, _images)


# What they do with an aggregate


async def _shown(call: Call, aggregate: Aggregate) -> web.Response:
    # The request itself may be wrong; a pod knows by which microversion.
    answer = await _on(call, aggregate.first, query=call.raw_query)
    return _reply(call, answer, aggregate)


async def _update(call: Call, aggregate: Aggregate) -> web.Response:
    wanted = call.member("aggregate")
    if wanted is None:
        return _reply(call, await _on(call, aggregate.first), aggregate)
    await _not_another(call, aggregate, wanted.get("name"))
    for member in aggregate.members:
        if member.hosts and _is_elsewhere(call, member.pod, wanted.get(ZONE)):
            raise Fault(
                400,
                f"Cannot update aggregate {call.params['id']}. Reason: it has hosts in availability"
                f" zone {member.pod.availability_zone}.",
            )
    return await _change_all(call, aggregate, "aggregate", wanted)


async def _set_metadata(call: Call, aggregate: Aggregate, argument: Document) -> web.Response:
    return await _change_all(call, aggregate, "set_metadata", argument)


async def _change_all(
    call: Call, aggregate: Aggregate, key: str, argument: Document
) -> web.Response:
    _all_must_answer(call, aggregate)
    changed = []
    for member in aggregate.members:
        suffix = "/action" if key == "set_metadata" else ""
        body = toward_pod(member.pod, key, argument)
        answer = await _on(call, member, suffix=suffix, body=body)
        changed.append(Member(member.pod, answer.json()["aggregate"]))
    return _reply(call, answer, aggregate.replaced(changed))


async def _delete(call: Call, aggregate: Aggregate) -> web.Response:
    _all_must_answer(call, aggregate)
    # One with hosts is refused by its pod, before any is gone; the first goes last, by its
    # number the rest is found again.
    members = sorted(aggregate.members[1:], key=lambda member: not member.hosts)
    if aggregate.first.hosts:
        members = []
    for member in (*members, aggregate.first):
        answer = await _on(call, member)
    return reply(call, answer)


async def _add_host(call: Call, aggregate: Aggregate, argument: Document) -> web.Response:
    host = argument.get("host")
    if not isinstance(host, str):
        return _reply(call, await _on(call, aggregate.first, suffix="/action"), aggregate)
    pod, plain = await host_names.holder(call, host)
    pod = pod or aggregate.first.pod
    if _is_elsewhere(call, pod, aggregate.zone):
        raise Fault(
            409,
            f"Cannot add host to aggregate {call.params['id']}. Reason: Host already in "
            f"availability zone '{pod.availability_zone}'.",
        )
    member = aggregate.within(pod)
    new = member is None
    member = member or await _made(call, aggregate, pod)
    body = {"add_host": {**argument, "host": plain}}
    try:
        answer = await _on(call, member, suffix="/action", body=body)
    except Refused:
        if new:
            await forward(call, pod, PodRequest.of(call).delete(member.path))
        raise
    return _reply(call, answer, aggregate.replaced([Member(pod, answer.json()["aggregate"])]))


async def _remove_host(call: Call, aggregate: Aggregate, argument: Document) -> web.Response:
    pod, plain = host_names.split(call, str(argument.get("host")))
    having = [
        member
        for member in aggregate.members
        if plain in member.hosts and pod in (None, member.pod)
    ]
    if len(having) > 1:
        raise host_names.ambiguous(plain, [member.pod for member in having])
    member = having[0] if having else aggregate.first
    body = {"remove_host": {**argument, "host": plain}} if having else None
    answer = await _on(call, member, suffix="/action", body=body)
    changed = Member(member.pod, answer.json()["aggregate"])
    return _reply(call, answer, aggregate.replaced([changed]))


async def _images(call: Call, aggregate: Aggregate) -> web.Response:
    members = [member for member in aggregate.members if member.hosts] or [aggregate.first]
    for member in members:
        answer = await _on(call, member, suffix="/images")
    return reply(call, answer)


_ACTIONS: dict[str, Any] = {
    "add_host": _add_host,
    "remove_host": _remove_host,
    "set_metadata": _set_metadata,
}


# How pods are asked


async def _each(call: Call, work: Any, *more: Any) -> web.Response:
    """Do ``work`` with the aggregate the path names."""
    aggregate = await _find(call)
    if aggregate is None:
        # No pod has it: one says so in Nova's words.
        return reply(call, await integer_ids.ask(call))
    found: web.Response = await work(call, aggregate, *more)
    return found


async def _find(call: Call) -> Aggregate | None:
    number = integer_ids.parse(call.params["id"])
    if number is None:
        return None
    pod, own = integer_ids.inward(call, number)
    if pod is None:
        return None
    for aggregate in await _known(call):
        member = aggregate.within(pod)
        if member is not None and member.document["id"] == own:
            return aggregate
    return None


async def _known(call: Call) -> list[Aggregate]:
    return gathered(await scatter.everywhere(call, PodRequest.of(call).get(ROOT)))


async def _on(
    call: Call, member: Member, suffix: str = "", body: Any = None, query: str = ""
) -> PodResponse:
    """The call as one pod is to do it. Raises Refused with the number the user named."""
    request = PodRequest.of(call).with_path(member.path + suffix).with_query(query)
    answer = await forward(call, member.pod, request if body is None else request.with_body(body))
    if not answer.ok:
        number = integer_ids.parse(call.params["id"]) or integer_ids.NOBODYS
        raise Refused(integer_ids.refused(answer, member.document["id"], number))
    return answer


async def _made(call: Call, aggregate: Aggregate, pod: Pod) -> Member:
    """The aggregate made in one more pod, like the first."""
    first = aggregate.first.document
    body = {"name": first["name"], ZONE: aggregate.zone}
    wanted = toward_pod(pod, "aggregate", body)
    answer = (await forward(call, pod, PodRequest.of(call).post(ROOT, wanted))).raise_for_status()
    member = Member(pod, answer.json()["aggregate"])
    metadata = {k: v for k, v in first.get("metadata", {}).items() if k != ZONE}
    if metadata:
        body = {"set_metadata": {"metadata": metadata}}
        request = PodRequest.of(call).post(f"{member.path}/action", body)
        (await forward(call, pod, request)).raise_for_status()
    return member


def _reply(call: Call, answer: PodResponse, aggregate: Aggregate) -> web.Response:
    return reply_with(call, answer, {"aggregate": aggregate.shown()})


def _is_elsewhere(call: Call, pod: Pod, zone: Any) -> bool:
    """Whether a zone is that of other pods."""
    known = {one.availability_zone for one in call.services.registry.all()}
    return zone in known and zone != pod.availability_zone


def _all_must_answer(call: Call, aggregate: Aggregate) -> None:
    """Raises Fault 503 when the aggregate may also be in a pod that is away."""
    zone = aggregate.zone
    away = [
        pod
        for pod in call.services.registry.all()
        if pod not in call.answering and not _is_elsewhere(call, pod, zone)
    ]
    if away:
        names = ", ".join(sorted(pod.region_name for pod in away))
        raise Fault(
            503,
            f"Aggregate {call.params['id']} may also be in pods that do not answer: {names}. Try "
            "again later.",
            {"Retry-After": "5"},
        )


async def _not_another(call: Call, aggregate: Aggregate, name: Any) -> None:
    """Raises Fault 409 as Nova words it for a name that another aggregate has."""
    own = aggregate.first.document["name"]
    if not isinstance(name, str) or name.strip() == own:
        return
    if any(one.first.document["name"] == name.strip() for one in await _known(call)):
        raise Fault(409, f"Aggregate {name.strip()} already exists.")
