# SPDX-License-Identifier: Apache-2.0
"""Images in the Glance that all pods share, as the service user."""

from typing import Any
from urllib.parse import quote, urlencode

from tricircle.conf import CONF
from tricircle.pods import rights
from tricircle.pods.errors import IMAGES
from tricircle.pods.pod import Pod
from tricircle.pods.rest import PodServices


class Images:
    """All blocks. Raises PodRefused, PodUnreachable, PodTimeout, KeystoneFailed."""

    def __init__(self, services: PodServices) -> None:
        region, identity = CONF.tricircle_identity.region_name, services.identity
        pod = Pod("", IMAGES, "", endpoints=identity.endpoints(region))
        self._owner = identity.project_id
        self._glance = services.of(pod, rights.MOVE_IMAGE)

    def named(self, name: str) -> list[dict[str, Any]]:
        """Our own images of a name, the newest first; anybody may have others of that name."""
        owner = self._owner()
        query = urlencode({"name": name, "owner": owner, "sort": "created_at:desc"})
        found: list[dict[str, Any]] = self._glance.ask("GET", f"/v2/images?{query}", "2")["images"]
        return found

    def delete(self, image_id: str) -> None:
        self._glance.ask("DELETE", f"/v2/images/{quote(image_id, safe='')}", "2", missing=True)
