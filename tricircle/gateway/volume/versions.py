# SPDX-License-Identifier: Apache-2.0
"""Version discovery of the Block Storage API: the one document the gateway writes itself."""

from typing import Any

import orjson
from aiohttp import web

from tricircle.gateway.call import Call
from tricircle.gateway.http.errors import Fault
from tricircle.gateway.http.microversion import VOLUME, only_minimum
from tricircle.gateway.services import Services
from tricircle.pods.versions import Range, show

SCHEME = VOLUME
ID = "v3"
# Cinder's router takes ".json" after any name.
FORMATS = True
_UPDATED = "2023-08-31T00:00:00Z"
_MEDIA_TYPE = {
    "base": "application/json",
    "type": "application/vnd.openstack.volume+json;version=3",
}
_DOCUMENTATION = {"rel": "describedby", "type": "text/html", "href": "https://docs.openstack.org/"}


def offered(services: Services) -> Range:
    """The microversions every pod in use has, as each was seen last."""
    return services.registry.offered("volume") or only_minimum(SCHEME)


def discover(services: Services, root: str, path: str) -> web.Response | None:
    """The answer to whoever looks for versions; None for a path inside one. Raises Fault 404."""
    if path == "/":
        return _versions(services, root, status=300)
    if path != f"/{ID}" and not path.startswith(f"/{ID}/"):
        raise Fault(404, "The resource could not be found.")
    return None


def welcome(services: Services, root: str, path: str) -> web.Response | None:
    """The version itself, which Cinder shows to nobody without a token; None for paths inside."""
    if path == f"/{ID}":
        return web.Response(status=302, headers={"Location": f"{root}/{ID}/"})
    return _versions(services, root) if path == f"/{ID}/" else None


def _versions(services: Services, root: str, status: int = 200) -> web.Response:
    """All versions, which is one; inside the version Cinder answers the same."""
    return web.Response(
        status=status,
        body=orjson.dumps({"versions": [_about(services, root)]}),
        content_type="application/json",
    )


async def no_version(call: Call) -> web.Response:
    """A project's root, which is nothing to Cinder."""
    raise Fault(404, "The resource could not be found.")


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
