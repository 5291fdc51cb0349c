# SPDX-License-Identifier: Apache-2.0
"""The region's resources for what a pod had, made in central Neutron; all may be done again.

Nothing here reaches a pod: no realization exists yet of what is made.
"""

from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa
from neutron.db import models_v2
from neutron.db.models import l3 as l3_models
from sqlalchemy.orm import Session

from tricircle.network.adoption import address_groups, bodies, default_group, qos, segment, trunks
from tricircle.network.adoption.items import POD_OWN, Item, Plan, exists
from tricircle.network.central import address_reservations, central_neutron, models
from tricircle.network.central.central_neutron import Resource
from tricircle.network.reconcile.adapters.port import pods_own_profile
from tricircle.network.reconcile.adapters.security_rules import identity
from tricircle.network.routers import router_modes

_RULE = (
    "direction",
    "ethertype",
    "protocol",
    "port_range_min",
    "port_range_max",
    "remote_ip_prefix",
    "description",
)


def make(plan: Plan) -> None:
    """Make all that is not there yet. Raises what central Neutron refuses."""
    for item in plan.of("qos_policy"):
        _once(plan, item, qos.make)
        qos.give_rules(item)
    for item in plan.of("address_group"):
        _once(plan, item, address_groups.make)
        address_groups.give_addresses(item)
    # The default group first: Neutron makes one by itself along with any other.
    groups = sorted(
        plan.of("security_group"), key=lambda item: item.document["name"] != default_group.NAME
    )
    for item in groups:
        _once(plan, item, _group)
    for item in groups:
        _rules(plan, item)
    for item in plan.of("network"):
        _once(plan, item, _network)
    for item in plan.of("subnet"):
        _once(plan, item, _subnet)
    for item in plan.of("network"):
        _set_aside(plan, item)
    for item in plan.of("port"):
        _once(plan, item, _port)
    for item in plan.of("trunk"):
        _once(plan, item, trunks.make)
    for item in plan.of("router"):
        _once(plan, item, _router)
        _open(plan, item)
    for item in plan.of("floating_ip"):
        _once(plan, item, _floating_ip)
        _limit(plan, item)


def _once(plan: Plan, item: Item, make_one: Any) -> None:
    if not item.matched and not exists(item.kind, item.outside):
        make_one(plan, item)


def _create(item: Item, body: Resource, **more: Any) -> Resource:
    core = central_neutron.core()
    made: Resource = getattr(core, f"create_{item.kind}")(
        central_neutron.admin(), {item.kind: body}, **more
    )
    return made


def _network(plan: Plan, item: Item) -> None:
    _create(item, bodies.body(plan, item, **segment.provider(plan.session, item.document)))


def _subnet(plan: Plan, item: Item) -> None:
    network_id = plan.outside("network", item.document["network_id"])
    _create(item, bodies.body(plan, item, network_id=network_id))


def _group(plan: Plan, item: Item) -> None:
    is_default = item.document["name"] == default_group.NAME
    _create(item, bodies.body(plan, item), **({"default_sg": True} if is_default else {}))


def _rules(plan: Plan, item: Item) -> None:
    """Give a group the rules that it has in the pod, and no other."""
    core, admin = central_neutron.core(), central_neutron.admin()
    group = core.get_security_group(admin, item.outside)
    if item.document["name"] == default_group.NAME and group.get("stateful") != item.document.get(
        "stateful", group.get("stateful")
    ):
        change = {"security_group": {"stateful": item.document["stateful"]}}
        core.update_security_group(admin, item.outside, change)
    here = {identity(rule): rule["id"] for rule in group["security_group_rules"]}
    wanted = {}
    for rule in item.document["security_group_rules"]:
        outside = default_group.outside_rule(plan.outside, rule)
        wanted[identity(outside)] = outside
    for one in here.keys() - wanted.keys():
        core.delete_security_group_rule(admin, here[one])
    for one in wanted.keys() - here.keys():
        _rule(plan, item.outside, wanted[one])


def _rule(plan: Plan, group_id: str, rule: Resource) -> None:
    core, admin = central_neutron.core(), central_neutron.admin()
    body = {name: rule.get(name) for name in _RULE}
    body |= {
        "security_group_id": group_id,
        "remote_group_id": rule["remote_group_id"],
        "remote_address_group_id": rule["remote_address_group_id"],
        "project_id": plan.project_id,
        "tenant_id": plan.project_id,
    }
    taken = central_neutron.found(core.get_security_group_rule, rule["id"]) is not None
    if not taken:
        body["id"] = rule["id"]
    core.create_security_group_rule(admin, {"security_group_rule": body})


def _port(plan: Plan, item: Item) -> None:
    document = item.document
    groups = [plan.outside("security_group", one) for one in document.get("security_groups") or ()]
    body = bodies.body(
        plan,
        item,
        network_id=plan.outside("network", document["network_id"]),
        fixed_ips=addresses(plan, document["fixed_ips"]),
        security_groups=groups,
    )
    profile = document.get("binding:profile") or {}
    if document["device_owner"] == trunks.SUBPORT:
        body |= {"device_owner": "", "device_id": ""}  # Its trunk makes it one.
    body["binding:profile"] = {
        name: value for name, value in profile.items() if not pods_own_profile(name)
    }
    _create(item, body)


def addresses(plan: Plan, fixed_ips: Iterable[Resource]) -> list[Resource]:
    """Addresses as the region names them. Neutron derives those that a port makes from its MAC."""
    core, admin, found = central_neutron.core(), central_neutron.admin(), []
    for ip in fixed_ips:
        subnet_id = plan.outside("subnet", ip["subnet_id"])
        address = {"subnet_id": subnet_id}
        if not central_neutron.takes_own_address(core.get_subnet(admin, subnet_id)):
            address["ip_address"] = ip["ip_address"]
        found.append(address)
    return found


