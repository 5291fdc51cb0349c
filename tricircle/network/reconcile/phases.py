# SPDX-License-Identifier: Apache-2.0
"""What is done about one claimed row of the realizations, phase by phase:

1. depend: what the copy depends on is brought to the pod first (``Adapter.depends``);
2. observe: the copy is found, by its id or its marker;
3. apply: it is updated, or created, and its id is noted in the row;
4. settle: what belongs to the copy is put right as well (``Adapter.settle``).

A copy that is not wanted any more is removed instead. Whoever dies on the way leaves a dirty row
and a claim that runs out; the next worker finds what was made by its marker.

What a copy depends on has a row of its own and goes through the same phases, so bringing it is a
part of this module.
"""

import datetime
from collections.abc import Collection, Mapping
from http import HTTPStatus

from tricircle.conf import CONF
from tricircle.db import realizations
from tricircle.db.models import now
from tricircle.db.outcomes import Gone, Realized
from tricircle.db.realizations import Key, Row
from tricircle.db.work_queue import WorkQueue
from tricircle.network.central import adopted
from tricircle.network.central.central_neutron import Resource
from tricircle.network.pod_api.pod_session import PodSession
from tricircle.network.reconcile import repairs
from tricircle.network.reconcile.adapters.base import Adapter
from tricircle.network.reconcile.last_written import LastWritten
from tricircle.pods import fence
from tricircle.pods.deadline import DeadlinePassed
from tricircle.pods.errors import NoAccess, PodError, PodNotAsked, PodRefused
from tricircle.pods.fence import ClaimLost
from tricircle.pods.reconciler import NotYet, requeue

_POLL = 0.05

#: What was brought to a pod before, {resource: why that failed, or None}.
Brought = dict[Key, Exception | None]


