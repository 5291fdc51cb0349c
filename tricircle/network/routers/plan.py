# SPDX-License-Identifier: Apache-2.0
"""What a router's copy in one pod must look like, so that all its copies act as one router.

No database and no pod is asked here: facts come in, a plan comes out.
"""

import dataclasses
import ipaddress
from collections.abc import Callable, Iterable, Mapping

from tricircle.network.routers.topology import (
    EAST_WEST,
    NORTH_SOUTH,
    TRANSIT,
    RouterReach,
    kinds_in,
)

DEFAULT = {4: "0.0.0.0/0", 6: "::/0"}
# Both halves of everything. A default route itself would not stay: Neutron's L3 agent takes those
# off a gateway's device which its subnet does not name as its gateway.
HALVES = {4: ("0.0.0.0/1", "128.0.0.0/1"), 6: ("::/1", "8000::/1")}

#: ``(kind, ip version, pod)`` -> the address on the bridge network of what that pod takes packets
#: with; on the transit network, of what is at its other end.
BridgeAddress = Callable[[str, int, str], str]
#: ``(ip version, pod)`` -> the next hop to that pod.
Across = Callable[[int, str], str]
Route = tuple[str, str]
Range = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclasses.dataclass(frozen=True)
class Attached:
    """A subnet of the router: by which central port, at which address in this pod.

    ``pods`` are those the router meets the subnet in. ``servers`` says where each address of the
    subnet is; it is asked for only when the subnet is in several pods and not stretched. On an
    ``automatic`` network, every port makes itself an address, too, unless it is a router's.
    """

    port_id: str
    network_id: str
    subnet_id: str
    cidr: str
    version: int
    address: str
    stretched: bool
    pods: frozenset[str]
    servers: Mapping[str, str] = dataclasses.field(default_factory=dict)
    automatic: bool = False


@dataclasses.dataclass(frozen=True)
class Gateway:
    """The network the copy is open to, by its central id (a bridge's or the external one).

    ``qos_policy_id`` is the policy of what passes to the outside.
    """

    network_id: str
    addresses: Mapping[str, str]  # central subnet id -> address
    snat: bool
    qos_policy_id: str | None = None


@dataclasses.dataclass(frozen=True)
class Plan:
    """``bridges`` are the bridge networks the copy is joined to as an ordinary interface."""

    interfaces: tuple[Attached, ...] = ()
    bridges: tuple[str, ...] = ()
    gateway: str | None = None  # EAST_WEST, NORTH_SOUTH or EXTERNAL
    routes: frozenset[Route] = frozenset()


EXTERNAL = "external"


def make(
    reach: RouterReach,
    pod_id: str,
    attached: Iterable[Attached],
    user_routes: Iterable[Mapping[str, str]],
    outside: Iterable[str],
    bridge: BridgeAddress,
) -> Plan:
    """The plan for one pod; ``outside`` are the ranges of the external network.

    The gateway is the external network where the pod has it, else the north-south bridge, else
    the east-west bridge: a gateway stays on one host, an ordinary interface on a VLAN may be seen
    on many. What is not the gateway is an interface; but the east-west bridge is that of the
    pod's east-west router where there is one.
    """
    every = list(attached)
    here = [item for item in every if pod_id in item.pods]
    guest, way_out = pod_id in reach.guests, bool(reach.guests) and pod_id == reach.exit
    joined = reach.joined and pod_id in reach.tenants
    parted = pod_id in reach.parted
    across = _inward(pod_id, bridge) if parted else _across(bridge)
    gateway: str | None = None
    if pod_id in reach.outlets:
        gateway = EXTERNAL
    elif guest:
        gateway = NORTH_SOUTH
    elif joined:
        gateway = EAST_WEST
    routes = _Routes(pod_id, here)
    for route in user_routes:
        if any(_in(route["nexthop"], cidr) for cidr in outside):
            if gateway == EXTERNAL:
                routes.add(route["destination"], route["nexthop"])
            elif guest and reach.exit:
                version = ipaddress.ip_network(route["destination"]).version
                routes.add(route["destination"], bridge(NORTH_SOUTH, version, reach.exit))
        else:
            routes.user(route, every, across if joined else None)
    if joined:
        for item in every:
            routes.other_pods(item, reach.tenants, across)
    versions = sorted({item.version for item in every})
    if guest and reach.exit:
        for family in versions:
            # A default route of the user's is not to be hidden by anything closer.
            if DEFAULT[family] not in routes.chosen:
                for half in HALVES[family]:
                    routes.add(half, bridge(NORTH_SOUTH, family, reach.exit))
    if way_out and pod_id not in reach.tenants:
        for item in every:
            for guest_pod in reach.guests:
                if guest_pod in item.pods:
                    routes.add(item.cidr, bridge(NORTH_SOUTH, item.version, guest_pod))
                    break
    elsewhere = {gateway, EAST_WEST} if parted else {gateway}
    return Plan(
        tuple(here),
        tuple(kind for kind in kinds_in(reach, pod_id) if kind not in elsewhere),
        gateway,
        routes.collapsed(),
    )


