# SPDX-License-Identifier: Apache-2.0
"""The table of realizations: what is wanted in which pod, and who is working on it.

The same table stands in two databases (see ``models.RealizationColumns``), so all here works on a
table class and sessions that are handed in. The functions work inside the caller's transaction:
they are the outbox, written together with the change that makes a row dirty. What has transactions
of its own is ``work_queue.WorkQueue``.

A row is dirty exactly while ``next_try_at`` is set, which keeps the search for work cheap; it is
due once that moment has come. All moments are the database's time (``db/clock.py``).
``wanted_revision`` counts changes; it grows in SQL, so that two changes at once count twice.
``attempts`` counts claims since the last success: above one, an earlier attempt may have made
the object in the pod without living to tell.

A dirty row whose wanted revision is realized already only asks for a look: the pod may have changed
behind our back. A row whose wanted revision is zero is for an orphan, an object in the pod that
nobody wants: it is removed like everything else.
"""

from collections.abc import Collection
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import Session

from tricircle.db.models import RealizationColumns, new_id, now

Table = type[RealizationColumns]
Row = RealizationColumns

QUIET = {"synchronize_session": False}
# Pods that one statement asks about.
_CHUNK = 100


class Key(NamedTuple):
    """A resource as its own service knows it."""

    resource_type: str
    resource_id: str

    def __str__(self) -> str:
        return f"{self.resource_type.replace('_', ' ')} {self.resource_id}"


def matching(table: Table, key: Key, pod_ids: Collection[str] | None) -> list[Any]:
    """The conditions for a resource's rows, in these pods or in all."""
    found: list[Any] = [
        table.resource_type == key.resource_type,
        table.resource_id == key.resource_id,
    ]
    return found if pod_ids is None else [*found, table.pod_id.in_(pod_ids)]


def dirty(table: Table) -> dict[str, Any]:
    """The values that make a row dirty, with one change more."""
    return {"wanted_revision": table.wanted_revision + 1, "next_try_at": now()}


def touch(tx: Session, table: Table, key: Key, pod_ids: Collection[str] | None = None) -> int:
    """The resource has changed: make its rows (in these pods, or in all) dirty. How many."""
    return mark(
        tx, table, sa.update(table).where(*matching(table, key, pod_ids), table.absent.is_(False))
    )


def touch_all(tx: Session, table: Table, resource_type: str, ids: Collection[str]) -> int:
    """``touch`` for several resources of a type, in one statement."""
    these = (table.resource_type == resource_type, table.resource_id.in_(ids))
    return mark(tx, table, sa.update(table).where(*these, table.absent.is_(False)))


def mark(tx: Session, table: Table, rows: sa.Update) -> int:
    """Make the rows that ``rows``, an update without values, selects dirty. How many."""
    result = tx.execute(rows.values(**dirty(table)).execution_options(**QUIET))
    return int(result.rowcount)  # type: ignore[attr-defined]


def retire(tx: Session, table: Table, key: Key, pod_ids: Collection[str] | None = None) -> int:
    """The resource is not wanted any more (in these pods, or in any). How many rows."""
    query = sa.update(table).where(*matching(table, key, pod_ids), table.absent.is_(False))
    values = {**dirty(table), "absent": True, "failing_since": None}
    result = tx.execute(query.values(**values).execution_options(**QUIET))
    return int(result.rowcount)  # type: ignore[attr-defined]


def ensure(tx: Session, table: Table, key: Key, pod_id: str, project_id: str | None) -> bool:
    """The resource is wanted in a pod; the row is locked. Whether it was not wanted before.

    Raises oslo_db's DBDuplicateEntry when another transaction makes the same row: run the
    transaction again.
    """
    query = (
        sa.select(table.id, table.absent)
        .where(*matching(table, key, [pod_id]))
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    found = tx.execute(query).one_or_none()
    if found is None:
        tx.execute(
            sa.insert(table).values(
                id=new_id(),
                resource_type=key.resource_type,
                resource_id=key.resource_id,
                pod_id=pod_id,
                project_id=project_id,
                wanted_revision=1,
                absent=False,
                attempts=0,
                next_try_at=now(),
                created_at=now(),
                updated_at=now(),
            )
        )
        return True
    if found.absent:
        values = {**dirty(table), "absent": False, "failing_since": None}
        tx.execute(
            sa.update(table).where(table.id == found.id).values(**values).execution_options(**QUIET)
        )
        return True
    return False


def pods_with(tx: Session, table: Table, key: Key, *, gone_too: bool = False) -> list[str]:
    """Ids of the pods a resource is wanted in; ``gone_too``: or is still to be removed from."""
    query = sa.select(table.pod_id).where(*matching(table, key, None))
    if not gone_too:
        query = query.where(table.absent.is_(False))
    return list(tx.scalars(query))


def pods_due(tx: Session, table: Table, pod_ids: Collection[str]) -> set[str]:
    """Those of the pods that have rows which are due.

    For each an index tells, however many rows wait; to ask for all pods that there are would be to
    look through them.
    """
    found, ordered, moment = set[str](), sorted(pod_ids), now()
    for start in range(0, len(ordered), _CHUNK):
        some = ordered[start : start + _CHUNK]
        each = (sa.exists().where(table.pod_id == one, table.next_try_at <= moment) for one in some)
        answers = tx.execute(sa.select(*each)).one()
        found |= {one for one, is_due in zip(some, answers, strict=True) if is_due}
    return found
