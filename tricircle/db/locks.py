# SPDX-License-Identifier: Apache-2.0
"""Count, then add: nobody else does so for the same owner at the same time."""

import sqlalchemy as sa
from sqlalchemy.orm import Session

from tricircle.db.models import QuotaLock


def take(tx: Session, owner_id: str) -> None:
    """Hold ``owner_id`` until the transaction ends; what others committed before is seen after.

    It must be the first statement of its transaction: MariaDB shows one what was there when it
    first read. A row is changed, not only locked: two nodes of a Galera cluster know nothing of
    each other's locks, but of two changes one is refused.
    Raises oslo_db's DBDuplicateEntry when another transaction makes the same row: run the
    transaction again.
    """
    mine = sa.update(QuotaLock).where(QuotaLock.owner_id == owner_id)
    grown = mine.values(revision=QuotaLock.revision + 1)
    changed = tx.execute(grown.execution_options(synchronize_session=False))
    if not changed.rowcount:  # type: ignore[attr-defined]
        tx.execute(sa.insert(QuotaLock).values(owner_id=owner_id, revision=1))
