# SPDX-License-Identifier: Apache-2.0
"""Queries on allocations: what each server uses of its project's quota. All block.

A row is written, together with the operation of the same id, before a server is
asked of any pod, in a transaction that holds the project's lock: so two requests at once cannot
pass a limit together, and what dies on the way is found and given back.
"""

import dataclasses
import datetime
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from tricircle.db import locks, models, operations, routings, session, storage
from tricircle.db.errors import Elsewhere, Excess, OverLimit
from tricircle.db.fitting import fitting
from tricircle.db.models import Allocation
from tricircle.db.operations import ServerCreate
from tricircle.db.transaction import may_be_done, retried, retried_if_overtaken

_QUIET = {"synchronize_session": False}
# By the names limits have, in the order Nova names them.
_COLUMNS = {"cores": "vcpus", "instances": "instances", "ram": "ram"}
RESOURCES = tuple(_COLUMNS)
# A server that is deleted but can be restored uses nothing.
_USED = (
    Allocation.vcpus * Allocation.instances,
    Allocation.instances,
    Allocation.ram * Allocation.instances,
)


@dataclasses.dataclass(frozen=True, slots=True)
class Limits:
    """What a project may use, by resource; -1 and a name left out are no limit.

    ``user`` are limits one user has in it beside: empty when there are none of their own.
    ``group_members`` is how many servers in one group a user may have, ``storage`` what the
    project may use of storage.
    """

    project: Mapping[str, int] = dataclasses.field(default_factory=dict)
    user: Mapping[str, int] = dataclasses.field(default_factory=dict)
    group_members: int = -1
    storage: Mapping[str, int] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, slots=True)
class Wish:
    """Servers to be made, all of one size: ``vcpus`` processors and ``ram`` MB each.

    ``volumes`` are those that the pod makes for each of them.
    """

    project_id: str
    user_id: str
    vcpus: int
    ram: int
    group_id: str | None = None
    volumes: tuple[storage.Use, ...] = ()

    @property
    def each(self) -> dict[str, int]:
        return {"cores": self.vcpus, "instances": 1, "ram": self.ram}


def reserve(wish: Wish, limits: Limits, creates: Sequence[ServerCreate], least: int) -> list[str]:
    """Begin to make as many servers as fit in the limits; the operations' ids.

    ``creates`` has the operation of each that is wanted. Raises OverLimit when fewer than ``least``
    fit, and writes nothing then.
    """
    return _reserve([models.new_id() for _ in creates], wish, limits, creates, least)


@retried_if_overtaken
def _reserve(
    ids: Sequence[str],
    wish: Wish,
    limits: Limits,
    creates: Sequence[ServerCreate],
    least: int,
) -> list[str]:
    with session.write() as tx:
        locks.take(tx, wish.project_id)
        if may_be_done():
            known = set(tx.scalars(sa.select(Allocation.id).where(Allocation.id.in_(ids))))
            if known:
                return [row_id for row_id in ids if row_id in known]
        number = len(creates)
        for limit, user_id in ((limits.project, None), (limits.user, wish.user_id)):
            if limit:
                used = _used(tx, wish.project_id, user_id)
                number = fitting(limit, used, wish.each, least, number)
        number = storage.room(tx, wish.project_id, wish.volumes, limits.storage, least, number)
        if wish.group_id is not None:
            _check_members(tx, wish, limits.group_members, number)
        begun = list(ids[:number])
        for row_id, operation in zip(begun, creates, strict=False):
            tx.add_all(_begun(row_id, wish, operation))
            tx.add_all(storage.begun_with(row_id, wish.project_id, wish.volumes))
        return begun


def _check_members(tx: Session, wish: Wish, limit: int, number: int) -> None:
    query = sa.select(sa.func.count()).where(
        Allocation.group_id == wish.group_id, Allocation.user_id == wish.user_id
    )
    used = tx.scalar(query) or 0
    if 0 <= limit < used + number:
        raise OverLimit(Excess("server_group_members", str(number), used, limit))


def _begun(row_id: str, wish: Wish, operation: ServerCreate) -> list[models.Base]:
    return [
        operations.row_of(operation, wish.project_id, row_id),
        Allocation(
            id=row_id,
            project_id=wish.project_id,
            user_id=wish.user_id,
            group_id=wish.group_id,
            vcpus=wish.vcpus,
            ram=wish.ram,
        ),
    ]


