# SPDX-License-Identifier: Apache-2.0
"""A pod at work: its Neutron, and which object there is which central resource."""

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

from tricircle.db.realizations import Key
from tricircle.db.store import Store
from tricircle.network.deadline import Deadline
from tricircle.network.podneutron import PodNeutron
from tricircle.pods.pod import Pod


class NotYet(Exception):
    """Something that must be in the pod first is not there; try again soon."""


@dataclasses.dataclass(frozen=True)
class Site:
    """``notes`` are what an adapter's ``depends`` leaves for its ``settle``, by resource."""

    neutron: PodNeutron
    store: Store
    notes: dict[Key, Any] = dataclasses.field(default_factory=dict)

    @property
    def pod(self) -> Pod:
        return self.neutron.pod

    @property
    def deadline(self) -> Deadline:
        return self.neutron.deadline

    def ids(self, resource_type: str, ids: Iterable[str]) -> dict[str, str]:
        """{central id: id in this pod}. Raises NotYet when one is not in the pod."""
        wanted = set(ids)
        found = self.mapped(resource_type, wanted)
        if missing := wanted - found.keys():
            first = Key(resource_type, min(missing))
            raise NotYet(f"Pod {self.pod.region_name}: the {first} is not there yet")
        return found

    def mapped(self, resource_type: str, ids: Iterable[str]) -> dict[str, str]:
        """{central id: id in this pod} of those that are known to be there."""
        return self.store.mapped(resource_type, ids, self.pod.id)

    def id(self, resource_type: str, resource_id: str) -> str:
        return self.ids(resource_type, [resource_id])[resource_id]


_PREFIX = "tricircle:"


def marker(resource_id: str) -> str:
    """The description that tells whose copy an object in a pod is."""
    return _PREFIX + resource_id


def marked(item: Mapping[str, Any]) -> str | None:
    """The central id an object's marker tells; None for an object that is not ours."""
    description = str(item.get("description") or "")
    return description.removeprefix(_PREFIX) if description.startswith(_PREFIX) else None
