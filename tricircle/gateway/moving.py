# SPDX-License-Identifier: Apache-2.0
"""Volumes that are on their way to another pod are left alone."""

from tricircle.db import moves
from tricircle.gateway.call import Call
from tricircle.gateway.errors import Fault
from tricircle.gateway.threads import in_thread


async def refuse(call: Call, volume_id: str) -> None:
    """Raises Fault 409 while a volume is being moved: what is changed now would be lost."""
    row = await in_thread(moves.under_way, volume_id)
    if row is not None:
        pod = call.services.registry.get(row.target_pod_id)
        raise Fault(
            409,
            f"Volume {volume_id} is being moved to pod {pod.region_name if pod else '?'} "
            f"({row.state}). Wait until it is there, or have the move called off.",
        )
