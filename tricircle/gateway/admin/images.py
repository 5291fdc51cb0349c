# SPDX-License-Identifier: Apache-2.0
"""Images: which are in which pods that have a Glance of their own, and how far."""

from typing import Any

from aiohttp import web

from tricircle.db import image_copies as table
from tricircle.gateway.admin.common import authorize, listed, page, placed, pod_filters, when
from tricircle.gateway.call import Call
from tricircle.gateway.http.responses import respond

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
