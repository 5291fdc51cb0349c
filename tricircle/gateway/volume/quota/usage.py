# SPDX-License-Identifier: Apache-2.0
"""What new things will use of their project's quota."""

from typing import Any

from tricircle.db.storage import BY_TYPE, COUNTS, Use
from tricircle.gateway import storage_limits
from tricircle.gateway.call import Call
from tricircle.gateway.http import bounds
from tricircle.gateway.transport.client import PodResponse
from tricircle.gateway.upstream import lookup
from tricircle.gateway.upstream.forward import ask_any
from tricircle.gateway.upstream.pod_request import PodRequest
from tricircle.gateway.volume.request import CreateRequest

# What a volume has the size of, when none is named.
_SIZED = ("volume", "snapshot", "backup")
# How limits that are for one volume type begin.
_TYPED = tuple(f"{name}_" for name in BY_TYPE)


async def of_request(call: Call, wanted: CreateRequest) -> Use:
    """What a volume or group that is asked for will use."""
    if wanted.kind != "volume":
        return Use("group")
    size, kind = wanted.wanted.get("size"), wanted.wanted.get("volume_type")
    source: dict[str, Any] = {}
    for need, resource_id in wanted.needs:
        if size is None and need in _SIZED:
            source = await document(call, need, resource_id)
            size = source.get("size")
            kind = kind or source.get("volume_type")
    named = await storage_limits.type_name(
        call.context.project_id, kind if isinstance(kind, str) else None
    )
    named = named or await _default_type(call)
    return Use("volume", _number(size), named)


async def of_volume(call: Call, kind: str, volume_id: str) -> Use:
    """What a snapshot or backup of a volume will use."""
    volume = await document(call, "volume", volume_id)
    by_type = volume.get("volume_type") if kind == "snapshot" else None
    return Use(kind, _number(volume.get("size")), by_type)


async def document(call: Call, kind: str, resource_id: str) -> dict[str, Any]:
    """A resource as its pod shows it to the caller; empty when it does not."""
    request = PodRequest.of(call).get(lookup.path(call, kind, resource_id))
    answer = await lookup.ask(call, kind, resource_id, request)
    shown: dict[str, Any] = answer.json()[kind] if answer.ok else {}
    return shown


def told(kind: str, answer: PodResponse, expected: Use) -> Use:
    """What is used as the pod's answer has it, where it shows that."""
    if kind not in COUNTS or kind != expected.kind:
        return expected
    made = answer.json()[kind]
    size = made.get("size")
    by_type = made.get("volume_type") or expected.volume_type
    return Use(kind, expected.gigabytes if size is None else _number(size), by_type)


async def _default_type(call: Call) -> str | None:
    """The name of the pods' own default type, asked for where a limit by type may hold it."""
    limits = await storage_limits.of_project(call.context.project_id)
    if not any(name.startswith(_TYPED) for name in limits):
        return None
    answer = await ask_any(call, PodRequest.of(call).get("/types/default"))
    return str(answer.json()["volume_type"]["name"]) if answer.ok else None


def _number(value: Any) -> int:
    """A size; of one that is none a pod says so."""
    return bounds.whole(value, bounds.STORED) or 0
