# SPDX-License-Identifier: Apache-2.0
"""A router over several pods: gateways, interfaces and routes, and that every packet arrives."""

import dataclasses
import ipaddress
import itertools
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tricircle.network.routers import plan
from tricircle.network.routers.plan import EXTERNAL, Attached, Plan
from tricircle.network.routers.topology import EAST_WEST, NORTH_SOUTH, TRANSIT, RouterReach

PODS = ("a", "b", "c")


INWARD = "transit, seen from the other end"
LINKS = (EAST_WEST, NORTH_SOUTH, TRANSIT, INWARD)


def address(kind: str, version: int, pod: str) -> str:
    number = PODS.index(pod) + 1
    third = LINKS.index(kind)
    return f"100.64.{third}.{number}" if version == 4 else f"fd64:{third}::{number}"


def attached(
    number: int,
    *pods: str,
    stretched: bool = False,
    version: int = 4,
    servers: Mapping[str, str] | None = None,
) -> Attached:
    cidr = f"10.{number}.0.0/24" if version == 4 else f"fd00:{number}::/64"
    first = str(ipaddress.ip_network(cidr)[1])
    return Attached(
        f"port{number}",
        f"net{number}",
        f"sub{number}",
        cidr,
        version,
        first,
        stretched,
        frozenset(pods),
        servers or {},
    )


def router(
    *subnets: Attached, outlets: tuple[str, ...] = (), pods: tuple[str, ...] = PODS
) -> RouterReach:
    networks = {item.network_id: item.pods for item in subnets}
    there = set().union(*networks.values()) if networks else set()
    tenants = tuple(pod for pod in pods if pod in there)
    apart = frozenset(item.network_id for item in subnets if not item.stretched)
    home = outlets[0] if outlets else None
    return RouterReach("r", networks, tenants, "ext" if outlets else None, outlets, apart, home)


def plans(
    *subnets: Attached,
    outlets: tuple[str, ...] = (),
    routes: tuple[dict[str, str], ...] = (),
    outside: tuple[str, ...] = ("203.0.113.0/24",),
) -> dict[str, Plan]:
    """Of each pod's copy, and, under the pod's name in capitals, of its east-west router."""
    reached = router(*subnets, outlets=outlets)

    def inward(kind: str, version: int, pod: str) -> str:
        return address(INWARD if kind == TRANSIT else kind, version, pod)

    return {
        pod: plan.make(reached, pod, subnets, routes, outside, address) for pod in reached.places
    } | {
        pod.upper(): plan.east_west(reached, pod, subnets, routes, inward) for pod in reached.parted
    }


def test_one_pod_needs_no_bridge() -> None:
    made = plans(attached(1, "a"), attached(2, "a"))
    assert set(made) == {"a"}
    assert made["a"].gateway is None
    assert made["a"].bridges == ()
    assert made["a"].routes == frozenset()
    assert [item.subnet_id for item in made["a"].interfaces] == ["sub1", "sub2"]


def test_two_pods_reach_each_other_by_the_bridge() -> None:
    made = plans(attached(1, "a"), attached(2, "b"))
    assert made["a"].gateway == made["b"].gateway == EAST_WEST
    assert made["a"].bridges == made["b"].bridges == ()
    assert made["a"].routes == {("10.2.0.0/24", "100.64.0.2")}
    assert made["b"].routes == {("10.1.0.0/24", "100.64.0.1")}


def test_a_stretched_network_is_reached_directly_where_it_is() -> None:
    made = plans(attached(1, "a", "b", stretched=True), attached(2, "c"))
    assert made["a"].routes == made["b"].routes == {("10.2.0.0/24", "100.64.0.3")}
    assert made["c"].routes == {("10.1.0.0/24", "100.64.0.1")}


def test_servers_of_a_network_in_two_pods_are_found_one_by_one() -> None:
    servers = {"10.1.0.5": "a", "10.1.0.6": "b"}
    made = plans(attached(1, "a", "b", servers=servers), attached(2, "c"))
    assert ("10.1.0.6/32", "100.64.0.2") in made["a"].routes
    assert ("10.1.0.5/32", "100.64.0.1") in made["b"].routes
    # The route to the whole subnet leads to the first pod; only the other's need their own.
    assert made["c"].routes == {("10.1.0.0/24", "100.64.0.1"), ("10.1.0.6/32", "100.64.0.2")}


def test_out_through_the_pod_with_the_external_network() -> None:
    made = plans(attached(1, "a", stretched=True), attached(2, "b", stretched=True), outlets=("a",))
    assert set(made) == {"a", "b"}
    assert made["a"].gateway == EXTERNAL
    assert set(made["a"].bridges) == {EAST_WEST, NORTH_SOUTH}
    assert made["b"].gateway == NORTH_SOUTH
    assert made["b"].bridges == (EAST_WEST,)
    outward = {("0.0.0.0/1", "100.64.1.1"), ("128.0.0.0/1", "100.64.1.1")}
    assert outward < made["b"].routes
    assert not {to for to, _ in outward} & {to for to, _ in made["a"].routes}


