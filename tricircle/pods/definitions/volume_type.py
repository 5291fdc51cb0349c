# SPDX-License-Identifier: Apache-2.0
"""Volume types: with extra specs, the projects that may use them, encryption and QoS specs."""

from typing import Any

from tricircle.pods.definitions.named import ADOPTED, Collection, difference
from tricircle.pods.rest import Body, PodService

_V = "3.0"
_PUBLIC = "os-volume-type-access:is_public"
_COPIED = ("name", "description", "is_public")
_ENCRYPTION = ("provider", "cipher", "key_size", "control_location")
TYPES = Collection("/types", "volume_type", "volume_types", _V, "&is_public=None")


def read(service: PodService, key: str) -> Body | None:
    """All that is to be the same elsewhere; ``qos_specs`` is their id as users know it."""
    there = service.inside(key)
    found = TYPES.get(service, there)
    if found is None:
        return None
    qos = found.get("qos_specs_id")
    return {
        **{name: found[name] for name in _COPIED},
        "extra_specs": found.get("extra_specs") or {},
        "access": [] if found["is_public"] else _access(service, there),
        "encryption": _encryption(service, there),
        "qos_specs": service.outside(qos) if qos else None,
    }


def _access(service: PodService, there: str) -> list[str]:
    path = f"{TYPES.at(there)}/os-volume-type-access"
    listed = service.ask("GET", path, _V, missing=True) or {"volume_type_access": []}
    return sorted(entry["project_id"] for entry in listed["volume_type_access"])


def _encryption(service: PodService, there: str) -> Body | None:
    found = service.ask("GET", f"{TYPES.at(there)}/encryption", _V, missing=True) or {}
    return {name: found.get(name) for name in _ENCRYPTION} if found.get("provider") else None


def realize(service: PodService, key: str, body: Body) -> str:
    found, by_name = TYPES.find(service, key, body["name"])
    if found is None:
        found = _make(service, body)
    elif by_name and body.get(ADOPTED):
        return str(found["id"])
    there = str(found["id"])
    current = {name: found[name] for name in _COPIED}
    changed = {name: body[name] for name in _COPIED if current[name] != body[name]}
    if changed:
        if changed.get("description", "") is None:
            changed["description"] = ""
        service.ask("PUT", TYPES.at(there), _V, {"volume_type": changed})
    _match_extra_specs(service, there, found.get("extra_specs") or {}, body["extra_specs"])
    if not body["is_public"]:
        _match_access(service, there, set(_access(service, there)), set(body["access"]))
    _match_encryption(service, there, body["encryption"])
    _match_qos(service, there, found.get("qos_specs_id"), body["qos_specs"])
    return there


def _make(service: PodService, body: Body) -> Body:
    wanted = {"name": body["name"], "description": body["description"], _PUBLIC: body["is_public"],
              "extra_specs": body["extra_specs"]}  # fmt: skip
    made: Body = service.ask("POST", TYPES.path, _V, {"volume_type": wanted})["volume_type"]
    return {**made, "extra_specs": body["extra_specs"]}


def _match_extra_specs(service: PodService, there: str, current: Body, wanted: Body) -> None:
    more, gone = difference(current, wanted)
    if more:
        service.ask("POST", f"{TYPES.at(there)}/extra_specs", _V, {"extra_specs": more})
    for name in gone:
        service.ask("DELETE", f"{TYPES.at(there)}/extra_specs/{name}", _V, missing=True)


def _match_access(service: PodService, there: str, current: set[str], wanted: set[str]) -> None:
    for action, projects in (
        ("addProjectAccess", wanted - current),
        ("removeProjectAccess", current - wanted),
    ):
        for project in sorted(projects):
            service.ask("POST", f"{TYPES.at(there)}/action", _V, {action: {"project": project}},
                       missing=True)  # fmt: skip


def _match_encryption(service: PodService, there: str, wanted: Body | None) -> None:
    path = f"{TYPES.at(there)}/encryption"
    found = service.ask("GET", path, _V, missing=True) or {}
    current = {name: found.get(name) for name in _ENCRYPTION} if found.get("provider") else None
    if current == wanted:
        return
    if wanted is None:
        service.ask("DELETE", f"{path}/{found['encryption_id']}", _V, missing=True)
    elif current is None:
        service.ask("POST", path, _V, {"encryption": wanted})
    else:
        service.ask("PUT", f"{path}/{found['encryption_id']}", _V, {"encryption": wanted})


def _match_qos(service: PodService, there: str, current: Any, wanted: str | None) -> None:
    inside = service.inside(wanted) if wanted else None
    if current == inside:
        return
    if current:
        path = f"/qos-specs/{current}/disassociate?vol_type_id={there}"
        service.ask("GET", path, _V, missing=True)
    if inside:
        service.ask("GET", f"/qos-specs/{inside}/associate?vol_type_id={there}", _V)


def remove(service: PodService, key: str) -> None:
    service.ask("DELETE", TYPES.at(service.inside(key)), _V, missing=True)
