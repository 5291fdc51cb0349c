# SPDX-License-Identifier: Apache-2.0
"""Types of volume groups, with their specs."""

from tricircle.pods.definitions.named import ADOPTED, Collection, difference
from tricircle.pods.rest import Body, PodService

# The first microversion that has them.
_V = "3.11"
_COPIED = ("name", "description", "is_public")
TYPES = Collection("/group_types", "group_type", "group_types", _V, "&is_public=None")


def read(service: PodService, key: str) -> Body | None:
    """Name, description, whether all may use it, and the specs."""
    found = TYPES.get(service, service.inside(key))
    if found is None:
        return None
    return {**{name: found[name] for name in _COPIED}, "group_specs": found["group_specs"]}


def realize(service: PodService, key: str, body: Body) -> str:
    found, by_name = TYPES.find(service, key, body["name"])
    if found is None:
        wanted = {name: body[name] for name in (*_COPIED, "group_specs")}
        made = service.ask("POST", TYPES.path, _V, {"group_type": wanted})
        return str(made["group_type"]["id"])
    there = str(found["id"])
    if by_name and body.get(ADOPTED):
        return there
    changed = {name: body[name] for name in _COPIED if found[name] != body[name]}
    if changed:
        service.ask("PUT", TYPES.at(there), _V, {"group_type": changed})
    more, gone = difference(found["group_specs"], body["group_specs"])
    if more:
        service.ask("POST", f"{TYPES.at(there)}/group_specs", _V, {"group_specs": more})
    for name in gone:
        service.ask("DELETE", f"{TYPES.at(there)}/group_specs/{name}", _V, missing=True)
    return there


def remove(service: PodService, key: str) -> None:
    service.ask("DELETE", TYPES.at(service.inside(key)), _V, missing=True)
