# SPDX-License-Identifier: Apache-2.0
"""What of a pod's document of an operator's thing is not the same for users: numbers and zones.

Each function changes one item in place and returns it.
"""

import re
from typing import Any

from tricircle.gateway.call import Call
from tricircle.gateway.upstream import broadcast, integer_ids
from tricircle.pods.pod import Pod

Item = dict[str, Any]

# Hypervisors and services have UUIDs from here on, numbers before.
UUIDS = (2, 53)
# The zone of services that run no servers; each pod has one of its own and it means nothing here.
_INTERNAL = "internal"
_MIGRATION_LINK = re.compile(r"(/migrations/)(\d+)$")


def hypervisor(call: Call, pod: Pod, item: Item) -> Item:
    _identify(call, "hypervisor", pod, item)
    if "service" in item:
        _identify(call, "service", pod, item["service"])
    return item


def service(call: Call, pod: Pod, item: Item) -> Item:
    _identify(call, "service", pod, item)
    return _zoned(pod, item)


def host(call: Call, pod: Pod, item: Item) -> Item:
    return _zoned(pod, item)


def migration(call: Call, pod: Pod, item: Item) -> Item:
    item["id"] = integer_ids.outward(pod, item["id"])
    for link in item.get("links", ()):
        link["href"] = _MIGRATION_LINK.sub(rf"\g<1>{item['id']}", link["href"])
    return item


def _identify(call: Call, kind: str, pod: Pod, item: Item) -> None:
    """A number made unique; where a UUID is is remembered."""
    if isinstance(item.get("id"), int):
        item["id"] = integer_ids.outward(pod, item["id"])
    elif "id" in item:
        broadcast.remember(call, kind, item["id"], pod)


def _zoned(pod: Pod, item: Item) -> Item:
    if item.get("zone") not in (None, _INTERNAL):
        item["zone"] = pod.availability_zone
    return item
