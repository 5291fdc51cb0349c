# SPDX-License-Identifier: Apache-2.0
"""What a create of a volume or of a group asks for, as far as the gateway has to know."""

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

from tricircle.gateway.volume.documents import ZONE
from tricircle.pods.pod import Pod
from tricircle.scheduling.zones import Zone

_HINTS = "OS-SCH-HNT:scheduler_hints"
# What a new one is made of, or is to be beside: {field: resource type}.
_SOURCES = {
    "source_volid": "volume",
    "snapshot_id": "snapshot",
    "backup_id": "backup",
    "group_id": "group",
    "consistencygroup_id": "group",
}
_LONGEST_ZONE = 255
_IMAGES = ("imageRef", "image_id")
_HINTED = {"local_to_instance": "server", "same_host": "volume"}


class RefusedByCinder(Exception):
    """Cinder itself refuses this body whatever there is: let a pod say it in its words."""


@dataclasses.dataclass(frozen=True, slots=True)
class CreateRequest:
    """``kind`` is the key in ``body`` (volume, group, consistencygroup) of what is asked for.

    ``needs`` are (resource type, id) of what must be in the same pod.
    """

    body: dict[str, Any]
    kind: str
    zone: Zone
    needs: tuple[tuple[str, str], ...]

    @property
    def images(self) -> list[Any]:
        """The images it is made of, as the client named them."""
        return [self.wanted.get(name) for name in _IMAGES]

    @property
    def detail(self) -> dict[str, Any] | None:
        """What is written down beside where a volume is; None for what is no volume."""
        if self.kind != "volume":
            return None
        made_of = (*_SOURCES, *_IMAGES)
        empty = not any(self.wanted.get(name) for name in made_of)
        return {"zone": self.wanted.get(ZONE) or None, "empty": empty}

    @property
    def wanted(self) -> dict[str, Any]:
        wanted: dict[str, Any] = self.body[self.kind]
        return wanted

    @property
    def name(self) -> str | None:
        return name_of(self.wanted)

    def toward(self, pod: Pod) -> dict[str, Any]:
        """The body for a pod, in the pod's own name of the zone."""
        wanted = {key: value for key, value in self.wanted.items() if key != ZONE}
        if pod.pod_availability_zone:
            wanted[ZONE] = pod.pod_availability_zone
        return {**self.body, self.kind: wanted}


def name_of(wanted: Mapping[str, Any]) -> str | None:
    """The name that is asked for, as a document will show it."""
    for key in ("name", "display_name"):
        if isinstance(name := wanted.get(key), str):
            return name.strip()
    return None


def parse(body: Any, kind: str) -> CreateRequest:
    """Raises RefusedByCinder."""
    wanted = body.get(kind) if isinstance(body, dict) else None
    if not isinstance(wanted, dict):
        raise RefusedByCinder
    zone = wanted.get(ZONE)
    if not isinstance(zone, str | None) or not _may_be_zone(zone, kind):
        raise RefusedByCinder
    needs = tuple(dict.fromkeys(_needs(body, wanted)))
    return CreateRequest(body, kind, Zone(zone) if zone else Zone.parse(None), needs)


def _may_be_zone(zone: str | None, kind: str) -> bool:
    """Whether Cinder's schema takes it: a pod does not see it. Only groups' is without blanks."""
    if zone is None or kind == "consistencygroup":
        return True
    return 0 < len(zone.strip() if kind == "group" else zone) <= _LONGEST_ZONE


def _needs(body: dict[str, Any], wanted: dict[str, Any]) -> Iterable[tuple[str, str]]:
    for field, kind in _SOURCES.items():
        yield from _ids(wanted.get(field), kind)
    for hints in (body.get(_HINTS), wanted.get("scheduler_hints")):
        if isinstance(hints, dict):
            for hint, kind in _HINTED.items():
                yield from _ids(hints.get(hint), kind)


def _ids(value: Any, kind: str) -> Iterable[tuple[str, str]]:
    for item in value if isinstance(value, list) else [value]:
        if isinstance(item, str) and item:
            yield kind, item
