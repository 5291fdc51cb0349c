# SPDX-License-Identifier: Apache-2.0
"""Queries on storage allocations: what each volume, snapshot, backup and group uses. All block.

A row is written before a pod is asked for the thing, in a transaction that holds the project's
lock: so two requests at once cannot pass a limit together. What was never confirmed is swept away.
"""

import dataclasses
import datetime
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from tricircle.db import locks, models, routings, session
from tricircle.db.fitting import fitting
from tricircle.db.models import StorageAllocation
from tricircle.db.transaction import retried, retried_if_overtaken

_QUIET = {"synchronize_session": False}
_Row = StorageAllocation
#: What is counted of each kind of thing, and what its size counts as (None: it has none).
COUNTS: Mapping[str, tuple[str, str | None]] = {
    "volume": ("volumes", "gigabytes"),
    "snapshot": ("snapshots", "gigabytes"),
    "backup": ("backups", "backup_gigabytes"),
    "group": ("groups", None),
}
#: Of these there are limits by volume type too.
BY_TYPE = ("volumes", "snapshots", "gigabytes")
RESOURCES = ("volumes", "snapshots", "gigabytes", "backups", "backup_gigabytes", "groups")


@dataclasses.dataclass(frozen=True, slots=True)
class Use:
    """One thing of a ``kind`` of ``COUNTS``, its size in GB and the name of its volume type."""

    kind: str
    gigabytes: int = 0
    volume_type: str | None = None

    def amounts(self, number: int = 1) -> dict[str, int]:
        """{resource: how much}, of ``number`` things that have this size together."""
        count, size = COUNTS[self.kind]
        plain = {count: number} | ({size: self.gigabytes} if size else {})
        typed = {
            f"{name}_{self.volume_type}": amount
            for name, amount in plain.items()
            if self.volume_type and name in BY_TYPE
        }
        return plain | typed


def room(
    tx: Session,
    project_id: str,
    each: Sequence[Use],
    limits: Mapping[str, int],
    low: int,
    high: int,
) -> int:
    """How many of ``high`` things fit that use all of ``each``. Raises OverLimit when that is less
    than ``low``. The caller holds the project's lock."""
    if not each:
        return high
    total: dict[str, int] = {}
    for use in each:
        for name, amount in use.amounts().items():
            total[name] = total.get(name, 0) + amount
    used = {**dict.fromkeys(total, 0), **_used(tx, project_id)}
    return fitting(limits, used, total, low, high)


def begun_with(owner: str, project_id: str, uses: Sequence[Use]) -> list[StorageAllocation]:
    """Rows of things that a pod is to make together with what ``owner`` is the allocation of."""
    return [
        _Row(
            resource_type=use.kind,
            project_id=project_id,
            gigabytes=use.gigabytes,
            volume_type=use.volume_type,
            made_with=owner,
        )
        for use in uses
    ]


@retried_if_overtaken
def begin_with(
    owner: str, project_id: str, uses: Sequence[Use], limits: Mapping[str, int], ids: Sequence[str]
) -> None:
    """Set aside what a pod is to make of what a server has, in rows with these ``ids``.

    Raises OverLimit.
    """
    with session.write() as tx:
        locks.take(tx, project_id)
        if tx.get(_Row, ids[0]) is not None:  # made by an earlier try whose answer was lost
            return
        room(tx, project_id, uses, limits, 1, 1)
        for row_id, row in zip(ids, begun_with(owner, project_id, uses), strict=True):
            row.id = row_id
            tx.add(row)


def is_begun_with(tx: Session, owner: str) -> bool:
    query = sa.select(_Row.id).where(_Row.made_with == owner, _Row.resource_id.is_(None)).limit(1)
    return tx.scalar(query) is not None


def ended_with(tx: Session, owners: Sequence[str]) -> None:
    """Servers are no more: what was to be made with them is not, what was made may go as well."""
    theirs = _Row.made_with.in_(owners)
    begun = sa.delete(_Row).where(theirs, _Row.resource_id.is_(None))
    tx.execute(begun.execution_options(**_QUIET))
    made = sa.update(_Row).where(theirs).values(made_with=None, check_at=models.now())
    tx.execute(made.execution_options(**_QUIET))


