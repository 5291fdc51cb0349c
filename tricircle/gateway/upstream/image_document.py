# SPDX-License-Identifier: Apache-2.0
"""An image as the shared Glance shows it to the caller."""

import re
from typing import Any

from tricircle.conf import CONF
from tricircle.gateway.call import Call
from tricircle.gateway.transport import service_user
from tricircle.pods.errors import IMAGES
from tricircle.pods.pod import Pod

# The shared Glance, as the breaker and logs know it.
_ID = "images"
# Seconds that Glance has to tell.
_DEADLINE = 5.0
_UUID = re.compile(r"([0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})$", re.IGNORECASE)


def id_of(reference: Any) -> str | None:
    """The id in what names an image: that, or a link."""
    found = _UUID.search(reference) if isinstance(reference, str) else None
    return found[1].lower() if found else None


async def shown(call: Call, image_id: str) -> dict[str, Any] | None:
    """An image as Glance shows it to the caller, if it does. Raises PodError."""
    region = CONF.tricircle_identity.region_name
    endpoints = await service_user.ask(IMAGES, call.services.identity.endpoints, region)
    if (url := endpoints.get("image")) is None:
        return None
    base = url.rstrip("/").removesuffix("/v2")
    context = call.context
    answer = await call.services.client.request(
        Pod(_ID, IMAGES, "", endpoints={"image": base}),
        "image",
        "GET",
        f"/v2/images/{image_id}",
        token=context.token,
        headers={"X-Service-Token": context.service_token} if context.service_token else {},
        request_id=context.upstream_id,
        deadline=_DEADLINE,
    )
    document = answer.json() if answer.ok else None
    return document if isinstance(document, dict) else None
