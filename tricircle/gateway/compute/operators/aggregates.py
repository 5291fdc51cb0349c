# SPDX-License-Identifier: Apache-2.0
"""Host aggregates: in each pod one of the same name, to users one with the hosts of all.

An aggregate is made in a pod of its zone, and in another pod when it gets a host there. Its id is
that of the one made first, and any other id of it is as good.
"""

import dataclasses
from collections.abc import Iterable
from typing import Any

import orjson
from aiohttp import web
from oslo_log import log as logging

from tricircle.gateway import numbers, scatter
from tricircle.gateway.call import Call
from tricircle.gateway.client import PodResponse
from tricircle.gateway.compute.answers import respond
from tricircle.gateway.compute.operators import hosts
from tricircle.gateway.errors import Fault
from tricircle.gateway.forward import ask_any, forward, reply
from tricircle.gateway.scatter import Refused
from tricircle.pods.pod import Pod

LOG = logging.getLogger(__name__)

_ROOT = "/os-aggregates"
_ZONE = "availability_zone"
Document = dict[str, Any]


@dataclasses.dataclass(frozen=True, slots=True)
class _Member:
    """An aggregate as one pod has it."""

    pod: Pod
    document: Document

    @property
    def path(self) -> str:
        return f"{_ROOT}/{self.document['id']}"

    @property
    def hosts(self) -> list[str]:
        found: list[str] = self.document.get("hosts", [])
        return found


@dataclasses.dataclass(frozen=True, slots=True)
class _Aggregate:
    """``members`` are those of one name, the first made first."""

    members: list[_Member]

    @property
    def first(self) -> _Member:
        return self.members[0]

    @property
    def zone(self) -> str | None:
        return _outside(self.first.pod, self.first.document.get(_ZONE))

    def within(self, pod: Pod) -> _Member | None:
        return next((member for member in self.members if member.pod.id == pod.id), None)

    def replaced(self, changed: Iterable[_Member]) -> "_Aggregate":
        """The same with members as they are now."""
        now = {member.pod.id: member for member in (*self.members, *changed)}
        return _Aggregate(sorted(now.values(), key=_age))

    def shown(self) -> Document:
        """The document users see."""
        first = self.first
        document = {**first.document, "id": numbers.outward(first.pod, first.document["id"])}
        document[_ZONE] = self.zone
        if "metadata" in document:
            document["metadata"] = {
                name: _outside(first.pod, value) if name == _ZONE else value
                for name, value in document["metadata"].items()
            }
        if "hosts" in document:
            document["hosts"] = self._hosts()
        return document

    def _hosts(self) -> list[str]:
        found: list[str] = []
        for member in self.members:
            for host in member.hosts:
                # Two pods may each have a host of one name.
                found.append(f"{host}@{member.pod.region_name}" if host in found else host)
        return found


def _age(member: _Member) -> tuple[str, str]:
    return member.document["created_at"], member.pod.region_name


def _outside(pod: Pod, zone: str | None) -> str | None:
    """A pod's zone as users know it."""
    return pod.availability_zone if zone and zone == pod.pod_availability_zone else zone


def _inside(pod: Pod, zone: Any) -> Any:
    """A zone that users know as the pod knows it."""
    return (pod.pod_availability_zone or zone) if zone == pod.availability_zone else zone


# Calls


async def list_all(call: Call) -> web.Response:
    """GET /os-aggregates."""
    try:
        known = _gathered(await scatter.everywhere(call))
    except Refused as refused:
        return reply(call, refused.answer)
    return respond({"aggregates": [aggregate.shown() for aggregate in known]})


async def create(call: Call) -> web.Response:
    """POST /os-aggregates: in a pod of the zone; in the first one for a zone no pod is in."""
    body = call.json()
    wanted = body.get("aggregate") if isinstance(body, dict) else None
    pods = sorted(call.services.serving(), key=lambda pod: (not pod.takes_new, pod.region_name))
    if not isinstance(wanted, dict) or not pods:
        return reply(call, await ask_any(call))
    zone = wanted.get(_ZONE)
    fitting = [pod for pod in pods if pod.availability_zone == zone] or pods
    fitting.sort(key=call.services.away)
    try:
        known = await _known(call)
    except Refused as refused:
        return reply(call, refused.answer)
    name = str(wanted.get("name")).strip()
    # A pod that has one of this name says so itself.
    taken = [one.first.pod for one in known if one.first.document["name"] == name]
    pod = (taken or fitting)[0]
    answer = await forward(call, pod, body=_body(pod, "aggregate", wanted))
    if not answer.ok:
        return reply(call, answer)
    made = _Aggregate([_Member(pod, answer.json()["aggregate"])])
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
    body = call.json()
    if isinstance(body, dict) and len(body) == 1:
        ((name, argument),) = body.items()
        if name in _ACTIONS and isinstance(argument, dict):
            return await _each(call, _ACTIONS[name], argument)
    return reply(call, await numbers.ask(call))


