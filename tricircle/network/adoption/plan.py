# SPDX-License-Identifier: Apache-2.0
"""What becomes of each object that a project has in a pod, and why some cannot be taken over.

Only looks are taken, at the pod and at central Neutron.
"""

import dataclasses
import uuid
from collections.abc import Callable, Iterable
from typing import Any

from neutron_lib import constants

from tricircle.db.realizations import Key
from tricircle.network.adoption import default_group, external, inventory, segment
from tricircle.network.adoption.inventory import Inventory
from tricircle.network.central import adopted, central_neutron
from tricircle.network.central.central_neutron import Resource
from tricircle.network.pod_api.pod_session import PodSession, named
from tricircle.network.reconcile.adapters import ADAPTERS

_NAMESPACE = uuid.UUID("5a8f6e0e-0a55-4b5c-9d0d-8f3f0d5b7a11")
#: What becomes of an object.
ADOPT, MATCH, LEAVE = "adopt", "match", "leave"
#: Who, in a pod, owns the ports that answer DHCP and metadata there.
POD_OWN = (constants.DEVICE_OWNER_DHCP, constants.DEVICE_OWNER_DISTRIBUTED)
_EXTERNAL = "router:external"


class Impossible(Exception):
    """It cannot be done; the text says why. Nothing is changed."""


@dataclasses.dataclass
class Item:
    """One object of the pod. ``inside`` is its id there, ``outside`` the one it has in the region.

    ``matched``: the region has the resource already. ``reason`` says why it is left alone.
    """

    kind: str
    inside: str
    outside: str
    document: Resource
    matched: bool = False
    reason: str = ""

    @property
    def action(self) -> str:
        return LEAVE if self.reason else MATCH if self.matched else ADOPT

    @property
    def key(self) -> Key:
        return Key(self.kind, self.outside)

    def told(self) -> dict[str, Any]:
        """As operators see it."""
        return {
            "resource_type": self.kind,
            "id": self.inside,
            "name": self.document.get("name") or self.document.get("floating_ip_address") or "",
            "action": self.action,
            "region_id": None if self.reason else self.outside,
            "reason": self.reason or None,
        }


class Plan:
    """What becomes of a project's objects in a pod, in the order in which they are told."""

    def __init__(self, session: PodSession, project_id: str, found: Inventory) -> None:
        self.session, self.project_id, self.found = session, project_id, found
        self.items: list[Item] = []
        #: {(kind, id in the pod): id in the region} of external networks, the operators'.
        self.links: dict[tuple[str, str], str] = {}
        rows = session.queue.in_pod(session.pod.id, tuple(ADAPTERS))
        self._known = {
            (row.resource_type, row.pod_resource_id): row.resource_id
            for row in rows
            if row.pod_resource_id and not row.absent
        }
        records: list[Any] = session.queue.transact(lambda tx: adopted.of_pod(tx, session.pod.id))
        self._records = {(row.resource_type, row.pod_resource_id): row for row in records}

    def of(self, kind: str) -> list[Item]:
        """What is taken over of a kind."""
        return [item for item in self.items if item.kind == kind and not item.reason]

    def outside(self, kind: str, inside: str | None) -> str | None:
        """The region's id of an object of the pod; None when it is, and will be, none of its."""
        if inside is None:
            return None
        if (known := self._known.get((kind, inside))) is not None:
            return known
        if (linked := self.links.get((kind, inside))) is not None:
            return linked
        for item in self.items:
            if (item.kind, item.inside) == (kind, inside):
                return None if item.reason else item.outside
        record = self._records.get((kind, inside))
        return None if record is None else str(record.resource_id)

    def known(self) -> dict[Key, str]:
        """{resource of the region: the pod's object} of what it will have once all is done."""
        found = {Key(kind, outside): inside for (kind, inside), outside in self._known.items()}
        found |= {Key(kind, outside): inside for (kind, inside), outside in self.links.items()}
        return found | {item.key: item.inside for item in self.items if not item.reason}

    def joins(self, port: Resource) -> bool:
        """Whether a port joins a router that is taken over."""
        return any(item.inside == port["id"] for item in self.of(adopted.INTERFACE))

    def add(self, kind: str, document: Resource, reason: str = "") -> Item | None:
        """An object of the pod; None when the region has taken it over or made it, already."""
        inside = document["id"]
        record = self._records.get((kind, inside))
        if record is None:
            if (kind, inside) in self._known or named(document):
                return None
        elif record.state == adopted.HERE:
            return None
        elif record.state == adopted.LEAVING:
            reason = "it is being given back: let that end first"
        outside = record.resource_id if record is not None else self._id(kind, inside)
        item = Item(kind, inside, outside, document, reason=reason)
        self.items.append(item)
        return item

    def _id(self, kind: str, inside: str) -> str:
        """The pod's id where the region has no other thing of that id."""
        if not exists(kind, inside):
            return inside
        return str(uuid.uuid5(_NAMESPACE, f"{self.session.pod.region_name} {kind} {inside}"))