def begun(owner: str) -> set[str]:
    """The kinds of what is yet to be made together with a server."""
    query = sa.select(_Row.resource_type).where(_Row.made_with == owner, _Row.resource_id.is_(None))
    with session.read() as tx:
        return set(tx.scalars(query))


@retried_if_overtaken
def made_with(owner: str, pod_id: str, made: Mapping[str, tuple[Use, str]]) -> None:
    """What a pod has made together with a server: {id: (what it uses, its project)}.

    It stands for what was set aside for it.
    """
    with session.write() as tx:
        begun = sa.delete(_Row).where(_Row.made_with == owner, _Row.resource_id.is_(None))
        tx.execute(begun.execution_options(**_QUIET))
        for resource_id, (use, project_id) in made.items():
            learn_in(tx, use, resource_id, project_id, pod_id)
            theirs = sa.update(_Row).where(*_is(use.kind, resource_id)).values(made_with=owner)
            tx.execute(theirs.execution_options(**_QUIET))


def pods_due() -> set[str]:
    """Ids of the pods with things that are to be looked at now."""
    query = sa.select(_Row.pod_id).where(
        _Row.resource_id.is_not(None), _Row.check_at <= models.now()
    )
    with session.read() as tx:
        return {pod_id for pod_id in tx.scalars(query.distinct()) if pod_id}


def due(pod_id: str, limit: int) -> list[StorageAllocation]:
    """Things of a pod that are to be looked at now."""
    query = sa.select(_Row).where(
        _Row.pod_id == pod_id, _Row.resource_id.is_not(None), _Row.check_at <= models.now()
    )
    with session.read() as tx:
        return list(tx.scalars(query.order_by(_Row.check_at).limit(limit)))


@retried
def look(row_id: str, check_in: float | None) -> None:
    """A thing is to be looked at again in so many seconds; None: it is as it is."""
    moment = None if check_in is None else models.now() + datetime.timedelta(seconds=check_in)
    query = sa.update(_Row).where(_Row.id == row_id).values(check_at=moment)
    with session.write() as tx:
        tx.execute(query.execution_options(**_QUIET))


def reserve(project_id: str, use: Use, limits: Mapping[str, int]) -> str:
    """Set aside what a new thing will use; the row's id. Raises OverLimit."""
    (row_id,) = reserve_all(project_id, [use], limits)
    return row_id


def reserve_all(project_id: str, uses: Sequence[Use], limits: Mapping[str, int]) -> list[str]:
    """The same for several things, all or none: the ids of their rows, in order."""
    ids = [models.new_id() for _ in uses]
    _reserve_all(ids, project_id, uses, limits)
    return ids


@retried_if_overtaken
def _reserve_all(
    ids: Sequence[str], project_id: str, uses: Sequence[Use], limits: Mapping[str, int]
) -> None:
    with session.write() as tx:
        locks.take(tx, project_id)
        if ids and tx.get(_Row, ids[0]) is not None:  # made by an earlier try, too
            return
        room(tx, project_id, uses, limits, 1, 1)
        for row_id, use in zip(ids, uses, strict=True):
            tx.add(
                _Row(
                    id=row_id,
                    resource_type=use.kind,
                    project_id=project_id,
                    gigabytes=use.gigabytes,
                    volume_type=use.volume_type,
                )
            )


def _fit(tx: Session, project_id: str, more: Mapping[str, int], limits: Mapping[str, int]) -> None:
    used = {**dict.fromkeys(more, 0), **_used(tx, project_id)}
    fitting(limits, used, {name: amount for name, amount in more.items() if amount > 0}, 1, 1)


