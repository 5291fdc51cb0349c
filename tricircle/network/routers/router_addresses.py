# SPDX-License-Identifier: Apache-2.0
"""The addresses of routers in each pod, and what servers there are told of them.

Copies of a router on a stretched network would all answer to the same address. So one has that
which users are shown, in the first pod that wants it, and every other pod's has one of its own;
each pod's subnet names its own router's as its gateway. None changes while the pod has the subnet:
servers would have to learn of another. IPv6 needs none of it: servers take their gateway from
advertisements, by link-local address.
"""

import contextlib
import dataclasses
import ipaddress
from collections.abc import Collection, Iterable, Mapping

from sqlalchemy.orm import Session

from tricircle.network.central import address_reservations, facts, segments
from tricircle.network.central.address_reservations import Reserved
from tricircle.network.central.central_neutron import Resource
from tricircle.network.pod_api.pod_session import PodSession
from tricircle.network.routers import bridges, reach, topology
from tricircle.pods.reconciler import NotYet

ROUTER = "router"
# A subnet's addresses for each pod that may have it, from which on one is set aside beforehand.
_ROOM = 4


class NoRoom(Exception):
    """A subnet has too few addresses for what is asked."""


class NoAddress(NotYet):
    """A subnet has no address left for a router."""


@dataclasses.dataclass(frozen=True)
class Known:
    """What is reserved for a pod on subnets; by subnet, which pod has its gateway address."""

    reserved: Reserved
    answering: Mapping[str, str]


def differ(subnet: Resource, network: Resource, pods: topology.Pods) -> bool:
    """Whether the copies of a router that may be in these pods need an address each."""
    return subnet["ip_version"] == 4 and len(pods) > 1 and segments.stretched(network)


def router_address(
    subnet: Resource,
    network: Resource,
    port: Resource,
    pods: topology.Pods,
    pod_id: str,
    known: Known,
) -> str:
    """The address in a pod of the router that ``port`` joins to the subnet.

    ``pods`` are those the router may be in. Raises NotYet when the subnet has none left.
    """
    own = next(ip["ip_address"] for ip in port["fixed_ips"] if ip["subnet_id"] == subnet["id"])
    if not differ(subnet, network, pods):
        return str(own)
    there = pod_id if pod_id in pods else pods[0]
    if own == subnet["gateway_ip"]:
        return _gateway_there(subnet, there, known)
    return _reserved(subnet, there, f"{ROUTER} port {port['id']}", known)


def _gateway_there(subnet: Resource, pod_id: str, known: Known) -> str:
    """The address of the router that is the gateway of a pod's servers. Raises NotYet."""
    answering = known.answering.get(subnet["id"])
    if answering is None and not _has_own(subnet, pod_id, known):
        answering = address_reservations.answer(subnet, pod_id)
    if answering == pod_id:
        return str(subnet["gateway_ip"])
    return _reserved(subnet, pod_id, ROUTER, known)


def known_of(tx: Session, pod_id: str, subnets: Iterable[Resource]) -> Known:
    ids = {subnet["id"] for subnet in subnets}
    four = {subnet["id"] for subnet in subnets if subnet["ip_version"] == 4}
    return Known(
        address_reservations.of_pod(tx, pod_id, ids), address_reservations.answering(tx, four)
    )


@dataclasses.dataclass(frozen=True)
class Surroundings:
    """A subnet's network, and the routers on the subnet as a pod meets them.

    ``joined`` are the ports that join routers to it. ``pods`` are those a router may be in,
    ``ranges`` the subnets of a router, by its id. ``known`` is what is reserved for the pod.
    """

    network: Resource
    joined: list[Resource]
    pods: Mapping[str, topology.Pods]
    ranges: Mapping[str, list[Resource]]
    known: Known


def around(session: PodSession, subnet: Resource) -> Surroundings:
    """What surrounds a subnet. Raises NotYet when its network is gone."""
    network_id, pod_id = subnet["network_id"], session.pod.id

    def read(tx: Session) -> Surroundings | None:
        network = facts.networks(tx, [network_id]).get(network_id)
        if network is None:
            return None
        on_it = facts.interfaces(tx, network_ids=[network_id])
        joined = [port for port in on_it if _addresses(port, subnet)]
        routers = {port["device_id"] for port in joined}
        hints = facts.hints(tx, routers)
        others = {
            port["device_id"]
            for port in joined
            if subnet["gateway_ip"] not in _addresses(port, subnet)
        }
        return Surroundings(
            network,
            joined,
            {one: reach.pods_of_hints(hints.get(one, ())) for one in routers},
            _ranges(tx, others),
            known_of(tx, pod_id, [subnet]),
        )

    found: Surroundings | None = session.queue.transact(read)
    if found is None:
        raise NotYet(f"The network {network_id} is being deleted")
    return found


def gateway(session: PodSession, subnet: Resource, around: Surroundings) -> str | None:
    """The gateway that servers in a pod are told.

    Raises NotYet when the subnet has no free address for a router in that pod.
    """
    own: str | None = subnet["gateway_ip"]
    network = around.network
    if own is None or network["router:external"] or bridges.is_bridge(network):
        return own
    for port in around.joined:
        if own in (ip["ip_address"] for ip in port["fixed_ips"]):
            return _address(session, subnet, around, port)
    everywhere = reach.pods_of_hints(network["availability_zone_hints"])
    if differ(subnet, network, everywhere) and segments.projects_own(network):
        # A router may come later: servers must not have to learn of another gateway then. Of a
        # subnet that is small for so many pods nothing is taken before it is needed.
        roomy = address_reservations.size(subnet) >= _ROOM * len(everywhere)
        if roomy or _is_kept(subnet, session.pod.id, around):
            with contextlib.suppress(NoAddress):
                return _gateway_there(subnet, session.pod.id, around.known)
    return own