def east_west(
    reach: RouterReach,
    pod_id: str,
    attached: Iterable[Attached],
    user_routes: Iterable[Mapping[str, str]],
    bridge: BridgeAddress,
) -> Plan:
    """The plan of a pod's east-west router: all that the copy of the router has here is behind the
    transit network, the rest in other pods."""
    every = list(attached)
    routes = _Routes(pod_id, [])
    inward, across = _inward(pod_id, bridge), _across(bridge)
    for route in user_routes:
        routes.user(route, every, across, inward)
    for item in every:
        if pod_id in item.pods:
            routes.add(item.cidr, inward(item.version, pod_id))
        routes.other_pods(item, reach.tenants, across)
    return Plan((), (TRANSIT,), EAST_WEST, routes.collapsed())


def _across(bridge: BridgeAddress) -> Across:
    return lambda version, pod: bridge(EAST_WEST, version, pod)


def _inward(pod_id: str, bridge: BridgeAddress) -> Across:
    """Over the transit network, wherever it goes from there."""
    return lambda version, _: bridge(TRANSIT, version, pod_id)


class _Routes:
    """Collects routes; the first that names a destination wins.

    Neutron allows a router a few routes only (30 by default): those of ours that have one next hop
    are told in as few ranges as hold them and nothing else.
    """

    def __init__(self, pod_id: str, here: list[Attached]) -> None:
        self.pod_id = pod_id
        self.chosen: dict[str, str] = {}
        self._ours: set[str] = set()
        self._connected = {item.cidr for item in here}

    def add(self, destination: str, nexthop: str) -> None:
        if destination not in self._connected:
            self.chosen.setdefault(destination, nexthop)

    def _add_ours(self, destination: str, nexthop: str) -> None:
        if destination not in self._connected and destination not in self.chosen:
            self._ours.add(destination)
        self.add(destination, nexthop)

    def collapsed(self) -> frozenset[Route]:
        kept = {to: by for to, by in self.chosen.items() if to not in self._ours}
        others = [ipaddress.ip_network(to) for to in (*kept, *self._connected)]
        single: dict[tuple[int, str], list[Range]] = {}
        for to in self._ours:
            one = ipaddress.ip_network(to)
            single.setdefault((one.version, self.chosen[to]), []).append(one)
        for (_, nexthop), ranges in single.items():
            for one in _collapse(ranges, others):
                kept[str(one)] = nexthop
        return frozenset(kept.items())

    def user(
        self,
        route: Mapping[str, str],
        every: list[Attached],
        across: Across | None,
        inward: Across | None = None,
    ) -> None:
        """A route of the user's: straight (or ``inward``) where the next hop is here, else through
        its pod."""
        version = ipaddress.ip_network(route["destination"]).version
        item = next((item for item in every if _in(route["nexthop"], item.cidr)), None)
        if item is None:
            return
        if self.pod_id in item.pods:
            nexthop = inward(version, self.pod_id) if inward else route["nexthop"]
            self.add(route["destination"], nexthop)
        elif across is not None and item.pods:
            self.add(route["destination"], across(version, min(item.pods)))

    def other_pods(self, item: Attached, tenants: tuple[str, ...], across: Across) -> None:
        """To a subnet, or to those of its servers, that are in other pods."""
        others = [pod for pod in tenants if pod in item.pods and pod != self.pod_id]
        if not others:
            return
        here = self.pod_id in item.pods
        if not here:
            self._add_ours(item.cidr, across(item.version, others[0]))
        if item.stretched:
            return
        length = 32 if item.version == 4 else 128
        for address, pod in sorted(item.servers.items()):
            # What the route to the whole subnet covers needs none of its own.
            if pod in others and (here or pod != others[0]):
                self._add_ours(f"{address}/{length}", across(item.version, pod))


def _collapse(ranges: list[Range], others: list[Range]) -> Iterable[Range]:
    """The fewest ranges that hold the same addresses. None is made as wide as another range that
    is a destination by itself: that would have been passed by for ours, which are closer."""
    same = [one for one in others if one.version == ranges[0].version]
    for wide in ipaddress.collapse_addresses(ranges):  # type: ignore[type-var]
        inside = [one for one in ranges if one.subnet_of(wide)]  # type: ignore[arg-type]
        hides = any(
            one.subnet_of(wide) and any(own.subnet_of(one) and own != one for own in inside)  # type: ignore[arg-type]
            for one in same
        )
        yield from inside if hides else [wide]


def _in(address: str, cidr: str) -> bool:
    return ipaddress.ip_address(address) in ipaddress.ip_network(cidr)
