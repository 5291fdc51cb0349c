# SPDX-License-Identifier: Apache-2.0
"""Queries on definitions (flavors, keypairs, …) and on what makes them wanted in every pod.

A definition has one row in ``realizations`` for each pod: ``resource_type`` is its kind,
``resource_id`` its key, ``wanted_revision`` its revision. The rows are written in the transaction
that changes the definition, so nothing is lost when the process dies right after it. All block;
functions that take ``tx`` work inside the caller's transaction, the others are their own.
"""

import datetime
from collections.abc import Collection, Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from tricircle.db import locks, models, session
from tricircle.db.errors import NotFound
from tricircle.db.transaction import may_be_done, retried, retried_if_overtaken

_Definition, _Realization = models.Definition, models.Realization


def get(kind: str, key: str) -> models.Definition | None:
    """A definition that is not deleted."""
    row = get_any(kind, key)
    return None if row is None or row.deleted else row


def get_any(kind: str, key: str) -> models.Definition | None:
    """A definition, also one that is deleted but not yet gone from every pod."""
    with session.read() as tx:
        return tx.scalar(sa.select(_Definition).filter_by(kind=kind, key=key))


def list_all(kind: str | None = None) -> list[models.Definition]:
    """Definitions that are not deleted, of one kind or of all, by kind and key."""
    query = sa.select(_Definition).where(_Definition.deleted.is_(False))
    if kind is not None:
        query = query.where(_Definition.kind == kind)
    with session.read() as tx:
        return list(tx.scalars(query.order_by(_Definition.kind, _Definition.key)))


@retried_if_overtaken
def put(
    kind: str,
    key: str,
    body: Mapping[str, Any],
    realized: Mapping[str, str | None] | None = None,
    at_it: Mapping[str, float] | None = None,
) -> models.Definition:
    """Make a definition or change it (its revision grows), and want it in every pod.

    ``realized`` is {pod id: id there, or None} of pods that have exactly this already. ``at_it``
    is {pod id: seconds} of pods that the caller brings it to at once: for so long nobody else
    does, lest a pod is asked twice and makes two. A deleted definition of the same key comes back
    to life.
    """
    with session.write() as tx:
        row = _locked(tx, kind, key)
        if row is None:
            row = models.Definition(kind=kind, key=key, body=dict(body), revision=1, deleted=False)
            tx.add(row)
        else:
            row.body, row.deleted, row.revision = dict(body), False, row.revision + 1
        tx.flush()
        _want(tx, row, absent=False)
        for pod_id, pod_resource_id in (realized or {}).items():
            _settle(tx, row, pod_id, pod_resource_id)
        for pod_id, seconds in (at_it or {}).items():
            _due(tx, row, pod_id, seconds)
        return row


@retried
def due_now(kind: str, key: str, pod_id: str) -> None:
    """Who was bringing a definition to a pod could not; somebody else is to."""
    with session.write() as tx:
        row = _locked(tx, kind, key)
        if row is not None:
            _due(tx, row, pod_id, 0)


@retried
def delete(kind: str, key: str, gone: frozenset[str] = frozenset()) -> None:
    """A definition is wanted nowhere any more; ``gone`` are pods (ids) that lack it already.

    It is kept, marked deleted, until every pod has let go of it. Raises NotFound when there is
    no such definition, or when it is deleted already.
    """
    with session.write() as tx:
        row = _locked(tx, kind, key)
        if row is None or row.deleted:
            if may_be_done():
                return
            raise NotFound(f"{kind} {key}")
        row.deleted, row.revision = True, row.revision + 1
        tx.flush()
        _want(tx, row, absent=True)
        if gone:
            tx.execute(sa.delete(_Realization).where(*_of(row), _Realization.pod_id.in_(gone)))
        purge(tx)


@retried
def mark_realized(
    kind: str, key: str, revision: int, pod_id: str, pod_resource_id: str | None = None
) -> bool:
    """A pod has a definition at ``revision``. False when something newer is wanted meanwhile."""
    with session.write() as tx:
        row = _locked(tx, kind, key)
        if row is None or row.deleted or row.revision != revision:
            return False
        _settle(tx, row, pod_id, pod_resource_id)
        return True


@retried
def mark_gone(kind: str, key: str, pod_id: str) -> bool:
    """A pod has let go of a deleted definition. False when it is wanted again meanwhile."""
    with session.write() as tx:
        row = _locked(tx, kind, key)
        if row is None or not row.deleted:
            return False
        tx.execute(sa.delete(_Realization).where(*_of(row), _Realization.pod_id == pod_id))
        purge(tx)
        return True


def pods_lacking(kind: str) -> set[str]:
    """Ids of pods in which some definition of a kind is not as wanted (missing, old, or left over).

    A read of that kind must not be answered by one of these.
    """
    unlike = sa.or_(
        _Realization.absent.is_(True),
        _Realization.realized_revision.is_(None),
        _Realization.realized_revision != _Realization.wanted_revision,
    )
    # Only what is dirty can be so. By pods: where much waits, the first of it answers.
    waiting = (_Realization.pod_id == models.Pod.id, _Realization.next_try_at.is_not(None))
    lacking = sa.exists().where(*waiting, _Realization.resource_type == kind, unlike)
    with session.read() as tx:
        return set(tx.scalars(sa.select(models.Pod.id).where(lacking)))


