# SPDX-License-Identifier: Apache-2.0
"""Queries on creations: creates begun and not known to have ended. All block."""

import datetime
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from tricircle.db import models, session
from tricircle.db.errors import NotFound
from tricircle.db.transaction import may_be_done, retried


def begin(
    resource_type: str,
    project_id: str,
    pod_id: str | None = None,
    detail: Mapping[str, Any] | None = None,
    creation_id: str | None = None,
) -> str:
    """Write down that a create begins; gives the creation's id (a UUID, made here if not given)."""
    row_id = creation_id or models.new_id()
    values = {"resource_type": resource_type, "project_id": project_id, "pod_id": pod_id}
    _begin(row_id, {**values, "ports": [], "detail": dict(detail or {})})
    return row_id


@retried
def _begin(row_id: str, values: Mapping[str, Any]) -> None:
    with session.write() as tx:
        if may_be_done() and tx.get(models.Creation, row_id) is not None:
            return
        tx.add(models.Creation(id=row_id, **values))


@retried
def touch(creation_id: str) -> None:
    """Say that it is still worked on, so that it does not grow stale."""
    with session.write() as tx:
        query = sa.update(models.Creation).where(models.Creation.id == creation_id)
        tx.execute(query.values(created_at=models.now()))


@retried
def add_port(creation_id: str, port_id: str) -> None:
    """Note a central port made for the create; twice is as once. Raises NotFound."""
    with session.write() as tx:
        row = _locked(tx, creation_id)
        if port_id not in row.ports:
            row.ports = [*row.ports, port_id]


@retried
def remove_port(creation_id: str, port_id: str) -> None:
    """A central port made for the create is gone again. Raises NotFound."""
    with session.write() as tx:
        row = _locked(tx, creation_id)
        row.ports = [known for known in row.ports if known != port_id]


@retried
def set_pod(creation_id: str, pod_id: str | None) -> None:
    """Note the pod now tried. Raises NotFound."""
    with session.write() as tx:
        _locked(tx, creation_id).pod_id = pod_id


@retried
def note(creation_id: str, detail: Mapping[str, Any]) -> None:
    """Merge ``detail`` into the creation's own. Raises NotFound."""
    with session.write() as tx:
        row = _locked(tx, creation_id)
        row.detail = {**row.detail, **detail}


def get(creation_id: str) -> models.Creation | None:
    with session.read() as tx:
        return tx.get(models.Creation, creation_id)


@retried
def end(creation_id: str) -> None:
    """The create is done or undone: forget it. Harmless when it is forgotten already."""
    with session.write() as tx:
        tx.execute(sa.delete(models.Creation).where(models.Creation.id == creation_id))


@retried
def take(creation_id: str, project_id: str, by: str) -> bool:
    """Give a row that another request began to the request ``by``. False when the row is gone."""
    with session.write() as tx:
        row = tx.get(models.Creation, creation_id, with_for_update=True)
        if row is None:
            return False
        row.project_id, row.detail = project_id, {**row.detail, "by": by}
        return True


@retried
def withdraw(creation_id: str, by: str) -> None:
    """Forget what the request ``by`` began, unless another request has taken it since."""
    with session.write() as tx:
        row = tx.get(models.Creation, creation_id, with_for_update=True)
        if row is not None and row.detail.get("by") == by:
            tx.delete(row)


def stale(older_than: float, limit: int | None = None) -> list[models.Creation]:
    """Creations begun or touched last more than ``older_than`` seconds ago, oldest first."""
    before = models.now() - datetime.timedelta(seconds=older_than)
    query = sa.select(models.Creation).where(models.Creation.created_at < before)
    with session.read() as tx:
        return list(tx.scalars(query.order_by(models.Creation.created_at).limit(limit)))


def of_project(resource_type: str, project_id: str, limit: int) -> list[models.Creation]:
    """A project's creations of a type, the latest first."""
    query = sa.select(models.Creation).filter_by(resource_type=resource_type, project_id=project_id)
    with session.read() as tx:
        return list(tx.scalars(query.order_by(models.Creation.created_at.desc()).limit(limit)))


def _locked(tx: Any, creation_id: str) -> models.Creation:
    row: models.Creation | None = tx.get(models.Creation, creation_id, with_for_update=True)
    if row is None:
        raise NotFound(creation_id)
    return row
