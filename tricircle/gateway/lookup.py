# SPDX-License-Identifier: Apache-2.0
"""In which pod a resource lives: remembered, read from the routings, or asked of all pods."""

from tricircle.gateway.call import Call
from tricircle.pods.pod import Pod


class RoutingCache:
    """Where resources live, as this process saw it last. An index of an index: may be stale."""


async def find(call: Call, resource_type: str, resource_id: str) -> Pod:
    """The pod that holds a resource; an id no routing knows is asked of all pods and learned.

    Raises Fault 404 as Nova words it when no pod has it, 503 when a pod that may have it is away.
    """
    raise NotImplementedError


async def remember(
    call: Call, resource_type: str, resource_id: str, pod: Pod, detail: dict[str, object]
) -> None:
    """Write down where a resource lives."""
    raise NotImplementedError


async def forget(call: Call, resource_type: str, resource_id: str) -> None:
    """The resource is gone: drop its routing."""
    raise NotImplementedError
