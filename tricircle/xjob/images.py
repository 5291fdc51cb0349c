# SPDX-License-Identifier: Apache-2.0
"""Images of the region in pods that have a Glance of their own.

A copy belongs to our own account in the pod, and projects that use it are let in to it, so that
whatever else is there, nobody's image is taken for ours. It keeps its id where that is to be had;
a Glance never gives an id a second time, and anybody there may have taken it. Each step may be done
again after any failure, by any worker: the id is written down before the image is made, and what
is there without all its data is filled, or removed.
"""

import uuid
from collections.abc import Callable
from typing import Any, ClassVar

from oslo_log import log as logging

from tricircle.db import image_copies as table
from tricircle.db import pod_accounts
from tricircle.db.outcomes import Gone, Outcome, Realized, Requeue
from tricircle.db.realizations import Row
from tricircle.db.work_queue import WorkQueue
from tricircle.pods import rights
from tricircle.pods.deadline import Deadline
from tricircle.pods.errors import PodRefused
from tricircle.pods.fence import ClaimLost
from tricircle.pods.images import documents
from tricircle.pods.images.flow import Flow
from tricircle.pods.images.glance import Glance, Image
from tricircle.pods.pod import Pod
from tricircle.pods.reconciler import NotYet
from tricircle.pods.rest import PodServices
from tricircle.xjob.snapshots import Snapshot

LOG = logging.getLogger(__name__)

_SAVING, _QUEUED, _ACTIVE = "saving", "queued", "active"
# So many ids are tried at the most in one go.
_IDS = 3
# How often one looks whether somebody else's upload, which went on when they died, has ended.
_PATIENT = 5


