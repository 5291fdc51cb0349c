# SPDX-License-Identifier: Apache-2.0
"""Images that a pod with a Glance of its own has made: their data follow to the region's Glance.

The image in the pod stays: servers there are booted of it, under the id that users know. Each step
may be done again after any failure, by any worker.
"""

from collections.abc import Callable
from typing import Any

from oslo_log import log as logging

from tricircle.db import image_copies as table
from tricircle.db import pod_accounts
from tricircle.db.models import ImageCopy
from tricircle.db.outcomes import Gone, Outcome, Realized, Requeue
from tricircle.db.realizations import Row
from tricircle.pods.errors import PodRefused
from tricircle.pods.images import documents
from tricircle.pods.images.flow import Flow
from tricircle.pods.images.glance import Glance, Image
from tricircle.pods.pod import Pod

LOG = logging.getLogger(__name__)

_QUEUED, _SAVING, _ACTIVE = "queued", "saving", "active"
_COMING = (_QUEUED, _SAVING, "uploading", "importing")
# Seconds between looks at an image that a pod is making.
_PAUSE = 1.0


class Snapshot:
    """One image that a pod makes, and both Glances. All blocks."""

    def __init__(
        self,
        pod: Pod,
        row: Row,
        copy: ImageCopy,
        here: Glance,
        there: Glance,
        note: Callable[..., None],
    ) -> None:
        """``note`` writes values to the image's row and keeps the claim, or raises."""
        self.pod, self.row, self.copy = pod, row, copy
        self.here, self.there, self._note = here, there, note

    def bring(self) -> Outcome:
        made = self._made()
        record = self._recorded()
        if record is None or made is None:
            return self._given_up(record, made)
        if made["status"] in _COMING:
            return Requeue(_PAUSE)
        if made["status"] != _ACTIVE:
            return self._given_up(record, made)
        if record["status"] == _SAVING:
            return Requeue(_PAUSE)
        if record["status"] == _QUEUED:
            self._fill(record, made)
        self._note(state=table.THERE, done=made["size"] or 0, size=made["size"])
        LOG.info("Image %s of pod %s is in the region", record["id"], self.pod.region_name)
        return Realized(made["id"])

    def _made(self) -> Image | None:
        """What the pod makes, if it does."""
        if self.row.pod_resource_id:
            return self.there.show(self.row.pod_resource_id)
        owner = pod_accounts.project_there(self.pod.id, str(self.copy.project_id))
        key, image_id = self.copy.detail["marker"], self.row.resource_id
        value = image_id if key == documents.MARKER else f"tricircle-{image_id}"
        found = self.there.marked(owner, key, value) if owner else None
        if found is not None:
            table.made(image_id, self.pod.id, found["id"])
            self.row.pod_resource_id = found["id"]
        return found

    def _recorded(self) -> Image | None:
        """The region's image; made if need be. None when its owner has deleted it."""
        image_id = self.row.resource_id
        found = self.here.show(image_id)
        if found is not None or not self.row.pod_resource_id:
            return found
        detail, owner = self.copy.detail, str(self.copy.project_id)
        wanted = documents.record(image_id, owner, self.copy.name, detail["wishes"])
        # A Glance gives an id only once, so one that was deleted is not made again.
        return self.here.make(wanted)

    def _given_up(self, record: Image | None, made: Image | None) -> Outcome:
        """Nothing came of it in the pod, or nobody wants it here any more: both go."""
        if record is not None and record["status"] in _COMING:
            self.here.delete(record["id"])
        if made is not None:
            self.there.delete(made["id"])
        table.not_made(self.row.resource_id, self.pod.id)
        return Gone()

    def _fill(self, record: Image, made: Image) -> None:
        names = table.ids_of(self.pod.id, _named(made))
        members: dict[str, Any] = documents.described(made, names)
        members.pop("name", None)
        if isinstance(base := members.get("base_image_ref"), str):
            members["base_image_ref"] = names.get(base, base)
        self.here.change(record["id"], members, record)
        self._note(size=made["size"], done=0)
        algorithm = made.get("os_hash_algo") or "sha512"
        size = made["size"] or 0
        with self.there.data(made["id"]) as source:
            flow = Flow(source, size, algorithm, lambda done: self._note(done=done))
            self.here.fill(record["id"], flow)
        if flow.digest != (made.get("os_hash_value") or flow.digest):
            # Its data cannot be taken away, and nobody may have them.
            self.here.delete(record["id"])
            text = f"image {made['id']} was not what its hash says"
            raise PodRefused(self.pod.region_name, 409, text)


def _named(image: Image) -> list[str]:
    """The other images that one names."""
    keys = ("base_image_ref", *documents.ALONG)
    return [image[key] for key in keys if isinstance(image.get(key), str)]