def check_room(tx: Session, router_id: str, port: Resource | None, subnet: Resource) -> None:
    """Raise NoRoom when a router cannot be joined to a subnet for lack of addresses.

    ``port`` joins it, if there is one yet. Pods that get the network later are not foreseen.
    """
    network = facts.networks(tx, [subnet["network_id"]]).get(subnet["network_id"])
    pods = reach.pods_of_hints(facts.hints(tx, [router_id]).get(router_id, ()))
    if network is None or not differ(subnet, network, pods):
        return
    purpose = ROUTER
    if port is not None and subnet["gateway_ip"] not in _addresses(port, subnet):
        purpose = f"{ROUTER} port {port['id']}"
    there = reach.populated(tx, [network["id"]]).get(network["id"], set())
    wanted = [pod for pod in pods if pod in there] or list(pods[:1] if there else ())
    lacking = [pod for pod in wanted if not address_reservations.kept(subnet, pod, purpose)]
    if purpose == ROUTER and lacking:
        answering = address_reservations.answering(tx, [subnet["id"]]).get(subnet["id"])
        # One of them has, or will have, the gateway address itself.
        lacking = [pod for pod in lacking if pod != (answering or lacking[0])]
    if (left := address_reservations.free(subnet)) < len(lacking):
        raise NoRoom(
            f"Subnet {subnet['id']} ({subnet['cidr']}) has {left} free addresses, a router needs "
            f"{len(lacking)} there: one in each pod that has the network, beside the gateway's. "
            "Free some, give the subnet a larger allocation pool, or hold the router to one pod "
            "by a zone hint"
        )


def host_routes(
    session: PodSession, subnet: Resource, around: Surroundings
) -> list[dict[str, str]]:
    """The user's host routes, and routes by routers that are not the subnet's gateway.

    Raises NotYet when the subnet has no free address for a router in that pod.
    """
    routes = list(subnet["host_routes"])
    known = {route["destination"] for route in routes} | {subnet["cidr"]}
    for port in around.joined:
        if subnet["gateway_ip"] in _addresses(port, subnet):
            continue
        nexthop = _address(session, subnet, around, port)
        ranges = around.ranges.get(port["device_id"], [])
        cidrs = {one["cidr"] for one in ranges if one["ip_version"] == subnet["ip_version"]}
        for cidr in _fewest(cidrs - known, known):
            routes.append({"destination": cidr, "nexthop": nexthop})
            known.add(cidr)
    return routes


def _fewest(cidrs: set[str], known: set[str]) -> list[str]:
    """The fewest ranges that hold the same addresses: a subnet may have a few host routes only."""
    ranges = [ipaddress.ip_network(cidr) for cidr in cidrs]
    wide = {str(one) for one in ipaddress.collapse_addresses(ranges)}  # type: ignore[type-var]
    taken = [ipaddress.ip_network(one) for one in known]
    hidden = any(
        one.version == there.version and there.subnet_of(one)  # type: ignore[arg-type]
        for one in map(ipaddress.ip_network, wide)
        for there in taken
    )
    return sorted(cidrs if hidden else wide)


def _address(session: PodSession, subnet: Resource, around: Surroundings, port: Resource) -> str:
    pods = around.pods[port["device_id"]]
    return router_address(subnet, around.network, port, pods, session.pod.id, around.known)


def _addresses(port: Resource, subnet: Resource) -> set[str]:
    return {ip["ip_address"] for ip in port["fixed_ips"] if ip["subnet_id"] == subnet["id"]}


def _ranges(tx: Session, router_ids: Collection[str]) -> dict[str, list[Resource]]:
    """{router: its subnets}."""
    ports = facts.interfaces(tx, router_ids=router_ids) if router_ids else []
    subnets = facts.subnets(tx, {ip["subnet_id"] for port in ports for ip in port["fixed_ips"]})
    found: dict[str, list[Resource]] = {}
    for port in ports:
        there = (subnets.get(ip["subnet_id"]) for ip in port["fixed_ips"])
        found.setdefault(port["device_id"], []).extend(one for one in there if one)
    return found


def _has_own(subnet: Resource, pod_id: str, known: Known) -> bool:
    """Whether a pod has an address that is no other pod's already."""
    keeping = address_reservations.port_id(subnet["id"], pod_id, ROUTER)
    return (subnet["id"], keeping) in known.reserved or address_reservations.kept(
        subnet, pod_id, ROUTER
    )


def _is_kept(subnet: Resource, pod_id: str, around: Surroundings) -> bool:
    """Whether the pod has an address for a router that comes later."""
    keeping = address_reservations.port_id(subnet["id"], pod_id, ROUTER)
    return (subnet["id"], keeping) in around.known.reserved


def _reserved(subnet: Resource, pod_id: str, purpose: str, known: Known) -> str:
    found = address_reservations.address(subnet, pod_id, purpose, known.reserved)
    if found is None:
        raise NoAddress(
            f"Subnet {subnet['id']} ({subnet['cidr']}) has no free address left for a router in "
            "another pod: free one, or add a larger subnet"
        )
    return found
