# SPDX-License-Identifier: Apache-2.0
"""Queries on moves of volumes between pods. All block.

A move is the realization of a volume in its new pod, so it is a job like all others; the row in
``volume_moves`` says how far it is.
"""

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from tricircle.db import models, pages, realizations, routings, session, storage
from tricircle.db.errors import Duplicate, NotFound
from tricircle.db.models import Realization, VolumeMove
from tricircle.db.realizations import QUIET, Key, ensure, matching
from tricircle.db.storage import Use
from tricircle.db.transaction import may_be_done, retried, retried_if_overtaken

KIND = "volume"
#: In this order. What is done about a move in a state leads to the next.
STATES = ("preparing", "uploading", "copying", "verifying", "handing over", "removing", "done")
#: From here on it is the volume in its new pod.
ARRIVED = "removing"
UNDOING, UNDONE = "undoing", "undone"
ENDED = ("done", UNDONE)
_STRANDED = (
    "The pod it was to be in is no pod any more. The volume may be read-only yet: "
    "`openstack volume set --read-write` makes it writable."
)
#: Until here nothing is lost when it is called off.
REVOCABLE = STATES[: STATES.index("handing over")]


def get(volume_id: str) -> VolumeMove | None:
    with session.read() as tx:
        return tx.get(VolumeMove, volume_id)


def page(
    filters: Mapping[str, str] | None = None, limit: int | None = None, marker: str | None = None
) -> list[VolumeMove]:
    """Moves by volume; ``filters`` on volume_id, project_id, state, and pod_id: from there or to
    there. Raises UnknownMarker."""
    wanted, row = dict(filters or {}), VolumeMove
    pod_id = wanted.pop("pod_id", None)
    there = sa.or_(row.source_pod_id == pod_id, row.target_pod_id == pod_id)
    where = () if pod_id is None else (there,)
    return pages.page(row, row.volume_id, wanted, limit, marker, *where)


def strand(tx: Session, pod_id: str) -> None:
    """Moves toward a pod that is forgotten have ended: nobody will work on them."""
    toward = sa.update(VolumeMove).where(
        VolumeMove.target_pod_id == pod_id, VolumeMove.state.not_in(ENDED)
    )
    tx.execute(toward.values(state=UNDONE, reason=_STRANDED).execution_options(**QUIET))


def under_way(volume_id: str) -> VolumeMove | None:
    """The move a volume is on now."""
    row = get(volume_id)
    return None if row is None or row.state in ENDED else row


@retried_if_overtaken
def begin(
    volume_id: str, project_id: str, source_pod_id: str, target_pod_id: str, empty: bool = False
) -> VolumeMove:
    """A volume is to be in another pod; of one that is ``empty`` nothing is copied.

    Raises Duplicate when it is on its way already.
    """
    with session.write() as tx:
        row = tx.get(VolumeMove, volume_id, with_for_update=True)
        if row is not None and row.state not in ENDED:
            if may_be_done() and row.target_pod_id == target_pod_id and row.state == STATES[0]:
                return row
            raise Duplicate(volume_id)
        if row is not None:
            tx.delete(row)
            tx.flush()
        row = VolumeMove(
            volume_id=volume_id,
            project_id=project_id,
            source_pod_id=source_pod_id,
            target_pod_id=target_pod_id,
            state=STATES[0],
            detail={"empty": True} if empty else {},
        )
        tx.add(row)
        ensure(tx, Realization, Key(KIND, volume_id), target_pod_id, project_id)
        return row


def in_pod(pod_id: str) -> int:
    """How many volumes a pod has, or is to have, under ids of elsewhere."""
    row = Realization
    query = sa.select(sa.func.count()).where(row.resource_type == KIND, row.pod_id == pod_id)
    with session.read() as tx:
        return int(tx.scalar(query) or 0)


@retried
def save(volume_id: str, state: str, detail: Mapping[str, Any], reason: str | None = None) -> None:
    """How far a move is. One that was called off meanwhile stays so. Raises NotFound."""
    with session.write() as tx:
        row = tx.get(VolumeMove, volume_id, with_for_update=True)
        if row is None:
            raise NotFound(volume_id)
        called_off = row.state == UNDOING and state not in (UNDOING, UNDONE)
        row.state = row.state if called_off else state
        row.detail = {**row.detail, **detail}
        row.reason = reason if reason is not None else row.reason


@retried
def call_off(volume_id: str, reason: str) -> bool:
    """A move is to be undone. False when it is too late for that, or there is none."""
    with session.write() as tx:
        row = tx.get(VolumeMove, volume_id, with_for_update=True)
        if row is None or row.state not in REVOCABLE:
            return False
        row.state, row.reason = UNDOING, reason
        query = sa.update(Realization).where(
            *matching(Realization, Key(KIND, volume_id), [row.target_pod_id])
        )
        tx.execute(query.values(next_try_at=models.now()).execution_options(**QUIET))
        return True


@retried_if_overtaken
def arrive(volume_id: str, target_pod_id: str, inside: str, use: Use) -> None:
    """From now on the volume is the one in its new pod, which has the id ``inside`` there.

    Raises NotFound when there is no move of it.
    """
    with session.write() as tx:
        key = Key(KIND, volume_id)
        others = sa.delete(Realization).where(
            *matching(Realization, key, None), Realization.pod_id != target_pod_id
        )
        tx.execute(others.execution_options(**QUIET))
        here = sa.update(Realization).where(*matching(Realization, key, [target_pod_id]))
        tx.execute(here.values(pod_resource_id=inside).execution_options(**QUIET))
        row = tx.get(VolumeMove, volume_id, with_for_update=True)
        if row is None:
            raise NotFound(volume_id)
        row.state = ARRIVED
        # Written anew where the old pod was forgotten, and with it what was in it.
        routings.put_in(tx, KIND, volume_id, target_pod_id, row.project_id)
        storage.learn_in(tx, use, volume_id, row.project_id, target_pod_id)


@retried
def forget(volume_id: str) -> None:
    """The volume is gone: no pod is to have it by another id."""
    query = sa.delete(Realization).where(*matching(Realization, Key(KIND, volume_id), None))
    with session.write() as tx:
        tx.execute(query.execution_options(**QUIET))


@retried
def retire(volume_id: str, pod_id: str) -> None:
    """A move to a pod has come to nothing: its row is to go, unless another move begins."""
    with session.write() as tx:
        realizations.retire(tx, Realization, Key(KIND, volume_id), [pod_id])
