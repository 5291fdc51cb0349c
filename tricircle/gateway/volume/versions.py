# SPDX-License-Identifier: Apache-2.0
"""Version discovery of the Block Storage API: the one document the gateway writes itself."""

from typing import Any

import orjson
from aiohttp import web

from tricircle.gateway.call import Call
from tricircle.gateway.microversion import VOLUME, Range, common, show
from tricircle.gateway.services import Services

ID = "v3"
_UPDATED = "2023-08-31T00:00:00Z"
_MEDIA_TYPE = {
    "base": "application/json",
    "type": "application/vnd.openstack.volume+json;version=3",
}
_DOCUMENTATION = {"rel": "describedby", "type": "text/html", "href": "https://docs.openstack.org/"}


def offered(services: Services) -> Range:
    """The microversions every pod in use has, as each was seen last."""
    return common(VOLUME, services.offered("volume"))


def versions(services: Services, root: str, status: int = 300) -> web.Response:
    """``GET /``: all versions, which is one; inside the version Cinder answers the same, 200."""
    return web.Response(
        status=status,
        body=orjson.dumps({"versions": [_about(services, root)]}),
        content_type="application/json",
    )


async def show_version(call: Call) -> web.Response:
    """The same document inside the API."""
    return versions(call.services, call.root, status=200)


def _about(services: Services, root: str) -> dict[str, Any]:
    found = offered(services)
    return {
        "id": "v3.0",
        "status": "CURRENT",
        "version": show(found.maximum),
        "min_version": show(found.minimum),
        "updated": _UPDATED,
        "links": [_DOCUMENTATION, {"rel": "self", "href": f"{root}/{ID}/"}],
        "media-types": [_MEDIA_TYPE],
    }
