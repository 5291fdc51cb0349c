# SPDX-License-Identifier: Apache-2.0
"""Make a pod have what a row of the realizations wants: the one way, for binding and for xjob.

Every row goes through the same phases, in this order:

1. claim: the row is this worker's, by a fencing token (``WorkQueue.claim``);
2. begin: what the copy depends on is brought to the pod first (``Adapter.depends``);
3. present: the copy is found, by its id or its marker, and updated; or it is created;
4. finish: what belongs to the copy is settled (``Adapter.settle``), and the row is realized.

A copy that is not wanted any more is removed instead. What goes wrong is kept in the row, with the
moment of the next try. Whoever dies on the way leaves a dirty row and a claim that runs out; the
next worker finds what was made by its marker. The engine knows no resource type by name: what is
special to one is in its adapter.
"""

import functools
from collections.abc import Callable, Mapping, Sequence

from oslo_log import log

from tricircle.conf import CONF
from tricircle.db import realizations
from tricircle.db.realizations import Key, Row
from tricircle.db.work_queue import WorkQueue, backoff, failing_for
from tricircle.network.central.central_neutron import Resource
from tricircle.network.pod_api.deadline import Deadline, DeadlinePassed
from tricircle.network.pod_api.neutron_client import PodNeutrons
from tricircle.network.pod_api.site import NotYet, Site
from tricircle.network.reconcile import repairs
from tricircle.network.reconcile.adapters.base import Adapter
from tricircle.network.reconcile.batch import Batch, BatchSizes
from tricircle.network.reconcile.last_written import LastWritten
from tricircle.pods.errors import PodError, PodRefused, PodUnreachable
from tricircle.pods.pod import Pod

LOG = log.getLogger(__name__)

_POLL = 0.05
_SOON = 0.5
# Seconds until something that is in use still, or waits its turn, is a failure like any other.
_PATIENT = 5.0
# Seconds between tries at the most while a pod does not answer: it is back at any moment.
_AWAY = 16.0


class ClaimLost(Exception):
    """The work took longer than its claim; another worker has the row now."""


