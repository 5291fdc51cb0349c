# SPDX-License-Identifier: Apache-2.0
"""Definitions in pods where Tricircle is no administrator: what is there is taken for them.

Nothing is made, changed or removed there. A flavor is known by its name and its sizes, what has an
id of each pod's own by its name.
"""

from tricircle.pods.definitions.named import Collection
from tricircle.pods.errors import PodRefused
from tricircle.pods.rest import Body, PodService

_SIZES = ("ram", "vcpus", "disk", "OS-FLV-EXT-DATA:ephemeral")
_FORBIDDEN = 403


def flavor(service: PodService, body: Body) -> str:
    """The id of the pod's flavor of that name and those sizes. Raises PodRefused for none."""
    for one in service.ask("GET", "/flavors/detail")["flavors"]:
        if one["name"] == body["name"] and all(one[size] == body[size] for size in _SIZES):
            return str(one["id"])
    sizes = f"{body['vcpus']} vCPUs, {body['ram']} MiB of memory and {body['disk']} GiB of disk"
    raise _lacks(service, f"flavor {body['name']} of {sizes}")


def named(service: PodService, kind: str, body: Body, collection: Collection | None) -> str:
    """The id of the pod's one of that name. Raises PodRefused for none."""
    for one in collection.list(service) if collection is not None else ():
        if one["name"] == body.get("name"):
            return str(one["id"])
    raise _lacks(service, f"{kind.replace('_', ' ')} {body.get('name', '')}".strip())


def _lacks(service: PodService, what: str) -> PodRefused:
    text = f"it has no {what}, and lets Tricircle, which is no administrator there, make none"
    return PodRefused(service.pod.region_name, _FORBIDDEN, text)
