# SPDX-License-Identifier: Apache-2.0
"""A floating IP is ACTIVE exactly while it is in place: each pod that is to have it has it as it
is wanted now, and none that had it answers for it any more.

It is DOWN from the transaction on that moves it. It is ACTIVE again by whoever is the last to find
its own pod right. Two that end at the same moment both see the other's work unfinished: then the
regular look at a pod's statuses finds it in place.
"""

from collections.abc import Collection
from typing import Any

import sqlalchemy as sa
from neutron.db.models import l3 as l3_models
from neutron_lib import constants
from sqlalchemy.orm import Session, aliased

from tricircle.db.realizations import QUIET
from tricircle.network.central.central_neutron import Resource
from tricircle.network.central.models import Realization

_FIP = l3_models.FloatingIP
_KIND = "floating_ip"


def moved(tx: Session, ids: Collection[str]) -> None:
    """These lead elsewhere from now on."""
    if ids:
        _set(tx, constants.FLOATINGIP_STATUS_DOWN, _FIP.id.in_(ids))


def revision(tx: Session, floating_ip_id: str, pod_id: str) -> int:
    """Which of its changes is wanted in a pod now."""
    row = Realization
    query = sa.select(row.wanted_revision).where(
        row.resource_type == _KIND, row.resource_id == floating_ip_id, row.pod_id == pod_id
    )
    return tx.scalar(query) or 0


def done(tx: Session, floating_ip: Resource, pod_id: str, revision: int) -> None:
    """A pod has it as it was read; that is not recorded yet."""
    row = aliased(Realization)
    own = sa.and_(row.pod_id == pod_id, row.wanted_revision == revision, row.absent.is_(False))
    _set(
        tx,
        constants.FLOATINGIP_STATUS_ACTIVE,
        _FIP.id == floating_ip["id"],
        # It may have been moved between the two.
        _FIP.fixed_port_id == floating_ip["port_id"],
        _FIP.fixed_ip_address == floating_ip["fixed_ip_address"],
        ~_behind(row, ~own),
    )


def left(tx: Session, floating_ip_id: str, pod_id: str) -> None:
    """A pod has given it up; that is not recorded yet. Nowhere else, it is DOWN."""
    row, other = aliased(Realization), aliased(Realization)
    own = sa.and_(row.pod_id == pod_id, row.absent.is_(True))
    elsewhere = sa.exists().where(
        other.resource_type == _KIND, other.resource_id == _FIP.id, other.absent.is_(False)
    )
    this = _FIP.id == floating_ip_id
    _set(tx, constants.FLOATINGIP_STATUS_DOWN, this, ~elsewhere)
    _set(tx, constants.FLOATINGIP_STATUS_ACTIVE, this, elsewhere, ~_behind(row, ~own))


def look(tx: Session, pod_id: str) -> int:
    """Those of a pod that are in place and do not say so; how many."""
    row, status = Realization, constants.FLOATINGIP_STATUS_ACTIVE
    settled = ~_behind(aliased(Realization))
    # An update that looks for them would lock all it looks at.
    query = (
        sa.select(_FIP.id)
        .join(row, sa.and_(row.resource_type == _KIND, row.resource_id == _FIP.id))
        .where(row.pod_id == pod_id, row.absent.is_(False), _FIP.status != status, settled)
    )
    found = list(tx.scalars(query))
    return _set(tx, status, _FIP.id.in_(found), settled) if found else 0


def _behind(row: Any, *more: sa.ColumnElement[bool]) -> sa.Exists:
    """Whether a pod has yet to get a change of a floating IP, or to give it up.

    One that has failed to give it up is away: nobody waits for it.
    """
    changed = sa.or_(row.realized_revision.is_(None), row.realized_revision != row.wanted_revision)
    leaving = sa.and_(row.absent.is_(True), row.failing_since.is_(None))
    return sa.exists().where(
        row.resource_type == _KIND,
        row.resource_id == _FIP.id,
        sa.or_(leaving, sa.and_(row.absent.is_(False), changed)),
        *more,
    )


def _set(tx: Session, status: str, *these: sa.ColumnElement[bool]) -> int:
    """Writing it as it is would cost more than this look."""
    query = sa.update(_FIP).where(*these, _FIP.status != status).values(status=status)
    result = tx.execute(query.execution_options(**QUIET))
    return int(result.rowcount)  # type: ignore[attr-defined]
