# SPDX-License-Identifier: Apache-2.0
"""Version discovery of the Placement API: the one document the gateway writes itself."""

from aiohttp import web

from tricircle.gateway.http.microversion import PLACEMENT, only_minimum
from tricircle.gateway.http.responses import respond
from tricircle.gateway.services import Services
from tricircle.pods.versions import Range, show

SCHEME = PLACEMENT


def offered(services: Services) -> Range:
    """The microversions every pod in use has, as each was seen last."""
    return services.registry.offered("placement") or only_minimum(SCHEME)


def discover(services: Services, root: str, path: str) -> web.Response | None:
    """The root, which needs no token; None for any other path."""
    if path.strip("/"):
        return None
    found = offered(services)
    about = {
        "id": f"v{show(SCHEME.minimum)}",
        "max_version": show(found.maximum),
        "min_version": show(found.minimum),
        "status": "CURRENT",
        # Placement's own words for "here".
        "links": [{"rel": "self", "href": ""}],
    }
    return respond({"versions": [about]})
