# SPDX-License-Identifier: Apache-2.0
"""Queries on bindings: which project uses which pod. All block; each is its own transaction."""

from collections.abc import Mapping

import sqlalchemy as sa
from oslo_db import exception as db_exc
from sqlalchemy.orm import Session

from tricircle.db import models, pages, session
from tricircle.db.errors import Duplicate, NotFound
from tricircle.db.transaction import may_be_done, retried


def page(
    filters: Mapping[str, str] | None = None, limit: int | None = None, marker: str | None = None
) -> list[models.Binding]:
    """Bindings by id; ``filters`` on project_id and pod_id. Raises UnknownMarker."""
    return pages.page(models.Binding, models.Binding.id, filters, limit, marker)


def get(binding_id: str) -> models.Binding | None:
    with session.read() as tx:
        return tx.get(models.Binding, binding_id)


def pods_of(project_id: str) -> set[str]:
    """Ids of the pods a project uses."""
    with session.read() as tx:
        return _pods_of(tx, project_id)


def _pods_of(tx: Session, project_id: str) -> set[str]:
    query = sa.select(models.Binding.pod_id).where(models.Binding.project_id == project_id)
    return set(tx.scalars(query))


def create(project_id: str, pod_id: str) -> models.Binding:
    """Bind a project to a pod. Raises Duplicate, and NotFound when there is no such pod."""
    return _create(models.new_id(), project_id, pod_id)


@retried
def _create(binding_id: str, project_id: str, pod_id: str) -> models.Binding:
    try:
        with session.write() as tx:
            made = tx.get(models.Binding, binding_id) if may_be_done() else None
            if made is not None:
                return made
            binding = models.Binding(id=binding_id, project_id=project_id, pod_id=pod_id)
            tx.add(binding)
            tx.flush()
            return binding
    except db_exc.DBDuplicateEntry:
        raise Duplicate(f"{project_id} {pod_id}") from None
    except db_exc.DBReferenceError:
        raise NotFound(pod_id) from None


def ensure(project_id: str, pod_id: str) -> bool:
    """Bind a project to a pod unless it is bound already; whether it was done now.

    Raises NotFound when there is no such pod.
    """
    if pod_id in pods_of(project_id):
        return False
    try:
        create(project_id, pod_id)
    except Duplicate:
        return False
    return True


def ensure_in(tx: Session, project_id: str, pod_id: str) -> None:
    """``ensure`` in the caller's transaction, which is to be tried again if overtaken."""
    if pod_id not in _pods_of(tx, project_id):
        tx.add(models.Binding(project_id=project_id, pod_id=pod_id))
        tx.flush()


@retried
def delete(binding_id: str) -> None:
    """Raises NotFound."""
    with session.write() as tx:
        binding = tx.get(models.Binding, binding_id)
        if binding is None:
            if may_be_done():
                return
            raise NotFound(binding_id)
        tx.delete(binding)
