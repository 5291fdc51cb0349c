# SPDX-License-Identifier: Apache-2.0
"""As much of central Neutron's resources as plans of routers and subnets ask for.

One statement a function, under Neutron's own names of attributes; its own documents take ten to
thirty statements each. Everything is read inside the caller's transaction.
"""

import json
from collections.abc import Collection, Iterable
from typing import Any

import sqlalchemy as sa
from neutron.db import models_v2
from neutron.db.models import external_net, l3_attrs
from neutron.db.models import l3 as l3_models
from neutron.db.models.segment import NetworkSegment
from neutron.db.qos import models as qos_models
from sqlalchemy.orm import Session

from tricircle.network.central.central_neutron import ROUTER_INTERFACES, Resource


def networks(tx: Session, ids: Collection[str]) -> dict[str, Resource]:
    """{id: network} of those that exist: name, project, hints, first segment, whether external."""
    network, segment = models_v2.Network, NetworkSegment
    outside = external_net.ExternalNetwork
    query = (
        sa.select(
            network.id,
            network.name,
            network.project_id,
            network.availability_zone_hints,
            outside.network_id.is_not(None),
            segment.network_type,
            segment.physical_network,
            segment.segmentation_id,
        )
        .outerjoin(outside, outside.network_id == network.id)
        .outerjoin(
            segment, sa.and_(segment.network_id == network.id, segment.is_dynamic.is_(False))
        )
        .where(network.id.in_(ids))
        .order_by(segment.segment_index)
    )
    found: dict[str, Resource] = {}
    for one, name, project, hints, is_external, kind, physical, number in _rows(tx, query, ids):
        document = {
            "id": one,
            "name": name,
            "project_id": project,
            "availability_zone_hints": _list(hints),
            "router:external": bool(is_external),
            "provider:network_type": kind,
            "provider:physical_network": physical,
            "provider:segmentation_id": number,
        }
        found.setdefault(one, document)
    return found


def subnets(tx: Session, ids: Collection[str]) -> dict[str, Resource]:
    """{id: subnet} of those that exist."""
    return {one["id"]: one for one in _subnets(tx, models_v2.Subnet.id, ids)}


def subnets_of(tx: Session, network_ids: Collection[str]) -> list[Resource]:
    """The subnets of networks."""
    return _subnets(tx, models_v2.Subnet.network_id, network_ids)


def ports(tx: Session, ids: Collection[str]) -> dict[str, Resource]:
    """{id: port} of those that exist: network, device, addresses."""
    return {one["id"]: one for one in _ports(tx, models_v2.Port.id, ids)}


def interfaces(
    tx: Session, *, router_ids: Collection[str] = (), network_ids: Collection[str] = ()
) -> list[Resource]:
    """The ports by which routers are joined to networks (not their external gateways): those of
    some routers, or on some networks."""
    port = models_v2.Port
    if router_ids:
        return _ports(tx, port.device_id, router_ids, port.device_owner.in_(ROUTER_INTERFACES))
    return _ports(tx, port.network_id, network_ids, port.device_owner.in_(ROUTER_INTERFACES))


def hints(tx: Session, router_ids: Collection[str]) -> dict[str, list[str]]:
    """{router: its availability zone hints} of those that have any."""
    attributes = l3_attrs.RouterExtraAttributes
    query = sa.select(attributes.router_id, attributes.availability_zone_hints).where(
        attributes.router_id.in_(router_ids)
    )
    return {key: _list(text) for key, text in _rows(tx, query, router_ids) if text}


def router(tx: Session, router_id: str) -> Resource | None:
    """A router, with the routes that its owner gave it and where it is open to the outside."""
    table, more, route = l3_models.Router, l3_attrs.RouterExtraAttributes, l3_models.RouterRoute
    policy = qos_models.QosRouterGatewayIPPolicyBinding
    query = (
        sa.select(
            table.id,
            table.name,
            table.project_id,
            table.admin_state_up,
            table.enable_snat,
            table.gw_port_id,
            more.distributed,
            more.ha,
            more.availability_zone_hints,
            policy.policy_id,
        )
        .outerjoin(more, more.router_id == table.id)
        .outerjoin(policy, policy.router_id == table.id)
        .where(table.id == router_id)
    )
    row = tx.execute(query).one_or_none()
    if row is None:
        return None
    gateway = ports(tx, [row.gw_port_id])[row.gw_port_id] if row.gw_port_id else None
    routes = sa.select(route.destination, route.nexthop).where(route.router_id == router_id)
    return {
        "id": row.id,
        "name": row.name,
        "project_id": row.project_id,
        "admin_state_up": row.admin_state_up,
        "distributed": bool(row.distributed),
        "ha": bool(row.ha),
        "availability_zone_hints": _list(row.availability_zone_hints),
        "routes": [{"destination": to, "nexthop": by} for to, by in tx.execute(routes).tuples()],
        "external_gateway_info": gateway
        and {
            "network_id": gateway["network_id"],
            "enable_snat": row.enable_snat,
            "external_fixed_ips": gateway["fixed_ips"],
            **({"qos_policy_id": row.policy_id} if row.policy_id else {}),
        },
    }


def _subnets(tx: Session, column: Any, values: Collection[str]) -> list[Resource]:
    subnet = models_v2.Subnet
    query = sa.select(
        subnet.id,
        subnet.network_id,
        subnet.cidr,
        subnet.ip_version,
        subnet.gateway_ip,
        subnet.ipv6_address_mode,
    ).where(column.in_(values))
    return [row._asdict() for row in _rows(tx, query, values)]


def _ports(
    tx: Session, column: Any, values: Collection[str], *conditions: sa.ColumnElement[bool]
) -> list[Resource]:
    port, ip = models_v2.Port, models_v2.IPAllocation
    query = (
        sa.select(port.id, port.network_id, port.device_id, ip.subnet_id, ip.ip_address)
        .outerjoin(ip, ip.port_id == port.id)
        .where(column.in_(values), *conditions)
        # Addresses in the order that Neutron tells them in.
        .order_by(port.id, ip.ip_address, ip.subnet_id)
    )
    found: dict[str, Resource] = {}
    for one, network_id, device_id, subnet_id, address in _rows(tx, query, values):
        document = {"id": one, "network_id": network_id, "device_id": device_id, "fixed_ips": []}
        there = found.setdefault(one, document)
        if subnet_id is not None:
            there["fixed_ips"].append({"subnet_id": subnet_id, "ip_address": address})
    return list(found.values())


def _rows(tx: Session, query: Any, values: Collection[str]) -> Iterable[Any]:
    """The rows of a query for some values; without any, nobody is asked."""
    return tx.execute(query) if values else ()


def _list(text: str | None) -> list[str]:
    found: list[str] = json.loads(text) if text else []
    return found
