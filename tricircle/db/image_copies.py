# SPDX-License-Identifier: Apache-2.0
"""Queries on images of the region in pods that have a Glance of their own. All block.

What is to be done about one is its realization, whose kind is ``KIND``; what is known of it, who
may use it there and the ids it has had there are in tables of their own.
"""

import dataclasses
import datetime
from collections.abc import Iterable, Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from tricircle.conf import CONF
from tricircle.db import models, pages, session
from tricircle.db.models import ImageCopy, ImageMember, ImageName, Realization, now
from tricircle.db.realizations import Key, Row, ensure, retire, touch
from tricircle.db.transaction import retried, retried_if_overtaken

KIND = "image"
WANTED, COPYING, THERE, LEAVING, COMING = "wanted", "copying", "there", "leaving", "coming"
USE, RULE, SNAPSHOT = "use", "rule", "snapshot"
# So much older the last use that is written down must be, to be written anew.
_FRESH = datetime.timedelta(hours=1)


@dataclasses.dataclass(frozen=True, slots=True)
class Known:
    """How far an image is in a pod; ``there`` is its id in the pod, if it has one yet.

    ``usable`` says whether the project that was asked for may use it now.
    """

    there: str | None
    state: str
    usable: bool
    size: int | None
    done: int
    error: str | None

    @property
    def percent(self) -> int:
        if self.state == THERE:
            return 100
        return min(99, self.done * 100 // self.size) if self.size else 0


@dataclasses.dataclass(frozen=True, slots=True)
class Listed:
    """A row, and how far it is."""

    copy: ImageCopy
    known: Known

    @property
    def pod_id(self) -> str:
        return self.copy.pod_id


@retried_if_overtaken
def want(
    image_id: str, pod_id: str, project_id: str | None, why: str, facts: Mapping[str, Any]
) -> Known:
    """An image is wanted in a pod, for a project or ahead of any use; how far that is.

    ``facts`` are name, size and is_open, as the region's Glance tells them.
    """
    with session.write() as tx:
        ensure(tx, Realization, Key(KIND, image_id), pod_id, None)
        copy = _copy(tx, image_id, pod_id)
        if copy is None:
            copy = ImageCopy(image_id=image_id, pod_id=pod_id, why=why, **facts)
            tx.add(copy)
            tx.flush()
        elif copy.state == LEAVING:
            copy.state, copy.done = WANTED, 0
        if copy.used_at < now() - _FRESH:
            copy.used_at = now()
        if project_id is not None and not _may_use(tx, copy, project_id):
            _let_use(tx, copy, project_id)
        return _known(tx, copy, project_id)


@retried
def announce(
    image_id: str,
    pod_id: str,
    project_id: str,
    name: str,
    wishes: Mapping[str, Any],
    marker: str,
) -> None:
    """A pod is about to be asked to make an image, of a project's; by ``marker`` it is found.

    xjob looks for it after [reconciler] creation_grace seconds, unless it is known before.
    """
    grace = datetime.timedelta(seconds=CONF.reconciler.creation_grace)
    with session.write() as tx:
        ensure(tx, Realization, Key(KIND, image_id), pod_id, project_id)
        if _copy(tx, image_id, pod_id) is None:
            tx.add(
                ImageCopy(
                    image_id=image_id,
                    pod_id=pod_id,
                    name=name[:255],
                    state=COMING,
                    why=SNAPSHOT,
                    project_id=project_id,
                    detail={"marker": marker, "wishes": dict(wishes)},
                )
            )
        _row(tx, image_id, pod_id, next_try_at=now() + grace)


@retried_if_overtaken
def made(image_id: str, pod_id: str, there: str) -> None:
    """A pod has begun to make an image: its data follow."""
    with session.write() as tx:
        _row(tx, image_id, pod_id, pod_resource_id=there, next_try_at=now())
        call_it(tx, image_id, pod_id, there)


@retried
def not_made(image_id: str, pod_id: str) -> None:
    """A pod has surely not made the image that it was asked for."""
    with session.write() as tx:
        copies = sa.delete(ImageCopy).where(
            ImageCopy.image_id == image_id, ImageCopy.pod_id == pod_id
        )
        tx.execute(copies)
        rows = sa.delete(Realization).where(
            Realization.resource_type == KIND,
            Realization.resource_id == image_id,
            Realization.pod_id == pod_id,
        )
        tx.execute(rows)


def known(image_id: str, pod_id: str, project_id: str | None) -> Known | None:
    """How far an image is in a pod where it is wanted."""
    with session.read() as tx:
        copy = _copy(tx, image_id, pod_id)
        return None if copy is None else _known(tx, copy, project_id)


@retried
def suspect(image_id: str, pod_id: str) -> int:
    """A pod says that it has no such image: xjob is to look. The revision that tells of it."""
    with session.write() as tx:
        touch(tx, Realization, Key(KIND, image_id), [pod_id])
        return tx.scalar(_revision(Realization.wanted_revision, image_id, pod_id)) or 0


def was_looked_at(image_id: str, pod_id: str, revision: int) -> bool:
    """Whether xjob has looked since."""
    with session.read() as tx:
        found = tx.scalar(_revision(Realization.realized_revision, image_id, pod_id))
    return found is not None and found >= revision


def _revision(column: Any, image_id: str, pod_id: str) -> Any:
    return sa.select(column).where(
        Realization.resource_type == KIND,
        Realization.resource_id == image_id,
        Realization.pod_id == pod_id,
    )


def get(image_id: str, pod_id: str) -> ImageCopy | None:
    with session.read() as tx:
        return _copy(tx, image_id, pod_id)


def page(
    filters: Mapping[str, str] | None = None, limit: int | None = None, marker: str | None = None
) -> list[Listed]:
    """Rows by id; ``filters`` on image_id, pod_id, state and why. Raises UnknownMarker."""
    copies = pages.page(ImageCopy, ImageCopy.id, filters, limit, marker)
    query = sa.select(Realization).where(
        Realization.resource_type == KIND,
        Realization.resource_id.in_({copy.image_id for copy in copies}),
    )
    with session.read() as tx:
        rows = {(row.resource_id, row.pod_id): row for row in tx.scalars(query)}
    return [Listed(copy, _far(copy, rows.get((copy.image_id, copy.pod_id)))) for copy in copies]


def of_pod(pod_id: str, marker: str, limit: int) -> list[ImageCopy]:
    """At most ``limit`` rows of a pod after one, by their own ids."""
    query = sa.select(ImageCopy).where(ImageCopy.pod_id == pod_id, ImageCopy.id > marker)
    with session.read() as tx:
        return list(tx.scalars(query.order_by(ImageCopy.id).limit(limit)))


def ids_in(pod_id: str, image_ids: Iterable[str]) -> dict[str, str]:
    """{image: its id there} of images that are in a pod, or about to be."""
    query = sa.select(Realization.resource_id, Realization.pod_resource_id).where(
        Realization.resource_type == KIND,
        Realization.pod_id == pod_id,
        Realization.resource_id.in_(list(image_ids)),
        Realization.pod_resource_id.is_not(None),
    )
    with session.read() as tx:
        return {image_id: str(there) for image_id, there in tx.execute(query).tuples()}


def pods_with_all(image_ids: Iterable[str], pod_ids: Iterable[str]) -> set[str]:
    """Those of the pods in which all of some images can be used."""
    wanted = set(image_ids)
    query = (
        sa.select(ImageCopy.pod_id)
        .where(
            ImageCopy.image_id.in_(wanted),
            ImageCopy.pod_id.in_(list(pod_ids)),
            ImageCopy.state == THERE,
        )
        .group_by(ImageCopy.pod_id)
        .having(sa.func.count() == len(wanted))
    )
    with session.read() as tx:
        return set(tx.scalars(query))


@retried
def look_again(image_id: str, pod_id: str) -> None:
    """An image is another by now: so is its copy to be."""
    with session.write() as tx:
        touch(tx, Realization, Key(KIND, image_id), [pod_id])


@retried
def leave(image_id: str, pod_id: str) -> None:
    """An image is not wanted in a pod any more."""
    with session.write() as tx:
        retire(tx, Realization, Key(KIND, image_id), [pod_id])


@retried
def shut_out(image_id: str, pod_id: str, project_id: str) -> None:
    """A project may use an image no more."""
    with session.write() as tx:
        row = tx.get(ImageMember, (pod_id, image_id, project_id))
        if row is not None:
            tx.delete(row)


def members(image_id: str, pod_id: str, granted: bool) -> list[str]:
    """The projects that use an image in a pod and have (not) been let in there."""
    query = sa.select(ImageMember.project_id).where(
        ImageMember.image_id == image_id,
        ImageMember.pod_id == pod_id,
        ImageMember.granted.is_(granted),
    )
    with session.read() as tx:
        return list(tx.scalars(query))


@retried
def grant(image_id: str, pod_id: str, project_id: str, granted: bool = True) -> None:
    """A project has been let in to an image in a pod, or is to be let in anew."""
    with session.write() as tx:
        row = tx.get(ImageMember, (pod_id, image_id, project_id))
        if row is not None:
            row.granted = granted


@retried
def note(row: Row, **values: Any) -> bool:
    """Write down how far the work on a claimed row is. False: the claim ran out."""
    with session.write() as tx:
        if not _mine(tx, row):
            return False
        which = (ImageCopy.image_id == row.resource_id, ImageCopy.pod_id == row.pod_id)
        tx.execute(sa.update(ImageCopy).where(*which).values(**values))
        return True


@retried
def begin_leaving(row: Row) -> bool:
    """An image is about to be removed from a pod; False when it is wanted again meanwhile."""
    with session.write() as tx:
        if not _mine(tx, row) or not tx.get_one(Realization, row.id).absent:
            return False
        which = (ImageCopy.image_id == row.resource_id, ImageCopy.pod_id == row.pod_id)
        tx.execute(sa.update(ImageCopy).where(*which).values(state=LEAVING))
        tx.execute(
            sa.delete(ImageMember).where(
                ImageMember.image_id == row.resource_id, ImageMember.pod_id == row.pod_id
            )
        )
        return True


@retried
def forget(row: Row) -> None:
    """A pod has an image no more, or never had it."""
    with session.write() as tx:
        tx.execute(
            sa.delete(ImageCopy).where(
                ImageCopy.image_id == row.resource_id,
                ImageCopy.pod_id == row.pod_id,
                ImageCopy.state == LEAVING,
            )
        )


@retried_if_overtaken
def is_called(row: Row, there: str) -> bool:
    """An image is about to be made in a pod, under an id. False: the claim ran out.

    Other ids it has had there go on standing for it. Nobody is let in to the new one yet.
    """
    with session.write() as tx:
        if not _mine(tx, row):
            return False
        members = sa.update(ImageMember).where(
            ImageMember.pod_id == row.pod_id, ImageMember.image_id == row.resource_id
        )
        tx.execute(members.values(granted=False))
        tx.execute(
            sa.update(Realization).where(Realization.id == row.id).values(pod_resource_id=there)
        )
        call_it(tx, row.resource_id, row.pod_id, there)
        return True


def call_it(tx: Session, image_id: str, pod_id: str, there: str) -> None:
    """An id stands for an image in a pod."""
    if there != image_id and tx.get(ImageName, (pod_id, there)) is None:
        tx.add(ImageName(pod_id=pod_id, there=there, image_id=image_id))


@retried
def retire_everywhere(image_id: str) -> None:
    """The region has an image no more."""
    with session.write() as tx:
        retire(tx, Realization, Key(KIND, image_id))


def ids_of(pod_id: str, there: Iterable[str]) -> dict[str, str]:
    """{id there: image} of those that stand for an image and are not its id."""
    wanted = list(there)
    query = sa.select(ImageName.there, ImageName.image_id).where(
        ImageName.pod_id == pod_id, ImageName.there.in_(wanted)
    )
    with session.read() as tx:
        return dict(tx.execute(query).tuples().all()) if wanted else {}


def names() -> dict[str, dict[str, str]]:
    """{pod id: {id there: image}} of ids that stand for images and are not theirs."""
    found: dict[str, dict[str, str]] = {}
    with session.read() as tx:
        for row in tx.scalars(sa.select(ImageName)):
            found.setdefault(row.pod_id, {})[row.there] = row.image_id
    return found


def names_state() -> int:
    """Something that is another when ``names`` may be: rows are only added."""
    with session.read() as tx:
        return tx.scalar(sa.select(sa.func.count()).select_from(ImageName)) or 0


def _row(tx: Session, image_id: str, pod_id: str, **values: Any) -> None:
    which = (
        Realization.resource_type == KIND,
        Realization.resource_id == image_id,
        Realization.pod_id == pod_id,
    )
    tx.execute(sa.update(Realization).where(*which).values(**values))


def _copy(tx: Session, image_id: str, pod_id: str) -> ImageCopy | None:
    return tx.scalar(sa.select(ImageCopy).filter_by(image_id=image_id, pod_id=pod_id))


def _may_use(tx: Session, copy: ImageCopy, project_id: str) -> bool:
    """Whether nothing need be done for a project to use a copy."""
    if copy.is_open or copy.project_id == project_id:
        return True
    return tx.get(ImageMember, (copy.pod_id, copy.image_id, project_id)) is not None


def _let_use(tx: Session, copy: ImageCopy, project_id: str) -> None:
    tx.add(
        ImageMember(
            pod_id=copy.pod_id, image_id=copy.image_id, project_id=project_id, granted=False
        )
    )
    touch(tx, Realization, Key(KIND, copy.image_id), [copy.pod_id])
    tx.flush()


def _known(tx: Session, copy: ImageCopy, project_id: str | None) -> Known:
    row = tx.scalar(
        sa.select(Realization).filter_by(
            resource_type=KIND, resource_id=copy.image_id, pod_id=copy.pod_id
        )
    )
    usable = copy.state == THERE or (copy.state == COMING and copy.project_id == project_id)
    if usable and project_id is not None and not copy.is_open and copy.project_id != project_id:
        member = tx.get(ImageMember, (copy.pod_id, copy.image_id, project_id))
        usable = member is not None and member.granted
    return _far(copy, row, usable)


def _far(copy: ImageCopy, row: Realization | None, usable: bool = False) -> Known:
    there = None if row is None else row.pod_resource_id
    error = None if row is None else row.last_error
    return Known(there, copy.state, usable and bool(there), copy.size, copy.done, error)


def _mine(tx: Session, row: Row) -> bool:
    """Whether the claim is still good; the row is locked."""
    query = sa.select(models.Realization.id).where(
        models.Realization.id == row.id, models.Realization.claimed_by == row.claimed_by
    )
    return tx.scalar(query.with_for_update()) is not None
