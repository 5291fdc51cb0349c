# SPDX-License-Identifier: Apache-2.0
"""Nothing of a volume is changed while it is moved to another pod."""

from tricircle.db import moves
from tricircle.gateway.call import Call
from tricircle.gateway.http.errors import Fault
from tricircle.gateway.threads import in_thread


async def refuse_while_moving(call: Call, volume_id: str, arrived: bool = True) -> None:
    """Raises Fault 409 while a volume is being moved: what is changed now would be lost.

    Unless that is for one that has ``arrived`` too, and is only to go from its old pod yet.
    """
    row = await in_thread(moves.under_way, volume_id)
    if row is not None and (arrived or row.state != moves.ARRIVED):
        pod = call.services.registry.get(row.target_pod_id)
        raise Fault(
            409,
            f"Volume {volume_id} is being moved to pod {pod.region_name if pod else '?'} "
            f"({row.state}). Wait until it is there, or have the move called off.",
        )
