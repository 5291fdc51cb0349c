# SPDX-License-Identifier: Apache-2.0
"""Bridge networks: what joins the copies of a router in different pods.

A router has at most three. ``east-west`` carries traffic between its networks in different pods and
never translates addresses. ``north-south`` carries what pods without the external network send
through the one that has it; there the pod may translate, as a router does toward an external
network. ``transit`` joins a pod's copy with the pod's east-west router, and is something else in
each pod. All are networks of central Neutron's, of no project, so that segments and addresses
come from where all others come from. Ids follow from the router's: two who make one make the
same.
"""

import contextlib
import dataclasses
import ipaddress
import uuid
from collections.abc import Collection, Iterable
from typing import Any

import sqlalchemy as sa
from neutron.db import models_v2
from neutron_lib import constants
from neutron_lib import exceptions as n_exc
from neutron_lib.api import attributes
from neutron_lib.api.definitions import network as network_def
from neutron_lib.api.definitions import subnet as subnet_def
from sqlalchemy.orm import Session

from tricircle.conf import CONF
from tricircle.db.realizations import Key
from tricircle.db.work_queue import WorkQueue
from tricircle.network import interconnect
from tricircle.network.central import address_reservations, central_neutron, facts, segments
from tricircle.network.central.central_neutron import Resource
from tricircle.network.pod_api import pod_registry
from tricircle.network.routers import reach
from tricircle.network.routers.topology import KINDS, TRANSIT, Holder, RouterReach, kinds_in

_NAMESPACE = uuid.UUID("b0fe0b52-1d5e-5a3f-93a1-8a3b1f0c6f0e")
_ON_PHYSICAL = ("vlan", "flat")
_WORDS = "Bridge network of a router"


class NoRoom(Exception):
    """No range is left for a bridge network; the text says what to do."""


def network_id(router_id: str, kind: str) -> str:
    return _id(router_id, kind)


def subnet_id(router_id: str, kind: str, version: int) -> str:
    return _id(router_id, kind, str(version))


def is_bridge(network: Resource) -> bool:
    """Whether a central network is a bridge network: nobody else can choose such an id."""
    kind, _, router_id = str(network.get("name", "")).partition(" ")
    return kind in KINDS and network["id"] == network_id(router_id, kind)


def router_of(network: Resource) -> str:
    """The router a bridge network is of."""
    return str(network["name"]).partition(" ")[2]


def is_gateway(network: Resource) -> bool:
    """Whether a central network is a bridge network that routers have as their gateway."""
    return is_bridge(network) and network["id"] != network_id(router_of(network), TRANSIT)


@dataclasses.dataclass(frozen=True)
class Bridge:
    """A bridge network: its subnets by IP version, and who has which address there by IP version,
    pod and what it is."""

    subnets: dict[int, Resource]
    addresses: dict[tuple[int, str, str], str]


def ensure(
    queue: WorkQueue, router_id: str, kind: str, used: list[str], holders: Collection[Holder]
) -> Bridge:
    """Have the bridge network of a router, with an address for each of the holders.

    ``used`` are the ranges of the router's own subnets: there is an IPv6 subnet when one of
    them is IPv6. Raises NoRoom, Busy, and what Neutron raises when no segment is left.
    """
    versions = (4, 6) if any(":" in cidr for cidr in used) else (4,)
    found = _read(queue, router_id, kind, versions, holders)
    if found is None:
        # Neutron would try in vain for long when two make the same at once, and two of different
        # kinds would take one range.
        with queue.exclusive(Key("bridge", router_id)):
            _make(router_id, kind, versions, holders, used)
        found = _read(queue, router_id, kind, versions, holders)
    if found is None:
        raise NoRoom(
            f"The {kind} bridge network of router {router_id} has no address left: raise "
            "[interconnect] bridge_prefix_length"
        )
    return found


def _read(
    queue: WorkQueue,
    router_id: str,
    kind: str,
    versions: Iterable[int],
    holders: Collection[Holder],
) -> Bridge | None:
    """The bridge network, or None when something of it is missing. Raises NoRoom when it does not
    reach all the pods: one may come to a router later."""
    network = network_id(router_id, kind)
    ids = {subnet_id(router_id, kind, version): version for version in versions}
    keepers = {
        address_reservations.port_id(subnet, pod, what): (version, pod, what)
        for subnet, version in ids.items()
        for pod, what in holders
    }
    networks, subnets, ports = queue.transact(
        lambda tx: (facts.networks(tx, [network]), facts.subnets(tx, ids), facts.ports(tx, keepers))
    )
    if network in networks:
        _check_joined(networks[network], router_id, kind, {pod for pod, _ in holders})
    addresses = {
        keepers[one]: str(port["fixed_ips"][0]["ip_address"])
        for one, port in ports.items()
        if port["fixed_ips"]
    }
    if len(subnets) < len(ids) or len(addresses) < len(keepers):
        return None
    return Bridge({ids[key]: subnet for key, subnet in subnets.items()}, addresses)


def _make(
    router_id: str, kind: str, versions: Iterable[int], holders: Collection[Holder],
    used: list[str],
) -> None:  # fmt: skip
    core = central_neutron.core()
    if central_neutron.found(core.get_network, network_id(router_id, kind)) is None:
        _make_network(core, router_id, kind, {pod for pod, _ in holders})
    for version in versions:
        subnet = central_neutron.found(core.get_subnet, subnet_id(router_id, kind, version))
        subnet = subnet or _make_subnet(core, router_id, kind, version, used)
        for pod, what in holders:
            address_reservations.reserved(subnet, pod, what)


