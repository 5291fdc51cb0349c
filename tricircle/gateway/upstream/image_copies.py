# SPDX-License-Identifier: Apache-2.0
"""Images that a request names are brought to the pod it is for, where that has its own Glance.

The region's Glance must show an image to the caller's own token: that is what lets their project
use the copy. An image that it does not show becomes one that nobody has, so that the pod answers
as it does of a stranger's.
"""

import asyncio
import dataclasses
import re
import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import orjson

from tricircle.conf import CONF
from tricircle.db import image_copies as table
from tricircle.gateway.call import Call
from tricircle.gateway.http.errors import Fault
from tricircle.gateway.threads import in_thread
from tricircle.gateway.transport.client import PodResponse
from tricircle.gateway.upstream import image_document, tokens
from tricircle.gateway.upstream.pod_request import PodRequest
from tricircle.pods.access.documents import objects
from tricircle.pods.errors import ImageComing, ImageStays
from tricircle.pods.images import documents
from tricircle.pods.pod import Pod

# Where requests name images: {the object's name: key}; a block device is one only if it says so.
_FIELDS = {
    ("server", "imageRef"),
    ("rebuild", "imageRef"),
    ("rescue", "rescue_image_ref"),
    ("volume", "imageRef"),
    ("volume", "image_id"),
    ("os-reimage", "image_id"),
}
_DEVICE = ("block_device_mapping_v2", "uuid")
_SERVICES = ("compute", "volume")
# What pods say of an image that they do not have.
_MISSING = re.compile(
    r"(can ?not find|unable to access|failed to get)[^.]*image|image[^.]*(could not be|not) found",
    re.IGNORECASE,
)
# Seconds between looks at how far a copy is.
_LOOK = 0.3
_STRANGERS = uuid.UUID("6f0a3c0e-2b6f-4c53-9f0e-0a8f8a1c5b11")


@dataclasses.dataclass(frozen=True, slots=True)
class Named:
    """A request with ids of images as the pod has them; ``inside`` is {image: id there}."""

    request: PodRequest
    inside: dict[str, str] = dataclasses.field(default_factory=dict)


class _Place:
    """One field that names an image."""

    def __init__(self, holder: dict[str, Any], key: str, image_id: str) -> None:
        self.holder, self.key, self.image_id = holder, key, image_id


async def brought(call: Call, pod: Pod, request: PodRequest) -> Named:
    """The request as the pod is to have it, once all its images are there.

    Raises ImageComing when one is not there in time, ImageStays for one that cannot be, Fault 400
    for one that has no data yet, PodError when the region's Glance does not answer.
    """
    if not pod.has_own_images or request.right is not None or request.service not in _SERVICES:
        return Named(request)
    document = _read(request.body)
    places = list(_places(document))
    if not places:
        return Named(request)
    inside = await ids(call, pod, (place.image_id for place in places))
    for place in places:
        place.holder[place.key] = inside[place.image_id]
    return Named(request.with_body(document), inside)


async def ids(call: Call, pod: Pod, images: Iterable[str], patient: bool = True) -> dict[str, str]:
    """{image: its id in the pod}, once they are there. Raises as ``brought``."""
    wanted = list(dict.fromkeys(images))
    until = time.monotonic() + (CONF.images.wait if patient else 0)
    found = await asyncio.gather(*(_id(call, pod, image_id, until) for image_id in wanted))
    return dict(zip(wanted, found, strict=True))


async def ensure(call: Call, pods: Sequence[Pod], pod: Pod, references: Iterable[Any]) -> None:
    """See that images, by id or by a link, are in a pod before anything else is made there.

    They are waited for in the last of the ``pods`` only: until then another may have them. Raises
    as ``brought``, and NoAccess.
    """
    named = list(filter(None, map(image_document.id_of, references)))
    if pod.has_own_images and named:
        await tokens.ensure(call, pod)
        await ids(call, pod, named, patient=pod is pods[-1])


async def are_gone(named: Named, pod: Pod, answer: PodResponse) -> bool:
    """Whether a pod refuses for want of images that were there. If so, xjob has looked at them."""
    if answer.status not in (400, 404) or _MISSING.search(answer.message()) is None:
        return False
    # Others may have been told that nobody has it.
    ours = [one for one, there in named.inside.items() if there != _nobodys(pod, one)]
    until = time.monotonic() + CONF.images.wait
    for image_id in ours:
        revision = await in_thread(table.suspect, image_id, pod.id)
        while not await in_thread(table.was_looked_at, image_id, pod.id, revision):
            if time.monotonic() > until:
                return False
            await asyncio.sleep(_LOOK)
    return bool(ours)


def outward(named: Named, answer: PodResponse) -> PodResponse:
    """The answer with the ids that users know."""
    turned = {there: image for image, there in named.inside.items() if there != image}
    if not turned or not answer.body:
        return answer
    body = answer.body
    for there, image in turned.items():
        body = body.replace(there.encode(), image.encode())
    return dataclasses.replace(answer, body=body)


async def _id(call: Call, pod: Pod, image_id: str, until: float) -> str:
    image = await image_document.shown(call, image_id)
    if image is None:
        return _nobodys(pod, image_id)
    project, facts = call.context.project_id, documents.facts(image)
    known = await in_thread(table.known, image_id, pod.id, project)
    if known is None or not known.usable:
        if image.get("status") != "active":
            raise Fault(400, f"Image {image_id} is not active.")
        if (why := documents.obstacle(image)) is not None:
            raise ImageStays(pod.region_name, f"image {image_id} cannot be used here: {why}.")
    # Also where it is there: it says when it was used last.
    known = await in_thread(table.want, image_id, pod.id, project, table.USE, facts)
    while not known.usable or known.there is None:
        if time.monotonic() > until:
            text = f"image {image_id} is being copied to it ({known.percent} %)."
            if known.error:
                text += f" It went wrong before: {known.error}"
            raise ImageComing(pod.region_name, text)
        await asyncio.sleep(_LOOK)
        known = await in_thread(table.known, image_id, pod.id, project) or known
    await _read_its_name(call, pod, image_id, known.there)
    return known.there


async def _read_its_name(call: Call, pod: Pod, image_id: str, there: str) -> None:
    """See that what the pod tells of an image has the id that users know, from now on."""
    names = call.services.names
    if there != image_id:
        known = await names.of("compute", pod.id)
        if known is None or not known.knows(there):
            names.forget()


def _nobodys(pod: Pod, image_id: str) -> str:
    """What a pod is told instead of an image that the caller does not see."""
    return str(uuid.uuid5(_STRANGERS, f"{pod.region_name} {image_id}"))


def _read(body: Any) -> Any:
    """A document of its own; None for what is none."""
    try:
        return orjson.loads(body if isinstance(body, bytes) else orjson.dumps(body))
    except (orjson.JSONDecodeError, orjson.JSONEncodeError, TypeError):
        return None


def _places(document: Any) -> Iterator[_Place]:
    for name, holder in objects(document):
        for key, value in holder.items():
            is_device = (name, key) == _DEVICE and holder.get("source_type") == "image"
            if not is_device and (name, key) not in _FIELDS:
                continue
            if (image_id := image_document.id_of(value)) is not None:
                yield _Place(holder, key, image_id)
