# SPDX-License-Identifier: Apache-2.0
"""Queries on server groups and on the groups pods have for them. All block.

A group's row in ``realizations`` says that a pod has, or may have, a group of its own for it;
``pod_resource_id`` is that one's id. Members are rows in ``allocations``.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from tricircle.db import locks, models, realizations, session
from tricircle.db.errors import Excess, NotFound, OverLimit
from tricircle.db.models import Allocation, Realization, ServerGroup
from tricircle.db.realizations import Key
from tricircle.db.transaction import may_be_done, retried, retried_if_overtaken

KIND = "server_group"


def create(
    project_id: str,
    user_id: str,
    name: str,
    policy: str,
    rules: Mapping[str, Any],
    limits: Mapping[str, int] | None = None,
) -> ServerGroup:
    """Make a group. ``limits`` are how many ("project", "user") may have. Raises OverLimit."""
    values = {"user_id": user_id, "name": name, "policy": policy, "rules": dict(rules)}
    return _create(models.new_id(), project_id, user_id, values, limits or {})


@retried_if_overtaken
def _create(
    group_id: str,
    project_id: str,
    user_id: str,
    values: Mapping[str, Any],
    limits: Mapping[str, int],
) -> ServerGroup:
    with session.write() as tx:
        locks.take(tx, project_id)
        made = tx.get(ServerGroup, group_id)
        if made is not None:  # by an earlier try whose answer was lost
            return made
        for whose, limit in limits.items():
            used = count(tx, project_id, user_id if whose == "user" else None)
            if 0 <= limit < used + 1:
                raise OverLimit(Excess("server_groups", "1", used, limit))
        row = ServerGroup(id=group_id, project_id=project_id, **values)
        tx.add(row)
        return row


def count(tx: Session, project_id: str, user_id: str | None = None) -> int:
    """How many groups a project, or one user in it, has."""
    query = sa.select(sa.func.count()).where(ServerGroup.project_id == project_id)
    if user_id is not None:
        query = query.where(ServerGroup.user_id == user_id)
    return tx.scalar(query) or 0


def get(group_id: str) -> ServerGroup | None:
    with session.read() as tx:
        return tx.get(ServerGroup, group_id)


def page(project_id: str | None, limit: int, offset: int) -> Sequence[ServerGroup]:
    """Groups of a project, or of all (None), in the order they were made."""
    query = sa.select(ServerGroup).order_by(ServerGroup.created_at, ServerGroup.id)
    if project_id is not None:
        query = query.where(ServerGroup.project_id == project_id)
    with session.read() as tx:
        return list(tx.scalars(query.limit(limit).offset(offset)))


def members(group_ids: Collection[str]) -> dict[str, list[str]]:
    """{group id: ids of the servers in it}, in the order they were made."""
    found: dict[str, list[str]] = {group_id: [] for group_id in group_ids}
    query = (
        sa.select(Allocation.group_id, Allocation.server_id)
        .where(Allocation.group_id.in_(group_ids), Allocation.server_id.is_not(None))
        .order_by(Allocation.created_at, Allocation.id)
    )
    with session.read() as tx:
        for group_id, server_id in tx.execute(query).tuples():
            found[str(group_id)].append(str(server_id))
    return found


def spread(group_id: str) -> dict[str, int]:
    """{pod id: how many of a group's servers are there or on their way there}."""
    query = (
        sa.select(Allocation.pod_id, sa.func.count())
        .where(Allocation.group_id == group_id, Allocation.pod_id.is_not(None))
        .group_by(Allocation.pod_id)
    )
    with session.read() as tx:
        return {str(pod_id): number for pod_id, number in tx.execute(query).tuples()}


def hinted(server_ids: Collection[str]) -> dict[str, str]:
    """{server id: the group it was made to be in}, of those that were; it may be deleted."""
    query = sa.select(Allocation.server_id, Allocation.placement).where(
        Allocation.server_id.in_(server_ids)
    )
    with session.read() as tx:
        found = {str(one): (hints or {}).get("group") for one, hints in tx.execute(query).tuples()}
    return {server_id: group for server_id, group in found.items() if group}


def _alone(tx: Session, group_id: str) -> None:
    """Who uses a group and who deletes it do so one after the other, also on two nodes."""
    locks.take(tx, f"group:{group_id}")


@retried_if_overtaken
def join(group_id: str, project_id: str, server_ids: Collection[str]) -> None:
    """Servers of a project are in its group, unless they are in one already or it has no such."""
    with session.write() as tx:
        _alone(tx, group_id)
        group = tx.get(ServerGroup, group_id)
        if group is None or group.project_id != project_id:
            return
        query = sa.update(Allocation).where(
            Allocation.server_id.in_(server_ids),
            Allocation.group_id.is_(None),
            Allocation.project_id == project_id,
        )
        values = query.values(group_id=group_id)
        tx.execute(values.execution_options(synchronize_session=False))


@retried_if_overtaken
def delete(group_id: str) -> None:
    """Forget a group; its servers stay, pods' groups for it are to go. Raises NotFound."""
    with session.write() as tx:
        _alone(tx, group_id)
        row = tx.get(ServerGroup, group_id)
        if row is None:
            if may_be_done():
                return
            raise NotFound(group_id)
        tx.execute(
            sa.update(Allocation).where(Allocation.group_id == group_id).values(group_id=None)
        )
        realizations.retire(tx, Realization, Key(KIND, group_id))
        tx.delete(row)


@retried_if_overtaken
def want(group_id: str, pod_id: str) -> models.Realization:
    """A pod is to have a group of its own for a group. Raises NotFound when that is deleted."""
    with session.write() as tx:
        _alone(tx, group_id)
        group = tx.get(ServerGroup, group_id)
        if group is None:
            raise NotFound(group_id)
        realizations.ensure(tx, Realization, Key(KIND, group_id), pod_id, group.project_id)
        query = sa.select(Realization).where(
            Realization.resource_type == KIND,
            Realization.resource_id == group_id,
            Realization.pod_id == pod_id,
        )
        row = tx.scalars(query.execution_options(populate_existing=True)).one()
        if row.pod_resource_id is None and row.next_try_at is None:
            row.next_try_at = models.now()  # only what is due can be claimed
        return row


@retried
def lost(group_id: str, pod_id: str, pod_group_id: str) -> None:
    """A pod has its group for a group no more: the next server there needs another."""
    with session.write() as tx:
        tx.execute(
            sa.update(Realization)
            .where(
                Realization.resource_type == KIND,
                Realization.resource_id == group_id,
                Realization.pod_id == pod_id,
                Realization.pod_resource_id == pod_group_id,
            )
            .values(pod_resource_id=None, realized_revision=None, next_try_at=models.now())
            .execution_options(synchronize_session=False)
        )


def known_by(pod_id: str, pod_group_ids: Collection[str]) -> dict[str, str]:
    """{id in a pod: id of the group it is for}, of those that are for one that still is."""
    query = (
        sa.select(Realization.pod_resource_id, Realization.resource_id)
        .join(ServerGroup, ServerGroup.id == Realization.resource_id)
        .where(
            Realization.resource_type == KIND,
            Realization.pod_id == pod_id,
            Realization.pod_resource_id.in_(pod_group_ids),
        )
    )
    with session.read() as tx:
        return {str(inside): group_id for inside, group_id in tx.execute(query).tuples()}
