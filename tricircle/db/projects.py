# SPDX-License-Identifier: Apache-2.0
"""What the tables know of projects, and how it is forgotten. All block."""

from typing import Any

import sqlalchemy as sa

from tricircle.conf import CONF
from tricircle.db import models, session
from tricircle.db.transaction import retried

#: {table: the column with the project} of what goes with a project that is purged.
_OWN: dict[type[models.Base], Any] = {
    models.Allocation: models.Allocation.project_id,
    models.StorageAllocation: models.StorageAllocation.project_id,
    models.ServerGroup: models.ServerGroup.project_id,
    models.Routing: models.Routing.project_id,
    models.Binding: models.Binding.project_id,
    models.VolumeMove: models.VolumeMove.project_id,
    models.Repair: models.Repair.project_id,
    models.QuotaReservation: models.QuotaReservation.owner_id,
    models.QuotaLock: models.QuotaLock.owner_id,
    models.Look: models.Look.project_id,
}
#: Those that say that a project has or uses something.
_TELLING = (
    models.Allocation,
    models.StorageAllocation,
    models.ServerGroup,
    models.Routing,
    models.Binding,
)


def known() -> dict[str, dict[str, int]]:
    """{project: {what: how many}} of all projects that have something, or are bound to a pod.

    What is central Neutron's is known by what it has in pods, where [tricircle_database]
    neutron_connection is set.
    """
    found: dict[str, dict[str, int]] = {}
    for table in _TELLING:
        _count(found, session.OWN, table.__tablename__, table.__table__, _OWN[table])
    if CONF.tricircle_database.neutron_connection:
        rows = sa.table("tricircle_realizations", sa.column("project_id"), sa.column("pod_id"))
        _count(found, session.NEUTRON, "networking in pods", rows, rows.c.project_id)
    return found


def _count(
    found: dict[str, dict[str, int]], database: str, what: str, table: Any, column: Any
) -> None:
    query = sa.select(column, sa.func.count()).select_from(table).group_by(column)
    with session.read(database) as tx:
        for project_id, number in tx.execute(query).tuples():
            if project_id:
                found.setdefault(project_id, {})[what] = number


def rows_of(project_id: str) -> dict[str, int]:
    """{table: rows} of what ``forget`` would drop."""
    with session.read() as tx:
        return {
            what: number
            for what, table, conditions in _of(project_id)
            if (
                number := tx.scalar(
                    sa.select(sa.func.count()).select_from(table).where(*conditions)
                )
            )
        }


@retried
def forget(project_id: str) -> None:
    """Drop all that the Tricircle database knows of a project that has nothing any more."""
    with session.write() as tx:
        for _, table, conditions in _of(project_id):
            tx.execute(
                sa.delete(table).where(*conditions).execution_options(synchronize_session=False)
            )


def _of(project_id: str) -> list[tuple[str, Any, list[Any]]]:
    limits = models.QuotaLimit
    found: list[tuple[str, Any, list[Any]]] = [
        (table.__tablename__, table, [column == project_id]) for table, column in _OWN.items()
    ]
    of_project = [limits.scope == "project", limits.scope_id == project_id]
    return [*found, (limits.__tablename__, limits, of_project)]
