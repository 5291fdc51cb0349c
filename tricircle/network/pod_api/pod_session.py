# SPDX-License-Identifier: Apache-2.0
"""A session with one pod: its Neutron client with a deadline, and the map central id -> pod id."""

import dataclasses
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from tricircle.db.realizations import Key
from tricircle.db.work_queue import WorkQueue
from tricircle.network.pod_api.neutron_client import PodNeutron
from tricircle.pods import markers
from tricircle.pods.deadline import Deadline
from tricircle.pods.markers import Place
from tricircle.pods.pod import Pod
from tricircle.pods.reconciler import NotYet

Item = Mapping[str, Any]


@dataclasses.dataclass(frozen=True)
class PodSession:
    """``notes`` are what an adapter's ``depends`` leaves for its ``settle``, by resource."""

    neutron: PodNeutron
    queue: WorkQueue
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
        return self.queue.mapped(resource_type, ids, self.pod.id)

    def id(self, resource_type: str, resource_id: str) -> str:
        return self.ids(resource_type, [resource_id])[resource_id]

    @property
    def own_project(self) -> str:
        """Our own project: of what is made in the pod for none of a user's."""
        return self.neutron.own_project

    def marker(self, collection: str, resource_id: str, project_id: str) -> str:
        """The description of an object that is made for a resource."""
        return markers.sign(resource_id, self._place(collection), project_id)

    def markers(self, collection: str, resource_id: str, owners: Collection[str]) -> list[str]:
        """Every marker of an object that was made for a resource and for one of the ``owners``."""
        place = self._place(collection)
        texts = (text for owner in owners for text in markers.forms(resource_id, place, owner))
        return list(dict.fromkeys(texts))

    def is_newest(self, collection: str, item: Item, resource_id: str) -> bool:
        """Whether an object of ours has the marker it would be given today."""
        place = self._place(collection)
        return markers.is_newest(item.get("description"), resource_id, place, owner_of(item))

    def is_signed(self, collection: str, item: Item) -> bool:
        """Whether an object has a marker that only we can have written."""
        return markers.is_signed(item.get("description"), self._place(collection), owner_of(item))

    def is_ours(self, collection: str, item: Item, owners: Collection[str] | None) -> bool:
        """Whether we made an object, by its marker and its project: see ``markers.is_ours``.

        Its project may be one of the ``owners``, or our own.
        """
        owners = None if owners is None else {*owners, self.own_project}
        return markers.is_ours(
            item.get("description"), self._place(collection), owner_of(item), owners
        )

    def _place(self, collection: str) -> Place:
        return Place(self.pod.region_name, collection)


@dataclasses.dataclass(frozen=True)
class Snapshot(PodSession):
    """A session that knows by heart what is there."""

    known: Mapping[Key, str] = dataclasses.field(default_factory=dict)

    def mapped(self, resource_type: str, ids: Iterable[str]) -> dict[str, str]:
        keys = {one: Key(resource_type, one) for one in ids}
        return {one: self.known[key] for one, key in keys.items() if key in self.known}


def named(item: Item) -> str | None:
    """The central id an object's marker tells, whoever wrote it; None when it has none."""
    return markers.named(item.get("description"))


def owner_of(item: Item) -> str:
    """The project of an object."""
    return str(item.get("project_id") or item.get("tenant_id") or "")