async def images(call: Call) -> web.Response:
    """POST /os-aggregates/{id}/images: to the hosts of all pods."""
    return await _each(call, _images)


# What they do with an aggregate


async def _shown(call: Call, aggregate: _Aggregate) -> web.Response:
    # The request itself may be wrong; a pod knows by which microversion.
    answer = await _on(call, aggregate.first, query=call.raw_query)
    return _reply(call, answer, aggregate)


async def _update(call: Call, aggregate: _Aggregate) -> web.Response:
    body = call.json()
    wanted = body.get("aggregate") if isinstance(body, dict) else None
    if not isinstance(wanted, dict):
        return _reply(call, await _on(call, aggregate.first), aggregate)
    await _not_another(call, aggregate, wanted.get("name"))
    for member in aggregate.members:
        if member.hosts and _is_elsewhere(call, member.pod, wanted.get(_ZONE)):
            raise Fault(
                400,
                f"Cannot update aggregate {call.params['id']}. Reason: it has hosts in availability"
                f" zone {member.pod.availability_zone}.",
            )
    return await _change_all(call, aggregate, "aggregate", wanted)


async def _set_metadata(call: Call, aggregate: _Aggregate, argument: Document) -> web.Response:
    return await _change_all(call, aggregate, "set_metadata", argument)


async def _change_all(
    call: Call, aggregate: _Aggregate, key: str, argument: Document
) -> web.Response:
    _all_must_answer(call, aggregate)
    changed = []
    for member in aggregate.members:
        suffix = "/action" if key == "set_metadata" else ""
        body = _body(member.pod, key, argument)
        answer = await _on(call, member, suffix=suffix, body=body)
        changed.append(_Member(member.pod, answer.json()["aggregate"]))
    return _reply(call, answer, aggregate.replaced(changed))


async def _delete(call: Call, aggregate: _Aggregate) -> web.Response:
    _all_must_answer(call, aggregate)
    # One with hosts is refused by its pod, before any is gone; the first goes last, by its
    # number the rest is found again.
    members = sorted(aggregate.members[1:], key=lambda member: not member.hosts)
    if aggregate.first.hosts:
        members = []
    for member in (*members, aggregate.first):
        answer = await _on(call, member)
    return reply(call, answer)


async def _add_host(call: Call, aggregate: _Aggregate, argument: Document) -> web.Response:
    host = argument.get("host")
    if not isinstance(host, str):
        return _reply(call, await _on(call, aggregate.first, suffix="/action"), aggregate)
    pod, plain = await hosts.holder(call, host)
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
            await forward(call, pod, method="DELETE", path=member.path, body=b"", query="")
        raise
    return _reply(call, answer, aggregate.replaced([_Member(pod, answer.json()["aggregate"])]))


async def _remove_host(call: Call, aggregate: _Aggregate, argument: Document) -> web.Response:
    pod, plain = hosts.split(call, str(argument.get("host")))
    having = [
        member
        for member in aggregate.members
        if plain in member.hosts and pod in (None, member.pod)
    ]
    if len(having) > 1:
        raise hosts.ambiguous(plain, [member.pod for member in having])
    member = having[0] if having else aggregate.first
    body = {"remove_host": {**argument, "host": plain}} if having else None
    answer = await _on(call, member, suffix="/action", body=body)
    changed = _Member(member.pod, answer.json()["aggregate"])
    return _reply(call, answer, aggregate.replaced([changed]))


async def _images(call: Call, aggregate: _Aggregate) -> web.Response:
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
    try:
        aggregate = await _find(call)
        if aggregate is None:
            # No pod has it: one says so in Nova's words.
            return reply(call, await numbers.ask(call))
        found: web.Response = await work(call, aggregate, *more)
        return found
    except Refused as refused:
        return reply(call, refused.answer)