class ImageCopies:
    """Reconciles the copies in pods. All blocks."""

    kinds: ClassVar = {table.KIND: "image"}

    def __init__(
        self,
        services: PodServices,
        queue: WorkQueue,
        is_stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        self.services, self.queue, self.is_stopping = services, queue, is_stopping

    def reconcile(self, pod: Pod, row: Row, deadline: Deadline) -> Outcome:
        if row.project_id and not pod.is_privileged:
            # Nobody but its own project sees there what the pod made.
            right = rights.IMAGE_COPY
            there = Glance.of_project(self.services, pod, right, row.project_id)
        else:
            there = Glance.of_pod(self.services, pod, rights.IMAGE_COPY)
        if row.absent:
            return _removed(pod, there, row)
        copy = table.get(row.resource_id, pod.id)
        if copy is not None and copy.state == table.COMING:
            here = Glance.of_the_region(self.services, rights.IMAGE_RECORD)
            return Snapshot(pod, row, copy, here, there, self.keeping(row)).bring()
        return _Copy(self, pod, row, there).bring()

    def keeping(self, row: Row) -> Callable[..., None]:
        """Writes down how far the work on a row is; nobody else is at it meanwhile.

        Raises ClaimLost, and NotYet when this worker ends.
        """

        def note(**values: Any) -> None:
            if self.is_stopping():
                raise NotYet("this worker ends")
            sure(row, self.queue.keep(row) and table.note(row, **values))

        return note


def sure(row: Row, still_ours: bool) -> None:
    """Raises ClaimLost unless."""
    if not still_ours:
        raise ClaimLost(f"another worker is at image {row.resource_id}")


def _is_ours(pod: Pod, there: Glance, row: Row, image: Image) -> bool:
    """Whether an image in a pod is what the row is about, and nobody else's.

    It belongs to our own account, or to the project for which the pod made it.
    """
    owners = {there.project_id}
    if row.project_id:
        owners.add(pod_accounts.project_there(pod.id, row.project_id) or "")
    return image.get("owner") in owners


def _removed(pod: Pod, there: Glance, row: Row) -> Outcome:
    """The copy is gone, if it is ours."""
    if not table.begin_leaving(row):
        return Requeue(0)
    found = there.show(row.pod_resource_id) if row.pod_resource_id else None
    if found is not None and _is_ours(pod, there, row, found):
        there.delete(str(row.pod_resource_id))
    table.forget(row)
    return Gone()


class _Copy:
    """One copy in one pod, and what it is made with."""

    def __init__(self, work: ImageCopies, pod: Pod, row: Row, there: Glance) -> None:
        self.pod, self.row, self.there = pod, row, there
        self._queue, self._note = work.queue, work.keeping(row)
        self._here = Glance.of_the_region(work.services, rights.IMAGE_READ)

    def bring(self) -> Outcome:
        image = self._here.show(self.row.resource_id)
        if image is None:
            table.retire_everywhere(self.row.resource_id)
            return Requeue(0)
        if image["status"] != _ACTIVE:
            raise PodRefused(self.pod.region_name, 409, f"image {image['id']} is {image['status']}")
        if (why := documents.obstacle(image)) is not None:
            raise PodRefused(self.pod.region_name, 400, f"image {image['id']} stays here: {why}")
        along = self._along(image)
        copy = self._found(image)
        if copy is None:
            copy = self._filled(image, self._made(image, along))
        self._let_in(image, copy)
        self._dress(image, copy, along)
        seen = {"seen": image.get("updated_at")}
        self._note(
            state=table.THERE, done=image["size"] or 0, detail=seen, **documents.facts(image)
        )
        LOG.info("Image %s is in pod %s as %s", image["id"], self.pod.region_name, copy["id"])
        return Realized(copy["id"])

    def _found(self, image: Image) -> Image | None:
        """The copy, if it is there and whole. What is ours and is not is removed or filled."""
        inside = self.row.pod_resource_id
        copy = self.there.show(inside) if inside else None
        if copy is None or not _is_ours(self.pod, self.there, self.row, copy):
            return None
        if copy["status"] == _ACTIVE and _same(image, copy):
            return copy
        if copy["status"] == _QUEUED:
            return self._filled(image, copy)
        if copy["status"] == _SAVING and self.row.attempts < _PATIENT:
            # Whoever was at it may have died; Glance learns of that by and by.
            raise NotYet(f"image {image['id']} is still being written in {self.pod.region_name}")
        self.there.delete(copy["id"])
        return None

    def _along(self, image: Image) -> dict[str, str]:
        """The ids there of the images that this one needs. Raises NotYet until they are there."""
        found = {}
        for key in documents.ALONG:
            if not (needed := image.get(key)):
                continue
            other = self._here.show(needed)
            if other is None:
                continue
            facts = documents.facts(other)
            known = table.want(needed, self.pod.id, None, table.USE, facts)
            if known.state != table.THERE or known.there is None:
                raise NotYet(f"image {needed}, which {image['id']} needs, is not there yet")
            found[needed] = known.there
        return found

    def _made(self, image: Image, along: dict[str, str]) -> Image:
        """A new image in the pod, without its data; under the same id if that is to be had."""
        wanted = documents.described(image, along) | {"visibility": "shared"}
        inside = self.row.pod_resource_id or image["id"]
        self._note(state=table.WANTED, done=0)
        for _ in range(_IDS):
            # Written down first: whoever goes on after a crash finds what was made.
            sure(self.row, table.is_called(self.row, inside))
            self.row.pod_resource_id = inside
            made = self.there.make(wanted | {"id": inside})
            if made is not None:
                return made
            # Somebody has it, or had: a Glance gives no id twice.
            inside = str(uuid.uuid4())
        raise PodRefused(self.pod.region_name, 409, f"gives no id for image {image['id']}")

    def _filled(self, image: Image, copy: Image) -> Image:
        """The copy with its data, of which the hash is what it is here."""
        algorithm = image.get("os_hash_algo") or "sha512"
        self._note(state=table.COPYING, done=0, size=image["size"])
        with self._here.data(image["id"]) as source:
            flow = Flow(source, image["size"], algorithm, lambda done: self._note(done=done))
            self.there.fill(copy["id"], flow)
        sure(self.row, self._queue.keep(self.row))
        whole = self.there.show(copy["id"])
        right = flow.digest == (image.get("os_hash_value") or flow.digest)
        if whole is None or whole["status"] != _ACTIVE or not right or not _same(image, whole):
            self.there.delete(copy["id"])
            text = f"what came of image {image['id']} is not what was sent; it is sent again"
            raise PodRefused(self.pod.region_name, 409, text)
        return whole

    def _let_in(self, image: Image, copy: Image) -> None:
        """Who may use it here may use it there."""
        image_id, pod_id = self.row.resource_id, self.pod.id
        visible = "community" if documents.is_open(image) else "shared"
        self.there.change(copy["id"], {"visibility": visible}, copy)
        if visible == "community":
            return
        for project_id in table.members(image_id, pod_id, granted=False):
            inside = pod_accounts.project_there(pod_id, project_id)
            if inside is not None:
                self.there.share(copy["id"], inside)
                table.grant(image_id, pod_id, project_id)

    def _dress(self, image: Image, copy: Image, along: dict[str, str]) -> None:
        """What describes it here describes it there, as far as the pod lets us."""
        wanted = documents.described(image, along)
        spare = documents.properties(copy).keys() - wanted.keys()
        wanted |= {"protected": bool(image.get("protected"))} | dict.fromkeys(spare)
        try:
            self.there.change(copy["id"], wanted, copy)
        except PodRefused as error:
            LOG.warning("Image %s keeps what it had in its pod: %s", image["id"], error)


def _same(image: Image, copy: Image) -> bool:
    """Whether a copy has the data of the image."""
    for key in ("os_hash_value", "checksum"):
        if (
            image.get(key)
            and copy.get(key)
            and image.get("os_hash_algo") == copy.get("os_hash_algo")
        ):
            return bool(image[key] == copy[key])
    return image.get("size") == copy.get("size") and not image.get("os_hash_value")
