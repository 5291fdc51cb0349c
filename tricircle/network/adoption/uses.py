# SPDX-License-Identifier: Apache-2.0
"""What the region has of its own that leans on what was in a pod before: it must go first."""

import sqlalchemy as sa
from neutron.db import models_v2
from neutron.db.models import l3 as l3_models
from neutron.db.models import securitygroup as sg_models
from neutron.db.qos import models as qos_models
from neutron.services.trunk import models as trunk_models
from sqlalchemy.orm import Session

from tricircle.db.realizations import Key
from tricircle.network.central import address_reservations, adopted
from tricircle.network.central.central_neutron import ROUTER_INTERFACES

# Who may have a QoS policy: (their kind, the column that names them, the policy's).
_POLICIES = tuple(
    (kind, getattr(model, column), model.policy_id)
    for kind, model, column in (
        ("network", qos_models.QosNetworkPolicyBinding, "network_id"),
        ("port", qos_models.QosPortPolicyBinding, "port_id"),
        ("floating_ip", qos_models.QosFIPPolicyBinding, "fip_id"),
        ("router", qos_models.QosRouterGatewayIPPolicyBinding, "router_id"),
    )
)


def of(tx: Session, one: Key, leaving: set[Key]) -> str:
    """In words; empty if nothing leans on a resource but what is ``leaving``, too."""
    if one.resource_type == "qos_policy":
        return _policy(tx, one, leaving)
    if one.resource_type == "address_group":
        return _address_group(tx, one, leaving)
    if one.resource_type == "trunk":
        return _trunk(tx, one, leaving)
    return _ports(tx, one, leaving)


def _policy(tx: Session, one: Key, leaving: set[Key]) -> str:
    for kind, user, policy in _POLICIES:
        for found in tx.scalars(sa.select(user).where(policy == one.resource_id)):
            if not _known(kind, found) & leaving:
                what = kind.replace("_", " ")
                return f"{what} {found}, which the pod did not have before, has the policy"
    return ""


def _address_group(tx: Session, one: Key, leaving: set[Key]) -> str:
    rule = sg_models.SecurityGroupRule
    query = sa.select(rule.security_group_id).where(rule.remote_address_group_id == one.resource_id)
    for group in tx.scalars(query):
        if Key("security_group", group) not in leaving:
            return f"security group {group}, which the pod did not have before, names the group"
    return ""


def _trunk(tx: Session, one: Key, leaving: set[Key]) -> str:
    subport = trunk_models.SubPort
    for port in tx.scalars(sa.select(subport.port_id).where(subport.trunk_id == one.resource_id)):
        if Key("port", port) not in leaving:
            return f"its subport {port} was not in the pod before"
    return ""


def _known(kind: str, resource_id: str) -> set[Key]:
    """As what a resource may have been taken over."""
    found = {Key(kind, resource_id)}
    return found | {Key(adopted.INTERFACE, resource_id)} if kind == "port" else found


def _ports(tx: Session, one: Key, leaving: set[Key]) -> str:
    port, binding = models_v2.Port, sg_models.SecurityGroupPortBinding
    query = sa.select(port.id, port.device_owner, port.device_id, port.project_id)
    if one.resource_type == "network":
        query = query.where(port.network_id == one.resource_id)
    elif one.resource_type == "security_group":
        query = query.join(binding, binding.port_id == port.id).where(
            binding.security_group_id == one.resource_id
        )
    elif one.resource_type == "router":
        fip = l3_models.FloatingIP
        for floating_ip in tx.scalars(sa.select(fip.id).where(fip.router_id == one.resource_id)):
            if Key("floating_ip", floating_ip) not in leaving:
                return f"floating IP {floating_ip}, which the pod did not have before, leads by it"
        query = query.where(
            port.device_id == one.resource_id, port.device_owner.in_(ROUTER_INTERFACES)
        )
    else:
        return ""
    for row in tx.execute(query):
        document = {**row._asdict(), "project_id": row.project_id or ""}
        if not _known("port", row.id) & leaving and not address_reservations.is_reservation(
            document
        ):
            what = one.resource_type.replace("_", " ")
            return f"port {row.id}, which the pod did not have before, uses the {what}"
    return ""
