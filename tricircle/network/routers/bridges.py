# SPDX-License-Identifier: Apache-2.0
"""Bridge networks: what joins the copies of a router in different pods.

A router has at most three. ``east-west`` carries traffic between its networks in different pods and
never translates addresses. ``north-south`` carries what pods without the external network send
through the one that has it; there the pod may translate, as a router does toward an external
network. ``transit`` joins a pod's copy with the pod's east-west router, and is something else in
each pod. All are networks of central Neutron's, of no project, so that segments and addresses
come from where all others come from. Ids follow from the router's: two who make one make the
same.

A bridge subnet moves to another range when the router is joined to a subnet that overlaps with it,
and to a larger one when it has no address left: a new subnet takes its place, and all that has to
do with the router is looked at anew.
"""

import contextlib
import dataclasses
import ipaddress
import uuid
from collections.abc import Collection, Iterable
from typing import Any

import sqlalchemy as sa
from neutron.db import models_v2
from neutron.db.models import l3 as l3_models
from neutron_lib import constants
from neutron_lib import exceptions as n_exc
from neutron_lib.api import attributes
from neutron_lib.api.definitions import network as network_def
from neutron_lib.api.definitions import subnet as subnet_def
from oslo_log import log
from sqlalchemy.orm import Session

from tricircle.conf import CONF
from tricircle.db import realizations
from tricircle.db.realizations import Key
from tricircle.db.work_queue import WorkQueue
from tricircle.network import interconnect
from tricircle.network.central import (
    address_reservations,
    central_neutron,
    facts,
    models,
    segments,
)
from tricircle.network.central.central_neutron import Resource
from tricircle.network.central.models import Realization
from tricircle.network.pod_api import pod_registry
from tricircle.network.routers import east_west, reach
from tricircle.network.routers.topology import KINDS, TRANSIT, Holder, RouterReach, kinds_in

_NAMESPACE = uuid.UUID("b0fe0b52-1d5e-5a3f-93a1-8a3b1f0c6f0e")
_ON_PHYSICAL = ("vlan", "flat")
_WORDS = "Bridge network of a router"
# Addresses of a new range for each pod; bits by which one grows; the largest there is.
_ADDRESSES_PER_POD, _STEP, _LARGEST = 4, 2, 16

LOG = log.getLogger(__name__)


class NoRoom(Exception):
    """No range is left for a bridge network; the text says what to do."""


def network_id(router_id: str, kind: str) -> str:
    return _id(router_id, kind)


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
    if found is None or any(_overlaps(one["cidr"], used) for one in found.subnets.values()):
        # Neutron would try in vain for long when two make the same at once, and two of different
        # kinds would take one range.
        with queue.exclusive(Key("bridge", router_id)):
            _make(queue, router_id, kind, versions, holders, used)
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
    networks, there = queue.transact(
        lambda tx: (facts.networks(tx, [network]), subnets_of(tx, router_id, kind))
    )
    subnets = {version: there[version] for version in versions if version in there}
    keepers = {
        address_reservations.port_id(subnet["id"], pod, what): (version, pod, what)
        for version, subnet in subnets.items()
        for pod, what in holders
    }
    ports = queue.transact(lambda tx: facts.ports(tx, keepers))
    if network in networks:
        _check_joined(networks[network], router_id, kind, {pod for pod, _ in holders})
    addresses = {
        keepers[one]: str(port["fixed_ips"][0]["ip_address"])
        for one, port in ports.items()
        if port["fixed_ips"]
    }
    if len(subnets) < len(tuple(versions)) or len(addresses) < len(keepers):
        return None
    return Bridge(subnets, addresses)


def subnets_of(tx: Session, router_id: str, kind: str) -> dict[int, Resource]:
    """{IP version: subnet} of a router's bridge network."""
    found = facts.subnets_of(tx, [network_id(router_id, kind)])
    return {subnet["ip_version"]: subnet for subnet in found}


def _make(
    queue: WorkQueue,
    router_id: str,
    kind: str,
    versions: Iterable[int],
    holders: Collection[Holder],
    used: list[str],
) -> None:
    core = central_neutron.core()
    if central_neutron.found(core.get_network, network_id(router_id, kind)) is None:
        _make_network(core, router_id, kind, {pod for pod, _ in holders})
    there = queue.transact(lambda tx: subnets_of(tx, router_id, kind))
    for version in versions:
        subnet = there.get(version)
        if subnet is None:
            subnet = _make_subnet(router_id, kind, version, used, _length(version))
        elif _overlaps(subnet["cidr"], used):
            subnet = _move(queue, router_id, kind, subnet, used, _length(version))
        if not all(address_reservations.reserved(subnet, *one) for one in holders):
            subnet = _enlarge(queue, router_id, kind, subnet, used)
            for one in holders:
                address_reservations.reserved(subnet, *one)


