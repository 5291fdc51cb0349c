# SPDX-License-Identifier: Apache-2.0
"""Queries on the compute hosts of pods, as they were seen last. All block."""

from collections.abc import Iterable

import sqlalchemy as sa

from tricircle.db import models, session
from tricircle.db.transaction import retried


def names(pod_id: str) -> list[str]:
    """The names of a pod's hosts, sorted."""
    with session.read() as tx:
        query = sa.select(models.Host.name).where(models.Host.pod_id == pod_id)
        return sorted(tx.scalars(query))


def pods_with(name: str) -> list[str]:
    """Ids of the pods that have a host of a name, sorted."""
    with session.read() as tx:
        return sorted(tx.scalars(sa.select(models.Host.pod_id).where(models.Host.name == name)))


@retried
def write(pod_id: str, found: Iterable[str]) -> None:
    """A pod has these hosts and no others."""
    wanted, known = set(found), set(names(pod_id))
    if wanted == known:
        return
    with session.write() as tx:
        for name in known - wanted:
            tx.execute(
                sa.delete(models.Host).where(models.Host.pod_id == pod_id, models.Host.name == name)
            )
        for name in sorted(wanted - known):
            tx.merge(models.Host(pod_id=pod_id, name=name))