def test_networks_that_are_in_no_vlan_have_a_router_of_their_own_to_other_pods() -> None:
    routes = (
        {"destination": "192.0.2.0/24", "nexthop": "10.1.0.99"},
        {"destination": "198.51.100.0/24", "nexthop": "10.2.0.99"},
        {"destination": "198.18.0.0/15", "nexthop": "203.0.113.9"},
    )
    servers = {"10.1.0.5": "a", "10.1.0.6": "b"}
    made = plans(
        attached(1, "a", "b", servers=servers), attached(2, "b"), attached(3, "c", stretched=True),
        outlets=("a",), routes=routes,
    )  # fmt: skip
    # What has servers on VLANs only needs none.
    assert set(made) == {"a", "b", "c", "A", "B"}
    assert made["a"].gateway == EXTERNAL
    assert set(made["a"].bridges) == {TRANSIT, NORTH_SOUTH}
    assert made["b"].gateway == NORTH_SOUTH
    assert made["b"].bridges == (TRANSIT,)
    assert made["c"].bridges == (EAST_WEST,)
    over = "100.64.2.1"
    assert made["a"].routes == {
        ("10.1.0.6/32", over), ("10.2.0.0/24", over), ("10.3.0.0/24", over),
        ("198.51.100.0/24", over), ("192.0.2.0/24", "10.1.0.99"), ("198.18.0.0/15", "203.0.113.9"),
    }  # fmt: skip
    inward = "100.64.3.1"
    assert made["A"] == Plan(
        bridges=(TRANSIT,),
        gateway=EAST_WEST,
        routes=frozenset(
            {
                ("10.1.0.0/24", inward), ("10.1.0.6/32", "100.64.0.2"),
                ("10.2.0.0/24", "100.64.0.2"), ("10.3.0.0/24", "100.64.0.3"),
                ("192.0.2.0/24", inward), ("198.51.100.0/24", "100.64.0.2"),
            }
        ),
    )  # fmt: skip


def test_a_default_route_of_the_users_wins() -> None:
    routes = ({"destination": "0.0.0.0/0", "nexthop": "10.2.0.99"},)
    made = plans(attached(1, "a"), attached(2, "b"), outlets=("a",), routes=routes)
    assert ("0.0.0.0/0", "10.2.0.99") in made["b"].routes
    assert not any(to.endswith("/1") for to, _ in made["b"].routes)


def test_the_outlet_may_have_none_of_the_networks() -> None:
    made = plans(attached(1, "b"), outlets=("a",))
    assert set(made) == {"a", "b"}
    assert made["a"].bridges == (NORTH_SOUTH,)
    assert made["a"].routes == {("10.1.0.0/24", "100.64.1.2")}
    assert made["b"].gateway == NORTH_SOUTH
    assert made["b"].bridges == ()


def test_every_pod_with_the_external_network_goes_out_by_itself() -> None:
    made = plans(
        attached(1, "a", stretched=True), attached(2, "b", stretched=True), outlets=("a", "b")
    )
    assert made["a"].gateway == made["b"].gateway == EXTERNAL
    assert made["a"].bridges == made["b"].bridges == (EAST_WEST,)
    assert made["b"].routes == {("10.1.0.0/24", "100.64.0.1")}


def test_both_ip_versions() -> None:
    made = plans(attached(1, "a", version=6), attached(2, "b"), attached(3, "b", version=6))
    assert made["a"].routes == {("10.2.0.0/24", "100.64.0.2"), ("fd00:3::/64", "fd64:0::2")}


def test_the_users_routes_come_first() -> None:
    routes = (
        {"destination": "192.0.2.0/24", "nexthop": "10.1.0.99"},
        {"destination": "10.2.0.0/24", "nexthop": "10.1.0.98"},
        {"destination": "198.51.100.0/24", "nexthop": "203.0.113.9"},
    )
    made = plans(
        attached(1, "a", stretched=True), attached(2, "b", stretched=True),
        outlets=("a",), routes=routes,
    )  # fmt: skip
    assert {("192.0.2.0/24", "10.1.0.99"), ("10.2.0.0/24", "10.1.0.98")} <= made["a"].routes
    assert ("198.51.100.0/24", "203.0.113.9") in made["a"].routes
    # Their next hop is in the other pod.
    assert ("192.0.2.0/24", "100.64.0.1") in made["b"].routes
    assert ("198.51.100.0/24", "100.64.1.1") in made["b"].routes
    # What is connected is connected.
    assert not any(to == "10.2.0.0/24" for to, _ in made["b"].routes)


# -- every packet arrives ------------------------------------------------------------------------


