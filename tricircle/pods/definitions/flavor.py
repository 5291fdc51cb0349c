# SPDX-License-Identifier: Apache-2.0
"""Flavors, with their extra specs and the projects that may use them."""

from urllib.parse import quote

from tricircle.pods.rest import Body, PodService

# The first microversion that shows and takes everything there is to copy.
_FLAVOR = "2.61"
_COPIED = (
    "name",
    "ram",
    "vcpus",
    "disk",
    "swap",
    "rxtx_factor",
    "OS-FLV-EXT-DATA:ephemeral",
    "os-flavor-access:is_public",
    "description",
)


def read(service: PodService, key: str) -> Body | None:
    """A flavor with its extra specs and the projects that may use it, as one body."""
    document = service.ask("GET", f"/flavors/{quote(key, safe='')}", _FLAVOR, missing=True)
    if document is None:
        return None
    flavor = document["flavor"]
    access: list[str] = []
    if not flavor["os-flavor-access:is_public"]:
        path = f"/flavors/{quote(key, safe='')}/os-flavor-access"
        listed = service.ask("GET", path, _FLAVOR, missing=True) or {"flavor_access": []}
        access = sorted(entry["tenant_id"] for entry in listed["flavor_access"])
    return {
        **{name: flavor[name] for name in _COPIED},
        "swap": flavor["swap"] or 0,
        "extra_specs": flavor["extra_specs"],
        "access": access,
    }


def realize(service: PodService, key: str, body: Body) -> str:
    current = read(service, key)
    if current is not None and _fixed(current) != _fixed(body):
        # Nova cannot change these. Servers keep what they were made with.
        service.ask("DELETE", f"/flavors/{quote(key, safe='')}", _FLAVOR, missing=True)
        current = None
    if current is None:
        current = _make(service, key, body)
    path = f"/flavors/{quote(key, safe='')}"
    if current["description"] != body["description"]:
        description = {"flavor": {"description": body["description"]}}
        service.ask("PUT", path, _FLAVOR, description)
    _match_extra_specs(service, path, current["extra_specs"], body["extra_specs"])
    if not body["os-flavor-access:is_public"]:
        _match_access(service, path, set(current["access"]), set(body["access"]))
    return key


def _make(service: PodService, key: str, body: Body) -> Body:
    service.ask(
        "POST", "/flavors", _FLAVOR, {"flavor": {"id": key, **{n: body[n] for n in _COPIED}}}
    )
    return {**body, "extra_specs": {}, "access": []}


def _fixed(body: Body) -> Body:
    return {name: body[name] for name in _COPIED if name != "description"}


def _match_extra_specs(service: PodService, path: str, current: Body, wanted: Body) -> None:
    if more := {name: value for name, value in wanted.items() if current.get(name) != value}:
        service.ask("POST", f"{path}/os-extra_specs", _FLAVOR, {"extra_specs": more})
    for name in current.keys() - wanted.keys():
        specs = f"{path}/os-extra_specs/{quote(name, safe='')}"
        service.ask("DELETE", specs, _FLAVOR, missing=True)


def _match_access(service: PodService, path: str, current: set[str], wanted: set[str]) -> None:
    for project in sorted(wanted - current):
        service.ask("POST", f"{path}/action", _FLAVOR, {"addTenantAccess": {"tenant": project}})
    for project in sorted(current - wanted):
        body = {"removeTenantAccess": {"tenant": project}}
        service.ask("POST", f"{path}/action", _FLAVOR, body, missing=True)


def remove(service: PodService, key: str) -> None:
    service.ask("DELETE", f"/flavors/{quote(key, safe='')}", _FLAVOR, missing=True)
