# SPDX-License-Identifier: Apache-2.0
"""The realizations of one database, for those who work on them: claims, results, failures."""

import contextlib
import datetime
import functools
import random
import uuid
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import Session

from tricircle.conf import CONF
from tricircle.db import session
from tricircle.db.leases import Leases
from tricircle.db.models import Realization, now
from tricircle.db.outcomes import Gone, Outcome, Realized, Requeue
from tricircle.db.realizations import QUIET, Key, Row, Table, ensure, matching, pods_due
from tricircle.db.transaction import retried_if_overtaken

Transaction = Callable[[], contextlib.AbstractContextManager[Session]]
Work = Callable[[Session], Any]

#: Where the rows are by which somebody is alone: in no pod.
_NO_POD = ""


class Busy(Exception):
    """Somebody else is at the same work; try again soon."""


def failing_for(row: Row) -> float:
    """Seconds since a row's work failed first; zero when it has not."""
    return (now() - row.failing_since).total_seconds() if row.failing_since else 0.0


def backoff(row: Row) -> float:
    """Seconds until a failing row's next try: as long as it has been failing so far, so that the
    wait doubles; with jitter, never above the most.

    How often it was tried does not count: what waits its turn is tried often at first.
    """
    section = CONF.reconciler
    delay = min(section.backoff_most, max(section.backoff_first, failing_for(row)))
    return float(delay * random.uniform(0.75, 1.0))  # noqa: S311


def _leased_until() -> datetime.datetime:
    section = CONF.reconciler
    return now() + datetime.timedelta(seconds=min(section.lease_seconds, section.claim_seconds))


class Waiting(NamedTuple):
    """What is to be worked on in a pod: rows that are due, rows whose last try failed, and for how
    many seconds the oldest has been so.
    """

    pending: int
    failing: int
    oldest: float


