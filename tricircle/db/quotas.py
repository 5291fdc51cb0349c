# SPDX-License-Identifier: Apache-2.0
"""Queries on limits, and amounts set aside for what has no row until it is made. All block."""

import dataclasses
import datetime
from collections.abc import Collection, Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from tricircle.db import locks, models, session
from tricircle.db.errors import Excess, OverLimit
from tricircle.db.models import QuotaLimit, QuotaReservation
from tricircle.db.transaction import retried, retried_if_overtaken

PROJECT, CLASS = "project", "class"
# The class that has the limits of projects without their own.
DEFAULT = "default"

_QUIET = {"synchronize_session": False}


def get(scope: str, scope_id: str, user_id: str = "") -> dict[str, int]:
    """{resource: limit} of those an operator has set."""
    query = sa.select(QuotaLimit.resource, QuotaLimit.hard_limit).where(
        *_of(scope, scope_id), QuotaLimit.user_id == user_id
    )
    with session.read() as tx:
        return dict(tx.execute(query).tuples().all())


@dataclasses.dataclass(frozen=True, slots=True)
class Stored:
    """{resource: limit} of what an operator has set: for all projects, one, one of its users."""

    default: dict[str, int]
    project: dict[str, int]
    user: dict[str, int]


def stored(project_id: str, user_id: str = "") -> Stored:
    """All that is set and concerns a project, or one user in it, by one query."""
    default = sa.and_(*_of(CLASS, DEFAULT))
    mine = sa.and_(*_of(PROJECT, project_id), QuotaLimit.user_id.in_(("", user_id)))
    found = Stored({}, {}, {})
    with session.read() as tx:
        for row in tx.scalars(sa.select(QuotaLimit).where(sa.or_(default, mine))):
            level = found.user if row.user_id else found.project
            level = found.default if row.scope == CLASS else level
            level[row.resource] = row.hard_limit
    return found


def of_users(project_id: str) -> dict[str, int]:
    """{resource: the sum of the limits that users of a project have of their own}."""
    query = (
        sa.select(QuotaLimit.resource, sa.func.sum(QuotaLimit.hard_limit))
        .where(*_of(PROJECT, project_id), QuotaLimit.user_id != "")
        .group_by(QuotaLimit.resource)
    )
    with session.read() as tx:
        return {name: int(total) for name, total in tx.execute(query).tuples()}


@retried_if_overtaken
def put(scope: str, scope_id: str, limits: Mapping[str, int], user_id: str = "") -> None:
    """Set limits; those not named stay."""
    with session.write() as tx:
        for resource, limit in limits.items():
            key = (scope, scope_id, user_id, resource)
            row = tx.get(QuotaLimit, key, with_for_update=True)
            if row is None:
                names = ("scope", "scope_id", "user_id", "resource")
                tx.add(QuotaLimit(**dict(zip(names, key, strict=True)), hard_limit=limit))
            else:
                row.hard_limit = limit


@retried
def delete(
    scope: str,
    scope_id: str,
    user_id: str | None = None,
    *,
    names: Collection[str],
    families: Collection[str] = (),
) -> None:
    """Forget limits of a project or class, or only those of one user there.

    Those with these ``names``, and of the ``families``: "gigabytes" has "gigabytes_ssd" too.
    """
    wanted: list[sa.ColumnElement[bool]] = [QuotaLimit.resource.in_(names)]
    wanted += [QuotaLimit.resource.startswith(f"{one}_", autoescape=True) for one in families]
    query = sa.delete(QuotaLimit).where(*_of(scope, scope_id), sa.or_(*wanted))
    if user_id is not None:
        query = query.where(QuotaLimit.user_id == user_id)
    with session.write() as tx:
        tx.execute(query.execution_options(**_QUIET))


def _of(scope: str, scope_id: str) -> tuple[sa.ColumnElement[bool], ...]:
    return QuotaLimit.scope == scope, QuotaLimit.scope_id == scope_id


def set_aside_keypair(user_id: str, limit: int, believed: float) -> str:
    """Set a key pair of a user's aside until it is written down; the reservation's id.

    What was set aside ``believed`` seconds ago and is still there was left by somebody who died.
    Raises OverLimit.
    """
    row_id = models.new_id()
    _set_aside_keypair(row_id, user_id, limit, believed)
    return row_id


@retried_if_overtaken
def _set_aside_keypair(row_id: str, user_id: str, limit: int, believed: float) -> None:
    owner, resource = f"user:{user_id}", "key_pairs"
    with session.write() as tx:
        locks.take(tx, owner)
        if tx.get(QuotaReservation, row_id) is not None:  # by an earlier try whose answer was lost
            return
        before = models.now() - datetime.timedelta(seconds=believed)
        mine = (QuotaReservation.owner_id == owner, QuotaReservation.resource == resource)
        old = sa.delete(QuotaReservation).where(*mine, QuotaReservation.created_at < before)
        tx.execute(old.execution_options(**_QUIET))
        amounts = sa.select(sa.func.coalesce(sa.func.sum(QuotaReservation.amount), 0)).where(*mine)
        used = _keypairs(tx, user_id) + int(tx.scalar(amounts) or 0)
        if 0 <= limit < used + 1:
            raise OverLimit(Excess(resource, "1", used, limit))
        tx.add(QuotaReservation(id=row_id, owner_id=owner, resource=resource, amount=1))


@retried
def release(reservation_id: str) -> None:
    """What was set aside is made, or is not to be."""
    query: Any = sa.delete(QuotaReservation).where(QuotaReservation.id == reservation_id)
    with session.write() as tx:
        tx.execute(query.execution_options(**_QUIET))


def _keypairs(tx: Session, user_id: str) -> int:
    """How many key pairs a user has."""
    table = models.Definition
    query = sa.select(sa.func.count()).where(
        table.kind == "keypair", table.deleted.is_(False), table.key.startswith(f"{user_id}/")
    )
    return tx.scalar(query) or 0