def names(kinds: Collection[str], pod_id: str | None = None) -> dict[str, dict[str, str]]:
    """{pod id: {key: id there}} of definitions that have another id in a pod (or in that one)."""
    query = sa.select(
        _Realization.pod_id, _Realization.resource_id, _Realization.pod_resource_id
    ).where(
        _Realization.resource_type.in_(kinds),
        _Realization.pod_resource_id != _Realization.resource_id,
    )
    if pod_id is not None:
        query = query.where(_Realization.pod_id == pod_id)
    found: dict[str, dict[str, str]] = {}
    with session.read() as tx:
        for pod, key, there in tx.execute(query).tuples():
            found.setdefault(pod, {})[key] = str(there)
    return found


def names_state(kinds: Collection[str]) -> tuple[Any, ...]:
    """Something that is another when ``names`` may be."""
    row = _Realization
    query = sa.select(
        sa.func.count(), sa.func.count(row.pod_resource_id), sa.func.max(row.updated_at)
    ).where(row.resource_type.in_(kinds))
    with session.read() as tx:
        return tuple(tx.execute(query).one())


@retried_if_overtaken
def adopt(kind: str, key: str, body: Mapping[str, Any], pod_id: str) -> bool:
    """What a pod had before us becomes a definition, unless there is one of that name.

    Whether it did. Two pods that have something of one name at the same moment make one of it.
    """
    name = str(body["name"])
    with session.write() as tx:
        locks.take(tx, f"{kind}:{name}"[:80])
        query = sa.select(_Definition).where(_Definition.kind == kind)
        # No database compares inside JSON alike; there are few of a kind.
        if any(row.body.get("name") == name or row.key == key for row in tx.scalars(query)):
            return False
        row = models.Definition(kind=kind, key=key, body=dict(body), revision=1, deleted=False)
        tx.add(row)
        tx.flush()
        _want(tx, row, absent=False)
        _settle(tx, row, pod_id, key)
        return True


@retried
def look_again(kinds: Collection[str], pod_id: str) -> None:
    """What is right in a pod without an id there was passed over: it is to be looked at."""
    query = sa.update(_Realization).where(
        _Realization.resource_type.in_(kinds),
        _Realization.pod_id == pod_id,
        _Realization.pod_resource_id.is_(None),
        _Realization.next_try_at.is_(None),
    )
    with session.write() as tx:
        tx.execute(query.values(next_try_at=models.now(), realized_revision=None))


@retried_if_overtaken
def heal() -> int:
    """Make the (definition, pod) rows that are missing; how many.

    A definition and a pod made at the very same moment do not see each other; called now and then,
    this mends it.
    """
    with session.write() as tx:
        number = fill(tx)
        purge(tx)
        return number


def fill(tx: Session) -> int:
    """Want every definition in every pod where nothing is written about it; how many rows."""
    known = sa.exists().where(
        _Realization.resource_type == _Definition.kind,
        _Realization.resource_id == _Definition.key,
        _Realization.pod_id == models.Pod.id,
    )
    missing = tx.execute(
        sa.select(_Definition.kind, _Definition.key, _Definition.revision, models.Pod.id)
        .join(models.Pod, sa.true())
        .where(_Definition.deleted.is_(False), ~known)
    ).tuples()
    rows = [_row(kind, key, revision, pod_id) for kind, key, revision, pod_id in missing]
    tx.add_all(rows)
    return len(rows)


def purge(tx: Session) -> None:
    """Forget deleted definitions that no pod has any more."""
    known = sa.exists().where(
        _Realization.resource_type == _Definition.kind,
        _Realization.resource_id == _Definition.key,
    )
    tx.execute(
        sa.delete(_Definition)
        .where(_Definition.deleted.is_(True), ~known)
        .execution_options(synchronize_session=False)
    )


def _locked(tx: Session, kind: str, key: str) -> models.Definition | None:
    return tx.scalar(sa.select(_Definition).filter_by(kind=kind, key=key).with_for_update())


def _of(row: models.Definition) -> tuple[sa.ColumnElement[bool], ...]:
    return (_Realization.resource_type == row.kind, _Realization.resource_id == row.key)


def _row(kind: str, key: str, revision: int, pod_id: str) -> models.Realization:
    return models.Realization(
        resource_type=kind,
        resource_id=key,
        pod_id=pod_id,
        wanted_revision=revision,
        next_try_at=models.now(),
    )


def _due(tx: Session, row: models.Definition, pod_id: str, seconds: float) -> None:
    """What is to be done for a definition in a pod is due in so many seconds."""
    moment = models.now() + datetime.timedelta(seconds=seconds)
    tx.execute(
        sa.update(_Realization)
        .where(*_of(row), _Realization.pod_id == pod_id, _Realization.next_try_at.is_not(None))
        .values(next_try_at=moment)
    )


def _want(tx: Session, row: models.Definition, absent: bool) -> None:
    """Make the rows of all pods ask for the definition's revision, or for its absence."""
    tx.execute(
        sa.update(_Realization)
        .where(*_of(row))
        .values(
            wanted_revision=row.revision,
            absent=absent,
            attempts=0,
            next_try_at=models.now(),
            failing_since=None,
            last_error=None,
        )
    )
    if absent:
        return
    known = set(tx.scalars(sa.select(_Realization.pod_id).where(*_of(row))))
    pods = tx.scalars(sa.select(models.Pod.id))
    tx.add_all(
        _row(row.kind, row.key, row.revision, pod_id) for pod_id in pods if pod_id not in known
    )
    tx.flush()


def _settle(tx: Session, row: models.Definition, pod_id: str, pod_resource_id: str | None) -> None:
    values: dict[str, Any] = {
        "realized_revision": row.revision,
        "attempts": 0,
        "next_try_at": None,
        "failing_since": None,
        "last_error": None,
    }
    if pod_resource_id is not None:
        values["pod_resource_id"] = pod_resource_id
    tx.execute(
        sa.update(_Realization).where(*_of(row), _Realization.pod_id == pod_id).values(**values)
    )