@retried_if_overtaken
def confirm(row_id: str, resource_id: str, pod_id: str, use: Use) -> None:
    """It is made: what was set aside is what it uses."""
    with session.write() as tx:
        # Whoever looked through the pod in between may have written it down already.
        double = sa.delete(_Row).where(*_is(use.kind, resource_id), _Row.id != row_id)
        tx.execute(double.execution_options(**_QUIET))
        query = sa.update(_Row).where(_Row.id == row_id)
        values = {"gigabytes": use.gigabytes, "volume_type": use.volume_type}
        tx.execute(
            query.values(
                resource_id=resource_id, pod_id=pod_id, changed_at=models.now(), **values
            ).execution_options(**_QUIET)
        )


@retried
def give_back(row_id: str) -> None:
    """It was not made; harmless when it was, or when it is given back already."""
    query = sa.delete(_Row).where(_Row.id == row_id, _Row.resource_id.is_(None))
    with session.write() as tx:
        tx.execute(query.execution_options(**_QUIET))


@retried
def sweep(older_than: float) -> None:
    """Give back what was set aside so many seconds ago and came to nothing.

    What a pod is to make with a server is set aside for as long as the server is there.
    """
    before = models.now() - datetime.timedelta(seconds=older_than)
    servers = sa.select(models.Allocation.id).where(models.Allocation.id == _Row.made_with)
    query = sa.delete(_Row).where(
        _Row.resource_id.is_(None), _Row.created_at < before, ~servers.exists()
    )
    with session.write() as tx:
        tx.execute(query.execution_options(**_QUIET))


@retried
def gone(kind: str, resource_ids: Collection[str]) -> None:
    """Things are no more; harmless for those that are not known."""
    query = sa.delete(_Row).where(_Row.resource_type == kind, _Row.resource_id.in_(resource_ids))
    with session.write() as tx:
        tx.execute(query.execution_options(**_QUIET))


def get(kind: str, resource_id: str) -> StorageAllocation | None:
    with session.read() as tx:
        return tx.scalar(sa.select(_Row).where(*_is(kind, resource_id)))


@retried_if_overtaken
def grow(resource_id: str, gigabytes: int, limits: Mapping[str, int]) -> int | None:
    """A volume is to be as large as this; how large it was, None when it is not known.

    Raises OverLimit.
    """
    known = get("volume", resource_id)
    if known is None:
        return None
    with session.write() as tx:
        locks.take(tx, known.project_id)
        row = tx.get(_Row, known.id)
        if row is None:
            return None
        was = row.gigabytes
        more = Use("volume", gigabytes - was, row.volume_type).amounts(0)
        _fit(tx, row.project_id, more, limits)
        row.gigabytes, row.changed_at = gigabytes, models.now()
        return was


@retried
def resize(resource_id: str, gigabytes: int) -> None:
    """A volume is as large as this, whatever limits say."""
    query = sa.update(_Row).where(*_is("volume", resource_id))
    with session.write() as tx:
        values = {"gigabytes": gigabytes, "changed_at": models.now()}
        tx.execute(query.values(**values).execution_options(**_QUIET))


@retried_if_overtaken
def retype(resource_id: str, volume_type: str | None, limits: Mapping[str, int]) -> None:
    """A volume is to be of this type; harmless when it is not known. Raises OverLimit."""
    known = get("volume", resource_id)
    if known is None:
        return
    with session.write() as tx:
        locks.take(tx, known.project_id)
        row = tx.get(_Row, known.id)
        if row is None or row.volume_type == volume_type:
            return
        use = Use("volume", row.gigabytes, volume_type)
        more = {name: n for name, n in use.amounts().items() if name not in RESOURCES}
        _fit(tx, row.project_id, more, limits)
        row.volume_type, row.changed_at = volume_type, models.now()


