# SPDX-License-Identifier: Apache-2.0
"""Operations on servers that a gateway has begun and that are not known to have ended.

A gateway writes a row before it asks a pod, and removes it when all that follows is done. Rows that
stay are finished or undone by xjob. What both must agree on is here: what a row tells of each kind,
and what becomes of the server's ports. Functions block.

The table is called ``creations``: it is older than the kinds that end something.
"""

import dataclasses
import datetime
import uuid
from collections.abc import Sequence
from typing import Any, ClassVar

import sqlalchemy as sa

from tricircle.db import models, session
from tricircle.db.transaction import may_be_done, retried

#: What makes a central port that was tied to a server its user's own again.
UNBOUND = {"device_id": "", "device_owner": "", "binding:host_id": ""}
#: What it loses as well if it was called what the server is.
UNNAMED = {"dns_name": ""}


@dataclasses.dataclass(frozen=True, slots=True)
class Operation:
    """What was begun. ``kind`` is how the table names it; the fields are the row's detail."""

    kind: ClassVar[str]

    def deletes(self, port_id: str) -> bool:
        """Whether a central port goes when the server does not have it (any more).

        Else its user brought it, and has it again (``UNBOUND``).
        """
        raise NotImplementedError


@dataclasses.dataclass(frozen=True, slots=True)
class ServerCreate(Operation):
    """A server is made. Until it has them, its central ports have the operation's id for device.

    ``began`` is the moment, in ISO 8601; ``brought`` are the ports that the user brought.
    """

    kind = "server"
    name: str = ""
    began: str = ""
    brought: Sequence[str] = ()

    def deletes(self, port_id: str) -> bool:
        return port_id not in self.brought


@dataclasses.dataclass(frozen=True, slots=True)
class ServerDelete(Operation):
    """A server is deleted, for the request ``by``; ``ports`` are those that were made for it."""

    kind = "server_deletion"
    server_id: str
    ports: Sequence[str] = ()
    by: str = ""

    def deletes(self, port_id: str) -> bool:
        return port_id in self.ports

    @classmethod
    def row_id(cls, server_id: str) -> str:
        """The id of the row: a second delete of a server finds the first one's."""
        return _fixed(cls.kind, server_id)


@dataclasses.dataclass(frozen=True, slots=True)
class InterfaceAttach(Operation):
    """A port becomes a server's. Until then its device is the operation's id."""

    kind = "interface"
    server_id: str
    brought: Sequence[str] = ()

    def deletes(self, port_id: str) -> bool:
        return port_id not in self.brought


@dataclasses.dataclass(frozen=True, slots=True)
class InterfaceDetach(Operation):
    """A server loses a port, for the request ``by``; ``made`` tells that it was made for it.

    ``pod_port_id`` is None for a port that is in no pod.
    """

    kind = "interface_deletion"
    server_id: str
    port_id: str
    pod_port_id: str | None
    made: bool = False
    by: str = ""

    def deletes(self, port_id: str) -> bool:
        return self.made

    @classmethod
    def row_id(cls, port_id: str) -> str:
        """The id of the row: a second request for a port finds the first one's."""
        return _fixed(cls.kind, port_id)


_KINDS: dict[str, type[Operation]] = {
    one.kind: one for one in (ServerCreate, ServerDelete, InterfaceAttach, InterfaceDetach)
}


def _fixed(kind: str, resource_id: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"tricircle:{kind}:{resource_id}"))


def of(row: models.Operation) -> Any:
    """The operation that a row tells of, one of the classes here."""
    kind = _KINDS[row.resource_type]
    known = {field.name for field in dataclasses.fields(kind)}
    # Another release may write more.
    return kind(**{name: value for name, value in row.detail.items() if name in known})


def row_of(
    operation: Operation, project_id: str, row_id: str, pod_id: str | None = None
) -> models.Operation:
    """The row for an operation."""
    return models.Operation(
        id=row_id,
        resource_type=operation.kind,
        project_id=project_id,
        pod_id=pod_id,
        detail=dataclasses.asdict(operation),
    )


def begin(
    operation: Operation, project_id: str, pod_id: str | None = None, row_id: str | None = None
) -> str:
    """Write down that an operation begins; the row's id (a UUID, made here if not given)."""
    row_id = row_id or models.new_id()
    _begin(operation, project_id, row_id, pod_id)
    return row_id


@retried
def _begin(operation: Operation, project_id: str, row_id: str, pod_id: str | None) -> None:
    with session.write() as tx:
        if may_be_done() and tx.get(models.Operation, row_id) is not None:
            return
        tx.add(row_of(operation, project_id, row_id, pod_id))


@retried
def touch(row_id: str) -> None:
    """Say that it is still worked on, so that it does not grow stale."""
    with session.write() as tx:
        query = sa.update(models.Operation).where(models.Operation.id == row_id)
        tx.execute(query.values(created_at=models.now()))


def get(row_id: str) -> models.Operation | None:
    with session.read() as tx:
        return tx.get(models.Operation, row_id)


@retried
def end(row_id: str) -> None:
    """The operation is done or undone: forget it. Harmless when it is forgotten already."""
    with session.write() as tx:
        tx.execute(sa.delete(models.Operation).where(models.Operation.id == row_id))


@retried
def take(row_id: str, project_id: str, by: str) -> bool:
    """Give a row that another request began to the request ``by``. False when the row is gone."""
    with session.write() as tx:
        row = tx.get(models.Operation, row_id, with_for_update=True)
        if row is None:
            return False
        row.project_id, row.detail = project_id, {**row.detail, "by": by}
        return True


@retried
def withdraw(row_id: str, by: str) -> None:
    """Forget what the request ``by`` began, unless another request has taken it since."""
    with session.write() as tx:
        row = tx.get(models.Operation, row_id, with_for_update=True)
        if row is not None and row.detail.get("by") == by:
            tx.delete(row)


def stale(older_than: float, limit: int | None = None) -> list[models.Operation]:
    """Operations begun or touched last more than ``older_than`` seconds ago, oldest first."""
    before = models.now() - datetime.timedelta(seconds=older_than)
    query = sa.select(models.Operation).where(models.Operation.created_at < before)
    with session.read() as tx:
        return list(tx.scalars(query.order_by(models.Operation.created_at).limit(limit)))


def of_project(kind: type[Operation], project_id: str, limit: int) -> list[models.Operation]:
    """A project's operations of a kind, the latest first."""
    table = models.Operation
    query = sa.select(table).filter_by(resource_type=kind.kind, project_id=project_id)
    with session.read() as tx:
        return list(tx.scalars(query.order_by(table.created_at.desc()).limit(limit)))
