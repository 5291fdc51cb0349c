# SPDX-License-Identifier: Apache-2.0
"""What a floating IP of a pod forwards to servers' ports."""

from typing import Any

from neutron_lib.db import api as db_api
from neutron_lib.plugins import constants, directory

from tricircle.network.adoption.items import Item, Plan
from tricircle.network.central import central_neutron
from tricircle.network.central.central_neutron import Resource

_COPIED = ("protocol", "internal_ip_address", "description")
_RANGES = ("external_port_range", "internal_port_range")
_PORTS = ("external_port", "internal_port")


def refusal(plan: Plan, floating_ip: Resource) -> str:
    """Why the forwardings of a floating IP keep it out of the region; empty if they do not."""
    found = _of(plan, floating_ip["id"])
    if found and _plugin() is None:
        return "it forwards ports, which central Neutron does not (service_plugins)"
    for one in found:
        if plan.outside("port", one["internal_port_id"]) is None:
            return f"it forwards to port {one['internal_port_id']}, which is left alone"
    return ""


def make(plan: Plan, item: Item) -> None:
    """Have a floating IP of the region forward what the pod's does."""
    if not (wanted := _of(plan, item.inside)):
        return
    plugin, admin = _plugin(), central_neutron.admin()
    known = plugin.get_floatingip_port_forwardings(admin, item.outside)
    have = {one["id"] for one in known} | {_identity(one) for one in known}
    for one in wanted:
        if one["id"] in have or _identity(one) in have:
            continue
        names = _PORTS if one.get("external_port") else _RANGES
        body = {name: one[name] for name in (*_COPIED, *names) if one.get(name)}
        body |= {"id": one["id"], "internal_port_id": plan.outside("port", one["internal_port_id"])}
        plugin.create_floatingip_port_forwarding(admin, item.outside, {"port_forwarding": body})


def remove(context: Any, floating_ip_id: str) -> None:
    """All of them at once: one that is left would be wanted in the pod anew."""
    plugin = _plugin()
    if plugin is None:
        return
    with db_api.CONTEXT_WRITER.using(context):
        for one in plugin.get_floatingip_port_forwardings(context, floating_ip_id):
            plugin.delete_floatingip_port_forwarding(context, one["id"], floating_ip_id)


def _of(plan: Plan, floating_ip_id: str) -> list[Resource]:
    return plan.found.forwardings.get(floating_ip_id, [])


def _identity(one: Resource) -> tuple[Any, ...]:
    ranges = (one.get("external_port"), one.get("external_port_range"))
    return str(one["protocol"]), *ranges


def _plugin() -> Any:
    return directory.get_plugin(constants.PORTFORWARDING)
