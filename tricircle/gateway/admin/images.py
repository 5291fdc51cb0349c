# SPDX-License-Identifier: Apache-2.0
"""Images: which are in which pods that have a Glance of their own, and how far."""

from typing import Any

from aiohttp import web

from tricircle.db import image_copies as table
from tricircle.gateway.admin.common import (
    authorize,
    body,
    listed,
    page,
    placed,
    pod_filters,
    when,
)
from tricircle.gateway.call import Call
from tricircle.gateway.http.errors import Fault
from tricircle.gateway.http.responses import respond
from tricircle.gateway.threads import in_thread
from tricircle.gateway.upstream import image_document
from tricircle.pods.images import documents

_TEXT = {"type": "string", "minLength": 1, "maxLength": 255}
_ID = {
    "type": "string",
    "pattern": "^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$",
    "description": "is no ID of an image.",
}
CREATE = {
    "type": "object",
    "properties": {"image_id": _ID, "region_name": _TEXT},
    "required": ["image_id", "region_name"],
    "additionalProperties": False,
}
FILTERS = ("image_id", "pod_id", "region_name", "state", "why")


def _view(call: Call, image: table.Listed) -> dict[str, Any]:
    copy, known = image.copy, image.known
    return {
        "id": copy.id,
        "image_id": copy.image_id,
        "name": copy.name,
        **placed(call, copy.pod_id),
        "pod_image_id": known.there,
        "state": copy.state,
        "why": copy.why,
        "size": copy.size,
        "done": copy.done,
        "percent": known.percent,
        "last_error": known.error,
        "used_at": when(copy.used_at),
        "created_at": when(copy.created_at),
    }


async def create(call: Call) -> web.Response:
    """POST /images: have an image copied to a pod before anybody uses it there."""
    await authorize(call, "images:create")
    wanted = body(call, "image", CREATE)
    region, image_id = wanted["region_name"], wanted["image_id"].lower()
    pod = call.services.registry.by_region(region)
    if pod is None:
        raise Fault(400, f"There is no pod {region}.")
    if not pod.has_own_images:
        raise Fault(400, f"Pod {region} takes images from the region's Glance: it has all of them.")
    image = await image_document.shown(call, image_id)
    if image is None:
        raise Fault(404, f"No image with ID {image_id} could be found in the region.")
    why = documents.obstacle(image)
    if why is not None or image.get("status") != "active":
        raise Fault(409, f"Image {image_id} cannot be copied: {why or 'it has no data yet.'}")
    await in_thread(table.want, image_id, pod.id, None, table.USE, documents.facts(image))
    (made,) = await in_thread(table.page, {"image_id": image_id, "pod_id": pod.id}, 1)
    return respond({"image": _view(call, made)}, 202)


async def list_images(call: Call) -> web.Response:
    """GET /images."""
    wanted = page(call, FILTERS)
    await authorize(call, "images:get_all_projects")
    found = await pod_filters(wanted.filters)
    if found is None:
        return respond({"images": []})
    return await listed(
        call,
        "images",
        wanted,
        table.page,
        found,
        lambda image: _view(call, image),
        lambda image: image.copy.id,
    )