@retried_if_overtaken
def place(row_id: str, pod_id: str, together: str | None = None) -> None:
    """A server of a group is about to be asked of a pod.

    ``together`` is the group whose servers are to be in one pod. Raises Elsewhere when it has a
    server in another, or one on its way there.
    """
    with session.write() as tx:
        if together is not None:
            locks.take(tx, f"group:{together}")
            others = sa.select(Allocation.pod_id).where(
                Allocation.group_id == together,
                Allocation.id != row_id,
                Allocation.pod_id.is_not(None),
            )
            pods = set(tx.scalars(others))
            if pods and pod_id not in pods:
                raise Elsewhere(str(pods.pop()))
        query = sa.update(Allocation).where(Allocation.id == row_id)
        tx.execute(query.values(pod_id=pod_id).execution_options(**_QUIET))


@retried
def leave(row_id: str) -> None:
    """The pod that was asked for a server does not have it."""
    with session.write() as tx:
        query = sa.update(Allocation).where(Allocation.id == row_id)
        tx.execute(query.values(pod_id=None, placement=None).execution_options(**_QUIET))


@retried_if_overtaken
def confirm(
    row_id: str, server_id: str, pod_id: str, placement: Mapping[str, Any] | None = None
) -> None:
    """A server is made: what was set aside for it is what it uses now.

    ``placement`` tells why it is in its pod, where that is known.
    """
    with session.write() as tx:
        confirm_in(tx, row_id, server_id, pod_id, placement)


def confirm_in(
    tx: Session,
    row_id: str,
    server_id: str,
    pod_id: str,
    placement: Mapping[str, Any] | None = None,
) -> None:
    """``confirm`` in the caller's transaction, which is to be tried again if overtaken."""
    # Whoever looked through the pod in between may have written it down already. To delete what
    # is not there would lock the place where others insert.
    query = sa.select(Allocation.id).where(Allocation.server_id == server_id)
    for double in tx.scalars(query.where(Allocation.id != row_id)).all():
        gone = sa.delete(Allocation).where(Allocation.id == double)
        tx.execute(gone.execution_options(**_QUIET))
    values: dict[str, Any] = {"server_id": server_id, "pod_id": pod_id}
    if storage.is_begun_with(tx, row_id):
        # Which volumes its pod has made for it is seen there.
        values["check_at"] = models.now()
    if placement is not None:
        values["placement"] = dict(placement)
    made = sa.update(Allocation).where(Allocation.id == row_id).values(**values)
    tx.execute(made.execution_options(**_QUIET))


@retried
def give_back(row_id: str) -> None:
    """A server was not made; harmless when it was, or when it is given back already."""
    with session.write() as tx:
        query = sa.delete(Allocation).where(Allocation.id == row_id, Allocation.server_id.is_(None))
        given_back: Any = tx.execute(query.execution_options(**_QUIET))
        if given_back.rowcount:
            storage.ended_with(tx, [row_id])


@retried
def gone(server_ids: Collection[str]) -> None:
    """Servers are no more; harmless for those that are not known."""
    with session.write() as tx:
        query = sa.select(Allocation.id).where(Allocation.server_id.in_(server_ids))
        rows = tx.scalars(query).all()
        if rows:
            storage.ended_with(tx, rows)
            ended = sa.delete(Allocation).where(Allocation.id.in_(rows))
            tx.execute(ended.execution_options(**_QUIET))


def get(server_id: str) -> Allocation | None:
    with session.read() as tx:
        return tx.scalar(sa.select(Allocation).where(Allocation.server_id == server_id))


def used(project_id: str, user_id: str | None = None) -> dict[str, int]:
    """{resource: what a project, or one user in it, uses}."""
    with session.read() as tx:
        return _used(tx, project_id, user_id)


def by_pod(project_id: str) -> dict[str | None, dict[str, int]]:
    """{pod: {resource: what a project uses there}}; None: of what has no pod yet."""
    sums = [sa.func.sum(column) for column in _USED]
    query = sa.select(Allocation.pod_id, *sums).where(Allocation.project_id == project_id)
    with session.read() as tx:
        found = tx.execute(query.group_by(Allocation.pod_id)).all()
    return {row[0]: dict(zip(_COLUMNS, map(int, row[1:]), strict=True)) for row in found}


