# SPDX-License-Identifier: Apache-2.0
"""Ports of tunnelled networks: where each is, so that the other pods can be told.

A network of a tunnelled type is one broadcast domain because every pod that has it knows the
ports the others have on it: those of servers, and those a pod makes by itself (a router's). What
a pod has is looked at again and again and kept in a table; for each port in it every other pod
with the network wants a shadow port (see its adapter), the realization ``shadow_port``.

Functions that take ``tx`` work inside the caller's transaction.
"""

import json
from collections.abc import Collection
from typing import Any

import sqlalchemy as sa
from neutron.db.models.dns import PortDNS
from neutron.db.models.segment import NetworkSegment
from sqlalchemy.orm import Session

from tricircle.db import realizations
from tricircle.db.realizations import Key
from tricircle.db.work_queue import WorkQueue
from tricircle.network import interconnect
from tricircle.network.central.models import Endpoint, Realization
from tricircle.network.pod_api.pod_session import PodSession, named

KIND = "shadow_port"
# Sets a shadow's marker apart from that of a copy.
_PREFIX = "shadow:"

Object = dict[str, Any]


def key(port_id: str) -> Key:
    """The realizations of a port's shadows."""
    return Key(KIND, _PREFIX + port_id)


def named_shadow(port: Object) -> bool:
    """Whether a port in a pod has the marker of a shadow port, whoever wrote it."""
    return (named(port) or "").startswith(_PREFIX)


def is_shadow(session: PodSession, port: Object) -> bool:
    """Whether a port in a pod is a shadow port: it is ours, and of no project of a user's."""
    return named_shadow(port) and session.is_ours("ports", port, ())


def get(queue: WorkQueue, resource_id: str) -> Object | None:
    """What a shadow port is of, by the realization's resource id; None when it is gone."""
    wanted, row = resource_id.removeprefix(_PREFIX), Realization
    query = (
        sa.select(Endpoint, PortDNS.dns_name)
        .outerjoin(row, sa.and_(row.resource_type == "port", row.pod_resource_id == Endpoint.id))
        .outerjoin(PortDNS, PortDNS.port_id == row.resource_id)
        .where(Endpoint.id == wanted)
    )
    found = queue.transact(lambda tx: tx.execute(query).first())
    if found is None:
        return None
    endpoint, name = found
    return {**_values(endpoint), "id": resource_id, "dns_name": name or ""}


def renamed(tx: Session, port_id: str) -> None:
    """A central port has another name: the pods with shadows of its copy are to know."""
    row = Realization
    query = sa.select(row.pod_resource_id).where(
        row.resource_type == "port", row.resource_id == port_id, row.pod_resource_id.is_not(None)
    )
    for copy in tx.scalars(query).all():
        realizations.touch(tx, row, key(str(copy)))


def shadows(tx: Session, pod_id: str, network_ids: Collection[str]) -> set[Key]:
    """The shadow ports a pod needs that has these networks."""
    query = sa.select(Endpoint.id).where(
        Endpoint.network_id.in_(list(network_ids)), Endpoint.pod_id != pod_id
    )
    return {key(one) for one in tx.scalars(query)} if network_ids else set()


def begin(tx: Session, network_id: str, pod_id: str) -> None:
    """A pod has a network from now on: it is to know the ports the others have on it."""
    for shadow in sorted(shadows(tx, pod_id, [network_id])):
        realizations.ensure(tx, Realization, shadow, pod_id, None)


def hosts(queue: WorkQueue, pod_id: str) -> dict[str, str]:
    """{host: where its tunnels end} of the hosts that shadow ports in a pod are to be on."""
    row = Realization
    told = sa.select(sa.func.substr(row.resource_id, len(_PREFIX) + 1)).where(
        row.resource_type == KIND, row.pod_id == pod_id, row.absent.is_(False)
    )
    query = sa.select(Endpoint.host, Endpoint.tunnel_ip).where(Endpoint.id.in_(told)).distinct()
    found: dict[str, str] = queue.transact(lambda tx: dict(tx.execute(query).tuples().all()))
    return found


def forget_pod(queue: WorkQueue, pod_id: str) -> None:
    """A pod is no pod any more: the others forget its ports."""
    queue.transact(lambda tx: write(tx, pod_id, {}))


def known(tx: Session, pod_id: str) -> tuple[dict[str, str], dict[str, str], dict[str, Object]]:
    """Of a pod: {network there: central network} of tunnelled types, {subnet there: central
    subnet}, and what the table has."""
    row = Realization
    there = sa.select(row.pod_resource_id, row.resource_id).where(
        row.pod_id == pod_id, row.pod_resource_id.is_not(None), row.absent.is_(False)
    )
    # By the networks of the pod: there are many of that type elsewhere.
    tunnelled = sa.and_(
        NetworkSegment.network_id == row.resource_id,
        NetworkSegment.network_type.in_(interconnect.tunnelled_types()),
    )
    networks = there.join(NetworkSegment, tunnelled).where(row.resource_type == "network")
    subnets = there.where(row.resource_type == "subnet")
    endpoints = tx.scalars(sa.select(Endpoint).where(Endpoint.pod_id == pod_id))
    return (
        {str(there): resource_id for there, resource_id in tx.execute(networks).tuples()},
        {str(there): resource_id for there, resource_id in tx.execute(subnets).tuples()},
        {endpoint.id: _values(endpoint) for endpoint in endpoints},
    )


def write(tx: Session, pod_id: str, found: dict[str, Object]) -> int:
    """Have exactly these in the table for a pod, and what follows from it for the others."""
    rows = {row.id: row for row in tx.scalars(sa.select(Endpoint).where(Endpoint.pod_id == pod_id))}
    changed = 0
    for port_id, values in found.items():
        row, stored = rows.get(port_id), {**values, "fixed_ips": json.dumps(values["fixed_ips"])}
        if row is None:
            tx.add(Endpoint(id=port_id, **stored))
        elif _values(row) == values:
            continue
        else:
            for name, value in stored.items():
                setattr(row, name, value)
            realizations.touch(tx, Realization, key(port_id))
        for other in _others(tx, values["network_id"], pod_id):
            realizations.ensure(tx, Realization, key(port_id), other, None)
        changed += 1
    for port_id in rows.keys() - found.keys():
        tx.delete(rows[port_id])
        realizations.retire(tx, Realization, key(port_id))
        changed += 1
    return changed


def _others(tx: Session, network_id: str, pod_id: str) -> list[str]:
    pods = realizations.pods_with(tx, Realization, Key("network", network_id))
    return sorted(one for one in pods if one != pod_id)


def _values(row: Endpoint) -> Object:
    return {
        "pod_id": row.pod_id,
        "network_id": row.network_id,
        "mac_address": row.mac_address,
        "fixed_ips": json.loads(row.fixed_ips),
        "host": row.host,
        "tunnel_ip": row.tunnel_ip,
    }
