# SPDX-License-Identifier: Apache-2.0
"""What new things will use is set aside of their project's limits before a pod is asked."""

import contextlib
from collections.abc import AsyncIterator, Sequence

from tricircle.db import storage
from tricircle.db.errors import OverLimit
from tricircle.db.storage import Use
from tricircle.gateway import storage_limits
from tricircle.gateway.call import Call
from tricircle.gateway.http.errors import Fault
from tricircle.gateway.threads import in_thread


def too_much(error: OverLimit) -> Fault:
    """Cinder's answer to what is over a limit."""
    return Fault(413, storage_limits.words(error), {"Retry-After": "0"})


async def check_size(project_id: str, gigabytes: int) -> None:
    """Raises Fault 413 for a volume larger than one may be."""
    limit = (await storage_limits.of_project(project_id))[storage_limits.PER_VOLUME]
    if 0 <= limit < gigabytes:
        raise Fault(
            413,
            f"Requested volume size {gigabytes}G is larger than maximum allowed limit {limit}G.",
            {"Retry-After": "0"},
        )


@contextlib.asynccontextmanager
async def set_aside(call: Call, use: Use) -> AsyncIterator[str]:
    """What a new thing of the caller's will use is set aside; given back when making it fails.

    Gives the id of the row to be confirmed. Raises Fault 413.
    """
    if use.kind == "volume":
        await check_size(call.context.project_id, use.gigabytes)
    [row_id] = await reserve(call, [use])
    try:
        yield row_id
    finally:
        # Harmless for what was confirmed.
        await give_back([row_id])


async def reserve(call: Call, uses: Sequence[Use]) -> list[str]:
    """Set aside what new things of the caller's will use; their rows. Raises Fault 413."""
    project = call.context.project_id
    limits = await storage_limits.of_project(project)
    try:
        return await in_thread(storage.reserve_all, project, uses, limits)
    except OverLimit as error:
        raise too_much(error) from None


async def give_back(rows: Sequence[str]) -> None:
    """They were not made. Harmless for what was confirmed."""
    for row_id in rows:
        await in_thread(storage.give_back, row_id)
