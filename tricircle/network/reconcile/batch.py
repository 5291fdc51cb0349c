# SPDX-License-Identifier: Apache-2.0
"""Copies of one type that are to be made in a pod at the same time, made in one call.

Each row still goes through its phases (``phases``): all first get what they depend on, then all are
observed and what is missing is created, then each is settled.

Neutron makes all objects of a call or none, so one that it refuses must not hold up the others:
then each is made by itself. It may also have made some and refused all the same, after its
transaction; so what it does not tell of is looked for first.
"""

import threading
import time
from collections.abc import Callable, Iterator, Sequence, Set
from typing import Any, TypeVar

from oslo_log import log

from tricircle.db.outcomes import Gone, Outcome, Realized
from tricircle.db.realizations import Row
from tricircle.network.central.central_neutron import Resource
from tricircle.network.pod_api.pod_session import PodSession
from tricircle.network.reconcile.adapters.base import Adapter
from tricircle.network.reconcile.phases import Brought, Phases, before_us, is_new, may_be_forgotten
from tricircle.pods import fence
from tricircle.pods.errors import PodRefused, PodTimeout

LOG = log.getLogger(__name__)

# Objects in one call at the most: a Neutron takes a few tenths of a second for a port, however it
# is asked, and the call is to end within [reconciler] call_deadline.
MOST = 50
# Seconds a pod that did not answer such a call in time is asked for fewer.
_CAUTIOUS = 300.0

T = TypeVar("T")
#: How the work on a row ended, or what it raised.
Ended = Outcome | Exception


