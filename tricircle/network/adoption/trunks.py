# SPDX-License-Identifier: Apache-2.0
"""Trunks that a project has in a pod: one comes with its parent port and all its subports, or not
at all."""

from typing import Any

from neutron.objects import trunk as objects
from neutron_lib.plugins import directory
from neutron_lib.services.trunk import constants

from tricircle.network.adoption import bodies
from tricircle.network.adoption.items import Item, Plan
from tricircle.network.central import central_neutron
from tricircle.network.central.central_neutron import Resource

#: Who owns the ports that are parts of a trunk.
SUBPORT = constants.TRUNK_SUBPORT_OWNER


def plan_all(plan: Plan) -> None:
    """After the ports: what keeps one of a trunk's ports out keeps out the others, too."""
    for trunk in plan.found.trunks:
        if (item := plan.add("trunk", trunk)) is None:
            continue
        parts = _parts(trunk)
        if not item.reason:
            item.reason = _refused(plan, parts)
        for port in plan.of("port") if item.reason else ():
            if port.inside in parts:
                port.reason = f"its trunk {item.inside} is left alone"
    known = {port_id for trunk in plan.found.trunks for port_id in _parts(trunk)}
    for port in plan.of("port"):
        if port.inside not in known and is_part(port.document):
            port.reason = "its trunk is another project's: take that project over first"


def is_part(port: Resource) -> bool:
    """Whether a port is a trunk's, as its parent or a subport."""
    return bool(port.get("trunk_details")) or port.get("device_owner") == SUBPORT


def parent_of(plan: Plan, port_id: str) -> str | None:
    """The pod's port that a subport comes in by."""
    for trunk in plan.found.trunks:
        if port_id in _parts(trunk)[1:]:
            return str(trunk["port_id"])
    return None


def make(plan: Plan, item: Item) -> None:
    """Neutron's own way would give it an id of its own. Its ports are in no pod yet."""
    admin, trunk = central_neutron.admin(), item.document
    subports = [
        {**one, "port_id": plan.outside("port", one["port_id"])} for one in trunk["sub_ports"]
    ]
    body = bodies.body(
        plan, item, port_id=plan.outside("port", trunk["port_id"]), sub_ports=subports
    )
    _plugin().validate(admin, body)
    objects.Trunk(
        context=admin,
        id=item.outside,
        name=body["name"],
        description=body["description"],
        admin_state_up=body["admin_state_up"],
        project_id=plan.project_id,
        port_id=body["port_id"],
        status=constants.TRUNK_DOWN_STATUS,
        sub_ports=[objects.SubPort(context=admin, **one) for one in body["sub_ports"]],
    ).create()


def _refused(plan: Plan, parts: list[str]) -> str:
    """Why a trunk cannot be taken over; empty if it can."""
    if _plugin() is None:
        return "central Neutron has no trunks (service_plugins)"
    for port_id in parts:
        if plan.outside("port", port_id) is None:
            return f"its port {port_id} is not the region's, and is left alone"
    return ""


def _parts(trunk: Resource) -> list[str]:
    """The parent, and then the subports."""
    return [trunk["port_id"], *(one["port_id"] for one in trunk.get("sub_ports") or ())]


def _plugin() -> Any:
    return directory.get_plugin("trunk")