class WorkQueue:
    """The realizations of one database. Blocks; thread-safe as far as ``transaction`` is.

    ``claimed_by`` is a fencing token, new with each claim: every write of a worker is conditional
    on it, so a worker whose claim ran out cannot overwrite what its successor wrote. A row without
    a token whose ``claimed_until`` is in the future rests: nobody can claim it until then.

    All moments are the database's time (``db/clock.py``).
    """

    def __init__(self, table: Table, transaction: Transaction) -> None:
        self.table = table
        self._transaction = transaction
        self._leases = Leases(self._renew)

    def transact(self, function: Work) -> Any:
        """Run ``function`` in a transaction, again when the database asks for it."""

        @retried_if_overtaken
        def once() -> Any:
            with self._transaction() as tx:
                return function(tx)

        return once()

    def get(self, key: Key, pod_id: str) -> Row | None:
        query = sa.select(self.table).where(*matching(self.table, key, [pod_id]))
        found: Row | None = self.transact(lambda tx: tx.scalar(query))
        return found

    def mapped(self, resource_type: str, ids: Iterable[str], pod_id: str) -> dict[str, str]:
        """{central id: id in the pod} of those that are known to be in the pod."""
        wanted = list(ids)
        if not wanted:
            return {}
        query = sa.select(self.table.resource_id, self.table.pod_resource_id).where(
            self.table.resource_type == resource_type,
            self.table.resource_id.in_(wanted),
            self.table.pod_id == pod_id,
            self.table.pod_resource_id.is_not(None),
        )
        found: dict[str, str] = self.transact(lambda tx: dict(tx.execute(query).tuples().all()))
        return found

    def in_sync(self, keys: Collection[Key], pod_id: str) -> set[Key]:
        """Those of the resources that are in a pod as they should be."""
        table = self.table
        query = sa.select(table.resource_type, table.resource_id).where(
            sa.or_(sa.false(), *(sa.and_(*matching(table, key, [pod_id])) for key in keys)),
            table.pod_resource_id.is_not(None),
            table.next_try_at.is_(None),
            table.absent.is_(False),
        )
        found = self.transact(lambda tx: tx.execute(query).tuples().all()) if keys else []
        return {Key(*one) for one in found}

    def wanted(self, resource_type: str, ids: Iterable[str], pod_id: str) -> set[str]:
        """Those of the resources that are wanted in a pod."""
        among = list(ids)
        query = sa.select(self.table.resource_id).where(
            self.table.resource_type == resource_type,
            self.table.resource_id.in_(among),
            self.table.pod_id == pod_id,
            self.table.absent.is_(False),
        )
        found: set[str] = self.transact(lambda tx: set(tx.scalars(query))) if among else set()
        return found

    def due(
        self, pod_id: str, limit: int, kinds: Collection[str] | None = None, new: bool = False
    ) -> list[Row]:
        """Rows of a pod to work on now, the longest waiting first; ``new``: only what is to be
        made there and is not known to be there."""
        moment = now()
        query = sa.select(self.table).where(
            self.table.pod_id == pod_id,
            self.table.next_try_at <= moment,
            sa.or_(self.table.claimed_until.is_(None), self.table.claimed_until < moment),
        )
        if kinds is not None:
            query = query.where(self.table.resource_type.in_(kinds))
        if new:
            made = self.table.pod_resource_id
            query = query.where(self.table.absent.is_(False), made.is_(None))
        query = query.order_by(self.table.next_try_at).limit(limit)
        found: list[Row] = self.transact(lambda tx: list(tx.scalars(query)))
        return found

    def pods_due(self, pod_ids: Collection[str]) -> set[str]:
        """Those of the pods that have rows that are due, claimed or not; one look for all."""
        found: set[str] = self.transact(lambda tx: pods_due(tx, self.table, pod_ids))
        return found

    def waiting(self) -> dict[str, Waiting]:
        """What there is to do, by the id of the pod."""
        table, moment = self.table, now()
        failing = sa.case((table.failing_since.is_(None), 0), else_=1)
        since = sa.func.min(sa.func.coalesce(table.failing_since, table.next_try_at))
        query = (
            sa.select(table.pod_id, failing, sa.func.count(), since)
            .where(
                table.pod_id != _NO_POD,
                sa.or_(
                    table.next_try_at <= moment,
                    sa.and_(table.next_try_at.is_not(None), table.failing_since.is_not(None)),
                ),
            )
            .group_by(table.pod_id, failing)
        )
        found: dict[str, Waiting] = {}
        for pod_id, is_failing, count, oldest in self.transact(lambda tx: tx.execute(query).all()):
            known = found.get(pod_id, Waiting(0, 0, 0.0))
            found[pod_id] = Waiting(
                known.pending + (0 if is_failing else count),
                known.failing + (count if is_failing else 0),
                max(known.oldest, (moment - oldest).total_seconds()),
            )
        return found

    def in_pod(self, pod_id: str, kinds: Collection[str]) -> list[Row]:
        """Every row of a pod, of these resource types."""
        table = self.table
        query = sa.select(table).where(table.pod_id == pod_id, table.resource_type.in_(kinds))
        found: list[Row] = self.transact(lambda tx: list(tx.scalars(query)))
        return found

    def mark_for_check(self, rows: Collection[Row], delay: float = 0) -> int:
        """Have clean rows compared with their pod in ``delay`` seconds; how many.

        One that was changed since it was read is passed over: it is worked on anyway.
        """
        table, moment = self.table, now() + datetime.timedelta(seconds=delay)

        def mark(tx: Session, row: Row) -> int:
            query = sa.update(table).where(
                table.id == row.id,
                table.wanted_revision == row.wanted_revision,
                table.next_try_at.is_(None),
            )
            result = tx.execute(query.values(next_try_at=moment).execution_options(**QUIET))
            return int(result.rowcount)  # type: ignore[attr-defined]

        marked: int = self.transact(lambda tx: sum(mark(tx, row) for row in rows))
        return marked

    def found(
        self, key: Key, pod_id: str, project_id: str | None, pod_resource_id: str, wanted: bool
    ) -> bool:
        """An object is in a pod without a row. False, and nothing is done, if it has one by now.

        One that is wanted is taken over; else it is removed, unless it is wanted before it is.
        """
        made: bool = self.transact(
            lambda tx: self.found_in(tx, key, pod_id, project_id, pod_resource_id, wanted)
        )
        return made

    def found_in(
        self,
        tx: Session,
        key: Key,
        pod_id: str,
        project_id: str | None,
        pod_resource_id: str,
        wanted: bool,
    ) -> bool:
        """``found`` inside the caller's transaction."""
        mine = matching(self.table, key, [pod_id])
        values: dict[str, Any] = {"pod_resource_id": pod_resource_id}
        if not wanted:
            values |= {"absent": True, "wanted_revision": 0}

        if tx.scalar(sa.select(self.table.id).where(*mine)) is not None:
            return False
        ensure(tx, self.table, key, pod_id, project_id)
        update = sa.update(self.table).where(*mine).values(**values)
        tx.execute(update.execution_options(**QUIET))
        return True

    def taken_over(
        self, tx: Session, key: Key, pod_id: str, project_id: str, pod_resource_id: str, rest: float
    ) -> None:
        """An object that a pod had is the copy of a resource from now on, and as it should be.

        Nobody works on it for ``rest`` seconds, whatever is changed meanwhile. One that has a row
        already keeps it. Inside the caller's transaction.
        """
        mine, moment = matching(self.table, key, [pod_id]), now()
        until = moment + datetime.timedelta(seconds=rest) if rest else None
        if ensure(tx, self.table, key, pod_id, project_id):
            right = sa.update(self.table).where(*mine)
            values: dict[str, Any] = {"pod_resource_id": pod_resource_id, "next_try_at": None}
            values["realized_revision"] = self.table.wanted_revision
            tx.execute(right.values(**values).execution_options(**QUIET))
        if until is not None:
            resting = sa.update(self.table).where(*mine, self.table.claimed_by.is_(None))
            tx.execute(resting.values(claimed_until=until).execution_options(**QUIET))

    def forget(self, tx: Session, key: Key, pod_id: str) -> None:
        """No realization of a resource is known any more. Inside the caller's transaction."""
        query = sa.delete(self.table).where(*matching(self.table, key, [pod_id]))
        tx.execute(query.execution_options(**QUIET))

    def awake(self, tx: Session, key: Key, pod_id: str) -> None:
        """Who rests may be worked on again. Inside the caller's transaction."""
        mine = matching(self.table, key, [pod_id])
        resting = sa.update(self.table).where(*mine, self.table.claimed_by.is_(None))
        tx.execute(resting.values(claimed_until=None).execution_options(**QUIET))

    def claim(self, row_id: str, *, due: bool = False) -> Row | None:
        """Claim a dirty row; None when another has it, or it is clean. ``due``: only if it is due.

        The claim lasts [reconciler] claim_seconds at the most, lease_seconds if this process dies.
        """
        return next(iter(self.claim_all([row_id], due=due)), None)

    def claim_all(self, row_ids: Iterable[str], *, due: bool = False) -> list[Row]:
        """Take those of the rows that ``claim`` would, in one transaction."""
        moment, until, table = now(), _leased_until(), self.table
        # In one order, lest two who take some of the same rows wait for each other.
        tokens = {row_id: f"{uuid.uuid4()}" for row_id in sorted(row_ids)}
        free = sa.or_(table.claimed_until.is_(None), table.claimed_until < moment)
        wanted = table.next_try_at <= moment if due else table.next_try_at.is_not(None)
        take = sa.update(table).where(wanted, free)
        values = {"claimed_until": until, "attempts": table.attempts + 1}

        def once(tx: Session) -> list[Row]:
            for row_id, token in tokens.items():
                mine = take.where(table.id == row_id).values(claimed_by=token, **values)
                tx.execute(mine.execution_options(**QUIET))
            query = sa.select(table).where(table.id.in_(tokens))
            return list(tx.scalars(query.where(table.claimed_by.in_(tokens.values()))))

        found: list[Row] = self.transact(once) if tokens else []
        for row in found:
            self._leases.hold(tokens[row.id], row.id)
        return found

    def record(self, row: Row, outcome: Outcome) -> bool:
        """Write down how the work on a claimed row ended, and free it. False: the claim ran out."""
        match outcome:
            case Realized(pod_resource_id, rest):
                return self.realized(row, pod_resource_id, rest)
            case Gone():
                self.gone(row)
                return True
            case Requeue(after, ""):
                return self.wait(row, after or 0)
            case Requeue(after, reason):
                return self.failed(row, reason, after)

    def keep(self, row: Row) -> bool:
        """The work on a claimed row goes on: its claim is as good as new. False: it ran out."""
        mine = self._write(row, {"claimed_until": self._no_sooner(_leased_until())})
        if mine and row.claimed_by is not None:
            self._leases.hold(row.claimed_by, row.id)
        return mine

    def outlast(self, rows: Collection[Row], seconds: float) -> bool:
        """The claims on these rows last for ``seconds`` from now at least. False: one ran out, and
        somebody may have the row."""
        table, until = self.table, now() + datetime.timedelta(seconds=seconds)
        tokens = [row.claimed_by for row in rows]
        query = sa.update(table).where(
            table.id.in_([row.id for row in rows]), table.claimed_by.in_(tokens)
        )
        values = query.values(claimed_until=self._no_sooner(until)).execution_options(**QUIET)
        kept: int = self.transact(lambda tx: tx.execute(values).rowcount)  # type: ignore[attr-defined]
        return kept == len(rows)

    def creating(self, row: Row, seconds: float) -> bool:
        """A pod is about to be asked to make the object: for so long it may do so, whatever becomes
        of who asks. False, and it must not be asked: the claim ran out."""
        until = now() + datetime.timedelta(seconds=seconds)
        return self._write(row, {"making_until": until})

    def not_created(self, row: Row) -> None:
        """The pod has surely not made the object that it was asked for."""
        self._write(row, {"making_until": None})

    def created(self, row: Row, pod_resource_id: str | None) -> bool:
        """Note the object's id in the pod (None: it is gone there). False: the claim ran out."""
        return self._write(row, {"pod_resource_id": pod_resource_id, "making_until": None})

    def realized(self, row: Row, pod_resource_id: str | None, rest: float = 0) -> bool:
        """The pod has what ``row`` (as it was claimed) wants; frees the row.

        What was changed meanwhile stays dirty. Nobody gets the row for ``rest`` seconds: what is
        changed until then is worked on together. False: the claim ran out.
        """
        table = self.table
        still = sa.and_(table.wanted_revision == row.wanted_revision, table.absent.is_(False))
        return self._write(
            row,
            {
                "pod_resource_id": pod_resource_id,
                "realized_revision": row.wanted_revision,
                "attempts": 0,
                "failing_since": None,
                "last_error": None,
                "claimed_by": None,
                "claimed_until": now() + datetime.timedelta(seconds=rest) if rest else None,
                "next_try_at": sa.case((still, None), else_=now()),
            },
        )

    def gone(self, row: Row) -> bool:
        """The pod has it no more: forget the row, unless it is wanted again meanwhile."""
        table = self.table
        mine = (table.id == row.id, table.claimed_by == row.claimed_by)

        def once(tx: Session) -> bool:
            forget = sa.delete(table).where(*mine, table.absent.is_(True))
            result = tx.execute(forget.execution_options(**QUIET))
            if result.rowcount:  # type: ignore[attr-defined]
                return True
            tx.execute(
                sa.update(table)
                .where(*mine)
                .values(
                    pod_resource_id=None,
                    realized_revision=None,
                    attempts=0,
                    next_try_at=now(),
                    claimed_by=None,
                    claimed_until=None,
                )
                .execution_options(**QUIET)
            )
            return False

        self._leases.drop(row.claimed_by)
        forgotten: bool = self.transact(once)
        return forgotten

    def failed(self, row: Row, error: str, delay: float | None = None) -> bool:
        """Keep the reason, free the row, try again after ``delay`` seconds (default: backoff)."""
        seconds = backoff(row) if delay is None else delay
        return self._write(
            row,
            {
                "last_error": error[:4000],
                "failing_since": sa.func.coalesce(self.table.failing_since, now()),
                "next_try_at": now() + datetime.timedelta(seconds=seconds),
                "claimed_by": None,
                "claimed_until": None,
            },
        )

    @contextlib.contextmanager
    def exclusive(self, key: Key) -> Iterator[None]:
        """Nobody else is in here for the same key, in no process, for [reconciler] claim_seconds.

        For what concerns no pod in particular. Raises Busy when somebody is.
        """
        table = self.table
        self.transact(lambda tx: ensure(tx, table, key, _NO_POD, None))
        row = self.get(key, _NO_POD)
        mine = self.claim(row.id) if row else None
        if mine is None:
            raise Busy(f"Somebody else is making the {key}")
        try:
            yield
        finally:
            forget = sa.delete(table).where(
                table.id == mine.id, table.claimed_by == mine.claimed_by
            )
            self._leases.drop(mine.claimed_by)
            self.transact(lambda tx: tx.execute(forget.execution_options(**QUIET)))

    def wait(self, row: Row, delay: float) -> bool:
        """Free a row whose work goes on by itself; it is looked at in ``delay`` seconds."""
        return self._write(
            row,
            {
                "attempts": 0,
                "last_error": None,
                "failing_since": None,
                "next_try_at": now() + datetime.timedelta(seconds=delay),
                "claimed_by": None,
                "claimed_until": None,
            },
        )

    def release(self, row: Row) -> bool:
        """Free a row whose work is not finished; it stays dirty, its attempts are forgiven."""
        return self._write(row, {"attempts": 0, "claimed_by": None, "claimed_until": None})

    def requeue_now(self, pod_id: str, keys: Collection[Key] | None = None) -> None:
        """Try what was failing in a pod (of these resources, or all) again now."""
        table = self.table
        query = sa.update(table).where(table.pod_id == pod_id, table.next_try_at > now())
        if keys is not None:
            these = (sa.and_(*matching(table, key, None)) for key in keys)
            query = query.where(sa.or_(sa.false(), *these))
        self.transact(
            lambda tx: tx.execute(query.values(next_try_at=now()).execution_options(**QUIET))
        )

    def pod_ids(self) -> set[str]:
        """Ids of the pods that have rows."""
        query = sa.select(self.table.pod_id).where(self.table.pod_id != _NO_POD).distinct()
        found: set[str] = self.transact(lambda tx: set(tx.scalars(query)))
        return found

    def forget_pod(self, pod_id: str) -> None:
        """Drop all rows of a pod that is no pod of ours any more."""
        query = sa.delete(self.table).where(self.table.pod_id == pod_id)
        self.transact(lambda tx: tx.execute(query.execution_options(**QUIET)))

    def _renew(self, held: Mapping[str, str]) -> None:
        # By their ids: a look through the whole table would lock all of it.
        table = self.table
        mine = (table.id.in_(held.values()), table.claimed_by.in_(held))
        query = sa.update(table).where(*mine)
        until = self._no_sooner(_leased_until())
        values = query.values(claimed_until=until).execution_options(**QUIET)
        self.transact(lambda tx: tx.execute(values))

    def _no_sooner(self, until: datetime.datetime) -> Any:
        """The end of a claim that is to last until then, or longer if it does so already."""
        lasts = self.table.claimed_until
        return sa.case((lasts > until, lasts), else_=until)

    def _write(self, row: Row, values: dict[str, Any]) -> bool:
        """Write to a row that was claimed. False: the claim ran out."""
        query = (
            sa.update(self.table)
            .where(self.table.id == row.id, self.table.claimed_by == row.claimed_by)
            .values(**values)
            .execution_options(**QUIET)
        )
        if "claimed_by" in values:
            self._leases.drop(row.claimed_by)
        return bool(self.transact(lambda tx: tx.execute(query).rowcount))  # type: ignore[attr-defined]


@functools.cache
def own_queue() -> WorkQueue:
    """The rows of the Tricircle database; one queue in each process."""
    return WorkQueue(Realization, session.write)
