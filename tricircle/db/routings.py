# SPDX-License-Identifier: Apache-2.0
"""Queries on routings: where a resource lives. All block; each is its own transaction."""

import contextlib
import datetime
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from oslo_db import exception as db_exc
from sqlalchemy.orm import Session

from tricircle.db import models, session
from tricircle.db.errors import UnknownMarker
from tricircle.db.transaction import retried, retried_if_overtaken

# So many resources closer to a moment are passed over by who looks near it.
_PASSED = 2


def get(resource_type: str, resource_id: str) -> models.Routing | None:
    with session.read() as tx:
        return tx.get(models.Routing, (resource_type, resource_id))


def find(resource_id: str) -> list[models.Routing]:
    """Every routing of an id, whatever its type; mostly one or none."""
    query = sa.select(models.Routing).where(models.Routing.resource_id == resource_id)
    with session.read() as tx:
        return list(tx.scalars(query.order_by(models.Routing.resource_type)))


@retried_if_overtaken
def put(
    resource_type: str,
    resource_id: str,
    pod_id: str,
    project_id: str | None,
    detail: Mapping[str, Any] | None = None,
) -> None:
    """Write down where a resource lives, over what was written before.

    ``project_id`` None and ``detail`` None leave a row's own values as they are. Nothing is
    written when the pod was deleted meanwhile.
    """
    try:
        with session.write() as tx:
            put_in(tx, resource_type, resource_id, pod_id, project_id, detail)
    except db_exc.DBReferenceError:
        return


def put_in(
    tx: Session,
    resource_type: str,
    resource_id: str,
    pod_id: str,
    project_id: str | None,
    detail: Mapping[str, Any] | None = None,
) -> None:
    """``put`` in the caller's transaction, which is to be tried again if overtaken.

    Fails with DBReferenceError when the pod was deleted meanwhile.
    """
    values: dict[str, Any] = {"pod_id": pod_id}
    if project_id is not None:
        values["project_id"] = project_id
    if detail is not None:
        values["detail"] = dict(detail)
    # Looked at without a lock: one on a row that is not there yet would keep others from
    # inserting theirs, and two such transactions would wait for each other.
    row = tx.get(models.Routing, (resource_type, resource_id))
    if row is None:
        tx.add(models.Routing(resource_type=resource_type, resource_id=resource_id, **values))
        tx.flush()
        return
    for name, value in values.items():
        setattr(row, name, value)


@retried_if_overtaken
def seen(resource_type: str, resource_id: str, pod_id: str, project_id: str) -> None:
    """A pod was seen to have a resource of a project. One that is known to be in another pod stays
    there; nothing is written of a pod that is deleted.
    """
    with contextlib.suppress(db_exc.DBReferenceError), session.write() as tx:
        row = tx.get(models.Routing, (resource_type, resource_id))
        if row is None:
            put_in(tx, resource_type, resource_id, pod_id, project_id)
        elif row.pod_id == pod_id:
            row.project_id = project_id


def elsewhere(tx: Session, resource_type: str, resource_id: str, pod_id: str) -> bool:
    """Whether a resource is known to be in another pod."""
    row = tx.get(models.Routing, (resource_type, resource_id))
    return row is not None and row.pod_id != pod_id


def near(
    resource_type: str,
    project_id: str,
    pod_ids: Iterable[str],
    moment: datetime.datetime,
    *,
    after: bool,
) -> dict[str, str]:
    """{pod id: a resource of a project written down a little ``after`` a moment, or before it}.

    A few that are closer are passed over; a pod without so many is left out.
    """
    row = models.Routing
    closest = row.created_at.asc() if after else row.created_at.desc()
    side = row.created_at >= moment if after else row.created_at <= moment
    ours = sa.and_(row.project_id == project_id, row.resource_type == resource_type)
    query = sa.select(row.resource_id).where(ours, row.pod_id == sa.bindparam("pod"), side)
    query = query.order_by(closest).offset(_PASSED).limit(1)
    found = {}
    with session.read() as tx:
        for pod_id in pod_ids:
            if (resource_id := tx.scalar(query, {"pod": pod_id})) is not None:
                found[pod_id] = resource_id
    return found


@retried
def change_ports(resource_id: str, add: Sequence[str] = (), remove: Sequence[str] = ()) -> None:
    """Note central ports made for a server, or gone again; harmless when it has no routing."""
    with session.write() as tx:
        row = tx.get(models.Routing, ("server", resource_id), with_for_update=True)
        if row is not None:
            ports = [port for port in row.detail.get("ports", ()) if port not in remove]
            ports += [port for port in add if port not in ports]
            row.detail = {**row.detail, "ports": ports}


@retried
def written_to(volume_id: str) -> None:
    """From now on a volume that was made empty may hold something."""
    with session.write() as tx:
        row = tx.get(models.Routing, ("volume", volume_id), with_for_update=True)
        if row is not None and row.detail.get("empty"):
            row.detail = {**row.detail, "empty": False}


@retried
def delete(resource_type: str, resource_id: str) -> None:
    """Forget where a resource lives; harmless when nothing is known."""
    with session.write() as tx:
        tx.execute(
            sa.delete(models.Routing).filter_by(
                resource_type=resource_type, resource_id=resource_id
            )
        )


def counts(pod_id: str) -> dict[str, int]:
    """{resource type: number of routings to a pod}, types that have none left out.

    A reservation is no resource, only a name for servers, which are counted.
    """
    with session.read() as tx:
        return count(tx, pod_id)


def count(tx: Session, pod_id: str) -> dict[str, int]:
    """As ``counts``, inside the caller's transaction."""
    kind = models.Routing.resource_type
    query = sa.select(kind, sa.func.count()).where(models.Routing.pod_id == pod_id)
    return dict(tx.execute(query.group_by(kind).order_by(kind)).tuples().all())


def page(
    filters: Mapping[str, str] | None = None, limit: int | None = None, marker: str | None = None
) -> Sequence[models.Routing]:
    """Routings by resource id and type.

    ``filters`` on resource_id, resource_type, pod_id, project_id; ``marker`` is the last
    page's last ``resource_id``, or ``<type>:<id>`` when that id has rows of several types.
    Raises UnknownMarker.
    """
    table = models.Routing
    query = sa.select(table).order_by(table.resource_id, table.resource_type).limit(limit)
    for name, value in (filters or {}).items():
        query = query.where(getattr(table, name) == value)
    with session.read() as tx:
        if marker is not None:
            kind, _, resource_id = marker.rpartition(":")
            known = sa.exists().where(table.resource_id == resource_id)
            if kind:
                known = known.where(table.resource_type == kind)
            if not tx.scalar(sa.select(known)):
                raise UnknownMarker(marker)
            after = table.resource_id > resource_id
            if kind:
                same = sa.and_(table.resource_id == resource_id, table.resource_type > kind)
                after = sa.or_(after, same)
            query = query.where(after)
        return list(tx.scalars(query))
