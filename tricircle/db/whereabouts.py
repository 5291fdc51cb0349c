# SPDX-License-Identifier: Apache-2.0
"""In which pods a project has anything, as far as is known, and when all were asked last. All
block; each is its own transaction.
"""

import dataclasses
import datetime

import sqlalchemy as sa

from tricircle.db import session
from tricircle.db.models import Binding, Look, Pod, Routing, now
from tricircle.db.transaction import retried_if_overtaken


@dataclasses.dataclass(frozen=True, slots=True)
class Whereabouts:
    """``pods`` are ids; ``looked_at`` is when all pods were asked last, None: never."""

    pods: frozenset[str]
    looked_at: datetime.datetime | None

    def is_old(self, seconds: float) -> bool:
        """Whether all pods were asked last longer ago than that."""
        return self.looked_at is None or (now() - self.looked_at).total_seconds() > seconds


def of(project_id: str, service: str) -> Whereabouts:
    """What is known of a project and a service (compute, volume)."""
    # One look into the index for each pod, however many routings there are; by a limit, since
    # databases may read all of them for a group or for an EXISTS.
    mine = Routing.project_id == project_id, Routing.pod_id == Pod.id
    one = sa.select(Routing.pod_id).where(*mine).limit(1).scalar_subquery()
    having = sa.select(Pod.id).where(one.is_not(None))
    bound = sa.select(Binding.pod_id).where(Binding.project_id == project_id)
    with session.read() as tx:
        pods = {*tx.scalars(having), *tx.scalars(bound)}
        look = tx.get(Look, (project_id, service))
        return Whereabouts(frozenset(pods), None if look is None else look.looked_at)


@retried_if_overtaken
def claim_look(project_id: str, service: str, seconds: float) -> bool:
    """Take on asking all pods: True for one caller only, once in so many seconds."""
    at = now()
    before = at - datetime.timedelta(seconds=seconds)
    mine = Look.project_id == project_id, Look.service == service
    with session.write() as tx:
        due = sa.update(Look).where(*mine, Look.looked_at < before).values(looked_at=at)
        if tx.connection().execute(due).rowcount:
            return True
        if tx.get(Look, (project_id, service)) is not None:
            return False
        tx.add(Look(project_id=project_id, service=service, looked_at=at))
        return True
