# SPDX-License-Identifier: Apache-2.0
"""Images that a pod with a Glance of its own makes: of its servers, and of its volumes.

The region's Glance has such an image at once, under an id that we choose, and without its data;
xjob brings those. It is written down before the pod is asked, and what the pod makes has a mark by
which it is found, so that nothing is lost when nobody lives to tell.
"""

import dataclasses
import re
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

import orjson
from multidict import CIMultiDict, CIMultiDictProxy
from oslo_db import exception as db_exc
from oslo_log import log as logging

from tricircle.db import image_copies as table
from tricircle.gateway.call import Call
from tricircle.gateway.threads import PODS, Busy, in_thread
from tricircle.gateway.transport.client import PodResponse
from tricircle.gateway.upstream.pod_request import PodRequest
from tricircle.pods import rights
from tricircle.pods.errors import PodError, PodTimeout
from tricircle.pods.identity import KeystoneFailed
from tricircle.pods.images import documents
from tricircle.pods.images.glance import Glance
from tricircle.pods.pod import Pod
from tricircle.pods.rest import PodServices

LOG = logging.getLogger(__name__)

_ACTION = re.compile(r"/(servers|volumes)/[^/]+/action")
_OF_SERVERS = ("createImage", "createBackup")
_OF_VOLUMES = "os-volume_upload_image"
_ID = re.compile(rb"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")

Ask = Callable[[PodRequest], Awaitable[PodResponse]]


@dataclasses.dataclass(frozen=True, slots=True)
class Making:
    """An image that a pod is asked for, and how the pod is asked."""

    image_id: str
    name: str
    #: {member of an image: value}, as the caller wishes it
    wishes: dict[str, Any]
    marker: str
    request: PodRequest


def of(pod: Pod, request: PodRequest) -> Making | None:
    """What a request makes, if that is an image in a pod with a Glance of its own."""
    if not pod.has_own_images or request.right is not None or request.method != "POST":
        return None
    if _ACTION.fullmatch(request.path) is None:
        return None
    try:
        body = request.body
        document = orjson.loads(body if isinstance(body, bytes) else orjson.dumps(body))
        ((action, argument),) = document.items()
    except (orjson.JSONDecodeError, orjson.JSONEncodeError, AttributeError, ValueError):
        return None
    if not isinstance(argument, dict):
        return None
    image_id = str(uuid.uuid4())
    if action in _OF_SERVERS and isinstance(argument.get("metadata") or {}, dict):
        marked = {**(argument.get("metadata") or {}), documents.MARKER: image_id}
        inside = {action: {**argument, "metadata": marked}}
        name, wishes, marker = argument.get("name"), {"visibility": "private"}, documents.MARKER
    elif action == _OF_VOLUMES:
        inside = {action: {**argument, "image_name": f"tricircle-{image_id}"}}
        name, marker = argument.get("image_name"), "name"
        visible = argument.get("visibility", "private")
        wishes = {"visibility": "private" if visible == "public" else visible}
    else:
        return None
    if not isinstance(name, str) or not 0 < len(name) <= 255:
        return None  # The pod refuses it.
    return Making(image_id, name, wishes, marker, request.with_body(inside))


async def made(call: Call, pod: Pod, making: Making, ask: Ask) -> PodResponse:
    """Ask a pod for an image, and have the region's Glance know it. Raises what ``ask`` does."""
    project_id, image_id = call.context.project_id, making.image_id
    await in_thread(
        table.announce, image_id, pod.id, project_id, making.name, making.wishes, making.marker
    )
    try:
        answer = await ask(making.request)
    except PodTimeout:
        raise  # Perhaps it does.
    except PodError:
        await in_thread(table.not_made, image_id, pod.id)
        raise
    if not answer.ok:
        if answer.status < 500:
            await in_thread(table.not_made, image_id, pod.id)
        return _named(answer, making)
    if (there := _told(answer)) is None:
        return _named(answer, making)
    try:
        await in_thread(table.made, image_id, pod.id, there)
        await PODS.run(_record, call, making, project_id)
    except (PodError, KeystoneFailed, Busy, db_exc.DBError) as error:
        # The pod makes it: xjob does the rest.
        LOG.warning("Image %s is not known to the region yet: %s", image_id, error)
    call.services.names.forget()
    return _turned(_named(answer, making), there, image_id)


def _record(call: Call, making: Making, project_id: str) -> None:
    services = PodServices(call.services.identity)
    here = Glance.of_the_region(services, rights.IMAGE_RECORD)
    here.make(documents.record(making.image_id, project_id, making.name, making.wishes))


def _told(answer: PodResponse) -> str | None:
    """The id of the image in the pod."""
    location = answer.headers.get("Location", "").encode()
    if (found := _ID.search(location)) is not None:
        return found[0].decode()
    try:
        document = orjson.loads(answer.body)
        inside = document.get(_OF_VOLUMES, document)["image_id"]
    except (orjson.JSONDecodeError, AttributeError, KeyError, TypeError):
        return None
    return inside if isinstance(inside, str) and _ID.fullmatch(inside.encode()) else None


def _named(answer: PodResponse, making: Making) -> PodResponse:
    """The answer with the name that the caller gave."""
    marked = f'"tricircle-{making.image_id}"'.encode()
    return dataclasses.replace(answer, body=answer.body.replace(marked, orjson.dumps(making.name)))


def _turned(answer: PodResponse, there: str, image_id: str) -> PodResponse:
    """The answer with the region's id."""
    headers = CIMultiDict(answer.headers)
    if "Location" in headers:
        headers["Location"] = headers["Location"].replace(there, image_id)
    body = answer.body.replace(there.encode(), image_id.encode())
    return dataclasses.replace(answer, headers=CIMultiDictProxy(headers), body=body)
