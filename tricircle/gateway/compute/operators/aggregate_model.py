# SPDX-License-Identifier: Apache-2.0
"""A host aggregate as pods have it and as users see it: those of one name are one."""

import dataclasses
from collections.abc import Iterable
from typing import Any

from tricircle.gateway.upstream import integer_ids
from tricircle.gateway.upstream.scatter import Gathered
from tricircle.pods.pod import Pod

ROOT = "/os-aggregates"
ZONE = "availability_zone"
Document = dict[str, Any]


@dataclasses.dataclass(frozen=True, slots=True)
class Member:
    """An aggregate as one pod has it."""

    pod: Pod
    document: Document

    @property
    def path(self) -> str:
        return f"{ROOT}/{self.document['id']}"

    @property
    def hosts(self) -> list[str]:
        found: list[str] = self.document.get("hosts", [])
        return found


@dataclasses.dataclass(frozen=True, slots=True)
class Aggregate:
    """``members`` are those of one name, the first made first."""

    members: list[Member]

    @property
    def first(self) -> Member:
        return self.members[0]

    @property
    def zone(self) -> str | None:
        return outside(self.first.pod, self.first.document.get(ZONE))

    def within(self, pod: Pod) -> Member | None:
        return next((member for member in self.members if member.pod.id == pod.id), None)

    def replaced(self, changed: Iterable[Member]) -> "Aggregate":
        """The same with members as they are now."""
        now = {member.pod.id: member for member in (*self.members, *changed)}
        return Aggregate(sorted(now.values(), key=age))

    def shown(self) -> Document:
        """The document users see."""
        first = self.first
        document = {**first.document, "id": integer_ids.outward(first.pod, first.document["id"])}
        document[ZONE] = self.zone
        if "metadata" in document:
            document["metadata"] = {
                name: outside(first.pod, value) if name == ZONE else value
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


def age(member: Member) -> tuple[str, str]:
    return member.document["created_at"], member.pod.region_name


def outside(pod: Pod, zone: str | None) -> str | None:
    """A pod's zone as users know it."""
    return pod.availability_zone if zone and zone == pod.pod_availability_zone else zone


def inside(pod: Pod, zone: Any) -> Any:
    """A zone that users know as the pod knows it."""
    return (pod.pod_availability_zone or zone) if zone == pod.availability_zone else zone


def gathered(told: Gathered) -> list[Aggregate]:
    """The aggregates that pods told. Raises as ``Gathered.good_or_raise``."""
    by_name: dict[str, list[Member]] = {}
    for answer in told.good_or_raise():
        for document in answer.json()["aggregates"]:
            by_name.setdefault(document["name"], []).append(Member(answer.pod, document))
    return [Aggregate(sorted(members, key=age)) for members in by_name.values()]


def toward_pod(pod: Pod, key: str, argument: Document) -> Document:
    """A request's body for a pod: its zone by the name the pod knows."""
    body = dict(argument)
    if ZONE in body:
        body[ZONE] = inside(pod, body[ZONE])
    if isinstance(body.get("metadata"), dict) and ZONE in body["metadata"]:
        body["metadata"] = {**body["metadata"], ZONE: inside(pod, body["metadata"][ZONE])}
    return {key: body}
