# SPDX-License-Identifier: Apache-2.0
"""What is to be placed, as filters and weighers see it."""

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tricircle.scheduling.capacity import Free
from tricircle.scheduling.rules import Rule
from tricircle.scheduling.zones import Zone

if TYPE_CHECKING:
    from tricircle.pods.availability import Availability
    from tricircle.pods.identity import ServiceIdentity


@dataclasses.dataclass(frozen=True, slots=True)
class Network:
    """A network the new resource is to be on; ``zone_hints`` are zones or pods it is bound to."""

    id: str
    zone_hints: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class Group:
    """The server group a server is to be in; ``members`` is {pod id: how many are there}.

    ``per_host`` is how many of them one host may have when they are to be spread.
    """

    id: str
    policy: str
    per_host: int = 1
    members: Mapping[str, int] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, slots=True)
class Request:
    """A resource without a pod.

    ``required_pods`` is {what is to be in the same pod: the region name of the pod it is in}, as
    {"volume 1234": "pod1"}. ``within`` are (what it must be beside, names of the regions that have
    that), ``what`` names the resource in messages. ``rules`` are those for the project, and
    ``properties`` are {"image": {…}, "flavor": {…}}, as far as rules ask for them. ``images`` are
    the ids of those it is made of.
    """

    project_id: str
    zone: Zone = dataclasses.field(default_factory=Zone)
    networks: tuple[Network, ...] = ()
    required_pods: Mapping[str, str] = dataclasses.field(default_factory=dict)
    within: tuple[tuple[str, frozenset[str]], ...] = ()
    what: str = "server"
    group: Group | None = None
    rules: tuple[Rule, ...] = ()
    properties: Mapping[str, Mapping[str, Any]] = dataclasses.field(default_factory=dict)
    images: tuple[str, ...] = ()

    @property
    def services(self) -> tuple[str, ...]:
        """The services of a pod that it takes to make the resource."""
        if self.what != "server":
            return ("volume",)
        return ("compute", "network") if self.networks else ("compute",)


@dataclasses.dataclass(frozen=True, slots=True)
class Facts:
    """What filters and weighers may ask."""

    identity: "ServiceIdentity"
    availability: "Availability"
    free: Free = dataclasses.field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "free", Free(self.identity))