def enlarge(queue: WorkQueue, router_id: str, kind: str) -> None:
    """Have more IPv4 addresses on a router's bridge network, unless it has free ones by now.

    Raises NoRoom, Busy, NotYet.
    """
    with queue.exclusive(Key("bridge", router_id)):
        subnet = queue.transact(lambda tx: subnets_of(tx, router_id, kind)).get(4)
        whole = subnet and central_neutron.found(central_neutron.core().get_subnet, subnet["id"])
        if subnet is not None and whole and not address_reservations.free(whole):
            used = queue.transact(lambda tx: _ranges_of(tx, router_id))
            _enlarge(queue, router_id, kind, subnet, used)


def _enlarge(
    queue: WorkQueue, router_id: str, kind: str, subnet: Resource, used: list[str]
) -> Resource:
    length = ipaddress.ip_network(subnet["cidr"]).prefixlen - _STEP
    if length < _LARGEST:
        raise NoRoom(
            f"The {kind} bridge network of router {router_id} has no address left, and none is "
            f"larger than /{_LARGEST}: have fewer floating IPs, or pods, on one router"
        )
    return _move(queue, router_id, kind, subnet, used, length)


def _move(
    queue: WorkQueue, router_id: str, kind: str, subnet: Resource, used: list[str], length: int
) -> Resource:
    """Another subnet in the place of one, apart from it: pods have both for a moment."""
    core, context, version = central_neutron.core(), central_neutron.admin(), subnet["ip_version"]
    free = str(_free(router_id, kind, version, [*used, subnet["cidr"]], length))
    LOG.warning("The %s bridge network of router %s moves from %s to %s", kind, router_id,
                subnet["cidr"], free)  # fmt: skip
    on_it = {"network_id": [subnet["network_id"]]}
    for port in core.get_ports(context, filters=on_it):
        if any(ip["subnet_id"] == subnet["id"] for ip in port["fixed_ips"]):
            with contextlib.suppress(n_exc.PortNotFound):
                core.delete_port(context, port["id"], l3_port_check=False)
    core.delete_subnet(context, subnet["id"])
    made = _make_subnet(router_id, kind, version, [*used, subnet["cidr"]], length)
    queue.transact(lambda tx: _look_again(tx, router_id))
    return made


def _look_again(tx: Session, router_id: str) -> None:
    """All that is told of a router's bridge networks may be otherwise."""
    east_west.touch(tx, router_id)
    fip = l3_models.FloatingIP
    ids = list(tx.scalars(sa.select(fip.id).where(fip.router_id == router_id)))
    if ids:
        realizations.touch_all(tx, Realization, "floating_ip", ids)


def _ranges_of(tx: Session, router_id: str) -> list[str]:
    """The ranges of a router's own subnets."""
    ports = facts.interfaces(tx, router_ids=[router_id])
    ids = {ip["subnet_id"] for port in ports for ip in port["fixed_ips"]}
    return [subnet["cidr"] for subnet in facts.subnets(tx, ids).values()]


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
    networks = [network_id(router_id, kind) for kind in KINDS]
    found = models.work_queue().transact(lambda tx: facts.subnets_of(tx, networks))
    subnets = [subnet["id"] for subnet in found]
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


def _make_subnet(router_id: str, kind: str, version: int, used: list[str], length: int) -> Resource:
    cidr = str(_free(router_id, kind, version, used, length))
    body = {
        "name": f"{kind} {router_id}",
        "description": _WORDS,
        "project_id": "",
        "tenant_id": "",
        "network_id": network_id(router_id, kind),
        "ip_version": version,
        "cidr": cidr,
        "gateway_ip": None,
        "enable_dhcp": False,
    }
    _fill(body, subnet_def.COLLECTION_NAME)
    body["id"] = _id(router_id, kind, cidr)
    core = central_neutron.core()
    made: Resource = core.create_subnet(central_neutron.admin(), {"subnet": body})
    return made


def _length(version: int) -> int:
    """The length of the prefix of a new range: with room for all pods, and floating IPs besides."""
    if version == 6:
        return 64
    length, pods = CONF.interconnect.bridge_prefix_length, len(pod_registry.get().all())
    while length > _LARGEST and 2 ** (32 - length) < _ADDRESSES_PER_POD * pods:
        length -= 1
    return int(length)


def _overlaps(cidr: str, others: Iterable[str]) -> bool:
    one = ipaddress.ip_network(cidr)
    found = map(ipaddress.ip_network, others)
    return any(one.version == other.version and one.overlaps(other) for other in found)


def _free(router_id: str, kind: str, version: int, used: list[str], length: int) -> Any:
    """The first range that overlaps with nothing the router knows."""
    options = CONF.interconnect
    ranges = options.bridge_cidrs if version == 4 else options.bridge_cidrs_v6
    siblings = [network_id(router_id, other) for other in KINDS if other != kind]
    found = models.work_queue().transact(lambda tx: facts.subnets_of(tx, siblings))
    taken = [*used, *(subnet["cidr"] for subnet in found)]
    for cidr in ranges:
        whole = ipaddress.ip_network(cidr)
        # A range that is set closely has room for what is set, if not for more.
        fitting = length if length >= whole.prefixlen or version == 6 else whole.prefixlen
        for candidate in whole.subnets(new_prefix=fitting):
            if not _overlaps(str(candidate), taken):
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
