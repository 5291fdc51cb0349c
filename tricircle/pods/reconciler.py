# SPDX-License-Identifier: Apache-2.0
"""The reconcile loop: due rows are claimed, reconciled, and how that ended is recorded.

It is the same for everything that is wanted in pods. What is special to some kinds of resources is
a ``Reconciler``: for Neutron's resources the engine, for definitions, server groups and so on the
modules of xjob.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Protocol

from oslo_log import log as logging

from tricircle.conf import CONF
from tricircle.db.outcomes import Outcome, Requeue
from tricircle.db.realizations import Key, Row
from tricircle.db.work_queue import WorkQueue, backoff, failing_for
from tricircle.pods import fence
from tricircle.pods.deadline import Deadline, DeadlinePassed
from tricircle.pods.errors import PodError, PodRefused, PodUnreachable
from tricircle.pods.fence import ClaimLost
from tricircle.pods.identity import KeystoneFailed
from tricircle.pods.pod import Pod
from tricircle.telemetry import requests

LOG = logging.getLogger(__name__)

# Rows worked on in one look at a pod.
_BATCH = 100
# The part of a claim that the work may take: the rest is to record how it ended.
_OF_CLAIM = 0.75
_SOON = 0.5
# Seconds until something that is in use still, or waits its turn, is a failure like any other.
_PATIENT = 5.0
# Seconds between tries at the most while a pod does not answer: it is back at any moment.
_AWAY = 16.0


class NotYet(Exception):
    """Something that must be in the pod first is not there; try again soon."""


#: What is said of a resource or a pod, not of a defect of ours.
EXPECTED = (PodError, KeystoneFailed, NotYet, DeadlinePassed, ClaimLost)


class Reconciler(Protocol):
    """Makes a pod have what rows of some kinds want."""

    @property
    def kinds(self) -> Mapping[str, str]:
        """{resource type: the service of a pod that has it} of those it knows."""

    def reconcile(self, pod: Pod, row: Row, deadline: Deadline) -> Outcome:
        """Do what a claimed row wants. What it raises is kept in the row as the reason.

        It may be done again after any failure. Blocks.
        """


class Worker:
    """Works on the rows of one database, in any pod. Blocks; thread-safe."""

    def __init__(self, queue: WorkQueue, reconcilers: Iterable[Reconciler]) -> None:
        self.queue = queue
        self._reconcilers = {kind: one for one in reconcilers for kind in one.kinds}

    def due(self, pod: Pod, limit: int, services: Collection[str] | None = None) -> list[Row]:
        """Rows to work on now in a pod, or in some of its services; the longest waiting first."""
        kinds = [
            kind
            for kind, one in self._reconcilers.items()
            if services is None or one.kinds[kind] in services
        ]
        return self.queue.due(pod.id, limit, kinds)

    def run(self, pod: Pod, services: Collection[str] | None = None) -> int:
        """Work on what is due in a pod (in these services), one row after the other; how many went
        well."""
        return sum(self.work_on(pod, row.id) for row in self.due(pod, _BATCH, services))

    def work_on(self, pod: Pod, row_id: str) -> bool:
        """Work on a row that is due; whether that went well.

        False also if another worker has it. Raises nothing for what a pod or a resource does wrong:
        the reason is kept in the row.
        """
        # Since it was found, another worker may have tried it along with its own, in vain.
        row = self.queue.claim(row_id, due=True)
        if row is None:
            return False
        deadline = Deadline(CONF.reconciler.claim_seconds * _OF_CLAIM)
        with requests.work():
            try:
                with fence.claimed(self.queue, [row]):
                    outcome = self._reconcilers[row.resource_type].reconcile(pod, row, deadline)
            except Exception as error:
                outcome = failed(pod, row, error)
            return record(self.queue, pod, row, outcome)


def record(queue: WorkQueue, pod: Pod, row: Row, outcome: Outcome) -> bool:
    """Write down how the work on a claimed row ended; whether it went well."""
    failed = isinstance(outcome, Requeue) and bool(outcome.reason)
    if queue.record(row, outcome):
        return not failed
    LOG.warning("The work on the %s in pod %s took too long", _name(row), pod.region_name)
    return False


def failed(pod: Pod, row: Row, error: Exception) -> Requeue:
    """How work ended that raised ``error``. The log is told; at first quietly of what waits."""
    if isinstance(error, EXPECTED):
        early = failing_for(row) < _PATIENT and (isinstance(error, NotYet) or _in_use(row, error))
        LOG.log(logging.DEBUG if early else logging.WARNING, "%s: %s", _name(row), error)
    else:
        LOG.error("%s in pod %s", _name(row), pod.region_name, exc_info=error)
    return requeue(pod, row, error)


def requeue(pod: Pod, row: Row, error: Exception) -> Requeue:
    """When to try a row again that failed with ``error``, and the reason to keep."""
    text = str(error) if isinstance(error, EXPECTED) else ""
    text = text or f"Pod {pod.region_name}: {type(error).__name__}: {error}"
    return Requeue(_delay(row, error), text)


def _name(row: Row) -> Key:
    return Key(row.resource_type, row.resource_id)


def _delay(row: Row, error: Exception) -> float | None:
    """Seconds until the next try, when that is not the usual backoff."""
    if isinstance(error, NotYet):
        return _SOON
    if _in_use(row, error) and failing_for(row) < _PATIENT:
        return _SOON
    if isinstance(error, PodUnreachable):
        return min(_AWAY, backoff(row))
    return None


def _in_use(row: Row, error: Exception) -> bool:
    """Whether a removal was refused because of something that is about to be removed too."""
    return row.absent and isinstance(error, PodRefused) and error.status in (404, 409)
