# SPDX-License-Identifier: Apache-2.0
"""Queries on repairs. All block; each is its own transaction."""

import datetime
from collections.abc import Collection, Mapping, Sequence

import sqlalchemy as sa

from tricircle.db import models, session
from tricircle.db.errors import UnknownMarker
from tricircle.db.realizations import Key
from tricircle.db.transaction import retried

# Repairs are told of for so long.
KEPT = datetime.timedelta(days=30)


@retried
def add(pod_id: str, key: Key, project_id: str | None, done: str) -> None:
    with session.write() as tx:
        tx.add(models.Repair(pod_id=pod_id, project_id=project_id, done=done, **key._asdict()))


@retried
def add_new(pod_id: str, found: Collection[tuple[Key, str]], most: int) -> int:
    """Tell what a pod has and nobody can put right, unless that is told already; how many are new.

    ``most`` are told at once, of no project: what they are about is for operators to see.
    """
    table = models.Repair
    query = sa.select(table.done).where(
        table.pod_id == pod_id, table.done.in_([words for _, words in found])
    )
    with session.write() as tx:
        known = set(tx.scalars(query)) if found else set()
        new = [(key, words) for key, words in found if words not in known]
        for key, words in new[:most]:
            tx.add(table(pod_id=pod_id, project_id=None, done=words, **key._asdict()))
    return len(new)


@retried
def forget_old() -> None:
    """Drop what is older than ``KEPT``."""
    with session.write() as tx:
        tx.execute(sa.delete(models.Repair).where(models.Repair.created_at < models.now() - KEPT))


def page(
    filters: Mapping[str, str] | None = None, limit: int | None = None, marker: str | None = None
) -> Sequence[models.Repair]:
    """Repairs, the newest first.

    ``filters`` on resource_type, resource_id, pod_id, project_id. Raises UnknownMarker.
    """
    table = models.Repair
    query = sa.select(table).order_by(table.created_at.desc(), table.id).limit(limit)
    for name, value in (filters or {}).items():
        query = query.where(getattr(table, name) == value)
    with session.read() as tx:
        if marker is not None:
            last = tx.get(table, marker)
            if last is None:
                raise UnknownMarker(marker)
            same = sa.and_(table.created_at == last.created_at, table.id > last.id)
            query = query.where(sa.or_(table.created_at < last.created_at, same))
        return list(tx.scalars(query))
