# SPDX-License-Identifier: Apache-2.0
"""Queries on jobs: the realizations that are to be worked on, of both databases that have any.

A job is a dirty row; it is gone when the pod has what is wanted. All block.
"""

import heapq
import itertools
from collections.abc import Iterator, Mapping, Sequence
from operator import attrgetter
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase

from tricircle.conf import CONF
from tricircle.db import models, session
from tricircle.db.models import RealizationColumns, now
from tricircle.db.transaction import retried

Job = RealizationColumns
Table = type[RealizationColumns]


class _NeutronBase(DeclarativeBase):
    """Tables in central Neutron's database; its own migrations make them."""


class NeutronRealization(RealizationColumns, _NeutronBase):
    """The table of ``tricircle.network.central.models``, for those who must not load Neutron."""

    __tablename__ = "tricircle_realizations"


PENDING, WORKING, FAILING = "pending", "working", "failing"
STATES = (PENDING, WORKING, FAILING)


def complete() -> bool:
    """Whether the jobs of central Neutron's resources can be seen."""
    return bool(CONF.tricircle_database.neutron_connection)


def state(job: Job) -> str:
    """``working``: a worker has it now; ``failing``: the last try failed; else ``pending``."""
    if job.claimed_by and job.claimed_until is not None and job.claimed_until >= now():
        return WORKING
    return PENDING if job.failing_since is None else FAILING


def page(
    filters: Mapping[str, str] | None = None, limit: int | None = None, marker: str | None = None
) -> Sequence[Job]:
    """Jobs by id. ``filters`` on resource_type, resource_id, pod_id, project_id and state.

    Any id is good as a marker: the job it was of may be done by now.
    """
    ordered = heapq.merge(
        *(_page(*place, filters or {}, limit, marker) for place in _places()),
        key=attrgetter("id"),
    )
    return list(itertools.islice(ordered, limit))


def get(job_id: str) -> Job | None:
    for table, database in _places():
        query = sa.select(table).where(table.id == job_id, table.next_try_at.is_not(None))
        with session.read(database) as tx:
            if (job := tx.scalar(query)) is not None:
                return job
    return None


def retry(job_id: str) -> Job | None:
    """Let a job be tried at once; the job, None when there is none (any more)."""
    for table, database in _places():
        _hurry(table, database, job_id)
    return get(job_id)


@retried
def _hurry(table: Table, database: str, job_id: str) -> None:
    """It waits no longer, nor does it rest; one that a worker has is that worker's."""
    query = sa.update(table).where(
        table.id == job_id, table.next_try_at.is_not(None), table.claimed_by.is_(None)
    )
    values = query.values(next_try_at=now(), claimed_until=None)
    with session.write(database) as tx:
        tx.execute(values.execution_options(synchronize_session=False))


def counts() -> dict[str, dict[str, int]]:
    """How many jobs of each state every pod has that has any: {pod id: {state: number}}."""
    found: dict[str, dict[str, int]] = {}
    for table, database in _places():
        for wanted in STATES:
            query = sa.select(table.pod_id, sa.func.count()).where(
                table.next_try_at.is_not(None), _in_state(table, wanted)
            )
            with session.read(database) as tx:
                counted = tx.execute(query.group_by(table.pod_id)).tuples().all()
            for pod_id, number in counted:
                of_pod = found.setdefault(pod_id, {})
                of_pod[wanted] = of_pod.get(wanted, 0) + number
    return found


def _places() -> Iterator[tuple[Table, str]]:
    yield models.Realization, session.OWN
    if complete():
        yield NeutronRealization, session.NEUTRON


def _page(
    table: Table, database: str, filters: Mapping[str, str], limit: int | None, marker: str | None
) -> list[Job]:
    query: sa.Select[Any] = sa.select(table).where(table.next_try_at.is_not(None))
    for name, value in filters.items():
        wanted = _in_state(table, value) if name == "state" else getattr(table, name) == value
        query = query.where(wanted)
    if marker is not None:
        query = query.where(table.id > marker)
    with session.read(database) as tx:
        return list(tx.scalars(query.order_by(table.id).limit(limit)))


def _in_state(table: Table, wanted: str) -> sa.ColumnElement[bool]:
    """The same as ``state``, asked of the database."""
    working = sa.and_(
        table.claimed_by.is_not(None),
        table.claimed_until.is_not(None),
        table.claimed_until >= now(),
    )
    if wanted == WORKING:
        return working
    failing = table.failing_since.is_not(None)
    return sa.and_(sa.not_(working), failing if wanted == FAILING else sa.not_(failing))
