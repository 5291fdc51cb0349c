# SPDX-License-Identifier: Apache-2.0
"""Whoever changes a pod for rows that they have claimed has them still, until the pod has answered.

A worker that was cut off or stood still for a while may have lost its claim without knowing, and
somebody else has done what is wanted by now. So the claim is looked at before each call that
changes anything, and made to outlast it.
"""

import contextlib
import contextvars
import time
from collections.abc import Iterator, Sequence

from tricircle.db.realizations import Row
from tricircle.db.work_queue import WorkQueue

# Seconds a claim outlasts a call: to record what came of it.
_AFTER = 5.0

_claimed: contextvars.ContextVar[tuple[WorkQueue, Sequence[Row]] | None] = contextvars.ContextVar(
    "claimed", default=None
)


class ClaimLost(Exception):
    """The work took longer than its claim; another worker has the row now."""


@contextlib.contextmanager
def claimed(queue: WorkQueue, rows: Sequence[Row]) -> Iterator[None]:
    """What this thread changes in pods inside is done for these claimed rows, and no others."""
    token = _claimed.set((queue, rows))
    try:
        yield
    finally:
        _claimed.reset(token)


def passed(seconds: float) -> float:
    """Have the rows that a change is for claimed as long as the call may take, ``seconds`` from
    now; the seconds it may take. Raises ClaimLost."""
    about = _claimed.get()
    if about is None:
        return seconds
    queue, rows = about
    began = time.monotonic()
    if not queue.outlast(rows, seconds + _AFTER):
        raise ClaimLost("The work took too long: somebody else may be at it")
    # The database may have answered late.
    left = seconds + _AFTER - (time.monotonic() - began)
    if left <= 0:
        raise ClaimLost("The database took too long to tell whose the work is")
    return min(seconds, left)