def _used(tx: Session, project_id: str, user_id: str | None) -> dict[str, int]:
    sums = [sa.func.coalesce(sa.func.sum(column), 0) for column in _USED]
    query = sa.select(*sums).where(Allocation.project_id == project_id)
    if user_id is not None:
        query = query.where(Allocation.user_id == user_id)
    return dict(zip(_COLUMNS, map(int, tx.execute(query).one()), strict=True))


@retried_if_overtaken
def grow(server_id: str, wanted: Mapping[str, int], limits: Limits, check_in: float) -> None:
    """A server is to use as much as ``wanted`` of each resource; what it has more it keeps.

    What it uses in the end is looked at in ``check_in`` seconds. Raises OverLimit. Harmless when
    the server is not known yet.
    """
    known = get(server_id)
    if known is None:
        return
    with session.write() as tx:
        locks.take(tx, known.project_id)
        row = tx.get(Allocation, known.id)
        if row is None:
            return
        now = {name: getattr(row, column) * row.instances for name, column in _COLUMNS.items()}
        more = {name: amount - now[name] for name, amount in wanted.items() if amount > now[name]}
        for limit, user_id in ((limits.project, None), (limits.user, row.user_id)):
            if limit and more:
                fitting(limit, _used(tx, row.project_id, user_id), more, 1, 1)
        for name in more:
            setattr(row, _COLUMNS[name], wanted[name])
        row.check_at = models.now() + datetime.timedelta(seconds=check_in)


@retried
def look(server_id: str, check_in: float) -> None:
    """What a server really uses is to be looked at in ``check_in`` seconds."""
    with session.write() as tx:
        query = sa.update(Allocation).where(Allocation.server_id == server_id)
        moment = models.now() + datetime.timedelta(seconds=check_in)
        tx.execute(query.values(check_at=moment).execution_options(**_QUIET))


def pods_due() -> set[str]:
    """Ids of the pods with servers that are to be looked at now."""
    query = sa.select(Allocation.pod_id).where(
        Allocation.server_id.is_not(None), Allocation.check_at <= models.now()
    )
    with session.read() as tx:
        return {pod_id for pod_id in tx.scalars(query.distinct()) if pod_id}


def due(pod_id: str, limit: int) -> list[Allocation]:
    """Servers of a pod that are to be looked at now."""
    query = sa.select(Allocation).where(
        Allocation.pod_id == pod_id,
        Allocation.server_id.is_not(None),
        Allocation.check_at <= models.now(),
    )
    with session.read() as tx:
        return list(tx.scalars(query.order_by(Allocation.check_at).limit(limit)))


def in_pod(pod_id: str) -> dict[str, Allocation]:
    """{server id: its row} of every server known to be in a pod."""
    query = sa.select(Allocation).where(
        Allocation.pod_id == pod_id, Allocation.server_id.is_not(None)
    )
    with session.read() as tx:
        return {str(row.server_id): row for row in tx.scalars(query)}


@retried_if_overtaken
def learn(
    server_id: str,
    pod_id: str,
    values: Mapping[str, Any],
    check_in: float | None = None,
    was: datetime.datetime | None = None,
) -> None:
    """Write down what a server really uses: columns, of a row that is made if there is none.

    ``was`` is the row's ``check_at`` when the server was looked at: what was begun since is not
    overwritten; nor is what a pod tells of a server that is known to be in another.
    """
    again = None if check_in is None else models.now() + datetime.timedelta(seconds=check_in)
    with session.write() as tx:
        if routings.elsewhere(tx, "server", server_id, pod_id):
            return
        query = sa.select(Allocation).where(Allocation.server_id == server_id)
        row = tx.scalar(query.with_for_update())
        if row is None:
            tx.add(Allocation(server_id=server_id, pod_id=pod_id, check_at=again, **values))
        elif row.check_at == was:
            row.pod_id, row.check_at = pod_id, again
            for name, value in values.items():
                setattr(row, name, value)
