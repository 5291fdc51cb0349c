# SPDX-License-Identifier: Apache-2.0
"""Version discovery of the Compute API: the one document the gateway writes itself."""

from typing import Any

import orjson
from aiohttp import web

from tricircle.gateway.call import Call
from tricircle.gateway.http.errors import Fault
from tricircle.gateway.http.microversion import COMPUTE, only_minimum
from tricircle.gateway.services import Services
from tricircle.pods.versions import Range, show

SCHEME = COMPUTE
ID = "v2.1"
FORMATS = False
_UPDATED = "2013-07-23T11:33:21Z"
_MEDIA_TYPES = [
    {"base": "application/json", "type": "application/vnd.openstack.compute+json;version=2.1"}
]
_DOCUMENTATION = {"rel": "describedby", "type": "text/html", "href": "http://docs.openstack.org/"}


def offered(services: Services) -> Range:
    """The microversions every pod in use has, as each was seen last."""
    return services.registry.offered("compute") or only_minimum(SCHEME)


def discover(services: Services, root: str, path: str) -> web.Response | None:
    """The answer to whoever looks for versions; None for a path inside one."""
    if path == "/":
        return _versions(services, root)
    if path in (f"/{ID}", f"/{ID}/"):
        return _version(services, root)
    return None if path.startswith(f"/{ID}/") else _choices(root, path)


def welcome(services: Services, root: str, path: str) -> None:
    """Nothing: Nova shows its version without a token."""


def _versions(services: Services, root: str) -> web.Response:
    """``GET /``: all versions."""
    return _json({"versions": [{**_about(services), "links": [_self(f"{root}/{ID}/")]}]})


def _version(services: Services, root: str) -> web.Response:
    """``GET /v2.1/``: this version."""
    document = _about(services) | {
        "links": [_self(f"{root}/{ID}/"), _DOCUMENTATION],
        "media-types": _MEDIA_TYPES,
    }
    return _json({"version": document})


def _choices(root: str, path: str) -> web.Response:
    """Any other path outside the API: 300, and where it would be in each version."""
    choice = {
        "id": ID,
        "status": "CURRENT",
        "links": [_self(f"{root}/{ID}{path}")],
        "media-types": _MEDIA_TYPES,
    }
    return _json({"choices": [choice]}, status=300)


async def show_version(call: Call) -> web.Response:
    """The same document inside the API, where Nova has it too."""
    # Nova's router has the root of a project with a slash only.
    rootless = (
        call.match.project_id and not call.path and not call.http.rel_url.raw_path.endswith("/")
    )
    if rootless or call.params.get("id", ID) != ID:
        raise Fault(404, "The requested resource could not be found.")
    return _version(call.services, call.root)


def _about(services: Services) -> dict[str, Any]:
    found = offered(services)
    return {
        "id": ID,
        "status": "CURRENT",
        "version": show(found.maximum),
        "min_version": show(found.minimum),
        "updated": _UPDATED,
    }


def _self(href: str) -> dict[str, str]:
    return {"rel": "self", "href": href}


def _json(document: Any, status: int = 200) -> web.Response:
    return web.Response(status=status, body=orjson.dumps(document), content_type="application/json")
