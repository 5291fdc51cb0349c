# SPDX-License-Identifier: Apache-2.0
"""Queries on adoptions: what operators want to become of a project's things in a pod. All block.

An adoption is a job like all others: a realization of its own, that is gone once it has ended.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from tricircle.db import models, pages, realizations, session
from tricircle.db.errors import Duplicate
from tricircle.db.models import Adoption, Realization
from tricircle.db.realizations import Key
from tricircle.db.transaction import retried, retried_if_overtaken

KIND = "adoption"
ADOPT, RELEASE = "adopt", "release"
ACTIONS = (ADOPT, RELEASE)
WAITING, DONE, FAILED = "waiting", "done", "failed"


def get(adoption_id: str) -> Adoption | None:
    with session.read() as tx:
        return tx.get(Adoption, adoption_id)


def page(
    filters: Mapping[str, str] | None = None, limit: int | None = None, marker: str | None = None
) -> Sequence[Adoption]:
    """Adoptions by id; ``filters`` on pod_id, project_id. Raises UnknownMarker."""
    return pages.page(Adoption, Adoption.id, filters, limit, marker)


def begin(pod_id: str, project_id: str, action: str, dry_run: bool) -> Adoption:
    """Have a project's things in a pod taken over, or given back. Raises Duplicate while another
    one of that project and pod waits."""
    values = {"pod_id": pod_id, "project_id": project_id, "action": action, "dry_run": dry_run}
    return _begin(models.new_id(), values)


@retried_if_overtaken
def _begin(adoption_id: str, values: Mapping[str, Any]) -> Adoption:
    with session.write() as tx:
        made = tx.get(Adoption, adoption_id)
        if made is not None:  # by an earlier try whose answer was lost
            return made
        pod_id, project_id = values["pod_id"], values["project_id"]
        others = sa.select(Adoption.id).where(
            Adoption.pod_id == pod_id,
            Adoption.project_id == project_id,
            Adoption.state == WAITING,
        )
        if (other := tx.scalar(others)) is not None:
            raise Duplicate(other)
        row = Adoption(id=adoption_id, **values, state=WAITING)
        tx.add(row)
        tx.flush()
        key = Key(KIND, adoption_id)
        realizations.ensure(tx, Realization, key, pod_id, project_id)
        # A row that wants nothing in the pod goes when the work on it is done.
        realizations.retire(tx, Realization, key, [pod_id])
        return row


@retried
def note(adoption_id: str, state: str, reason: str | None, objects: Sequence[Any] | None) -> None:
    """How far it is; ``objects`` tell what becomes, or became, of each."""
    with session.write() as tx:
        row = tx.get(Adoption, adoption_id, with_for_update=True)
        if row is not None:
            row.state, row.reason = state, reason
            row.objects = list(objects) if objects is not None else row.objects
