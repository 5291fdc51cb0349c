# SPDX-License-Identifier: Apache-2.0
"""What became of a pod: its operator's changes of its state, and what probes found of its services.

A bounded history: so many of each pod are kept. All block.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from tricircle.db import models, session
from tricircle.db.errors import UnknownMarker

#: Changes that are kept of each pod.
KEPT = 200
# Who says what probes found.
PROBE = "probe"
_LONGEST = 2000


def note(
    tx: Session, pod_id: str, what: str, before: str, after: str, by: str, reason: str = ""
) -> None:
    """Write down a change in the transaction that makes it. ``what`` is "state" or a service."""
    table = models.PodChange
    tx.add(
        table(
            pod_id=pod_id, what=what, before=before, after=after, changed_by=by,
            reason=reason[:_LONGEST],
        )
    )  # fmt: skip
    tx.flush()
    of_pod = sa.select(table.id).where(table.pod_id == pod_id)
    old = of_pod.order_by(table.created_at.desc(), table.id).offset(KEPT).limit(KEPT)
    if found := list(tx.scalars(old)):
        tx.execute(sa.delete(table).where(table.id.in_(found)))


def note_services(
    tx: Session, pod_id: str, before: Mapping[str, Any] | None, after: Mapping[str, Any] | None
) -> None:
    """Write down which services of a pod are up or down now and were not."""
    for service, now in (after or {}).items():
        was = (before or {}).get(service, {}).get("state", "unknown")
        if now["state"] != was:
            note(tx, pod_id, service, was, now["state"], PROBE, now.get("error", ""))


def page(
    filters: Mapping[str, str] | None = None, limit: int | None = None, marker: str | None = None
) -> Sequence[models.PodChange]:
    """Changes of pods, the newest first. ``filters`` on pod_id. Raises UnknownMarker."""
    table = models.PodChange
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
