# SPDX-License-Identifier: Apache-2.0
"""Images that stand for something that is in one pod only, or name what each pod calls otherwise.

An image of a server that has its root on a volume holds nothing: it names a snapshot, which the
pod of the server has. Nova boots, and Cinder makes a volume, of the snapshot. A property of an
image may name the type of volumes that are made of it; pods see that as it is written.
"""

import re
import time
from collections.abc import Iterable
from typing import Any

import orjson
from oslo_log import log as logging

from tricircle.gateway.call import Call
from tricircle.gateway.upstream import image_document, lookup
from tricircle.pods.errors import PodError

LOG = logging.getLogger(__name__)

_UUID = re.compile(r"([0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})$", re.IGNORECASE)
_MAPPING = "block_device_mapping"
_VOLUME_TYPE = "cinder_img_volume_type"
_TYPE = "volume_type"
_NAMED = {"snapshot_id": "snapshot", "volume_id": "volume"}
# Seconds that what an image names is believed.
_BELIEVED = 60.0
# So many things of one image are looked for at the most.
_MOST = 30

Need = tuple[str, str]


async def held(call: Call, references: Iterable[Any]) -> dict[str, str]:
    """{what: region name} of what images stand for, which are given by id or by a link.

    What cannot be learned is left to the pod that is asked.
    """
    if len(call.answering) < 2:
        return {}
    places = {}
    for reference in dict.fromkeys(one for one in references if isinstance(one, str)):
        if (found := _UUID.search(reference)) is None:
            continue
        image_id = found[1].lower()
        for kind, item in await _needs(call, image_id):
            if kind == _TYPE:
                continue
            pod = (await lookup.locate(call, kind, item)).pod
            if pod is not None:
                places[f"image {image_id} is of {kind} {item}, which"] = pod.region_name
    return places


async def volume_type(call: Call, reference: str) -> str | None:
    """The id of the volume type that an image names, where pods have ids of their own for it."""
    if len(call.answering) < 2 or (found := _UUID.search(reference)) is None:
        return None
    named = [item for kind, item in await _needs(call, found[1].lower()) if kind == _TYPE]
    for pod in call.answering if named else ():
        names = await call.services.names.of("volume", pod.id)
        if names is not None and named[0] in names.inside:
            return named[0]
    return None


async def _needs(call: Call, image_id: str) -> tuple[Need, ...]:
    """(resource type, id) of what an image stands for, and of the volume type it names."""
    kept = call.services.images.get(image_id)
    if kept is not None and time.monotonic() - kept[0] < _BELIEVED:
        return kept[1]
    try:
        image = await image_document.shown(call, image_id)
    except PodError as error:
        LOG.info("Where image %s can be used is not known: %s", image_id, error)
        return ()
    if image is None:
        return ()
    needs = tuple(dict.fromkeys(_named(image.get(_MAPPING))))[:_MOST]
    if isinstance(named := image.get(_VOLUME_TYPE), str) and _UUID.fullmatch(named):
        needs += ((_TYPE, named.lower()),)
    call.services.images.put(image_id, (time.monotonic(), needs))
    return needs


def _named(mapping: Any) -> Iterable[Need]:
    """What a property of an image names, which is JSON in a text."""
    try:
        devices = orjson.loads(mapping) if isinstance(mapping, str) else mapping
    except orjson.JSONDecodeError:
        return
    for device in devices if isinstance(devices, list) else ():
        for key, kind in _NAMED.items():
            item = device.get(key) if isinstance(device, dict) else None
            if isinstance(item, str) and _UUID.fullmatch(item):
                yield kind, item
