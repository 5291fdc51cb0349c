# SPDX-License-Identifier: Apache-2.0
"""Queries on records of backups that other pods have been told of, to restore from. All block.

The data is in a store those pods share; a pod's record is a realization of the backup there, and
goes when the backup does.
"""

import sqlalchemy as sa

from tricircle.db import session
from tricircle.db.models import Realization
from tricircle.db.realizations import Key, ensure, retire
from tricircle.db.transaction import retried_if_overtaken

KIND = "backup_copy"


@retried_if_overtaken
def begin(backup_id: str, pod_id: str, project_id: str | None) -> None:
    """A pod is about to be told of a backup."""
    with session.write() as tx:
        ensure(tx, Realization, Key(KIND, backup_id), pod_id, project_id)


def in_pod(pod_id: str) -> set[str]:
    """Ids of the backups whose records a pod has (or may have) beside its own."""
    query = sa.select(Realization.resource_id).where(
        Realization.resource_type == KIND, Realization.pod_id == pod_id
    )
    with session.read() as tx:
        return set(tx.scalars(query))


def pods_with(backup_id: str) -> set[str]:
    """Ids of the pods that have (or may have) a record of a backup of another pod."""
    query = sa.select(Realization.pod_id).where(
        Realization.resource_type == KIND, Realization.resource_id == backup_id
    )
    with session.read() as tx:
        return set(tx.scalars(query))


@retried_if_overtaken
def end(backup_id: str) -> None:
    """The backup is gone: so are the records of it."""
    with session.write() as tx:
        retire(tx, Realization, Key(KIND, backup_id))
