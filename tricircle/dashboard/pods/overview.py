# SPDX-License-Identifier: Apache-2.0
"""Pods as one look takes them in: what they are, what they hold, and whether that is well."""

import dataclasses
import itertools
from collections.abc import Iterable
from typing import Any

from django.utils.translation import gettext as _

from tricircle.client.proxy import Proxy

#: On one page; there is a filter for who has more.
MOST = 200
#: How a pod does, in the words of Bootstrap's colours.
WELL, LOOK, DOWN = "success", "warning", "danger"


@dataclasses.dataclass(frozen=True)
class Share:
    """So much of something is used; ``total`` 0 where it is not known."""

    used: int = 0
    total: int = 0

    def __str__(self) -> str:
        return f"{self.used} / {self.total}" if self.total else "-"

    @property
    def percent(self) -> int:
        return min(100, round(100 * self.used / self.total)) if self.total else 0

    @property
    def light(self) -> str:
        return DOWN if self.percent >= 95 else LOOK if self.percent >= 80 else WELL


@dataclasses.dataclass(frozen=True)
class Overview:
    """A pod beside what it holds. ``capacity_error`` says why its room is not known."""

    pod: Any
    #: How many it has of each type of resource.
    held: dict[str, int] = dataclasses.field(default_factory=dict)
    jobs: int = 0
    failing: int = 0
    vcpus: Share = Share()
    ram: Share = Share()
    disk: Share = Share()
    capacity_error: str = ""

    @property
    def id(self) -> str:
        return str(self.pod.id)

    @property
    def servers(self) -> int:
        return self.held.get("server", 0)

    @property
    def volumes(self) -> int:
        return self.held.get("volume", 0)

    @property
    def health(self) -> str:
        return str((self.pod.health or {}).get("state", "unknown"))

    @property
    def seen_at(self) -> str | None:
        return (self.pod.health or {}).get("seen_at")

    @property
    def light(self) -> str:
        if self.health == "down":
            return DOWN
        well = self.health == "up" and self.pod.state == "enabled" and not self.failing
        return WELL if well else LOOK

    @property
    def services(self) -> list[dict[str, str]]:
        """Of each service how it does, which versions it has and where it is."""
        told = (self.pod.health or {}).get("services") or {}
        versions, endpoints = self.pod.versions or {}, self.pod.endpoints or {}
        return [
            {
                "name": name,
                "state": told.get(name, {}).get("state", "unknown"),
                "error": told.get(name, {}).get("last_error", ""),
                "versions": " - ".join(versions.get(name, {}).values()),
                "endpoint": endpoints.get(name, ""),
            }
            for name in sorted({*told, *versions, *endpoints})
        ]

    @property
    def words(self) -> str:
        """What the light means."""
        said = []
        if self.health != "up":
            said.append(_("down") if self.health == "down" else _("health unknown"))
        if self.pod.state != "enabled":
            said.append(str(self.pod.state))
        if self.failing:
            said.append(_("%d failing") % self.failing)
        return ", ".join(said) or _("well")


def seen(pod: Any, usage: Any | None) -> Overview:
    if usage is None:
        return Overview(pod)
    room, held, jobs = usage.capacity or {}, usage.resources or {}, usage.jobs or {}

    def share(name: str, unit: int = 1) -> Share:
        return Share(room.get(f"{name}_used", 0) // unit, room.get(name, 0) // unit)

    return Overview(
        pod,
        held=dict(sorted(held.items())),
        jobs=sum(jobs.values()),
        failing=jobs.get("failing", 0),
        vcpus=share("vcpus"),
        ram=share("ram", 1024),
        disk=share("disk"),
        capacity_error=usage.capacity_error or "",
    )


def overviews(api: Proxy) -> list[Overview]:
    """Of all pods, by zone and region. The pods are asked: it takes a moment."""
    pods = itertools.islice(api.pods(), MOST)
    usages = {usage.pod_id: usage for usage in itertools.islice(api.usages(), MOST)}
    found = [seen(pod, usages.get(pod.id)) for pod in pods]
    return sorted(found, key=lambda one: (one.pod.availability_zone, one.pod.region_name))


def by_zone(found: Iterable[Overview]) -> list[tuple[str, list[Overview]]]:
    """Of a list in order of zones."""
    return [
        (zone, list(pods))
        for zone, pods in itertools.groupby(found, key=lambda one: one.pod.availability_zone)
    ]