class Phases:
    """Reconciles claimed rows of one database. Blocks; thread-safe.

    What it keeps in memory only saves calls: it could ask the pods for it.
    """

    def __init__(self, queue: WorkQueue, adapters: Mapping[str, Adapter]) -> None:
        self.queue = queue
        self.adapters = adapters
        self._written = LastWritten()

    def reconcile(self, session: PodSession, row: Row) -> Realized | Gone:
        """All phases. Raises PodError, NotYet, DeadlinePassed, ClaimLost."""
        with fence.claimed(self.queue, [row]):
            return self._reconcile(session, row)

    def _reconcile(self, session: PodSession, row: Row) -> Realized | Gone:
        central = self.wanted(row)
        if central is None:
            return self.remove(session, row)
        self.depend(session, row, central, {})
        before = len(session.neutron.writes)
        current = self.observe(session, row, central)
        current = self.apply(session, row, central, current)
        return self.settle(session, row, central, current, session.neutron.writes[before:])

    def wanted(self, row: Row) -> Resource | None:
        """The central resource whose copy a row wants; None when it wants none.

        When it is gone and no row said so, the row becomes a removal.
        """
        if row.absent:
            return None
        central = self.adapters[row.resource_type].central(row.resource_id)
        if central is None:
            table = self.queue.table
            self.queue.transact(lambda tx: realizations.retire(tx, table, name(row), [row.pod_id]))
        return central

    def depend(self, session: PodSession, row: Row, central: Resource, brought: Brought) -> None:
        """Have all that a copy depends on in the pod; ``brought`` gets what is brought here."""
        self._bring(session, self.adapters[row.resource_type].depends(session, central), brought)

    def bring_dependencies(self, session: PodSession, kind: str, central: Resource) -> None:
        """``depend`` for a resource of which nobody has claimed a row yet: its claim is to last for
        its own sake. Blocks and raises as ``ensure_realized`` does."""
        self._bring(session, self.adapters[kind].depends(session, central), {})

    def _bring(self, session: PodSession, depends: list[Key], brought: Brought) -> None:
        # Most have long been there: one look for all of them.
        new = [key for key in depends if key not in brought]
        brought |= dict.fromkeys(self.queue.in_sync(new, session.pod.id))
        for key in depends:
            if key not in brought:
                try:
                    self.ensure_realized(session, key)
                except (PodError, NotYet, DeadlinePassed, ClaimLost) as error:
                    brought[key] = error
                else:
                    brought[key] = None
            if (wrong := brought[key]) is not None:
                raise wrong

    def observe(self, session: PodSession, row: Row, central: Resource) -> Resource | None:
        """The copy as the pod has it; None when it has none."""
        adapter = self.adapters[row.resource_type]
        if row.pod_resource_id is not None:
            remembered = None if is_only_checked(row) else self._written.recall(row)
            current = remembered or adapter.show(session, row.pod_resource_id)
        else:
            current = before_us(session, adapter, [row.resource_id]).get(row.resource_id)
        again = row.attempts > 1 or row.making_until is not None
        doubtful = again or adapter.adopts(central) or may_be_forgotten(session, central)
        if current is None and doubtful:
            current = adapter.find(session, central, row.resource_id)
        return current

    def apply(
        self, session: PodSession, row: Row, central: Resource, current: Resource | None
    ) -> Resource:
        """Update the copy that the pod has, or create it; its document."""
        adapter = self.adapters[row.resource_type]
        if current is None:
            current = self._create(session, row, central)
        else:
            adapter.update(session, current, central)
        self.note_id(row, current)
        return current

    def _create(self, session: PodSession, row: Row, central: Resource) -> Resource:
        """Create a copy that the pod has not got, and is not making for somebody else by now."""
        adapter, section = self.adapters[row.resource_type], CONF.reconciler
        if adapter.is_unique(central):
            return adapter.create(session, central)
        if row.making_until is not None and row.making_until > now():
            raise NotYet(f"Pod {session.pod.region_name} may still be making the {name(row)}")
        what = f"pod {session.pod.region_name} to make the {name(row)}"
        deadline = session.deadline.at_most(section.call_deadline, what)
        # Once as long for the answer, and once more for a pod that works on for nobody.
        if not self.queue.creating(row, 2 * section.call_deadline):
            raise ClaimLost(f"The work on the {name(row)} took too long")
        try:
            with session.neutron.within(deadline):
                return adapter.create(session, central)
        except (PodNotAsked, NoAccess, NotYet, DeadlinePassed):
            self.queue.not_created(row)
            raise
        except PodRefused as error:
            # Not implemented, too: what the pod lacks was often not even asked for.
            if error.status < 500 or error.status == HTTPStatus.NOT_IMPLEMENTED:
                self.queue.not_created(row)
            raise

    def note_id(self, row: Row, current: Resource) -> None:
        """Note the id that a copy has in the pod. Raises ClaimLost."""
        if current["id"] != row.pod_resource_id and not self.queue.created(row, current["id"]):
            raise ClaimLost(f"The work on the {name(row)} took too long")

    def settle(
        self, session: PodSession, row: Row, central: Resource, current: Resource, writes: list[str]
    ) -> Realized:
        """Put right what belongs to the copy. ``writes`` tells what was written to the pod before,
        in words."""
        adapter = self.adapters[row.resource_type]
        for key in adapter.refers(session, central):
            self.ensure_exists(session, key)
        before = len(session.neutron.writes)
        settled = adapter.settle(session, current, central)
        writes = writes + session.neutron.writes[before:]
        # Good for as long as the row says that it is of this revision.
        self._written.keep(row, settled)
        _report(session, row, writes)
        return Realized(str(current["id"]), CONF.reconciler.pace if adapter.paced and writes else 0)

    def remove(self, session: PodSession, row: Row) -> Gone:
        """Have no copy in the pod."""
        adapter, pod_resource_id = self.adapters[row.resource_type], row.pod_resource_id
        again = row.attempts > 1 or row.making_until is not None
        if pod_resource_id is None and (again or session.pod.may_have_lost(row.created_at)):
            found = adapter.find(session, None, row.resource_id, row.project_id)
            pod_resource_id = found["id"] if found else None
        if pod_resource_id is not None:
            if self._rests(session, row, pod_resource_id):
                adapter.forget(session, row.resource_id)
                return Gone()
            adapter.delete(session, row.resource_id, pod_resource_id)
        adapter.forget(session, row.resource_id)
        self.queue.transact(lambda tx: adopted.forget(tx, name(row), row.pod_id))
        if not row.wanted_revision:
            done = f"removed {pod_resource_id}, which nobody wants there"
            repairs.report(session.pod, name(row), row.project_id, done)
        return Gone()

    def _rests(self, session: PodSession, row: Row, pod_resource_id: str) -> bool:
        """Whether a copy that was in the pod before the region stays there for nobody."""
        known = self.queue.transact(
            lambda tx: adopted.inside(tx, row.pod_id, row.resource_type, [row.resource_id])
        )
        if not known:
            return False
        adapter = self.adapters[row.resource_type]
        if adapter.show(session, pod_resource_id) is None:
            adapter.vanished(session, row.resource_id)
            return False
        return adapter.rests(session, row.resource_id, pod_resource_id)

    # -- what a copy depends on --------------------------------------------------------------

    def ensure_realized(self, session: PodSession, key: Key) -> str:
        """Have a resource in the pod as it should be; its id there, empty if it was removed.

        Works on it, or waits for the worker that does, until the session's deadline at the latest.
        Raises PodError, NotYet, DeadlinePassed, ClaimLost.
        """
        while True:
            row = self.row(session, key)
            if row.next_try_at is None and row.pod_resource_id is not None:
                return row.pod_resource_id
            claimed = self.queue.claim(row.id)
            if claimed is not None:
                return self._realize(session, claimed)
            session.deadline.sleep(_POLL, f"the {key}, which somebody else works on")

    def _realize(self, session: PodSession, row: Row) -> str:
        try:
            outcome = self.reconcile(session, row)
        except Exception as error:
            self.queue.record(row, requeue(session.pod, row, error))
            older = row.pod_resource_id if row.realized_revision is not None else None
            strict = self.adapters[row.resource_type].strict
            if strict or older is None or not isinstance(error, PodError | NotYet):
                raise
            # An older state is good enough to depend on; the reason is kept in the row.
            return older
        if not self.queue.record(row, outcome):
            raise ClaimLost(f"The work on the {name(row)} took too long")
        return outcome.pod_resource_id or "" if isinstance(outcome, Realized) else ""

    def ensure_exists(self, session: PodSession, key: Key) -> None:
        """Have a resource in the pod, finished or not: for resources that refer to each other.

        Blocks and raises as ``ensure_realized`` does.
        """
        while True:
            row = self.row(session, key)
            if row.pod_resource_id is not None and not is_only_checked(row):
                return
            claimed = self.queue.claim(row.id)
            if claimed is not None:
                self._make_exist(session, claimed)
                return
            if row.pod_resource_id is not None:
                # Whoever has it may wait for us in turn.
                return
            session.deadline.sleep(_POLL, f"the {key}, which somebody else works on")

    def _make_exist(self, session: PodSession, row: Row) -> None:
        before = len(session.neutron.writes)
        try:
            central = self.wanted(row)
            if central is None:
                raise NotYet(f"The {name(row)} is being deleted")
            with fence.claimed(self.queue, [row]):
                self.apply(session, row, central, self.observe(session, row, central))
        except Exception as error:
            self.queue.record(row, requeue(session.pod, row, error))
            raise
        _report(session, row, session.neutron.writes[before:])
        self.queue.release(row)

    def row(self, session: PodSession, key: Key) -> Row:
        """The row of a resource that is wanted in the pod; made if there is none. Raises NotYet."""
        row = self.queue.get(key, session.pod.id)
        if row is None or row.absent:
            table, pod_id = self.queue.table, session.pod.id
            self.queue.transact(lambda tx: realizations.ensure(tx, table, key, pod_id, None))
            row = self.queue.get(key, pod_id)
        if row is None:
            raise NotYet(f"The {key} is being deleted")
        return row