def sweep(queue: WorkQueue) -> int:
    """Delete the bridge networks that no router needs and no pod has any more; how many."""

    def surplus(tx: Session) -> list[str]:
        table, network = queue.table, models_v2.Network
        in_a_pod = sa.exists().where(
            table.resource_type == "network", table.resource_id == network.id
        )
        loose = sa.select(network.id, network.name).where(network.project_id == "", ~in_a_pod)
        found = [row._asdict() for row in tx.execute(loose)]
        candidates = {one["id"]: router_of(one) for one in found if is_bridge(one)}
        reached = reach.routers(tx, set(candidates.values())) if candidates else {}
        return [
            one for one, router_id in candidates.items() if not _needed(one, reached.get(router_id))
        ]

    ids: list[str] = queue.transact(surplus)
    for one in ids:
        with contextlib.suppress(n_exc.NetworkNotFound):
            central_neutron.core().delete_network(central_neutron.admin(), one)
    return len(ids)


def _needed(network: str, router: RouterReach | None) -> bool:
    return router is not None and any(
        network == network_id(router.router_id, kind)
        for pod_id in router.places
        for kind in kinds_in(router, pod_id)
    )


def release(router_id: str, pod_id: str, what: str) -> None:
    """Give back the addresses of something in a pod that is no more."""
    subnets = [subnet_id(router_id, kind, version) for kind in KINDS for version in (4, 6)]
    address_reservations.release(pod_id, subnet_ids=subnets, purpose=what)


def _regions(pods: Iterable[str]) -> list[str]:
    found = (pod_registry.get().fresh().get(pod_id) for pod_id in pods)
    return sorted(pod.region_name for pod in found if pod is not None)


def _check_joined(network: Resource, router_id: str, kind: str, pods: Iterable[str]) -> None:
    driver = interconnect.of(segments.of(network)["network_type"] or "")
    regions = _regions(pods)
    for region in regions if driver else ():
        if driver and (reason := interconnect.unjoined(driver, region, regions)):
            raise NoRoom(f"The {kind} bridge network of router {router_id}: {reason}")


def _network_type(router_id: str, kind: str, pods: Iterable[str]) -> str:
    """The type that joins the router's pods. Raises NoRoom when there is none."""
    if kind == TRANSIT:
        return constants.TYPE_LOCAL
    if CONF.interconnect.bridge_network_type:
        return str(CONF.interconnect.bridge_network_type)
    regions = _regions(pods)
    if (found := interconnect.type_for(regions)) is None:
        raise NoRoom(
            f"No one way joins the pods {', '.join(regions)} of router {router_id}, so that it has "
            f"no {kind} bridge network: [interconnect] joined_by"
        )
    return found


def _make_network(core: Any, router_id: str, kind: str, pods: Iterable[str]) -> None:
    network_type = _network_type(router_id, kind, pods)
    body = {
        "name": f"{kind} {router_id}",
        "description": _WORDS,
        "project_id": "",
        "tenant_id": "",
        "admin_state_up": True,
        "port_security_enabled": False,
        "provider:network_type": network_type,
    }
    if CONF.interconnect.bridge_physical_network and network_type in _ON_PHYSICAL:
        body["provider:physical_network"] = CONF.interconnect.bridge_physical_network
    _fill(body, network_def.COLLECTION_NAME)
    core.create_network(
        central_neutron.admin(), {"network": {**body, "id": network_id(router_id, kind)}}
    )


def _make_subnet(core: Any, router_id: str, kind: str, version: int, used: list[str]) -> Resource:
    body = {
        "name": f"{kind} {router_id}",
        "description": _WORDS,
        "project_id": "",
        "tenant_id": "",
        "network_id": network_id(router_id, kind),
        "ip_version": version,
        "cidr": str(_free(router_id, kind, version, used)),
        "gateway_ip": None,
        "enable_dhcp": False,
    }
    _fill(body, subnet_def.COLLECTION_NAME)
    wanted = subnet_id(router_id, kind, version)
    made: Resource = core.create_subnet(central_neutron.admin(), {"subnet": {**body, "id": wanted}})
    return made


def _free(router_id: str, kind: str, version: int, used: list[str]) -> Any:
    """The first range that overlaps with nothing the router knows."""
    options = CONF.interconnect
    ranges = options.bridge_cidrs if version == 4 else options.bridge_cidrs_v6
    length = options.bridge_prefix_length if version == 4 else 64
    taken = [ipaddress.ip_network(cidr) for cidr in used]
    for other in KINDS:
        sibling = central_neutron.found(
            central_neutron.core().get_subnet, subnet_id(router_id, other, version)
        )
        if other != kind and sibling is not None:
            taken.append(ipaddress.ip_network(sibling["cidr"]))
    same = [cidr for cidr in taken if cidr.version == version]
    for cidr in ranges:
        for candidate in ipaddress.ip_network(cidr).subnets(new_prefix=length):
            if not any(candidate.overlaps(other) for other in same):
                return candidate
    raise NoRoom(
        f"Every range of [interconnect] bridge_cidrs ({', '.join(ranges)}) overlaps with a subnet "
        f"of router {router_id}: name another range"
    )


def _fill(body: Resource, collection: str) -> None:
    known = attributes.AttributeInfo(attributes.RESOURCES[collection])
    known.fill_post_defaults(body)
    known.convert_values(body)


def _id(*words: str) -> str:
    return str(uuid.uuid5(_NAMESPACE, " ".join(words)))