def _set_aside(plan: Plan, network: Item) -> None:
    """Nobody in the region gets the addresses of ports that stay the pod's own.

    Of those that answer DHCP, one is the address that a pod has set aside on a subnet as always.
    """
    pod_id, taken = plan.session.pod.id, {item.inside for item in plan.of("port")}
    core, admin = central_neutron.core(), central_neutron.admin()
    ports = sorted(plan.found.on(network.inside), key=lambda port: str(port["id"]))
    for port in ports:
        if port["id"] in taken or plan.joins(port):
            continue
        for ip in port["fixed_ips"]:
            subnet = core.get_subnet(admin, plan.outside("subnet", ip["subnet_id"]))
            if central_neutron.takes_own_address(subnet):
                continue
            if ip["ip_address"] in _kept(plan, subnet):
                continue
            purpose = f"port {port['id']}"
            if port["device_owner"] in POD_OWN and not address_reservations.kept(subnet, pod_id):
                purpose = ""
            address_reservations.keep(subnet, pod_id, purpose, ip["ip_address"])


def _kept(plan: Plan, subnet: Resource) -> set[str]:
    """The addresses of a subnet that are set aside for the pod already."""
    session = plan.session
    found = session.queue.transact(
        lambda tx: address_reservations.of_pod(tx, session.pod.id, [subnet["id"]])
    )
    return set(found.values())


def _router(plan: Plan, item: Item) -> None:
    told = router_modes.told(plan.session.neutron, {"distributed": False, "ha": False})
    modes = {name: bool(item.document.get(name)) for name in told}
    body = {**bodies.body(plan, item), **modes}
    central_neutron.routers().create_router(central_neutron.admin(), {"router": body})


def _open(plan: Plan, item: Item) -> None:
    """Give a router its gateway."""
    plugin, admin = central_neutron.routers(), central_neutron.admin()
    info = item.document.get("external_gateway_info")
    if not info or plugin.get_router(admin, item.outside)["external_gateway_info"]:
        return
    wanted = {
        "network_id": plan.outside("network", info["network_id"]),
        "enable_snat": info.get("enable_snat", True),
        "external_fixed_ips": [
            {
                "subnet_id": plan.outside("subnet", ip["subnet_id"]),
                "ip_address": ip["ip_address"],
            }
            for ip in info.get("external_fixed_ips") or ()
        ],
    }
    if info.get("qos_policy_id"):
        wanted["qos_policy_id"] = plan.outside("qos_policy", info["qos_policy_id"])
    plugin.update_router(admin, item.outside, {"router": {"external_gateway_info": wanted}})


def join(plan: Plan, item: Item) -> None:
    """Join a router of the region to a network, by a port like the pod's."""
    core, plugin = central_neutron.core(), central_neutron.routers()
    admin, document = central_neutron.admin(), item.document
    router_id = plan.outside("router", document["device_id"])
    if not exists(item.kind, item.outside):
        port = Item("port", item.inside, item.outside, document)
        body = bodies.body(
            plan,
            port,
            network_id=plan.outside("network", document["network_id"]),
            fixed_ips=addresses(plan, document["fixed_ips"]),
            security_groups=[],
            port_security_enabled=False,
            device_id="",
            device_owner="",
            allowed_address_pairs=[],
        )
        core.create_port(admin, {"port": body})
    if core.get_port(admin, item.outside)["device_id"] != router_id:
        plugin.add_router_interface(admin, router_id, {"port_id": item.outside})


def lead(plan: Plan, item: Item) -> None:
    """Give a router of the region the routes that it has in the pod."""
    if routes := item.document.get("routes"):
        admin = central_neutron.admin()
        central_neutron.routers().update_router(admin, item.outside, {"router": {"routes": routes}})


def _floating_ip(plan: Plan, item: Item) -> None:
    """One that leads nowhere yet."""
    network_id = plan.outside("network", item.document["floating_network_id"])
    body = bodies.body(
        plan, item, floating_network_id=network_id, port_id=None, fixed_ip_address=None
    )
    body.pop("qos_policy_id", None)  # Nothing may name it before it has its id.
    made = central_neutron.routers().create_floatingip(
        central_neutron.admin(), {"floatingip": {**body, "port_id": None}}
    )
    # Neutron gives each an id of its own; nothing names this one yet but its port.
    models.work_queue().transact(lambda tx: _rename(tx, made["id"], item.outside))


def _limit(plan: Plan, item: Item) -> None:
    """Give a floating IP its QoS policy."""
    if (inside := item.document.get("qos_policy_id")) is None:
        return
    policy, plugin = plan.outside("qos_policy", inside), central_neutron.routers()
    if plugin.get_floatingip(central_neutron.admin(), item.outside)["qos_policy_id"] != policy:
        body = {"floatingip": {"qos_policy_id": policy}}
        plugin.update_floatingip(central_neutron.admin(), item.outside, body)


def _rename(tx: Session, before: str, now: str) -> None:
    table, port = l3_models.FloatingIP, models_v2.Port
    tx.execute(sa.update(table).where(table.id == before).values(id=now))
    tx.execute(sa.update(port).where(port.device_id == before).values(device_id=now))


def point(plan: Plan, item: Item) -> None:
    """Have a floating IP lead where it leads in the pod."""
    if (port_id := plan.outside("port", item.document.get("port_id"))) is None:
        return
    body = {"port_id": port_id, "fixed_ip_address": item.document["fixed_ip_address"]}
    plugin, admin = central_neutron.routers(), central_neutron.admin()
    if plugin.get_floatingip(admin, item.outside)["port_id"] != port_id:
        plugin.update_floatingip(admin, item.outside, {"floatingip": body})