def before_us(session: PodSession, adapter: Adapter, ids: Collection[str]) -> dict[str, Resource]:
    """{resource: the object that the pod had before the region} of those that are there still."""
    known: dict[str, str] = session.queue.transact(
        lambda tx: adopted.inside(tx, session.pod.id, adapter.resource_type, ids)
    )
    shown = {one: adapter.show(session, inside) for one, inside in known.items()}
    return {one: there for one, there in shown.items() if there is not None}


def may_be_forgotten(session: PodSession, central: Resource) -> bool:
    """Whether the pod may have a copy of a resource that a restored database knows nothing of."""
    try:
        made = datetime.datetime.fromisoformat(central["created_at"])
    except (KeyError, TypeError, ValueError):
        return session.pod.may_have_lost(None)
    return session.pod.may_have_lost(made.astimezone(datetime.UTC).replace(tzinfo=None))


def is_new(row: Row) -> bool:
    """Whether a row's copy is to be made and not known to be there."""
    return not row.absent and row.pod_resource_id is None


def is_only_checked(row: Row) -> bool:
    """Whether a dirty row has nothing new: an audit wants its copy looked at."""
    return row.next_try_at is not None and row.realized_revision == row.wanted_revision


def name(row: Row) -> Key:
    return Key(row.resource_type, row.resource_id)


def _report(session: PodSession, row: Row, writes: list[str]) -> None:
    """Report writes to a pod that nothing here had asked for: something there had changed."""
    if writes and is_only_checked(row):
        repairs.report(session.pod, name(row), row.project_id, "; ".join(writes))
