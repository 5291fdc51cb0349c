# SPDX-License-Identifier: Apache-2.0
"""Security groups of the project in central Neutron, found by name or id as Nova finds them."""

from tricircle.gateway.call import Call
from tricircle.gateway.compute.networking.neutron import central, user
from tricircle.gateway.http.errors import Fault


async def find(call: Call, name: str) -> str:
    """The id of the group called ``name`` or having it as its id.

    Raises Fault 404 when there is none and 409 when several have the name.
    """
    fields = ["id", "name"]
    neutron = central(call)
    if found := await neutron.list("security-groups", id=name, fields=fields, **user(call)):
        return str(found[0]["id"])
    found = await neutron.list(
        "security-groups",
        name=name,
        tenant_id=call.context.project_id,
        fields=fields,
        **user(call),
    )
    if not found:
        raise Fault(404, f"Unable to find security_group with name or id '{name}'")
    if len(found) > 1:
        raise Fault(
            409,
            f"Multiple security_group matches found for name '{name}', use an ID to be more "
            "specific.",
        )
    return str(found[0]["id"])


async def find_all(call: Call, names: tuple[str, ...]) -> list[str]:
    """The ids of groups named for a new server. Raises Fault 400 (none) and 409 (several)."""
    try:
        return [await find(call, name) for name in names]
    except Fault as fault:
        raise Fault(400 if fault.status == 404 else fault.status, fault.message) from None