class BatchSizes:
    """How many objects a pod is asked to make in one call. Thread-safe."""

    def __init__(self) -> None:
        self._cautious: dict[str, tuple[float, int]] = {}
        self._lock = threading.Lock()

    def most(self, pod_id: str) -> int:
        with self._lock:
            until, most = self._cautious.get(pod_id, (float("-inf"), MOST))
        return most if time.monotonic() < until else MOST

    def too_many(self, pod_id: str, number: int) -> None:
        """The pod did not answer in time: half as many, or it might never get through."""
        with self._lock:
            self._cautious[pod_id] = time.monotonic() + _CAUTIOUS, max(1, number // 2)


class Batches:
    """Reconciles rows together. Blocks; thread-safe."""

    def __init__(self, phases: Phases) -> None:
        self._phases = phases
        self._sizes = BatchSizes()

    def claim_alike(self, row: Row) -> list[Row]:
        """Claim due rows whose copies can be created in one call with a claimed row's."""
        if not self._is_bulk(row) or not is_new(row):
            return []
        more = self._sizes.most(row.pod_id) - 1
        queue, kinds = self._phases.queue, (row.resource_type,)
        due = queue.due(row.pod_id, more, kinds, new=True) if more else []
        return queue.claim_all((one.id for one in due), due=True)

    def claim_new(self, rows: Sequence[Row]) -> Iterator[list[Row]]:
        """Claim those of a pod's rows whose copies can be created in one call, some at a time."""
        bulk = [row for row in rows if self._is_bulk(row) and is_new(row)]
        for kind in dict.fromkeys(row.resource_type for row in bulk):
            new = [row.id for row in bulk if row.resource_type == kind]
            most = self._sizes.most(bulk[0].pod_id)
            for start in range(0, len(new), most):
                yield self._phases.queue.claim_all(new[start : start + most])

    def reconcile(self, session: PodSession, rows: Sequence[Row]) -> Iterator[tuple[Row, Ended]]:
        """Reconcile claimed rows of one type: each with how that ended, as soon as it has.

        One's failure is its own.
        """
        brought: Brought = {}
        wanted: list[tuple[Row, Resource]] = []
        for row in rows:
            begun = _tried(self._begin, session, row, brought)
            if isinstance(begun, Realized | Gone | Exception):
                yield row, begun
            else:
                wanted.append((row, begun))
        if not wanted:
            return
        batch, adapter = Batch(), self._phases.adapters[wanted[0][0].resource_type]
        with fence.claimed(self._phases.queue, [row for row, _ in wanted]):
            batch.make(session, adapter, wanted, self._sizes)
        for row, central in wanted:
            yield row, _tried(self._finish, session, batch, row, central)

    def _begin(self, session: PodSession, row: Row, brought: Brought) -> Resource | Realized | Gone:
        """The resource whose copy is to be made, or how the work ended where none is."""
        if not is_new(row):
            # Others have worked on it since it was found.
            return self._phases.reconcile(session, row)
        central = self._phases.wanted(row)
        if central is None:
            return self._phases.remove(session, row)
        self._phases.depend(session, row, central, brought)
        return central

    def _finish(self, session: PodSession, batch: "Batch", row: Row, central: Resource) -> Realized:
        with fence.claimed(self._phases.queue, [row]):
            return self._finished(session, batch, row, central)

    def _finished(
        self, session: PodSession, batch: "Batch", row: Row, central: Resource
    ) -> Realized:
        if (error := batch.wrong.get(row.resource_id)) is not None:
            raise error
        current = batch.made.get(row.resource_id)
        if current is None:
            found = batch.found.get(row.resource_id)
            current = self._phases.apply(session, row, central, found)
        else:
            self._phases.note_id(row, current)
        return self._phases.settle(session, row, central, current, [])

    def _is_bulk(self, row: Row) -> bool:
        return self._phases.adapters[row.resource_type].bulk


def _tried(work: Callable[..., T], *args: Any) -> T | Exception:
    """What some work gives, or what it raises."""
    try:
        return work(*args)
    except Exception as error:
        return error


class Batch:
    """Of rows that are claimed and whose copies are not known to be in the pod: what is there.

    By the rows' resources: ``found`` was there (it may not be as it should), ``made`` is made just
    now, what is in neither is not there. ``wrong`` is why something cannot be made.
    """

    def __init__(self) -> None:
        self.found: dict[str, Resource] = {}
        self.made: dict[str, Resource] = {}
        self.wrong: dict[str, Exception] = {}

    def make(
        self,
        session: PodSession,
        adapter: Adapter,
        wanted: Sequence[tuple[Row, Resource]],
        sizes: BatchSizes,
    ) -> None:
        """See what is there, and make the rest if it is more than one."""
        centrals = {row.resource_id: central for row, central in wanted}
        doubtful = {
            row.resource_id: central
            for row, central in wanted
            if row.attempts > 1 or adapter.adopts(central) or may_be_forgotten(session, central)
        }
        self._find_older(session, adapter, centrals)
        self._find(
            session, adapter, {one: doubtful[one] for one in doubtful if one not in self.found}
        )
        bodies: dict[str, Resource] = {}
        for row, central in wanted:
            if row.resource_id not in self.found and row.resource_id not in self.wrong:
                try:
                    bodies[row.resource_id] = adapter.prepare(session, central)
                except Exception as error:
                    self.wrong[row.resource_id] = error
        if len(bodies) > 1:
            made = self._make(session, adapter, bodies, sizes)
            self._find(session, adapter, {one: centrals[one] for one in bodies.keys() - made})

    def _make(
        self, session: PodSession, adapter: Adapter, bodies: dict[str, Resource], sizes: BatchSizes
    ) -> Set[str]:
        """Make them in one call. Returns those whose outcome is known."""
        try:
            made = adapter.create_all(session, list(bodies.values()))
        except PodRefused as error:
            LOG.info("Pod %s makes %d %s one by one: %s", session.pod.region_name, len(bodies),
                     adapter.collection, error)  # fmt: skip
            made = {}
        except PodTimeout as error:
            sizes.too_many(session.pod.id, len(bodies))
            self.wrong |= dict.fromkeys(bodies, error)
            return bodies.keys()
        except Exception as error:
            self.wrong |= dict.fromkeys(bodies, error)
            return bodies.keys()
        self.made = {one: made[one] for one in bodies if one in made}
        return made.keys()

    def _find_older(
        self, session: PodSession, adapter: Adapter, centrals: dict[str, Resource]
    ) -> None:
        """What the pod had before the region."""
        try:
            self.found |= before_us(session, adapter, centrals)
        except Exception as error:
            self.wrong |= dict.fromkeys(centrals, error)

    def _find(self, session: PodSession, adapter: Adapter, centrals: dict[str, Resource]) -> None:
        if not centrals:
            return
        try:
            found = adapter.find_all(session, centrals.values())
        except Exception as error:
            self.wrong |= dict.fromkeys(centrals, error)
        else:
            self.found |= found
