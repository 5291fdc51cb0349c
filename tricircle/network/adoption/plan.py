# SPDX-License-Identifier: Apache-2.0
"""What becomes of each object that a project has in a pod, and why some cannot be taken over.

Only looks are taken, at the pod and at central Neutron.
"""

from collections.abc import Callable, Iterable
from typing import Any

from neutron_lib import constants

from tricircle.network.adoption import (
    address_groups,
    default_group,
    external,
    forwardings,
    inventory,
    qos,
    segment,
    trunks,
)
from tricircle.network.adoption.items import Item, Plan
from tricircle.network.central import adopted, central_neutron
from tricircle.network.central.central_neutron import Resource
from tricircle.network.pod_api.pod_session import PodSession

_EXTERNAL = "router:external"


def make(session: PodSession, project_id: str) -> Plan:
    """What is to become of all that a project has in a pod. Raises PodError."""
    plan = Plan(session, project_id, inventory.read(session, project_id))
    for step in _STEPS:
        step(plan)
    for network, subnets in plan.found.outside:
        external.link(plan.session, network, subnets, plan.links)
    _routers(plan)
    _floating_ips(plan)
    return plan


def _networks(plan: Plan) -> None:
    for network in plan.found.networks:
        if (item := plan.add("network", network)) is None or item.reason:
            continue
        if network.get(_EXTERNAL):
            item.reason = (
                "external networks are the operator's: make the region's own, on the same segment"
            )
        else:
            item.reason = qos.unknown(plan, network) or segment.refusal(
                plan.session, network, item.outside
            )


def _subnets(plan: Plan) -> None:
    for subnet in plan.found.subnets:
        item = plan.add("subnet", subnet)
        if item is None or item.reason:
            continue
        if plan.outside("network", subnet["network_id"]) is None:
            item.reason = f"its network {subnet['network_id']} is left alone"
        elif subnet.get("segment_id"):
            item.reason = "it is of a routed provider network, of which the region has none"
        elif subnet.get("service_types"):
            item.reason = "it is for some kinds of ports only (service_types)"
    # A network with half of its subnets would be another one: ports would lack addresses.
    for item in plan.items:
        parts = [one for one in plan.items if one.kind == "subnet" and one.reason]
        parts = [one for one in parts if one.document["network_id"] == item.inside]
        if item.kind == "network" and not item.reason and parts:
            item.reason = f"its subnet {parts[0].inside} cannot be taken over: {parts[0].reason}"
            for one in plan.of("subnet"):
                if one.document["network_id"] == item.inside:
                    one.reason = f"its network {item.inside} is left alone"


def _groups(plan: Plan) -> None:
    for group in plan.found.groups:
        item = plan.add("security_group", group)
        if item is not None and not item.reason and group["name"] == default_group.NAME:
            default = default_group.of(plan.project_id)
            if default is not None:
                item.outside, item.matched = default["id"], True
    for item in plan.of("security_group"):
        item.reason = _unknown_in_rules(plan, item.document)
    _spread(
        plan,
        "security_group",
        lambda item: (rule.get("remote_group_id") for rule in _rules(item.document)),
        "security_group",
    )
    for item in plan.of("security_group"):
        if item.matched:
            item.reason = default_group.refusal(plan.session, plan.outside, item.document, item.key)


def _rules(group: Resource) -> list[Resource]:
    found: list[Resource] = group.get("security_group_rules") or []
    return found


def _unknown_in_rules(plan: Plan, group: Resource) -> str:
    for rule in _rules(group):
        if (other := rule.get("remote_address_group_id")) is not None and plan.outside(
            "address_group", other
        ) is None:
            return f"a rule names address group {other}, which is not the region's"
        ours = {one["id"] for one in plan.found.groups} | {None}
        other = rule.get("remote_group_id")
        if other not in ours and plan.outside("security_group", other) is None:
            return f"a rule names security group {other}, which is another project's"
    return ""


def _spread(plan: Plan, kind: str, names: Callable[[Item], Iterable[Any]], of: str) -> None:
    """What names something that is left alone is left alone, too, and so on."""
    while True:
        left = {one.inside for one in plan.items if one.kind == of and one.reason}
        spoiled = [
            (item, sorted(found)[0])
            for item in plan.of(kind)
            if (found := {one for one in names(item) if one} & left)
        ]
        if not spoiled:
            return
        for item, cause in spoiled:
            item.reason = f"it names {of.replace('_', ' ')} {cause}, which is left alone"


