# SPDX-License-Identifier: Apache-2.0
"""Which pods networks and routers reach. All follows from where ports are.

Everything is read inside the caller's transaction; pods are named by id.
"""

import collections
import json
from collections.abc import Collection, Iterable, Mapping

import sqlalchemy as sa
from neutron.db import models_v2
from neutron_lib import constants
from sqlalchemy.orm import Session

from tricircle.network.central import adopted, facts, segments
from tricircle.network.central.central_neutron import ROUTER_PORTS
from tricircle.network.central.models import Realization
from tricircle.network.pod_api import pod_registry
from tricircle.network.routers import homes
from tricircle.network.routers.topology import Pods, RouterReach


def pods_of_hints(hints: Collection[str]) -> Pods:
    """Ids of the pods that hints (zones or pods) allow, all without any; always in one order."""
    pods = sorted(pod_registry.get().fresh().all(), key=lambda pod: pod.region_name)
    allowed = (
        pod for pod in pods if not hints or {pod.availability_zone, pod.region_name} & set(hints)
    )
    return tuple(pod.id for pod in allowed)


def populated(tx: Session, network_ids: Collection[str] | None = None) -> dict[str, set[str]]:
    """{network: pods in which ports of it are wanted}, of some networks or of all.

    A pod that had the network before the region counts as if it had ports on it."""
    port, row = models_v2.Port, Realization
    query = (
        sa.select(port.network_id, row.pod_id)
        .join(row, sa.and_(row.resource_type == "port", row.resource_id == port.id))
        .where(row.absent.is_(False))
        .distinct()
    )
    if network_ids is not None:
        query = query.where(port.network_id.in_(list(network_ids)))
    either = sa.union(query, adopted.networks(network_ids))
    found: dict[str, set[str]] = collections.defaultdict(set)
    for network_id, pod_id in tx.execute(either).tuples():
        found[network_id].add(pod_id)
    return found


def routers(tx: Session, router_ids: Iterable[str] | None = None) -> dict[str, RouterReach]:
    """How far routers reach: some, or all that are joined to a network."""
    ids = None if router_ids is None else list(router_ids)
    joined, gateways = _joined(tx, ids)
    hints = facts.hints(tx, joined)
    external_hints = _network_hints(tx, set(gateways.values()))
    among = {network for networks in joined.values() for network in networks}
    where = populated(tx, among)
    one_domain = segments.stretched_among(tx, among)
    kept = homes.of(tx, None if router_ids is None else gateways.keys())
    found = {}
    for router_id, networks in joined.items():
        allowed = pods_of_hints(hints.get(router_id, ()))
        present = {network: frozenset(where.get(network, ())) for network in networks}
        reached = _held(present, allowed, one_domain)
        external = gateways.get(router_id)
        outlets = pods_of_hints(external_hints.get(external, ())) if external else ()
        tenants = set().union(*reached.values())
        home = None
        if outlets:
            home = homes.choose(router_id, outlets, tenants, kept.get(router_id))
        found[router_id] = RouterReach(
            router_id,
            reached,
            tuple(pod for pod in allowed if pod in tenants),
            external,
            outlets,
            frozenset(networks - one_domain),
            *(home or ()),
        )
    return found


def of_router(tx: Session, router_id: str) -> RouterReach:
    """How far one router reaches."""
    empty = RouterReach(router_id, {}, ())
    return routers(tx, [router_id]).get(router_id, empty)


def _held(
    present: Mapping[str, frozenset[str]], allowed: Pods, one_domain: set[str]
) -> dict[str, frozenset[str]]:
    """Where the router meets its networks. A router that is held to pods which have none of its
    stretched networks meets them in the first: servers reach it there from wherever they are."""
    reached = {network: pods & set(allowed) for network, pods in present.items()}
    far = {
        network for network, pods in present.items() if pods and not reached[network]
    } & one_domain
    if far and allowed:
        reached |= {network: frozenset(allowed[:1]) for network in far}
    return reached


def _joined(tx: Session, ids: list[str] | None) -> tuple[dict[str, set[str]], dict[str, str]]:
    """{router: the networks joined to it}, {router: its external network}."""
    port = models_v2.Port
    query = sa.select(port.device_id, port.network_id, port.device_owner).where(
        port.device_owner.in_(ROUTER_PORTS)
    )
    if ids is not None:
        query = query.where(port.device_id.in_(ids))
    joined: dict[str, set[str]] = collections.defaultdict(set)
    gateways: dict[str, str] = {}
    for router_id, network_id, owner in tx.execute(query).tuples():
        if owner == constants.DEVICE_OWNER_ROUTER_GW:
            gateways[router_id] = network_id
        else:
            joined[router_id].add(network_id)
    return joined, gateways


def outlets_of(tx: Session, network_id: str) -> Pods:
    """The pods that have an external network."""
    return pods_of_hints(_network_hints(tx, {network_id}).get(network_id, ()))


def _network_hints(tx: Session, network_ids: set[str]) -> dict[str, list[str]]:
    if not network_ids:
        return {}
    network = models_v2.Network
    query = sa.select(network.id, network.availability_zone_hints).where(
        network.id.in_(network_ids)
    )
    return {key: json.loads(hints) for key, hints in tx.execute(query).tuples() if hints}
