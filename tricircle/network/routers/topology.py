# SPDX-License-Identifier: Apache-2.0
"""Where the copies of a router are, and which bridge networks join them.

Facts, and what follows from them: nobody is asked here. Pods are named by id.
"""

import dataclasses
from collections.abc import Mapping

Pods = tuple[str, ...]

EAST_WEST, NORTH_SOUTH, TRANSIT = "east-west", "north-south", "transit"
KINDS = (EAST_WEST, NORTH_SOUTH, TRANSIT)
# What has an address on a bridge network in a pod: the copy of the router, its east-west router.
ROUTER, EAST_WEST_ROUTER = "router", "east-west router"
Holder = tuple[str, str]  # pod, and which of these


@dataclasses.dataclass(frozen=True)
class RouterReach:
    """Where a router is to be, and why.

    ``networks`` are the networks joined to it, each with the pods it is in. ``tenants`` are the
    pods where servers use the router. ``outlets`` are the pods that have its external network;
    one of them is its ``home``, which has the addresses central Neutron shows, and ``stand_in``
    does the rest of the home's work while that is down. ``apart`` are those of the networks whose
    copies have no common link.
    """

    router_id: str
    networks: Mapping[str, frozenset[str]]
    tenants: Pods
    external_network: str | None = None
    outlets: Pods = ()
    apart: frozenset[str] = frozenset()
    home: str | None = None
    stand_in: str | None = None

    @property
    def exit(self) -> str | None:
        """The pod that guests go out by, and by which they are reached."""
        return self.stand_in or self.home

    @property
    def joined(self) -> bool:
        """Whether its copies in different pods must reach one another."""
        return len(self.tenants) > 1

    @property
    def guests(self) -> Pods:
        """Pods that have no external network of their own and go out through ``exit``."""
        if not self.outlets:
            return ()
        return tuple(pod for pod in self.tenants if pod not in self.outlets)

    @property
    def parted(self) -> Pods:
        """Pods where an east-west router takes what is for other pods (see ``east_west``)."""
        if not self.joined or not self.outlets:
            return ()
        there = {pod for one in self.apart for pod in self.networks.get(one, ())}
        return tuple(pod for pod in self.tenants if pod in there)

    @property
    def places(self) -> Pods:
        """Every pod that has a copy of the router."""
        away = self.guests and self.exit not in self.tenants
        return (*self.tenants, *((self.exit,) if away and self.exit else ()))


def kinds_in(router: RouterReach, pod_id: str) -> list[str]:
    """The bridge networks that a pod has for a router."""
    kinds = []
    if router.joined and pod_id in router.tenants:
        kinds.append(EAST_WEST)
    if pod_id in router.parted:
        kinds.append(TRANSIT)
    if router.guests and pod_id in (*router.guests, router.exit):
        kinds.append(NORTH_SOUTH)
    return kinds


def holders(router: RouterReach, kind: str, pod_id: str) -> list[Holder]:
    """What has an address on a bridge network; ``pod_id`` asks, and sees its own transit."""
    if kind == TRANSIT:
        return [(pod_id, ROUTER), (pod_id, EAST_WEST_ROUTER)]
    parted = router.parted if kind == EAST_WEST else ()
    return [(pod, EAST_WEST_ROUTER if pod in parted else ROUTER) for pod in router.places]
