# SPDX-License-Identifier: Apache-2.0
"""The volume type a project's volumes get when none is named; the key is the project."""

from urllib.parse import quote

from tricircle.pods.definitions.target import Body, Target

# The first microversion that has them.
_V = "3.62"


def _path(project_id: str) -> str:
    return f"/default-types/{quote(project_id, safe='')}"


def read(target: Target, key: str) -> Body | None:
    """The id of the volume type as users know it."""
    found = target.ask("GET", _path(key), _V, missing=True)
    if found is None:
        return None
    return {"volume_type": target.outside(found["default_type"]["volume_type_id"])}


def realize(target: Target, key: str, body: Body) -> str:
    if read(target, key) != body:
        wanted = {"volume_type": target.inside(body["volume_type"])}
        target.ask("PUT", _path(key), _V, {"default_type": wanted})
    return key


def remove(target: Target, key: str) -> None:
    target.ask("DELETE", _path(key), _V, missing=True)
