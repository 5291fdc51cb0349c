# SPDX-License-Identifier: Apache-2.0
"""Make pods have what the realizations of Neutron's resources want: the one way, for binding and
for xjob.

A claimed row goes through its phases (``phases``), by itself or with others that can be created in
the same call (``batch``). The engine knows no resource type by name: what is special to one is in
its adapter.
"""

from collections.abc import Mapping, Sequence

from tricircle.db.outcomes import Outcome
from tricircle.db.realizations import Key, Row
from tricircle.db.work_queue import WorkQueue
from tricircle.network.central.central_neutron import Resource
from tricircle.network.pod_api.neutron_client import PodNeutrons
from tricircle.network.pod_api.pod_session import PodSession
from tricircle.network.reconcile.adapters.base import Adapter
from tricircle.network.reconcile.batch import Batches, Ended
from tricircle.network.reconcile.phases import Phases
from tricircle.pods import reconciler
from tricircle.pods.deadline import Deadline
from tricircle.pods.pod import Pod


class Engine:
    """The ``Reconciler`` of Neutron's resources, in any pod. Blocks; thread-safe."""

    def __init__(
        self, queue: WorkQueue, neutrons: PodNeutrons, adapters: Mapping[str, Adapter]
    ) -> None:
        self.queue = queue
        self._neutrons = neutrons
        self._adapters = adapters
        self._phases = Phases(queue, adapters)
        self._batches = Batches(self._phases)

    @property
    def kinds(self) -> Mapping[str, str]:
        return dict.fromkeys(self._adapters, "network")

    def session(self, pod: Pod, deadline: Deadline) -> PodSession:
        return PodSession(self._neutrons.of(pod, deadline), self.queue)

    def order(self, row: Row) -> int:
        """The place of a row's work among others, lowest first: what others depend on is made first
        and removed last."""
        order = self._adapters[row.resource_type].order
        return 1000 - order if row.absent else order

    def reconcile(self, pod: Pod, row: Row, deadline: Deadline) -> Outcome:
        """Reconcile a claimed row, and other due rows that can be created in the same call."""
        session = self.session(pod, deadline)
        alike = self._batches.claim_alike(row)
        if not alike:
            return self._phases.reconcile(session, row)
        endings: dict[str, Ended] = {}
        for one, ended in self._batches.reconcile(session, [row, *alike]):
            endings[one.id] = ended
            if one is not row:
                self._record(session, one, ended)
        if isinstance(mine := endings[row.id], Exception):
            raise mine
        return mine

    def bring_dependencies(self, session: PodSession, kind: str, central: Resource) -> None:
        """See ``Phases.bring_dependencies``."""
        self._phases.bring_dependencies(session, kind, central)

    def ensure_realized(self, session: PodSession, key: Key) -> str:
        """See ``Phases.ensure_realized``."""
        return self._phases.ensure_realized(session, key)

    def ensure_all_realized(self, session: PodSession, keys: Sequence[Key]) -> list[str]:
        """``ensure_realized`` for several resources; those that can be created in one call are so,
        first."""
        if len(keys) > 1:
            self.make_new(session, keys)
        return [self.ensure_realized(session, key) for key in keys]

    def make_new(self, session: PodSession, keys: Sequence[Key]) -> None:
        """Make those of several resources that can be created in one call, and are not there.

        Why one could not be made is kept in its row. Raises NotYet for one that is being deleted.
        """
        rows = [self._phases.row(session, key) for key in keys]
        for claimed in self._batches.claim_new(rows):
            for row, ended in self._batches.reconcile(session, claimed):
                self._record(session, row, ended)

    def _record(self, session: PodSession, row: Row, ended: Ended) -> None:
        if isinstance(ended, Exception):
            outcome: Outcome = reconciler.failed(session.pod, row, ended)
        else:
            outcome = ended
        reconciler.record(self.queue, session.pod, row, outcome)
