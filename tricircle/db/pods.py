# SPDX-License-Identifier: Apache-2.0
"""Queries on pods. All block; each is a transaction of its own."""

import datetime
from collections.abc import Callable, Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from tricircle.db import definitions, models, moves, pages, pod_changes, routings, session
from tricircle.db.errors import Duplicate, InUse, NotFound
from tricircle.db.transaction import may_be_done, retried, retried_if_overtaken

# What goes with a pod.
_HELD = (
    models.Routing,
    models.Binding,
    models.Operation,
    models.Realization,
    models.Allocation,
    models.StorageAllocation,
    models.Host,
    models.PodChange,
    models.PodProject,
    models.PodUser,
    models.PodCredential,
    models.ImageCopy,
    models.ImageMember,
    models.ImageName,
    models.Adoption,
)
# Of these it is told how many there are, by the names that the Admin API has for them.
_COUNTED: dict[str, Any] = {"binding": models.Binding, "creation": models.Operation}


def list_all() -> list[models.Pod]:
    """Every pod, by region name."""
    with session.read() as tx:
        return list(tx.scalars(sa.select(models.Pod).order_by(models.Pod.region_name)))


def page(
    filters: Mapping[str, str] | None = None, limit: int | None = None, marker: str | None = None
) -> list[models.Pod]:
    """At most ``limit`` pods that have the column values of ``filters``, by id, after ``marker``.

    Raises UnknownMarker.
    """
    return pages.page(models.Pod, models.Pod.id, filters, limit, marker)


def get(pod_id: str) -> models.Pod | None:
    with session.read() as tx:
        return tx.get(models.Pod, pod_id)


def by_region(region_name: str) -> models.Pod | None:
    with session.read() as tx:
        return tx.scalar(sa.select(models.Pod).where(models.Pod.region_name == region_name))


MOST_NUMBERS = 9999
"""A pod's number is at least 1 and at most this."""


def create(values: Mapping[str, Any]) -> models.Pod:
    """Insert a pod, and with it what makes every existing definition wanted there.

    ``values`` are columns of ``models.Pod``. Raises Duplicate when the region is a pod already.
    """
    return _create(models.new_id(), values)


@retried_if_overtaken
def _create(pod_id: str, values: Mapping[str, Any]) -> models.Pod:
    region = values["region_name"]
    with session.write() as tx:
        made = tx.get(models.Pod, pod_id)
        if made is not None:  # by an earlier try whose answer was lost
            return made
        if tx.scalar(sa.select(models.Pod.id).where(models.Pod.region_name == region)):
            raise Duplicate(region)
        pod = models.Pod(id=pod_id, **values, number=_free_number(tx))
        tx.add(pod)
        tx.flush()
        definitions.fill(tx)
        return pod


def _free_number(tx: Session) -> int:
    """Above all others, so that what bore a forgotten pod's number is not soon mistaken."""
    taken = set(tx.scalars(sa.select(models.Pod.number)))
    highest = max(taken, default=0)
    if highest < MOST_NUMBERS:
        return highest + 1
    return next(number for number in range(1, MOST_NUMBERS + 1) if number not in taken)


@retried
def update(pod_id: str, values: Mapping[str, Any], by: str = "", reason: str = "") -> models.Pod:
    """Set columns of a pod; gives the pod as it is then. Who changed its ``state``, and why, is
    written down. Raises NotFound.
    """
    with session.write() as tx:
        pod = tx.get(models.Pod, pod_id, with_for_update=True)
        if pod is None:
            raise NotFound(pod_id)
        before = pod.state
        for name, value in values.items():
            setattr(pod, name, value)
        if pod.state != before:
            pod_changes.note(tx, pod_id, "state", before, pod.state, by, reason)
        return pod


@retried
def delete(pod_id: str, force: bool = False) -> None:
    """Forget a pod. With ``force`` also its routings, bindings, unfinished operations and what was
    used there of quotas.

    What is in the pod itself stays. Definitions kept in the pod never count as use. Raises
    NotFound, and InUse (with the counts) unless forced.
    """
    with session.write() as tx:
        pod = tx.get(models.Pod, pod_id, with_for_update=True)
        if pod is None:
            if may_be_done():
                return
            raise NotFound(pod_id)
        counts = _counts(tx, pod_id)
        if counts and not force:
            raise InUse(counts)
        for table in _HELD:
            tx.execute(sa.delete(table).where(table.pod_id == pod_id))
        moves.strand(tx, pod_id)
        definitions.purge(tx)
        tx.delete(pod)


def counts(pod_id: str) -> dict[str, int]:
    """What a pod holds: {resource type: number of routings}, "binding", "creation"; no zeros."""
    with session.read() as tx:
        return _counts(tx, pod_id)


def _counts(tx: Session, pod_id: str) -> dict[str, int]:
    found = routings.count(tx, pod_id)
    for name, table in _COUNTED.items():
        number = tx.scalar(
            sa.select(sa.func.count()).select_from(table).where(table.pod_id == pod_id)
        )
        found[name] = number or 0
    return {name: number for name, number in found.items() if number}


@retried
def were_restored() -> int:
    """The databases are as they were once, the pods are not; how many pods there are."""
    with session.write() as tx:
        at = {"restored_at": models.now(), "updated_at": models.Pod.updated_at}
        query = sa.update(models.Pod).values(at).execution_options(synchronize_session=False)
        return tx.connection().execute(query).rowcount


@retried
def claim_probe(pod_id: str, at: datetime.datetime, not_since: datetime.datetime) -> bool:
    """Take on probing a pod: True for one caller only, until ``probed_at`` is before ``not_since``.

    Sets ``probed_at`` to ``at``. Both times are UTC without a zone.
    """
    due = sa.or_(models.Pod.probed_at.is_(None), models.Pod.probed_at < not_since)
    with session.write() as tx:
        return _write(tx, pod_id, {"probed_at": at}, due)


@retried
def write_probe(pod_id: str, change: Callable[[models.Pod], Mapping[str, Any]]) -> bool:
    """Write the columns that ``change`` makes of a pod's row as it is now; False when it is gone.

    Nobody else writes the row meanwhile. ``updated_at`` stays: it tells of changes by the operator.
    """
    with session.write() as tx:
        pod = tx.get(models.Pod, pod_id, with_for_update=True)
        if pod is None:
            return False
        known = pod.services
        values = change(pod)
        if values:
            _write(tx, pod_id, values)
        if "services" in values:
            pod_changes.note_services(tx, pod_id, known, values["services"])
        return True


def _write(
    tx: Session, pod_id: str, values: Mapping[str, Any], *where: sa.ColumnElement[bool]
) -> bool:
    statement = (
        sa.update(models.Pod)
        .where(models.Pod.id == pod_id, *where)
        .values(**values, updated_at=models.Pod.updated_at)
        .execution_options(synchronize_session=False)
    )
    return tx.connection().execute(statement).rowcount == 1
