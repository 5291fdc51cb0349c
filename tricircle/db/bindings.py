# SPDX-License-Identifier: Apache-2.0
"""Queries on bindings: which project uses which pod. All block; each is its own transaction."""

import datetime
from collections.abc import Collection, Mapping

import sqlalchemy as sa
from oslo_db import exception as db_exc
from sqlalchemy.orm import Session

from tricircle.db import locks, models, pages, session
from tricircle.db.errors import Duplicate, NotFound
from tricircle.db.models import Binding, Routing
from tricircle.db.transaction import may_be_done, retried, retried_if_overtaken

# What a project has in a pod, by the types of routings. Others are of passing things.
_HELD = ("server", "volume", "snapshot", "backup", "group", "consistencygroup")
# Whether the pod of a binding holds something of its project.
_HOLDS = sa.exists().where(
    Routing.project_id == Binding.project_id,
    Routing.pod_id == Binding.pod_id,
    Routing.resource_type.in_(_HELD),
)


def page(
    filters: Mapping[str, str] | None = None, limit: int | None = None, marker: str | None = None
) -> list[Binding]:
    """Bindings by id; ``filters`` on project_id and pod_id. Raises UnknownMarker."""
    return pages.page(Binding, Binding.id, filters, limit, marker)


def get(binding_id: str) -> Binding | None:
    with session.read() as tx:
        return tx.get(Binding, binding_id)


def pods_of(project_id: str) -> set[str]:
    """Ids of the pods a project uses."""
    with session.read() as tx:
        return _pods_of(tx, project_id)


def _pods_of(tx: Session, project_id: str) -> set[str]:
    query = sa.select(Binding.pod_id).where(Binding.project_id == project_id)
    return set(tx.scalars(query))


def in_order(project_id: str) -> list[str]:
    """Ids of the pods a project uses, the one where what it makes belongs first.

    Those an operator named come first, then those that hold something of the project, then those
    that hold nothing any more or nothing yet; of each the one used first.
    """
    with session.read() as tx:
        return _in_order(tx, project_id)


def _in_order(tx: Session, project_id: str) -> list[str]:
    query = sa.select(Binding.pod_id, Binding.by_operator, _HOLDS, Binding.created_at)
    found = tx.execute(query.where(Binding.project_id == project_id)).tuples().all()
    ranked = sorted(found, key=lambda row: (not row[1], not row[2], row[3], row[0]))
    return [row[0] for row in ranked]


def settle(project_id: str, pod_ids: Collection[str], best: str) -> str:
    """Where a project's first thing in any of these pods goes: to the ``best``, unless another
    request of the project was faster. The project is bound to it.

    Nothing is written when the pod was deleted meanwhile.
    """
    try:
        return _settle(models.new_id(), project_id, pod_ids, best)
    except db_exc.DBReferenceError:
        return best


@retried_if_overtaken
def _settle(binding_id: str, project_id: str, pod_ids: Collection[str], best: str) -> str:
    with session.write() as tx:
        locks.take(tx, project_id)
        for pod_id in _in_order(tx, project_id):
            if pod_id in pod_ids:
                return pod_id
        tx.add(Binding(id=binding_id, project_id=project_id, pod_id=best))
        return best


def create(project_id: str, pod_id: str) -> Binding:
    """Bind a project to a pod, by an operator's word: one that it has by use is theirs from now on.

    Raises Duplicate when an operator did so before, and NotFound when there is no such pod.
    """
    try:
        return _create(models.new_id(), project_id, pod_id)
    except db_exc.DBReferenceError:
        raise NotFound(pod_id) from None


@retried_if_overtaken
def _create(binding_id: str, project_id: str, pod_id: str) -> Binding:
    with session.write() as tx:
        made = tx.get(Binding, binding_id) if may_be_done() else None
        if made is not None:
            return made
        query = sa.select(Binding).filter_by(project_id=project_id, pod_id=pod_id)
        binding = tx.scalar(query.with_for_update())
        if binding is None:
            binding = Binding(id=binding_id, project_id=project_id, pod_id=pod_id)
            tx.add(binding)
        elif binding.by_operator and not may_be_done():
            raise Duplicate(f"{project_id} {pod_id}")
        binding.by_operator = True
        tx.flush()
        return binding


def ensure(project_id: str, pod_id: str) -> bool:
    """Bind a project to a pod unless it is bound already; whether it was done now.

    Raises NotFound when there is no such pod.
    """
    if pod_id in pods_of(project_id):
        return False
    try:
        return _ensure(project_id, pod_id)
    except db_exc.DBReferenceError:
        raise NotFound(pod_id) from None


@retried_if_overtaken
def _ensure(project_id: str, pod_id: str) -> bool:
    with session.write() as tx:
        if pod_id in _pods_of(tx, project_id):
            return False
        tx.add(Binding(project_id=project_id, pod_id=pod_id))
        tx.flush()
        return True


def ensure_in(tx: Session, project_id: str, pod_id: str) -> None:
    """``ensure`` in the caller's transaction, which is to be tried again if overtaken."""
    if pod_id not in _pods_of(tx, project_id):
        tx.add(Binding(project_id=project_id, pod_id=pod_id))
        tx.flush()


@retried
def delete(binding_id: str) -> None:
    """Raises NotFound."""
    with session.write() as tx:
        binding = tx.get(Binding, binding_id)
        if binding is None:
            if may_be_done():
                return
            raise NotFound(binding_id)
        tx.delete(binding)


@retried
def fade(older_than: float, after: str, number: int) -> str:
    """Of the next ``number`` bindings with an id ``after`` this, forget those by use that are
    older than so many seconds and whose pods hold nothing of their projects any more.

    Gives the last id looked at, "" at the end.
    """
    before = models.now() - datetime.timedelta(seconds=older_than)
    with session.write() as tx:
        query = sa.select(Binding.id).where(Binding.id > after).order_by(Binding.id).limit(number)
        seen = list(tx.scalars(query))
        unused = sa.delete(Binding).where(
            Binding.id.in_(seen),
            Binding.by_operator.is_(False),
            Binding.created_at < before,
            ~_HOLDS,
        )
        tx.execute(unused.execution_options(synchronize_session=False))
    return seen[-1] if len(seen) == number else ""
