# SPDX-License-Identifier: Apache-2.0
"""What a pod had before the region did, and the region has since taken over.

A row stands for one object of a pod and says which resource of the region it is the copy of. As
long as it is there the pod keeps the object, even if no port there needs it; an object whose
resource is to be in no pod now (a floating IP that leads nowhere, say) is left as it is, and is
taken for the copy once the resource is wanted. All work inside the caller's transaction.
"""

import json
from collections.abc import Collection
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from tricircle.db import realizations
from tricircle.db.realizations import QUIET, Key
from tricircle.network.central.models import Adopted, Realization

#: On its way into the region, the region's, on its way out.
COMING, HERE, LEAVING = "coming", "here", "leaving"
#: The port that joins a router to a network; it has no realization of its own.
INTERFACE = "router_interface"


def key(row: Adopted) -> Key:
    return Key(row.resource_type, row.resource_id)


def before(row: Adopted) -> dict[str, Any]:
    """What the pod's object had before our marks."""
    found: dict[str, Any] = json.loads(row.before)
    return found


def remember(
    tx: Session,
    one: Key,
    pod_id: str,
    inside: str,
    project_id: str,
    had: dict[str, Any],
    made: bool,
) -> None:
    """An object of a pod is about to become a resource of the region; told again, it is nothing."""
    if tx.get(Adopted, (pod_id, *one)) is None:
        tx.add(
            Adopted(
                pod_id=pod_id,
                resource_type=one.resource_type,
                resource_id=one.resource_id,
                pod_resource_id=inside,
                project_id=project_id,
                state=COMING,
                made=made,
                before=json.dumps(had),
            )
        )


def of_pod(tx: Session, pod_id: str, project_id: str | None = None) -> list[Adopted]:
    """All of a pod, or what is a project's of it."""
    query = sa.select(Adopted).where(Adopted.pod_id == pod_id)
    if project_id is not None:
        query = query.where(Adopted.project_id == project_id)
    return list(tx.scalars(query.order_by(Adopted.resource_type, Adopted.resource_id)))


def kept(tx: Session, pod_id: str) -> set[Key]:
    """What a pod keeps though nothing there needs it."""
    query = sa.select(Adopted.resource_type, Adopted.resource_id).where(
        Adopted.pod_id == pod_id, Adopted.state != LEAVING
    )
    return {Key(*one) for one in tx.execute(query).tuples()}


def networks(network_ids: Collection[str] | None) -> Any:
    """Query: (network, pod) of those that pods keep."""
    query = sa.select(Adopted.resource_id, Adopted.pod_id).where(
        Adopted.resource_type == "network", Adopted.state != LEAVING
    )
    return query if network_ids is None else query.where(Adopted.resource_id.in_(list(network_ids)))


def inside(tx: Session, pod_id: str, resource_type: str, ids: Collection[str]) -> dict[str, str]:
    """{resource: the pod's object} of some resources that the pod had before the region."""
    query = sa.select(Adopted.resource_id, Adopted.pod_resource_id).where(
        Adopted.pod_id == pod_id,
        Adopted.resource_type == resource_type,
        Adopted.resource_id.in_(ids),
        Adopted.state != LEAVING,
    )
    return dict(tx.execute(query).tuples().all()) if ids else {}


def objects(tx: Session, pod_id: str) -> set[str]:
    """Ids of a pod's objects that were there before the region."""
    return set(tx.scalars(sa.select(Adopted.pod_resource_id).where(Adopted.pod_id == pod_id)))


def set_state(tx: Session, pod_id: str, keys: Collection[Key], state: str) -> None:
    for one in keys:
        if (row := tx.get(Adopted, (pod_id, *one))) is not None:
            row.state = state


def forget(tx: Session, one: Key, pod_id: str) -> None:
    """The pod has the object no more, or it is the pod's own again."""
    query = sa.delete(Adopted).where(
        Adopted.pod_id == pod_id,
        Adopted.resource_type == one.resource_type,
        Adopted.resource_id == one.resource_id,
    )
    tx.execute(query.execution_options(**QUIET))


def forget_pod(tx: Session, pod_id: str) -> None:
    query = sa.delete(Adopted).where(Adopted.pod_id == pod_id)
    tx.execute(query.execution_options(**QUIET))


def retire(tx: Session, one: Key) -> None:
    """A resource is deleted: an object that stood for it without a realization goes, too."""
    query = sa.select(Adopted).where(
        Adopted.resource_type == one.resource_type,
        Adopted.resource_id == one.resource_id,
        Adopted.state != LEAVING,
    )
    known = realizations.pods_with(tx, Realization, one, gone_too=True)
    for row in list(tx.scalars(query)):
        if row.pod_id not in known:
            realizations.ensure(tx, Realization, one, row.pod_id, row.project_id)
            mine = realizations.matching(Realization, one, [row.pod_id])
            values = {"pod_resource_id": row.pod_resource_id, "absent": True}
            update = sa.update(Realization).where(*mine).values(**values)
            tx.execute(update.execution_options(**QUIET))
