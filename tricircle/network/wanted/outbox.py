# SPDX-License-Identifier: Apache-2.0
"""What a change in central Neutron makes dirty, written in the very transaction of the change.

Every function takes Neutron's request context, inside its transaction.
"""

import dataclasses
from collections.abc import Collection
from typing import Any

import sqlalchemy as sa
from neutron.db import models_v2
from neutron.db.models import l3 as l3_models
from neutron.db.models import port_forwarding as forwarding_models
from neutron.db.models import securitygroup as sg_models
from neutron.db.qos import models as qos_models
from oslo_log import log

from tricircle.db import realizations
from tricircle.db.realizations import Key
from tricircle.network.central import adopted, segments
from tricircle.network.central.central_neutron import ROUTER_INTERFACES
from tricircle.network.central.models import Realization
from tricircle.network.pod_api import pod_registry
from tricircle.network.routers import east_west, floating_ip_reach, homes, reach
from tricircle.network.wanted import floating_ip_status, group_members, tunnel_endpoints

LOG = log.getLogger(__name__)

_ADDRESSES = {"fixed_ips", "allowed_address_pairs"}
# What an update of a bound port has otherwise than before, though nothing was changed.
_ALWAYS = {"revision_number", "updated_at", "binding:vif_details"}


@dataclasses.dataclass(frozen=True)
class SessionOnly:
    """Stands for Neutron's request context where only its session is asked for."""

    session: Any


def changed(context: Any, key: Key) -> None:
    """The resource has changed: wherever it is, it must be looked at."""
    realizations.touch(context.session, Realization, key)


def unwanted(context: Any, key: Key, pod_ids: list[str] | None = None) -> None:
    """The resource must go from these pods, or from all."""
    _retire(context.session, key, pod_ids)


def deleted(context: Any, key: Key) -> None:
    """The resource is no more: it must go from all pods, and what stood for it in one."""
    _retire(context.session, key, None)
    adopted.retire(context.session, key)


def unwanted_but_in(context: Any, key: Key, pod_id: str | None) -> None:
    """The resource must go from every pod but one."""
    session = context.session
    others = [p for p in realizations.pods_with(session, Realization, key) if p != pod_id]
    if others:
        _retire(session, key, others)


def membership_changed(context: Any, port: dict[str, Any], before: dict[str, Any]) -> None:
    """A port may be in other groups or have other addresses: pods without it are to know.

    An update of nothing is how Neutron tells of an address of a new auto-address subnet.
    """
    now, then = set(port["security_groups"]), set(before["security_groups"])
    others = {name for name in port if port[name] != before.get(name)} - _ALWAYS
    readdressed = not others or bool(others & _ADDRESSES)
    if now == then and not readdressed:
        return
    if pods := realizations.pods_with(context.session, Realization, Key("port", port["id"])):
        group_members.joined(context.session, now if readdressed else now - then, pods)
    group_members.changed(context.session, then - now)


def wanted_where(context: Any, key: Key, other: Key, project_id: str | None) -> None:
    """The resource is wanted in every pod that ``other`` is wanted in."""
    for pod_id in realizations.pods_with(context.session, Realization, other):
        if not realizations.ensure(context.session, Realization, key, pod_id, project_id):
            realizations.touch(context.session, Realization, key, [pod_id])


def wanted_for_port(context: Any, port: dict[str, Any], pod_id: str) -> None:
    """A port is bound in a pod: it is wanted there with all it stands on.

    The network's row is locked by this, so that nobody finds at the same moment that the pod needs
    the network no longer. The routers of the network come after the port, by xjob.
    """
    session, network_id, project_id = context.session, port["network_id"], port["project_id"]
    for policy_id in sorted(policies_of(session, [port["id"]], [network_id])):
        _ensure(session, Key("qos_policy", policy_id), pod_id, project_id)
    is_new = _ensure(session, Key("network", network_id), pod_id, project_id)
    if is_new:
        tunnel_endpoints.begin(session, network_id, pod_id)
    subnets = session.scalars(
        sa.select(models_v2.Subnet.id).where(models_v2.Subnet.network_id == network_id)
    )
    for subnet_id in sorted(subnets):
        _ensure(session, Key("subnet", subnet_id), pod_id, project_id)
    for group_id in sorted(port["security_groups"]):
        _ensure(session, Key("security_group", group_id), pod_id, project_id)
    if _ensure(session, Key("port", port["id"]), pod_id, project_id):
        group_members.joined(session, port["security_groups"], [pod_id])
    if is_new or not segments.stretched_among(session, [network_id]):
        refresh_routers(context, routers_of(session, network_id))
    refresh_floating_ips(context, port_id=port["id"])


def refresh_routers(context: Any, router_ids: Collection[str]) -> None:
    """Where routers are to be may have changed, or where what is joined to them is."""
    if not router_ids:
        return
    session = context.session
    found = sorted(reach.routers(session, router_ids).items())
    row = l3_models.Router
    query = sa.select(row.id, row.project_id).where(row.id.in_([one for one, _ in found]))
    projects = dict(session.execute(query).tuples().all())
    kept = homes.of(session, [router_id for router_id, _ in found])
    for router_id, reached in found:
        if homes.keep(session, reached, kept.get(router_id)):
            home = pod_registry.get().get(str(reached.home))
            LOG.warning(
                "Router %s is at home in pod %s from now on: its home before has the external "
                "network no more",
                router_id,
                home.region_name if home else reached.home,
            )
        key, project_id = Key("router", router_id), projects.get(router_id)
        east_west.touch(session, router_id)
        for pod_id in reached.places:
            _ensure(session, key, pod_id, project_id)
        for pod_id in reached.parted:
            _ensure(session, east_west.key(router_id), pod_id, project_id)
    touch_subnets(context, {network for _, reached in found for network in reached.networks})


