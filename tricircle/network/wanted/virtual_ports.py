# SPDX-License-Identifier: Apache-2.0
"""Ports that no server owns, for whose addresses servers answer in turn (keepalived, kube-vip,
Octavia): they allow the address on ports of their own, as a pair.

Floating IPs and forwardings of such a port lead to where it is answered for. It has a copy in each
pod with a server that may answer; on a network whose copies are no one domain, in one of them. A
pod whose Neutron tells on which host the address was answered for last (OVN) so tells of a failover
from another pod. That it tells once for a host, so the copy in the pod that was left is made anew.

Functions take Neutron's request context, inside its transaction.
"""

import ipaddress
import json
from collections.abc import Collection, Mapping
from typing import Any

import sqlalchemy as sa
from neutron.db import models_v2
from neutron.db.models import allowed_address_pair as pair_models
from neutron.db.models import l3 as l3_models
from neutron.db.models import port_forwarding as forwarding_models
from neutron.db.models import securitygroup as sg_models
from neutron.plugins.ml2 import models as ml2_models
from neutron_lib import constants

from tricircle.db import realizations
from tricircle.db.realizations import Key
from tricircle.network.central import segments
from tricircle.network.central.models import Realization, VirtualPort
from tricircle.network.routers import reach
from tricircle.network.wanted import outbox

_ACTIVE = constants.PORT_STATUS_ACTIVE


def is_known(session: Any, port_id: str) -> bool:
    """Whether servers answer for a port's addresses in turn."""
    return session.get(VirtualPort, port_id) is not None


def in_pod(session: Any, pod_id: str) -> dict[str, str]:
    """{port: its id in the pod} of those with a copy in a pod."""
    row = Realization
    query = sa.select(row.resource_id, row.pod_resource_id).where(
        row.resource_type == "port",
        row.resource_id.in_(sa.select(VirtualPort.port_id)),
        row.pod_id == pod_id,
        row.absent.is_(False),
        row.pod_resource_id.is_not(None),
    )
    return dict(session.execute(query).tuples().all())


def networks_of_floating_ip(session: Any, floating_ip_id: str) -> set[str]:
    """The networks of the ports behind a floating IP."""
    port, fip, row = models_v2.Port, l3_models.FloatingIP, forwarding_models.PortForwarding
    query = sa.select(port.network_id).where(
        sa.or_(
            port.id.in_(sa.select(fip.fixed_port_id).where(fip.id == floating_ip_id)),
            port.id.in_(
                sa.select(row.internal_neutron_port_id).where(row.floatingip_id == floating_ip_id)
            ),
        )
    )
    return set(session.scalars(query))


def refresh(context: Any, network_ids: Collection[str]) -> None:
    """Who may answer for addresses on these networks may have changed, or what leads to them."""
    for network_id in sorted(network_ids):
        _refresh(context, network_id)


def refresh_known(context: Any) -> None:
    """Refresh wherever there is such a port."""
    refresh(context, set(context.session.scalars(sa.select(VirtualPort.network_id))))


def answered(context: Any, pod_id: str, hosts: Mapping[str, str]) -> None:
    """A pod tells {port: host where it was answered for last}; empty where it was not."""
    session = context.session
    query = sa.select(VirtualPort).where(VirtualPort.port_id.in_(list(hosts)))
    for row in session.scalars(query.order_by(VirtualPort.port_id).with_for_update()).all():
        known = json.loads(row.hosts)
        host = hosts[row.port_id]
        if known.get(pod_id, "") == host:
            continue
        known[pod_id] = host
        if host and row.pod_id != pod_id:
            left, row.pod_id = row.pod_id, pod_id
            known.pop(left, None)
            outbox.unwanted(context, Key("port", row.port_id), [left])
        row.hosts = json.dumps(known)
        session.flush()
        outbox.refresh_floating_ips(context, port_id=row.port_id)


def _refresh(context: Any, network_id: str) -> None:
    session = context.session
    query = sa.select(VirtualPort).where(VirtualPort.network_id == network_id)
    known = {row.port_id: row for row in session.scalars(query)}
    ports = _pointed_at(session, network_id)
    if not known and not ports:
        return
    answering = _answering(session, network_id, ports)
    for port_id in sorted(known.keys() - answering.keys()):
        session.delete(known[port_id])
        session.flush()
        if port_id in ports or not _is_bound(session, port_id):
            outbox.unwanted(context, Key("port", port_id))
        outbox.refresh_floating_ips(context, port_id=port_id)
    stretched = bool(segments.stretched_among(session, [network_id]))
    for port_id, pods in sorted(answering.items()):
        _place(context, network_id, port_id, known.get(port_id), pods, stretched)


