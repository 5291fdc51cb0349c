# SPDX-License-Identifier: Apache-2.0
"""Looks after the copies of images in one pod, some at a time.

What is gone from the region goes from the pod, what has changed is changed there, who may use it no
more is let in no more, and what nobody uses is dropped. Images that the operator wants there ahead
are wanted.
"""

import datetime
from collections.abc import Mapping
from typing import Any

from oslo_log import log as logging

from tricircle.conf import CONF
from tricircle.db import image_copies as table
from tricircle.db import pod_accounts
from tricircle.db.models import ImageCopy, now
from tricircle.pods import rights
from tricircle.pods.images import documents
from tricircle.pods.images.glance import Glance, Image
from tricircle.pods.pod import Pod
from tricircle.pods.rest import PodServices

LOG = logging.getLogger(__name__)

# So many are looked at each time.
_SOME = 50


class ImageWatch:
    """Of one pod. All blocks. Raises PodError, KeystoneFailed."""

    def __init__(self, services: PodServices) -> None:
        self._services = services
        self._copies_seen = ""
        # {rule: the last image of it that was looked at}
        self._images_seen: dict[str, str] = {}

    def look(self, pod: Pod) -> None:
        here = Glance.of_the_region(self._services, rights.IMAGE_READ)
        there = Glance.of_pod(self._services, pod, rights.IMAGE_COPY)
        copies = table.of_pod(pod.id, self._copies_seen, _SOME)
        self._copies_seen = copies[-1].id if len(copies) == _SOME else ""
        settled = [copy for copy in copies if copy.state == table.THERE]
        images = here.some(copy.image_id for copy in settled)
        inside = table.ids_in(pod.id, (copy.image_id for copy in settled))
        found = there.some(inside.values())
        for copy in settled:
            # A list may leave out what is there.
            image = images.get(copy.image_id) or here.show(copy.image_id)
            its_id = inside.get(copy.image_id, "")
            is_there = its_id in found or (its_id and there.show(its_id) is not None)
            self._settle(pod, copy, image, bool(is_there))
            if image is not None and is_there and not copy.is_open:
                _shut_out(pod, here, there, image, its_id)
        self._want_ahead(pod, here)

    def _settle(self, pod: Pod, copy: ImageCopy, image: Image | None, is_there: bool) -> None:
        image_id, region = copy.image_id, pod.region_name
        if image is None:
            LOG.info("Image %s is gone, and so is its copy in pod %s", image_id, region)
            table.leave(image_id, pod.id)
        elif not is_there:
            LOG.info("The copy of image %s in pod %s was removed there", image_id, region)
            table.leave(image_id, pod.id)
            if copy.why == table.SNAPSHOT and image.get("image_type") == "backup":
                # Nova has removed it for a newer one.
                record = Glance.of_the_region(self._services, rights.IMAGE_RECORD)
                record.delete(image_id)
        elif _unused(copy) and not any(_matches(image, rule) for rule in CONF.images.ahead):
            LOG.info("Nobody uses image %s in pod %s: its copy is dropped", image_id, region)
            table.leave(image_id, pod.id)
        elif image.get("updated_at") != (copy.detail or {}).get("seen"):
            table.look_again(image_id, pod.id)

    def _want_ahead(self, pod: Pod, here: Glance) -> None:
        for rule in CONF.images.ahead:
            key, _, value = rule.partition("=")
            page = here.page({key: value}, self._images_seen.get(rule, ""), _SOME)
            self._images_seen[rule] = page[-1]["id"] if len(page) == _SOME else ""
            known = table.ids_in(pod.id, (image["id"] for image in page))
            for image in page:
                if image["id"] not in known and documents.obstacle(image) is None:
                    facts = documents.facts(image)
                    table.want(image["id"], pod.id, None, table.RULE, facts)


def _shut_out(pod: Pod, here: Glance, there: Glance, image: Image, inside: str) -> None:
    """Projects that the region's Glance does not share an image with any more."""
    using = set(table.members(image["id"], pod.id, granted=True)) - {image.get("owner")}
    if not using:
        return
    shared = image.get("visibility") == "shared"
    for project_id in using - (here.members(image["id"]) if shared else set()):
        account = pod_accounts.project_there(pod.id, project_id)
        if account is not None:
            there.unshare(inside, account)
        table.shut_out(image["id"], pod.id, project_id)


def _unused(copy: ImageCopy) -> bool:
    days = CONF.images.drop_unused_after
    return bool(days) and copy.used_at < now() - datetime.timedelta(days=days)


def _matches(image: Mapping[str, Any], rule: str) -> bool:
    key, _, value = rule.partition("=")
    return str(image.get(key)) == value