def addresses_moved(context: Any, network_id: str) -> None:
    """Addresses of a network are elsewhere now. Where its copies are no one domain, routers have
    routes to single addresses."""
    session = context.session
    pods = realizations.pods_with(session, Realization, Key("network", network_id))
    if len(pods) > 1 and not segments.stretched_among(session, [network_id]):
        for router_id in sorted(routers_of(session, network_id)):
            east_west.touch(session, router_id)


def touch_subnets(context: Any, network_ids: Collection[str]) -> None:
    """What the subnets of networks tell servers of routers may have changed."""
    subnet = models_v2.Subnet
    query = sa.select(subnet.id).where(subnet.network_id.in_(network_ids))
    if found := sorted(context.session.scalars(query)) if network_ids else []:
        realizations.touch_all(context.session, Realization, "subnet", found)


def refresh_floating_ips(
    context: Any,
    *,
    port_id: str | None = None,
    floating_ip_id: str | None = None,
    router_ids: Collection[str] = (),
    moved: bool = False,
) -> None:
    """Where a floating IP, or those of a port or of routers, are to be may have changed;
    ``moved``: it leads to another address for certain."""
    session, fip = context.session, l3_models.FloatingIP
    query: Any = sa.select(fip.id, fip.project_id)
    if port_id:
        row = forwarding_models.PortForwarding
        forwarded = query.join(row, row.floatingip_id == fip.id)
        forwarded = forwarded.where(row.internal_neutron_port_id == port_id)
        # Either of the two has an index; for one or the other, all would be looked through.
        query = sa.union(query.where(fip.fixed_port_id == port_id), forwarded)
    elif router_ids:
        query = query.where(fip.router_id.in_(router_ids))
    else:
        query = query.where(fip.id == floating_ip_id)
    found = dict(session.execute(query).tuples().all())
    if floating_ip_id:
        found.setdefault(floating_ip_id, None)
    wanted = floating_ip_reach.pods_of(session, found) if found else {}
    keys = {one: Key("floating_ip", one) for one in sorted(found)}
    there = {
        one: set(realizations.pods_with(session, Realization, key)) for one, key in keys.items()
    }
    elsewhere = [one for one in keys if moved or there[one] != wanted.get(one, set())]
    # Whoever finds one right locks it before its rows, too.
    floating_ip_status.moved(session, elsewhere)
    for one, key in keys.items():
        places = wanted.get(one, set())
        for pod_id in sorted(there[one] - places):
            realizations.retire(session, Realization, key, [pod_id])
        for pod_id in sorted(places):
            if not _ensure(session, key, pod_id, found[one]):
                realizations.touch(session, Realization, key, [pod_id])


def routers_of(session: Any, network_id: str) -> set[str]:
    """Ids of the routers joined to a network."""
    port = models_v2.Port
    query = sa.select(port.device_id).where(
        port.network_id == network_id, port.device_owner.in_(ROUTER_INTERFACES)
    )
    return set(session.scalars(query))


def ports_in(session: Any, pod_id: str, network_id: str | None = None) -> Any:
    """Query: ids of the central ports wanted in a pod, of one network or of all."""
    row, port = Realization, models_v2.Port
    query = (
        sa.select(port.id)
        .join(row, sa.and_(row.resource_type == "port", row.resource_id == port.id))
        .where(row.pod_id == pod_id, row.absent.is_(False))
    )
    return query if network_id is None else query.where(port.network_id == network_id)


def groups_of_ports(session: Any, pod_id: str) -> set[str]:
    """Ids of the security groups that ports wanted in a pod are in."""
    binding = sg_models.SecurityGroupPortBinding
    ports = ports_in(session, pod_id).subquery()
    query = sa.select(binding.security_group_id).join(ports, ports.c.id == binding.port_id)
    return set(session.scalars(query.distinct()))


def policies_of(session: Any, port_ids: Any, network_ids: Any) -> set[str]:
    """Ids of the QoS policies that these ports and networks have (ids, or queries of ids)."""
    port, network = qos_models.QosPortPolicyBinding, qos_models.QosNetworkPolicyBinding
    return {
        *session.scalars(sa.select(port.policy_id).where(port.port_id.in_(port_ids))),
        *session.scalars(sa.select(network.policy_id).where(network.network_id.in_(network_ids))),
    }


def policies_outside(session: Any, router_ids: Any, floating_ip_ids: Any) -> set[str]:
    """Ids of the QoS policies that the gateways of these routers and these floating IPs have."""
    router = qos_models.QosRouterGatewayIPPolicyBinding
    floating_ip = qos_models.QosFIPPolicyBinding
    routers = sa.select(router.policy_id).where(router.router_id.in_(router_ids))
    floating_ips = sa.select(floating_ip.policy_id).where(floating_ip.fip_id.in_(floating_ip_ids))
    return {*session.scalars(routers), *session.scalars(floating_ips)}


def _retire(session: Any, key: Key, pod_ids: list[str] | None) -> None:
    if realizations.retire(session, Realization, key, pod_ids) and key.resource_type == "port":
        binding = sg_models.SecurityGroupPortBinding
        groups = sa.select(binding.security_group_id).where(binding.port_id == key.resource_id)
        group_members.changed(session, set(session.scalars(groups)))


def _ensure(session: Any, key: Key, pod_id: str, project_id: str | None) -> bool:
    return realizations.ensure(session, Realization, key, pod_id, project_id)
