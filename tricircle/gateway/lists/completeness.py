# SPDX-License-Identifier: Apache-2.0
"""When a list must not leave out a pod that does not answer.

A client that looks for something by its name or id, and is told of nothing, makes it anew, or takes
it for deleted. So an empty answer is one only if every pod gave it; any other list is shown without
the pods that are away, and says so in a header.
"""

from collections.abc import Collection, Iterable
from typing import Any

from tricircle.gateway.call import Call
from tricircle.gateway.upstream import scatter
from tricircle.pods.pod import Pod

# Filters by which clients look for one thing, or for what they have made for one purpose.
_NAMING = {
    "display_name",
    "fixed_ip",
    "group_id",
    "host",
    "hostname",
    "id",
    "instance_id",
    "instance_name",
    "instance_uuid",
    "ip",
    "ip6",
    "metadata",
    "name",
    "name~",
    "node",
    "pool_name",
    "request_id",
    "reservation_id",
    "resource_uuid",
    "snapshot_id",
    "source_compute",
    "source_volid",
    "tags",
    "tags-any",
    "uuid",
    "volume_id",
}


def names_one(call: Call) -> bool:
    """Whether a client looks for something by name or the like; the last page of what is found may
    be empty."""
    return bool(_NAMING & set(call.query)) and "marker" not in call.query


def require(call: Call, found: Collection[Any], away: Iterable[Pod]) -> None:
    """Raises Fault 503 when nothing was found of what a client looks for, and a pod is away."""
    if not found and names_one(call) and (without := list(away)):
        raise scatter.maybe_away(without)
