# SPDX-License-Identifier: Apache-2.0
"""How many routes the copies of a router would need in pods, which allow a router only some.

It is asked before something that needs more is taken; Neutron itself refuses all of a router's
routes where there is one too many, so nothing of the router would change in that pod any more.
"""

import ipaddress
from collections.abc import Collection, Mapping

import sqlalchemy as sa
from neutron.db import models_v2
from neutron.db.models import l3 as l3_models
from sqlalchemy.orm import Session

from tricircle.conf import CONF
from tricircle.network.central import facts, segments
from tricircle.network.central.central_neutron import Resource
from tricircle.network.routers import copies, plan, reach

# What leads out of a pod by another takes two.
_OUTWARD = 2


def refusal_of_port(
    tx: Session, network_id: str, addresses: Mapping[str, str], pod_id: str, region: str
) -> str:
    """Why a port must not be in a pod: its routers would need too many routes in some pod. Empty
    if it may. ``addresses`` are the port's, {address: subnet}.
    """
    routers = {port["device_id"] for port in facts.interfaces(tx, network_ids=[network_id])}
    for router_id in sorted(routers):
        needed = _needed(tx, router_id, (), (network_id, pod_id, addresses))
        if needed > CONF.interconnect.routes_per_router:
            return _words(router_id, needed, f"with one more server in pod {region}")
    return ""


def refusal_of_subnets(tx: Session, router_id: str, joined: Collection[str]) -> str:
    """Why subnets must not be joined to a router; empty if they may."""
    needed = _needed(tx, router_id, joined)
    if needed > CONF.interconnect.routes_per_router:
        return _words(router_id, needed, f"joined to subnet {', '.join(sorted(joined))}")
    return _too_many_told(tx, router_id, joined)


def _too_many_told(tx: Session, router_id: str, joined: Collection[str]) -> str:
    """Why servers on a subnet could not be told of all that a router leads to which is not their
    gateway; empty if they can."""
    ports = facts.interfaces(tx, router_ids=[router_id])
    subnets = facts.subnets(tx, {*joined, *_on(ports)}).values()
    gateways = {ip["ip_address"] for port in ports for ip in port["fixed_ips"]}
    most = CONF.interconnect.host_routes_per_subnet
    if len(subnets) <= most:
        return ""
    for subnet in subnets:
        if subnet["gateway_ip"] in gateways or subnet["id"] in joined:
            continue
        version = subnet["ip_version"]
        others = [one["cidr"] for one in subnets if one["ip_version"] == version]
        told = len(_collapsed([cidr for cidr in others if cidr != subnet["cidr"]]))
        if told > most:
            return (
                f"Router {router_id} is not the gateway of subnet {subnet['id']}, whose servers "
                f"would have to be told {told} host routes by it, and pods allow a subnet {most}: "
                "have an operator raise the pods' max_subnet_host_routes and [interconnect] "
                "host_routes_per_subnet"
            )
    return ""


def _words(router_id: str, needed: int, when: str) -> str:
    return (
        f"Router {router_id} would need up to {needed} routes in a pod {when}, and pods allow "
        f"{CONF.interconnect.routes_per_router}: put servers of networks that are no one link over "
        "pods side by side in one pod, or have an operator raise the pods' quota router_route and "
        "[interconnect] routes_per_router"
    )


def _on(ports: Collection[Resource]) -> set[str]:
    """The subnets that ports have addresses of."""
    return {ip["subnet_id"] for port in ports for ip in port["fixed_ips"]}


def _needed(
    tx: Session,
    router_id: str,
    joined: Collection[str],
    port: tuple[str, str, Mapping[str, str]] | None = None,
) -> int:
    """The most routes a copy needs, of all pods; 0 where it is far from any limit.

    ``joined`` are subnets that are to be joined, ``port`` one that is to be on a network, in a pod,
    at {address: subnet}.
    """
    interfaces = facts.interfaces(tx, router_ids=[router_id])
    subnets = list(facts.subnets(tx, {*joined, *_on(interfaces)}).values())
    own = _own_routes(tx, router_id)
    if own + _at_most(tx, subnets) <= CONF.interconnect.routes_per_router:
        return 0
    networks = facts.networks(tx, {one["network_id"] for one in subnets})
    where = {one: set(pods) for one, pods in reach.populated(tx, networks.keys()).items()}
    apart = [one["id"] for one in subnets if not segments.stretched(networks[one["network_id"]])]
    servers = {one: dict(there) for one, there in copies.servers_of(tx, apart).items()}
    if port is not None:
        network_id, pod_id, addresses = port
        where.setdefault(network_id, set()).add(pod_id)
        for address, subnet_id in addresses.items():
            servers.setdefault(subnet_id, {})[address] = pod_id
    everywhere = set().union(*where.values()) if where else set()
    return max((own + _of_pod(pod, subnets, where, servers) for pod in everywhere), default=0)


def _at_most(tx: Session, subnets: Collection[Resource]) -> int:
    """Above what is needed, and quickly found: a route to each subnet and each address there."""
    allocation = models_v2.IPAllocation
    query = sa.select(sa.func.count()).where(
        allocation.subnet_id.in_([one["id"] for one in subnets])
    )
    return len(subnets) + (tx.scalar(query) or 0)


def _own_routes(tx: Session, router_id: str) -> int:
    route = l3_models.RouterRoute
    query = sa.select(sa.func.count()).where(route.router_id == router_id)
    return (tx.scalar(query) or 0) + _OUTWARD


def _of_pod(
    pod: str,
    subnets: Collection[Resource],
    where: Mapping[str, set[str]],
    servers: Mapping[str, Mapping[str, str]],
) -> int:
    """Routes to what is in other pods."""
    ranges: dict[tuple[int, str], list[str]] = {}
    for subnet in subnets:
        version, pods = subnet["ip_version"], where.get(subnet["network_id"], set())
        others = sorted(pods - {pod})
        if others and pod not in pods:
            ranges.setdefault((version, others[0]), []).append(subnet["cidr"])
        for address, there in servers.get(subnet["id"], {}).items():
            if there != pod and (pod in pods or there != others[0]):
                ranges.setdefault((version, there), []).append(address)
    return sum(len(_collapsed(found)) for found in ranges.values())


def _collapsed(found: Collection[str]) -> list[plan.Range]:
    """``found`` are of one IP version."""
    return list(ipaddress.collapse_addresses([ipaddress.ip_network(one) for one in found]))  # type: ignore[type-var]