def _ports(plan: Plan) -> None:
    for port in plan.found.ports:
        owner = str(port.get("device_owner") or "")
        if owner.startswith(constants.DEVICE_OWNER_NETWORK_PREFIX) or inventory.is_others(
            port, plan.project_id
        ):
            continue
        item = plan.add("port", port)
        if item is not None and not item.reason:
            item.reason = _refused_port(plan, port, owner)


def _refused_port(plan: Plan, port: Resource, owner: str) -> str:
    """Why a port cannot be taken over; empty if it can."""
    of_servers = owner.startswith(constants.DEVICE_OWNER_COMPUTE_PREFIX)
    if owner and not of_servers and owner != trunks.SUBPORT:
        return f"a port of {owner} is its service's, which is the pod's own"
    if plan.outside("network", port["network_id"]) is None:
        return f"its network {port['network_id']} is not the region's, and is left alone"
    for one in {ip["subnet_id"] for ip in port["fixed_ips"]}:
        if plan.outside("subnet", one) is None:
            return f"its subnet {one} is not the region's, and is left alone"
    for one in port.get("security_groups") or ():
        if plan.outside("security_group", one) is None:
            return f"its security group {one} is not the region's, and is left alone"
    return qos.unknown(plan, port)


def _routers(plan: Plan) -> None:
    for router in plan.found.routers:
        interfaces = plan.found.interfaces(router["id"])
        if (item := plan.add("router", router)) is None:
            continue
        item.reason = item.reason or _refused_router(plan, router, interfaces)
        for port in interfaces:
            why = f"its router {item.inside} is left alone" if item.reason else ""
            plan.add(adopted.INTERFACE, port, why)


def _refused_router(plan: Plan, router: Resource, interfaces: list[Resource]) -> str:
    """Why a router cannot be taken over; empty if it can."""
    if central_neutron.routers() is None:
        return "central Neutron has no routers (service_plugins)"
    if router.get("flavor_id"):
        return f"it is of the flavor {router['flavor_id']}, which the region does not have"
    for port in interfaces:
        if plan.outside("network", port["network_id"]) is None:
            return f"its network {port['network_id']} is not the region's, and is left alone"
        if any(_is_automatic(plan, ip["subnet_id"]) for ip in port["fixed_ips"]):
            return (
                f"its port {port['id']} is on an IPv6 subnet with automatic addresses: join the "
                "region's router to it by hand"
            )
    info = router.get("external_gateway_info")
    if not info:
        return ""
    return qos.unknown(plan, info) or external.refusal(
        plan.session,
        plan.outside,
        item_id(plan, "router", router["id"]),
        info["network_id"],
        info.get("external_fixed_ips") or [],
    )


def _is_automatic(plan: Plan, subnet_id: str) -> bool:
    found = (one for one in plan.found.subnets if one["id"] == subnet_id)
    return any(central_neutron.takes_own_address(one) for one in found)


def item_id(plan: Plan, kind: str, inside: str) -> str:
    """The id that an object of the plan has, or would have, in the region."""
    return next(one.outside for one in plan.items if (one.kind, one.inside) == (kind, inside))


def _floating_ips(plan: Plan) -> None:
    for floating_ip in plan.found.floating_ips:
        item = plan.add("floating_ip", floating_ip)
        if item is not None and not item.reason:
            item.reason = _refused_floating_ip(plan, item, floating_ip)


def _refused_floating_ip(plan: Plan, item: Item, floating_ip: Resource) -> str:
    """Why a floating IP cannot be taken over; empty if it can."""
    if central_neutron.routers() is None:
        return "central Neutron has no floating IPs (service_plugins)"
    if why := forwardings.refusal(plan, floating_ip) or qos.unknown(plan, floating_ip):
        return why
    if (port_id := floating_ip.get("port_id")) is not None:
        if plan.outside("port", port_id) is None:
            return f"its port {port_id} is not the region's, and is left alone"
        if plan.outside("router", floating_ip.get("router_id")) is None:
            return f"its router {floating_ip.get('router_id')} is left alone"
    network_id, address = floating_ip["floating_network_id"], floating_ip["floating_ip_address"]
    return external.refusal(
        plan.session, plan.outside, item.outside, network_id, [{"ip_address": address}]
    )


# In this order: what others name comes before them.
_STEPS = (
    qos.plan_all,
    address_groups.plan_all,
    _networks,
    _subnets,
    _groups,
    _ports,
    trunks.plan_all,
)