def make(session: PodSession, project_id: str) -> Plan:
    """What is to become of all that a project has in a pod. Raises PodError."""
    plan = Plan(session, project_id, inventory.read(session, project_id))
    for step in (_networks, _subnets, _groups, _ports):
        step(plan)
    for network, subnets in plan.found.outside:
        external.link(plan.session, network, subnets, plan.links)
    _routers(plan)
    _floating_ips(plan)
    return plan


def exists(kind: str, resource_id: str) -> bool:
    """Whether the region has a resource."""
    core = central_neutron.core()
    getters: dict[str, Callable[..., Resource]] = {
        "network": core.get_network,
        "subnet": core.get_subnet,
        "port": core.get_port,
        adopted.INTERFACE: core.get_port,
        "security_group": core.get_security_group,
    }
    if (routers := central_neutron.routers()) is not None:
        getters |= {"router": routers.get_router, "floating_ip": routers.get_floatingip}
    return central_neutron.found(getters[kind], resource_id) is not None


def _networks(plan: Plan) -> None:
    for network in plan.found.networks:
        if (item := plan.add("network", network)) is None or item.reason:
            continue
        if network.get(_EXTERNAL):
            item.reason = (
                "external networks are the operator's: make the region's own, on the same segment"
            )
        elif network.get("qos_policy_id"):
            item.reason = _policy(network["qos_policy_id"])
        else:
            item.reason = segment.refusal(plan.session, network, item.outside)


def _policy(policy_id: str) -> str:
    return f"it has the QoS policy {policy_id}, which is not the region's"


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
    if owner and not owner.startswith(constants.DEVICE_OWNER_COMPUTE_PREFIX):
        return f"a port of {owner} is its service's, which is the pod's own"
    if port.get("trunk_details"):
        return "it is the parent of a trunk"
    if plan.outside("network", port["network_id"]) is None:
        return f"its network {port['network_id']} is not the region's, and is left alone"
    for one in {ip["subnet_id"] for ip in port["fixed_ips"]}:
        if plan.outside("subnet", one) is None:
            return f"its subnet {one} is not the region's, and is left alone"
    for one in port.get("security_groups") or ():
        if plan.outside("security_group", one) is None:
            return f"its security group {one} is not the region's, and is left alone"
    if port.get("qos_policy_id"):
        return _policy(port["qos_policy_id"])
    return ""


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
    if info.get("qos_policy_id"):
        return _policy(info["qos_policy_id"])
    return external.refusal(
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
    if floating_ip.get("port_forwardings"):
        return "it forwards ports: make the forwardings anew in the region"
    if floating_ip.get("qos_policy_id"):
        return _policy(floating_ip["qos_policy_id"])
    if (port_id := floating_ip.get("port_id")) is not None:
        if plan.outside("port", port_id) is None:
            return f"its port {port_id} is not the region's, and is left alone"
        if plan.outside("router", floating_ip.get("router_id")) is None:
            return f"its router {floating_ip.get('router_id')} is left alone"
    network_id, address = floating_ip["floating_network_id"], floating_ip["floating_ip_address"]
    return external.refusal(
        plan.session, plan.outside, item.outside, network_id, [{"ip_address": address}]
    )