def forward(made: dict[str, Plan], subnets: list[Attached], pod: str, target: str, own: str) -> str:
    """The pod a packet to ``target`` ends in; ``own`` is where the server with it is."""
    wanted = ipaddress.ip_address(target)
    for _ in range(8):
        options: list[tuple[int, Any]] = []
        for item in made[pod].interfaces:
            network = ipaddress.ip_network(item.cidr)
            if wanted in network:
                options.append((network.prefixlen, item))
        for to, by in made[pod].routes:
            network = ipaddress.ip_network(to)
            if network.version == wanted.version and wanted in network:
                options.append((network.prefixlen, by))
        if not options:
            return "nowhere"
        _, best = max(options, key=lambda option: option[0])
        if isinstance(best, Attached):
            return own if best.stretched else pod
        kind, name = next(
            (kind, name)
            for kind, name in itertools.product(LINKS, PODS)
            if address(kind, wanted.version, name) == best
        )
        at_its_own = kind == TRANSIT or (kind == EAST_WEST and name.upper() in made)
        pod = name.upper() if at_its_own else name
    return "a loop"


@st.composite
def topologies(draw: st.DrawFn) -> tuple[list[Attached], tuple[str, ...]]:
    subnets = []
    for number in range(1, draw(st.integers(1, 5)) + 1):
        pods = draw(st.sets(st.sampled_from(PODS), min_size=1))
        version = draw(st.sampled_from((4, 6)))
        plain = attached(number, version=version)
        servers = {
            str(ipaddress.ip_network(plain.cidr)[10 + index]): pod
            for index, pod in enumerate(sorted(pods))
        }
        subnets.append(
            attached(number, *pods, stretched=draw(st.booleans()), version=version, servers=servers)
        )
    return subnets, draw(st.sampled_from(((), ("a",), ("b", "c"), ("c",))))


@settings(deadline=None)  # a machine may be busy
@given(topologies())
def test_every_server_reaches_every_other(made: tuple[list[Attached], tuple[str, ...]]) -> None:
    subnets, outlets = made
    copies = plans(*subnets, outlets=outlets)
    places = [(pod, ip) for item in subnets for ip, pod in item.servers.items()]
    for (source, _), (target, ip) in itertools.product(places, places):
        assert forward(copies, subnets, source, ip, target) == target


@settings(deadline=None)  # a machine may be busy
@given(topologies())
def test_no_pod_has_two_ways_to_one_destination(
    made: tuple[list[Attached], tuple[str, ...]],
) -> None:
    subnets, outlets = made
    for copy in plans(*subnets, outlets=outlets).values():
        destinations = [to for to, _ in copy.routes]
        assert len(destinations) == len(set(destinations))
        assert copy.gateway not in copy.bridges


@pytest.mark.parametrize("pod", PODS)
def test_a_place_without_networks_has_no_interfaces(pod: str) -> None:
    made = plans(attached(1, pod), outlets=("a",))
    for name, copy in made.items():
        assert bool(copy.interfaces) == (name == pod)


def test_servers_side_by_side_share_a_route() -> None:
    """Neutron allows a router thirty routes."""
    servers = {f"10.1.0.{number}": "b" for number in range(8, 100)} | {"10.1.0.5": "a"}
    made = plans(attached(1, "a", "b", servers=servers))
    assert made["a"].routes == {
        (f"10.1.0.{there}", "100.64.0.2") for there in ("8/29", "16/28", "32/27", "64/27", "96/30")
    }
    assert made["b"].routes == {("10.1.0.5/32", "100.64.0.1")}


def beside(number: int, pod: str) -> Attached:
    return dataclasses.replace(attached(number, pod), cidr=f"10.200.{number}.0/24")


def test_subnets_side_by_side_share_a_route() -> None:
    made = plans(attached(1, "a"), *(beside(number, "b") for number in range(2, 100)))
    assert len(made["a"].routes) == 7
    assert ("10.200.64.0/19", "100.64.0.2") in made["a"].routes


def test_a_route_of_the_users_is_hidden_by_no_wider_one() -> None:
    """Both subnets are closer than it, and stay so."""
    wide = {"destination": "10.200.2.0/23", "nexthop": "10.1.0.99"}
    subnets = attached(1, "a"), beside(2, "b"), beside(3, "b")
    there = {("10.200.2.0/24", "100.64.0.2"), ("10.200.3.0/24", "100.64.0.2")}
    assert plans(*subnets, routes=(wide,))["a"].routes == {
        ("10.200.2.0/23", "10.1.0.99"),
        *there,
    }
    assert plans(*subnets)["a"].routes == {("10.200.2.0/23", "100.64.0.2")}
    # One that is closer than ours, or further than both, changes nothing.
    for other in ("10.200.2.128/25", "10.200.0.0/16"):
        route = {"destination": other, "nexthop": "10.1.0.99"}
        assert ("10.200.2.0/23", "100.64.0.2") in plans(*subnets, routes=(route,))["a"].routes
