# SPDX-License-Identifier: Apache-2.0
"""Address groups that a project has in a pod, with their addresses."""

from neutron.objects import address_group as objects

from tricircle.network.adoption import bodies
from tricircle.network.adoption.items import Item, Plan
from tricircle.network.central import central_neutron
from tricircle.network.wanted import group_members


def plan_all(plan: Plan) -> None:
    for group in plan.found.address_groups:
        plan.add("address_group", group)


def make(plan: Plan, item: Item) -> None:
    """Neutron's own way would give it an id of its own."""
    group = objects.AddressGroup(
        central_neutron.admin(),
        id=item.outside,
        name=item.document.get("name") or "",
        description=bodies.description(item.document),
        project_id=plan.project_id,
    )
    group.create()


def give_addresses(item: Item) -> None:
    """Give a group the addresses that it has in the pod."""
    core, admin = central_neutron.core(), central_neutron.admin()
    known = group_members.cidrs(core.get_address_group(admin, item.outside)["addresses"])
    there = group_members.cidrs(item.document.get("addresses") or [])
    if missing := sorted(set(there) - set(known)):
        core.add_addresses(admin, item.outside, {"addresses": missing})