async def _find(call: Call) -> _Aggregate | None:
    number = numbers.parse(call.params["id"])
    if number is None:
        return None
    pod, own = numbers.inward(call, number)
    if pod is None:
        return None
    for aggregate in await _known(call):
        member = aggregate.within(pod)
        if member is not None and member.document["id"] == own:
            return aggregate
    return None


async def _known(call: Call) -> list[_Aggregate]:
    told = await scatter.everywhere(call, method="GET", path=_ROOT, body=b"", query="")
    return _gathered(told)


def _gathered(told: scatter.Gathered) -> list[_Aggregate]:
    if (refusal := told.refusal()) is not None:
        raise Refused(refusal)
    by_name: dict[str, list[_Member]] = {}
    for answer in told.good:
        for document in answer.json()["aggregates"]:
            by_name.setdefault(document["name"], []).append(_Member(answer.pod, document))
    return [_Aggregate(sorted(members, key=_age)) for members in by_name.values()]


async def _on(
    call: Call, member: _Member, suffix: str = "", body: Any = None, query: str = ""
) -> PodResponse:
    """The call as one pod is to do it. Raises Refused with the number the user named."""
    answer = await forward(call, member.pod, path=member.path + suffix, body=body, query=query)
    if not answer.ok:
        number = int(call.params["id"])
        raise Refused(numbers.refused(answer, member.document["id"], number))
    return answer


async def _made(call: Call, aggregate: _Aggregate, pod: Pod) -> _Member:
    """The aggregate made in one more pod, like the first."""
    first = aggregate.first.document
    body = {"name": first["name"], _ZONE: aggregate.zone}
    wanted = _body(pod, "aggregate", body)
    answer = await forward(call, pod, method="POST", path=_ROOT, body=wanted, query="")
    if not answer.ok:
        raise Refused(answer)
    member = _Member(pod, answer.json()["aggregate"])
    metadata = {k: v for k, v in first.get("metadata", {}).items() if k != _ZONE}
    if metadata:
        body = {"set_metadata": {"metadata": metadata}}
        answer = await forward(
            call, pod, method="POST", path=f"{member.path}/action", body=body, query=""
        )
        if not answer.ok:
            raise Refused(answer)
    return member


def _body(pod: Pod, key: str, argument: Document) -> Document:
    """A request's body for a pod: its zone by the name the pod knows."""
    inside = dict(argument)
    if _ZONE in inside:
        inside[_ZONE] = _inside(pod, inside[_ZONE])
    if isinstance(inside.get("metadata"), dict) and _ZONE in inside["metadata"]:
        zone = _inside(pod, inside["metadata"][_ZONE])
        inside["metadata"] = {**inside["metadata"], _ZONE: zone}
    return {key: inside}


def _reply(call: Call, answer: PodResponse, aggregate: _Aggregate) -> web.Response:
    return reply(call, answer, body=orjson.dumps({"aggregate": aggregate.shown()}))


def _is_elsewhere(call: Call, pod: Pod, zone: Any) -> bool:
    """Whether a zone is that of other pods."""
    known = {one.availability_zone for one in call.services.registry.all()}
    return zone in known and zone != pod.availability_zone


def _all_must_answer(call: Call, aggregate: _Aggregate) -> None:
    """Raises Fault 503 when the aggregate may also be in a pod that is away."""
    zone = aggregate.zone
    away = [
        pod
        for pod in call.services.registry.all()
        if pod not in call.services.answering() and not _is_elsewhere(call, pod, zone)
    ]
    if away:
        names = ", ".join(sorted(pod.region_name for pod in away))
        raise Fault(
            503,
            f"Aggregate {call.params['id']} may also be in pods that do not answer: {names}. Try "
            "again later.",
            {"Retry-After": "5"},
        )


async def _not_another(call: Call, aggregate: _Aggregate, name: Any) -> None:
    """Raises Fault 409 as Nova words it for a name that another aggregate has."""
    own = aggregate.first.document["name"]
    if not isinstance(name, str) or name.strip() == own:
        return
    if any(one.first.document["name"] == name.strip() for one in await _known(call)):
        raise Fault(409, f"Aggregate {name.strip()} already exists.")
