# SPDX-License-Identifier: Apache-2.0
"""Who stands for whom in pods with a Keystone of their own. All block.

Rows of projects and users are never changed: whose things are whose hangs on them.
"""

from collections.abc import Callable, Iterable

import sqlalchemy as sa
from sqlalchemy.orm import Session

from tricircle.db import models, session
from tricircle.db.errors import Duplicate
from tricircle.db.transaction import retried, retried_if_overtaken

#: The levels an account may have in a pod, the best first.
LEVELS = ("admin", "member", "reader")
# Of so many ids a statement asks at once.
_AT_ONCE = 500


def project_there(pod_id: str, project_id: str) -> str | None:
    """The project that stands for one of ours in a pod."""
    with session.read() as tx:
        row = tx.get(models.PodProject, (pod_id, project_id))
        return None if row is None else row.there


@retried_if_overtaken
def add_project(pod_id: str, project_id: str, there: str) -> str:
    """Write down which project stands for one of ours; gives the one that does.

    That is another where somebody was faster. Raises Duplicate when ``there`` stands for another
    of our projects already.
    """
    with session.write() as tx:
        row = tx.get(models.PodProject, (pod_id, project_id))
        if row is not None:
            return row.there
        taken = sa.select(models.PodProject.project_id).where(
            models.PodProject.pod_id == pod_id, models.PodProject.there == there
        )
        if tx.scalar(taken) is not None:
            raise Duplicate(there)
        tx.add(models.PodProject(pod_id=pod_id, project_id=project_id, there=there))
        return there


@retried_if_overtaken
def add_user(pod_id: str, there: str, user_id: str, level: str, project_id: str = "") -> None:
    """Write down whom a pod's user stands for. Raises Duplicate when that is somebody else."""
    with session.write() as tx:
        row = tx.get(models.PodUser, (pod_id, there))
        if row is None:
            tx.add(
                models.PodUser(
                    pod_id=pod_id,
                    there=there,
                    user_id=user_id,
                    level=level,
                    project_id=project_id,
                )
            )
        elif (row.user_id, row.level, row.project_id) != (user_id, level, project_id):
            raise Duplicate(there)


def owner(pod_id: str, user_id: str) -> str | None:
    """The account of a user in a pod that may own things there."""
    able = sa.and_(models.PodUser.pod_id == pod_id, models.PodUser.level != "reader")
    with session.read() as tx:
        query = sa.select(models.PodUser).where(able, models.PodUser.user_id == user_id)
        rows = sorted(tx.scalars(query), key=lambda row: (row.level != "member", row.there))
        return rows[0].there if rows else None


def there(pod_id: str, ids: Iterable[str]) -> dict[str, str]:
    """{id of ours: the pod's} of those projects and users that have one there.

    Of several accounts of a user it is the one that owns things: a member, if there is one.
    """
    wanted = set(ids)
    found: dict[str, str] = {}
    with session.read() as tx:
        for some in _slices(wanted):
            users = sa.select(models.PodUser).where(
                models.PodUser.pod_id == pod_id, models.PodUser.user_id.in_(some)
            )
            rows = sorted(tx.scalars(users), key=lambda row: (row.level != "member", row.there))
            for row in rows:
                found.setdefault(row.user_id, row.there)
            found |= _projects(tx, pod_id, models.PodProject.project_id.in_(some))
    return found


def ours(pod_id: str, ids: Iterable[str]) -> dict[str, str]:
    """{id of the pod's: ours} of those projects and users that stand for one of ours."""
    wanted = set(ids)
    found: dict[str, str] = {}
    with session.read() as tx:
        for some in _slices(wanted):
            users = sa.select(models.PodUser).where(
                models.PodUser.pod_id == pod_id, models.PodUser.there.in_(some)
            )
            found |= {row.there: row.user_id for row in tx.scalars(users)}
            known = _projects(tx, pod_id, models.PodProject.there.in_(some))
            found |= {there: project_id for project_id, there in known.items()}
    return found


def _projects(tx: Session, pod_id: str, which: sa.ColumnElement[bool]) -> dict[str, str]:
    rows = tx.scalars(sa.select(models.PodProject).where(models.PodProject.pod_id == pod_id, which))
    return {row.project_id: row.there for row in rows}


def _slices(ids: set[str]) -> Iterable[list[str]]:
    inorder = sorted(ids)
    return (inorder[at : at + _AT_ONCE] for at in range(0, len(inorder), _AT_ONCE))


def credential(pod_id: str, project_id: str) -> str | None:
    """How a project gets into a pod that has a credential for each, sealed."""
    with session.read() as tx:
        row = tx.get(models.PodCredential, (pod_id, project_id))
        return None if row is None else row.secrets


@retried_if_overtaken
def put_credential(pod_id: str, project_id: str, secrets: str) -> None:
    """Keep a project's credential, instead of the one it had."""
    with session.write() as tx:
        tx.merge(models.PodCredential(pod_id=pod_id, project_id=project_id, secrets=secrets))


@retried
def delete_credential(pod_id: str, project_id: str) -> bool:
    """Forget a project's credential; whether there was one."""
    with session.write() as tx:
        which = sa.delete(models.PodCredential).where(
            models.PodCredential.pod_id == pod_id, models.PodCredential.project_id == project_id
        )
        return tx.connection().execute(which).rowcount == 1


def credentialed(pod_id: str, limit: int) -> list[str]:
    """At most ``limit`` of our projects that have a credential for a pod."""
    with session.read() as tx:
        query = sa.select(models.PodCredential.project_id).where(
            models.PodCredential.pod_id == pod_id
        )
        return list(tx.scalars(query.order_by(models.PodCredential.project_id).limit(limit)))


def projects(pod_id: str, limit: int | None = None, marker: str = "") -> list[models.PodProject]:
    """At most ``limit`` of a pod's rows of projects, by our id, after ``marker``."""
    with session.read() as tx:
        query = sa.select(models.PodProject).where(
            models.PodProject.pod_id == pod_id, models.PodProject.project_id > marker
        )
        return list(tx.scalars(query.order_by(models.PodProject.project_id).limit(limit)))


@retried
def reseal(sealed: Callable[[str], str]) -> int:
    """Seal everything anew by ``sealed``, all or nothing; how much there was."""
    with session.write() as tx:
        pods = tx.scalars(
            sa.select(models.Pod).where(models.Pod.access_secrets.is_not(None)).with_for_update()
        )
        credentials = tx.scalars(sa.select(models.PodCredential).with_for_update())
        number = 0
        for pod in pods:
            pod.access_secrets = sealed(pod.access_secrets or "")
            number += 1
        for credential in credentials:
            credential.secrets = sealed(credential.secrets)
            number += 1
        return number