def _place(
    context: Any,
    network_id: str,
    port_id: str,
    row: VirtualPort | None,
    pods: dict[str, bool],
    stretched: bool,
) -> None:
    """Have copies of a port in ``pods``, {pod: whether a server there is up}."""
    session, key = context.session, Key("port", port_id)
    before = row.pod_id if row else None
    if row is None:
        row = VirtualPort(port_id=port_id, network_id=network_id, pod_id="", hosts="{}")
        session.add(row)
    tells = any(json.loads(row.hosts).values())
    if row.pod_id not in pods or (not tells and not pods[row.pod_id] and any(pods.values())):
        order = reach.pods_of_hints(())
        row.pod_id = min(pods, key=lambda pod: (not pods[pod], order.index(pod)))
    session.flush()
    wanted = set(pods) if stretched else {row.pod_id}
    there = set(realizations.pods_with(session, Realization, key))
    leaving = set(realizations.pods_with(session, Realization, key, gone_too=True)) - there
    if surplus := sorted(there - wanted):
        outbox.unwanted(context, key, surplus)
    # What is about to be made anew elsewhere goes first.
    for pod_id in sorted(wanted - there - (leaving - {row.pod_id})):
        outbox.wanted_for_port(context, _port(session, port_id), pod_id)
    if row.pod_id != before:
        outbox.refresh_floating_ips(context, port_id=port_id)


def _pointed_at(session: Any, network_id: str) -> dict[str, set[str]]:
    """{port: its addresses} of a network's ports that are bound nowhere and that something from
    outside leads to."""
    port, binding, ip = models_v2.Port, ml2_models.PortBinding, models_v2.IPAllocation
    led_to = sa.union(
        sa.select(l3_models.FloatingIP.fixed_port_id),
        sa.select(forwarding_models.PortForwarding.internal_neutron_port_id),
    ).subquery()
    query = (
        sa.select(port.id, ip.ip_address)
        .join(led_to, led_to.c[0] == port.id)
        .join(ip, ip.port_id == port.id)
        .where(
            port.network_id == network_id,
            ~port.device_owner.startswith("network:"),
            ~sa.exists().where(binding.port_id == port.id, binding.host != ""),
        )
    )
    found: dict[str, set[str]] = {}
    for port_id, address in session.execute(query).tuples():
        found.setdefault(port_id, set()).add(address)
    return found


def _answering(
    session: Any, network_id: str, ports: Mapping[str, set[str]]
) -> dict[str, dict[str, bool]]:
    """{port: {pod: whether a server there is up}}, of the pods whose servers may answer for it."""
    port, pair, row = models_v2.Port, pair_models.AllowedAddressPair, Realization
    query = (
        sa.select(pair.ip_address, row.pod_id, port.status)
        .join(port, port.id == pair.port_id)
        .join(row, sa.and_(row.resource_type == "port", row.resource_id == port.id))
        .where(port.network_id == network_id, row.absent.is_(False), port.id.not_in(list(ports)))
    )
    pairs = session.execute(query).tuples().all() if ports else []
    found: dict[str, dict[str, bool]] = {}
    for text, pod_id, status in pairs:
        allowed = ipaddress.ip_network(text, strict=False)
        if not allowed.prefixlen:  # Who may send as anybody answers for nobody in particular.
            continue
        for port_id, addresses in ports.items():
            if any(ipaddress.ip_address(one) in allowed for one in addresses):
                pods = found.setdefault(port_id, {})
                pods[pod_id] = pods.get(pod_id, False) or status == _ACTIVE
    return found


def _is_bound(session: Any, port_id: str) -> bool:
    binding = ml2_models.PortBinding
    query = sa.select(binding.host).where(binding.port_id == port_id, binding.host != "")
    return session.scalar(query) is not None


def _port(session: Any, port_id: str) -> dict[str, Any]:
    """What ``outbox.wanted_for_port`` needs of a port."""
    port, binding = models_v2.Port, sg_models.SecurityGroupPortBinding
    query = sa.select(port.network_id, port.project_id).where(port.id == port_id)
    network_id, project_id = session.execute(query).one()
    groups = sa.select(binding.security_group_id).where(binding.port_id == port_id)
    return {
        "id": port_id,
        "network_id": network_id,
        "project_id": project_id,
        "security_groups": list(session.scalars(groups)),
    }
