# SPDX-License-Identifier: Apache-2.0
"""Set aside what new servers will use of their project's quota, before any pod is asked."""

from collections.abc import Sequence
from urllib.parse import quote

from tricircle.db import allocations, definitions, models
from tricircle.db.allocations import Limits, Wish
from tricircle.db.errors import OverLimit
from tricircle.gateway.call import Call
from tricircle.gateway.compute.networks import PlannedNic
from tricircle.gateway.compute.request import CreateRequest
from tricircle.gateway.errors import Fault
from tricircle.gateway.forward import ask_any
from tricircle.gateway.threads import in_thread


async def reserve(
    call: Call, wanted: CreateRequest, planned: Sequence[PlannedNic], group: str | None
) -> list[str]:
    """Ids of the creations begun: ``max_count`` of them, or as many as the quota has room for.

    Raises Fault 403 as Nova words it when ``min_count`` are too many.
    """
    context = call.context
    cores, ram = await size(call, str(wanted.server.get("flavorRef", "")))
    wish = Wish(context.project_id, context.user_id, cores, ram, group)
    began = models.now().isoformat()
    brought = [nic.port["id"] for nic in planned if nic.port is not None]
    details = [
        {"name": wanted.one_of_many(index).name, "brought": brought, "began": began}
        for index in range(wanted.max_count)
    ]
    try:
        return await in_thread(allocations.reserve, wish, Limits(), details, wanted.min_count)
    except OverLimit as error:
        raise too_much(error) from None


async def size(call: Call, reference: str) -> tuple[int, int]:
    """The processors and MB of a flavor; nothing of one that is not found: a pod says so."""
    flavor_id = reference.rpartition("/")[2]
    row = await in_thread(definitions.get, "flavor", flavor_id)
    if row is not None and row.body:
        return int(row.body["vcpus"]), int(row.body["ram"])
    path = f"/flavors/{quote(flavor_id, safe='')}"
    answer = await ask_any(call, method="GET", path=path, body=b"", query="")
    if not answer.ok:
        return 0, 0
    flavor = answer.json()["flavor"]
    return int(flavor["vcpus"]), int(flavor["ram"])


def too_much(error: OverLimit) -> Fault:
    """Nova's words for what is over a limit."""
    excess = error.excess
    if any(one.resource == "server_group_members" for one in excess):
        return Fault(403, "Quota exceeded, too many servers in group")
    names = ", ".join(one.resource for one in excess)
    requested = ", ".join(one.requested for one in excess)
    used = ", ".join(str(one.used) for one in excess)
    allowed = ", ".join(str(one.limit) for one in excess)
    return Fault(
        403,
        f"Quota exceeded for {names}: Requested {requested}, but already used {used} of "
        f"{allowed} {names}",
    )