@retried_if_overtaken
def hand_over(
    resource_id: str, project_id: str, limits: Mapping[str, int], kind: str = "volume"
) -> str | None:
    """A thing is another project's from now on; whose it was, None when it is not known.

    Raises OverLimit.
    """
    known = get(kind, resource_id)
    if known is None:
        return None
    use = Use(kind, known.gigabytes, known.volume_type)
    with session.write() as tx:
        locks.take(tx, project_id)
        _fit(tx, project_id, use.amounts(), limits)
        query = sa.update(_Row).where(*_is(kind, resource_id))
        values = {"project_id": project_id, "changed_at": models.now()}
        tx.execute(query.values(**values).execution_options(**_QUIET))
        return known.project_id


def used(project_id: str) -> dict[str, int]:
    """{resource: what a project uses}, of all resources and of those of the types it uses."""
    with session.read() as tx:
        return _used(tx, project_id)


def by_pod(project_id: str) -> dict[str | None, dict[str, int]]:
    """{pod: {resource: what a project uses there}}; None: of what has no pod yet."""
    count, size = sa.func.count(), sa.func.coalesce(sa.func.sum(_Row.gigabytes), 0)
    query = (
        sa.select(_Row.pod_id, _Row.resource_type, count, size)
        .where(_Row.project_id == project_id)
        .group_by(_Row.pod_id, _Row.resource_type)
    )
    with session.read() as tx:
        rows = tx.execute(query).tuples().all()
    found: dict[str | None, dict[str, int]] = {}
    for pod_id, kind, number, gigabytes in rows:
        there = found.setdefault(pod_id, dict.fromkeys(RESOURCES, 0))
        for name, amount in Use(kind, int(gigabytes)).amounts(number).items():
            there[name] += amount
    return found


def _used(tx: Session, project_id: str) -> dict[str, int]:
    query = (
        sa.select(
            _Row.resource_type,
            _Row.volume_type,
            sa.func.count(),
            sa.func.coalesce(sa.func.sum(_Row.gigabytes), 0),
        )
        .where(_Row.project_id == project_id)
        .group_by(_Row.resource_type, _Row.volume_type)
    )
    total = dict.fromkeys(RESOURCES, 0)
    for kind, volume_type, number, gigabytes in tx.execute(query).tuples():
        for name, amount in Use(kind, int(gigabytes), volume_type).amounts(number).items():
            total[name] = total.get(name, 0) + amount
    return total


def in_pod(pod_id: str, kind: str) -> dict[str, StorageAllocation]:
    """{id: its row} of everything of a kind known to be in a pod."""
    query = sa.select(_Row).where(
        _Row.pod_id == pod_id, _Row.resource_type == kind, _Row.resource_id.is_not(None)
    )
    with session.read() as tx:
        return {str(row.resource_id): row for row in tx.scalars(query)}


@retried_if_overtaken
def learn(
    use: Use, resource_id: str, project_id: str, pod_id: str, seen_at: datetime.datetime
) -> bool:
    """Write down what a thing was seen to use in a pod; False when it was changed here since, or
    is known to be in another pod.
    """
    with session.write() as tx:
        if routings.elsewhere(tx, use.kind, resource_id, pod_id):
            return False
        return learn_in(tx, use, resource_id, project_id, pod_id, seen_at)


def learn_in(
    tx: Session,
    use: Use,
    resource_id: str,
    project_id: str,
    pod_id: str,
    seen_at: datetime.datetime | None = None,
) -> bool:
    """``learn`` in the caller's transaction, which is to be tried again if overtaken.

    Without ``seen_at`` it is so whatever was changed here.
    """
    values: dict[str, Any] = {
        "project_id": project_id,
        "pod_id": pod_id,
        "gigabytes": use.gigabytes,
        "volume_type": use.volume_type,
    }
    row = tx.scalar(sa.select(_Row).where(*_is(use.kind, resource_id)).with_for_update())
    if row is None:
        tx.add(_Row(resource_type=use.kind, resource_id=resource_id, **values))
        return True
    if seen_at is not None and row.changed_at > seen_at:
        return False
    for name, value in values.items():
        setattr(row, name, value)
    return True


def _is(kind: str, resource_id: str) -> tuple[sa.ColumnElement[bool], ...]:
    return _Row.resource_type == kind, _Row.resource_id == resource_id