class Engine:
    """Reconciles the rows of one database, in any pod. Blocks; thread-safe.

    What it keeps in memory only saves calls: it could ask the pods for it.
    """

    def __init__(
        self, queue: WorkQueue, neutrons: PodNeutrons, adapters: Mapping[str, Adapter]
    ) -> None:
        self.queue = queue
        self._neutrons = neutrons
        self._adapters = adapters
        self._written = LastWritten()
        self._sizes = BatchSizes()

    def site(self, pod: Pod, deadline: Deadline) -> Site:
        return Site(self._neutrons.of(pod, deadline), self.queue)

    def order(self, row: Row) -> int:
        """The place of a row's work among others, lowest first: what others depend on is made first
        and removed last."""
        order = self._adapters[row.resource_type].order
        return 1000 - order if row.absent else order

    def reconcile(self, pod: Pod, row_id: str) -> bool:
        """Reconcile a due row, and other due rows that can be created in the same call.

        False if another worker has it, or if nothing succeeded. Raises nothing for what a pod or a
        resource does wrong: the reason is kept in the row.
        """
        # Since it was found, another worker may have tried it along with its own, in vain.
        row = self.queue.claim(row_id, due=True)
        if row is None:
            return False
        site = self.site(pod, Deadline(CONF.reconciler.claim_seconds * 0.75))
        if alike := self._alike(row):
            return self._together(site, [row, *alike])
        return self._try(pod, row, lambda: self._claimed(site, row))

    def _try(self, pod: Pod, row: Row, work: Callable[[], object]) -> bool:
        """Whether the work on a row succeeded. Raises nothing; what went wrong is logged."""
        try:
            work()
        except (PodError, NotYet, DeadlinePassed, ClaimLost) as error:
            # At first, what has to wait for its turn is nothing to worry about.
            patient = failing_for(row) < _PATIENT
            early = patient and (isinstance(error, NotYet) or _in_use(row, error))
            level = log.DEBUG if early else log.WARNING
            LOG.log(level, "%s: %s", _name(row), error)
            return False
        except Exception:
            LOG.exception("%s in pod %s", _name(row), pod.region_name)
            return False
        return True

    def ensure_realized(self, site: Site, key: Key) -> str:
        """Have a resource in the pod as it should be; its id there.

        Works on it, or waits for the worker that does, until the site's deadline at the latest.
        Raises PodError, NotYet, DeadlinePassed, ClaimLost.
        """
        while True:
            row = self._row(site, key)
            if row.next_try_at is None and row.pod_resource_id is not None:
                return row.pod_resource_id
            claimed = self.queue.claim(row.id)
            if claimed is not None:
                try:
                    return self._claimed(site, claimed)
                except (PodError, NotYet):
                    known = claimed.realized_revision is not None and claimed.pod_resource_id
                    if self._adapters[key.resource_type].strict or not known:
                        raise
                    # An older state is good enough to depend on; the reason is kept in the row.
                    return str(claimed.pod_resource_id)
            site.deadline.sleep(_POLL, f"the {key}, which somebody else works on")

    def ensure_all_realized(self, site: Site, keys: Sequence[Key]) -> list[str]:
        """``bring`` for several resources; those that can be created in one call are so, first."""
        rows = [self._row(site, key) for key in keys] if len(keys) > 1 else []
        most = self._sizes.most(site.pod.id)
        for kind in {row.resource_type for row in rows if self._adapters[row.resource_type].bulk}:
            new = [row.id for row in rows if row.resource_type == kind and _is_new(row)]
            for start in range(0, len(new), most):
                self._together(site, self.queue.claim_all(new[start : start + most]))
        return [self.ensure_realized(site, key) for key in keys]

    def ensure_exists(self, site: Site, key: Key) -> None:
        """Have a resource in the pod, finished or not: for resources that refer to each other.

        Blocks and raises as ``bring`` does.
        """
        while True:
            row = self._row(site, key)
            if row.pod_resource_id is not None and not _only_looked_at(row):
                return
            claimed = self.queue.claim(row.id)
            if claimed is not None:
                adapter = self._adapters[key.resource_type]
                with _Reasons(self.queue, claimed, site.pod):
                    central = self._central(adapter, claimed)
                    if central is None:
                        raise NotYet(f"The {key} is being deleted")
                    before = len(site.neutron.writes)
                    self._present(site, adapter, claimed, central)
                self._report(site, claimed, site.neutron.writes[before:])
                self.queue.release(claimed)
                return
            if row.pod_resource_id is not None:
                # Whoever has it may wait for us in turn.
                return
            site.deadline.sleep(_POLL, f"the {key}, which somebody else works on")

    def _row(self, site: Site, key: Key) -> Row:
        """The row of a resource that is wanted in the pod; made if there is none."""
        row = self.queue.get(key, site.pod.id)
        if row is None or row.absent:
            table, pod_id = self.queue.table, site.pod.id
            self.queue.transact(lambda tx: realizations.ensure(tx, table, key, pod_id, None))
            row = self.queue.get(key, pod_id)
        if row is None:
            raise NotYet(f"The {key} is being deleted")
        return row

    def _claimed(self, site: Site, row: Row) -> str:
        """Reconcile a claimed row. The copy's id in the pod; empty when it was removed."""
        adapter = self._adapters[row.resource_type]
        with _Reasons(self.queue, row, site.pod):
            central = self._begin(site, adapter, row, {})
            if central is None:
                return ""
            before = len(site.neutron.writes)
            current = self._present(site, adapter, row, central)
            done = site.neutron.writes[before:]
            return self._finish(site, adapter, row, central, current, done)

    def _alike(self, row: Row) -> list[Row]:
        """Claim due rows whose copies can be created in one call with a claimed row's."""
        if not self._adapters[row.resource_type].bulk or not _is_new(row):
            return []
        more = self._sizes.most(row.pod_id) - 1
        due = self.queue.due(row.pod_id, more, (row.resource_type,), new=True) if more else []
        return self.queue.claim_all((one.id for one in due), due=True)

    def _together(self, site: Site, rows: list[Row]) -> bool:
        """Reconcile claimed rows of one type; whether any succeeded. One's failure is its own."""
        if not rows:
            return False
        adapter = self._adapters[rows[0].resource_type]
        wanted: list[tuple[Row, Resource]] = []
        known: dict[Key, Exception | None] = {}

        def begin(row: Row) -> None:
            if not _is_new(row):
                # Others have worked on it since it was found.
                self._claimed(site, row)
                return
            with _Reasons(self.queue, row, site.pod):
                central = self._begin(site, adapter, row, known)
                if central is not None:
                    wanted.append((row, central))

        went = [self._try(site.pod, row, functools.partial(begin, row)) for row in rows]
        batch = Batch()
        batch.look(site, adapter, wanted, self._sizes)

        def finish(row: Row, central: Resource) -> None:
            with _Reasons(self.queue, row, site.pod):
                if row.resource_id in batch.wrong:
                    raise batch.wrong[row.resource_id]
                current = batch.made.get(row.resource_id)
                if current is None:
                    found = batch.found.get(row.resource_id)
                    current = self._put(site, adapter, row, central, found)
                else:
                    self._created(row, current)
                self._finish(site, adapter, row, central, current, [])

        for row, central in wanted:
            went.append(self._try(site.pod, row, functools.partial(finish, row, central)))
        return sum(went) > len(wanted)

    def _begin(
        self, site: Site, adapter: Adapter, row: Row, known: dict[Key, Exception | None]
    ) -> Resource | None:
        """The resource a claimed row is about, once all it depends on is in the pod.

        None when the row wanted a removal, which is done then. ``known`` has what was brought
        before, {resource: why that failed, or None}, and gets what is brought here.
        """
        central = None if row.absent else self._central(adapter, row)
        if central is None:
            self._remove(site, adapter, row)
            return None
        depends = adapter.depends(site, central)
        # Most have long been there: one look for all of them.
        new = [key for key in depends if key not in known]
        known |= dict.fromkeys(self.queue.in_sync(new, site.pod.id))
        for key in depends:
            if key not in known:
                try:
                    self.ensure_realized(site, key)
                except (PodError, NotYet, DeadlinePassed, ClaimLost) as error:
                    known[key] = error
                else:
                    known[key] = None
            if (wrong := known[key]) is not None:
                raise wrong
        return central

    def _finish(
        self, site: Site, adapter: Adapter, row: Row, central: Resource, current: Resource,
        done: list[str],
    ) -> str:  # fmt: skip
        """Settle what belongs to the copy and mark the row realized; the copy's id.

        ``done`` tells the writes to the pod that came before.
        """
        for key in adapter.refers(site, central):
            self.ensure_exists(site, key)
        before = len(site.neutron.writes)
        settled = adapter.settle(site, current, central)
        done = done + site.neutron.writes[before:]
        rest = CONF.reconciler.pace if adapter.paced and done else 0
        if not self.queue.realized(row, current["id"], rest):
            raise ClaimLost(f"The work on the {_name(row)} took too long")
        self._written.keep(row, settled)
        self._report(site, row, done)
        return str(current["id"])

    def _central(self, adapter: Adapter, row: Row) -> Resource | None:
        """The central resource. When it is gone and no row said so, the row becomes a removal."""
        central = adapter.central(row.resource_id)
        if central is None and not row.absent:
            key = Key(row.resource_type, row.resource_id)
            self.queue.transact(
                lambda tx: realizations.retire(tx, self.queue.table, key, [row.pod_id])
            )
        return central

    def _present(self, site: Site, adapter: Adapter, row: Row, central: Resource) -> Resource:
        """Have the copy in the pod as it should be, whether or not it was there; its document."""
        current = None
        if row.pod_resource_id is not None:
            remembered = None if _only_looked_at(row) else self._written.recall(row)
            current = remembered or adapter.show(site, row.pod_resource_id)
        if current is None and (row.attempts > 1 or adapter.adopts(central)):
            current = adapter.find(site, central, row.resource_id)
        return self._put(site, adapter, row, central, current)

    def _put(
        self, site: Site, adapter: Adapter, row: Row, central: Resource, current: Resource | None
    ) -> Resource:
        """Update the copy that is there (``current``), or create it, and note its id."""
        if current is None:
            current = adapter.create(site, central)
        else:
            adapter.update(site, current, central)
        self._created(row, current)
        return current

    def _created(self, row: Row, current: Resource) -> None:
        if current["id"] != row.pod_resource_id and not self.queue.created(row, current["id"]):
            raise ClaimLost(f"The work on the {_name(row)} took too long")

    def _remove(self, site: Site, adapter: Adapter, row: Row) -> None:
        pod_resource_id = row.pod_resource_id
        if pod_resource_id is None and row.attempts > 1:
            found = adapter.find(site, None, row.resource_id, row.project_id)
            pod_resource_id = found["id"] if found else None
        if pod_resource_id is not None:
            adapter.delete(site, row.resource_id, pod_resource_id)
        adapter.forget(site, row.resource_id)
        self.queue.gone(row)
        if not row.wanted_revision:
            told = f"removed {pod_resource_id}, which nobody wants there"
            repairs.report(site.pod, _name(row), row.project_id, told)

    def _report(self, site: Site, row: Row, done: list[str]) -> None:
        """Report writes to a pod that nothing here had asked for: something there had changed."""
        if done and _only_looked_at(row):
            repairs.report(site.pod, _name(row), row.project_id, "; ".join(done))


class _Reasons:
    """If the work inside fails, keeps the reason in the row and frees it."""

    def __init__(self, queue: WorkQueue, row: Row, pod: Pod) -> None:
        self._queue, self._row, self._pod = queue, row, pod

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, Exception) and not isinstance(error, ClaimLost):
            text = str(error) if isinstance(error, PodError | NotYet | DeadlinePassed) else ""
            text = text or f"Pod {self._pod.region_name}: {type(error).__name__}: {error}"
            self._queue.failed(self._row, text, _delay(self._row, error))


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


def _is_new(row: Row) -> bool:
    """Whether a row's copy is to be made and not known to be there."""
    return not row.absent and row.pod_resource_id is None


def _only_looked_at(row: Row) -> bool:
    """Whether a dirty row has nothing new: an audit wants its copy looked at."""
    return row.next_try_at is not None and row.realized_revision == row.wanted_revision


def _name(row: Row) -> Key:
    return Key(row.resource_type, row.resource_id)
