# SPDX-License-Identifier: Apache-2.0
"""Volume types: with extra specs, the projects that may use them, encryption and QoS specs."""

from typing import Any

from tricircle.pods.definitions.named import ADOPTED, Collection, difference
from tricircle.pods.definitions.target import Body, Target

_V = "3.0"
_PUBLIC = "os-volume-type-access:is_public"
_COPIED = ("name", "description", "is_public")
_ENCRYPTION = ("provider", "cipher", "key_size", "control_location")
TYPES = Collection("/types", "volume_type", "volume_types", _V, "&is_public=None")


def read(target: Target, key: str) -> Body | None:
    """All that is to be the same elsewhere; ``qos_specs`` is their id as users know it."""
    there = target.inside(key)
    found = TYPES.get(target, there)
    if found is None:
        return None
    qos = found.get("qos_specs_id")
    return {
        **{name: found[name] for name in _COPIED},
        "extra_specs": found.get("extra_specs") or {},
        "access": [] if found["is_public"] else _access(target, there),
        "encryption": _encryption(target, there),
        "qos_specs": target.outside(qos) if qos else None,
    }


def _access(target: Target, there: str) -> list[str]:
    path = f"{TYPES.at(there)}/os-volume-type-access"
    listed = target.ask("GET", path, _V, missing=True) or {"volume_type_access": []}
    return sorted(entry["project_id"] for entry in listed["volume_type_access"])


def _encryption(target: Target, there: str) -> Body | None:
    found = target.ask("GET", f"{TYPES.at(there)}/encryption", _V, missing=True) or {}
    return {name: found.get(name) for name in _ENCRYPTION} if found.get("provider") else None


def realize(target: Target, key: str, body: Body) -> str:
    found, by_name = TYPES.find(target, key, body["name"])
    if found is None:
        found = _make(target, body)
    elif by_name and body.get(ADOPTED):
        return str(found["id"])
    there = str(found["id"])
    current = {name: found[name] for name in _COPIED}
    changed = {name: body[name] for name in _COPIED if current[name] != body[name]}
    if changed:
        if changed.get("description", "") is None:
            changed["description"] = ""
        target.ask("PUT", TYPES.at(there), _V, {"volume_type": changed})
    _match_extra_specs(target, there, found.get("extra_specs") or {}, body["extra_specs"])
    if not body["is_public"]:
        _match_access(target, there, set(_access(target, there)), set(body["access"]))
    _match_encryption(target, there, body["encryption"])
    _match_qos(target, there, found.get("qos_specs_id"), body["qos_specs"])
    return there


def _make(target: Target, body: Body) -> Body:
    wanted = {"name": body["name"], "description": body["description"], _PUBLIC: body["is_public"],
              "extra_specs": body["extra_specs"]}  # fmt: skip
    made: Body = target.ask("POST", TYPES.path, _V, {"volume_type": wanted})["volume_type"]
    return {**made, "extra_specs": body["extra_specs"]}


def _match_extra_specs(target: Target, there: str, current: Body, wanted: Body) -> None:
    more, gone = difference(current, wanted)
    if more:
        target.ask("POST", f"{TYPES.at(there)}/extra_specs", _V, {"extra_specs": more})
    for name in gone:
        target.ask("DELETE", f"{TYPES.at(there)}/extra_specs/{name}", _V, missing=True)


def _match_access(target: Target, there: str, current: set[str], wanted: set[str]) -> None:
    for action, projects in (
        ("addProjectAccess", wanted - current),
        ("removeProjectAccess", current - wanted),
    ):
        for project in sorted(projects):
            target.ask("POST", f"{TYPES.at(there)}/action", _V, {action: {"project": project}},
                       missing=True)  # fmt: skip


def _match_encryption(target: Target, there: str, wanted: Body | None) -> None:
    path = f"{TYPES.at(there)}/encryption"
    found = target.ask("GET", path, _V, missing=True) or {}
    current = {name: found.get(name) for name in _ENCRYPTION} if found.get("provider") else None
    if current == wanted:
        return
    if wanted is None:
        target.ask("DELETE", f"{path}/{found['encryption_id']}", _V, missing=True)
    elif current is None:
        target.ask("POST", path, _V, {"encryption": wanted})
    else:
        target.ask("PUT", f"{path}/{found['encryption_id']}", _V, {"encryption": wanted})


def _match_qos(target: Target, there: str, current: Any, wanted: str | None) -> None:
    inside = target.inside(wanted) if wanted else None
    if current == inside:
        return
    if current:
        path = f"/qos-specs/{current}/disassociate?vol_type_id={there}"
        target.ask("GET", path, _V, missing=True)
    if inside:
        target.ask("GET", f"/qos-specs/{inside}/associate?vol_type_id={there}", _V)


def remove(target: Target, key: str) -> None:
    target.ask("DELETE", TYPES.at(target.inside(key)), _V, missing=True)
