# SPDX-License-Identifier: Apache-2.0
"""The volume type a project's volumes get when none is named; the key is the project."""

from urllib.parse import quote

from tricircle.pods.rest import Body, PodService

# The first microversion that has them.
_V = "3.62"


def _path(project_id: str) -> str:
    return f"/default-types/{quote(project_id, safe='')}"


def read(service: PodService, key: str) -> Body | None:
    """The id of the volume type as users know it."""
    found = service.ask("GET", _path(key), _V, missing=True)
    if found is None:
        return None
    return {"volume_type": service.outside(found["default_type"]["volume_type_id"])}


def realize(service: PodService, key: str, body: Body) -> str:
    if read(service, key) != body:
        wanted = {"volume_type": service.inside(body["volume_type"])}
        service.ask("PUT", _path(key), _V, {"default_type": wanted})
    return key


def remove(service: PodService, key: str) -> None:
    service.ask("DELETE", _path(key), _V, missing=True)
