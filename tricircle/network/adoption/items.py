# SPDX-License-Identifier: Apache-2.0
"""The objects that a plan is about, and what becomes of each."""

import dataclasses
import uuid
from collections.abc import Callable
from typing import Any

from neutron_lib import constants
from neutron_lib.plugins import constants as plugins
from neutron_lib.plugins import directory

from tricircle.db.realizations import Key
from tricircle.network.adoption.inventory import Inventory
from tricircle.network.central import adopted, central_neutron
from tricircle.network.central.central_neutron import Resource
from tricircle.network.pod_api.pod_session import PodSession, named
from tricircle.network.reconcile.adapters import ADAPTERS

_NAMESPACE = uuid.UUID("5a8f6e0e-0a55-4b5c-9d0d-8f3f0d5b7a11")
#: What becomes of an object.
ADOPT, MATCH, LEAVE = "adopt", "match", "leave"
#: Who, in a pod, owns the ports that answer DHCP and metadata there.
POD_OWN = (constants.DEVICE_OWNER_DHCP, constants.DEVICE_OWNER_DISTRIBUTED)


class Impossible(Exception):
    """It cannot be done; the text says why. Nothing is changed."""


@dataclasses.dataclass
class Item:
    """One object of the pod. ``inside`` is its id there, ``outside`` the one it has in the region.

    ``matched``: the region has the resource already. ``reason`` says why it is left alone.
    """

    kind: str
    inside: str
    outside: str
    document: Resource
    matched: bool = False
    reason: str = ""

    @property
    def action(self) -> str:
        return LEAVE if self.reason else MATCH if self.matched else ADOPT

    @property
    def key(self) -> Key:
        return Key(self.kind, self.outside)

    def told(self) -> dict[str, Any]:
        """As operators see it."""
        return {
            "resource_type": self.kind,
            "id": self.inside,
            "name": self.document.get("name") or self.document.get("floating_ip_address") or "",
            "action": self.action,
            "region_id": None if self.reason else self.outside,
            "reason": self.reason or None,
        }


class Plan:
    """What becomes of a project's objects in a pod, in the order in which they are told."""

    def __init__(self, session: PodSession, project_id: str, found: Inventory) -> None:
        self.session, self.project_id, self.found = session, project_id, found
        self.items: list[Item] = []
        #: {(kind, id in the pod): id in the region} of external networks, the operators'.
        self.links: dict[tuple[str, str], str] = {}
        rows = session.queue.in_pod(session.pod.id, tuple(ADAPTERS))
        self._known = {
            (row.resource_type, row.pod_resource_id): row.resource_id
            for row in rows
            if row.pod_resource_id and not row.absent
        }
        records: list[Any] = session.queue.transact(lambda tx: adopted.of_pod(tx, session.pod.id))
        self._records = {(row.resource_type, row.pod_resource_id): row for row in records}

    def of(self, kind: str) -> list[Item]:
        """What is taken over of a kind."""
        return [item for item in self.items if item.kind == kind and not item.reason]

    def outside(self, kind: str, inside: str | None) -> str | None:
        """The region's id of an object of the pod; None when it is, and will be, none of its."""
        if inside is None:
            return None
        if (known := self._known.get((kind, inside))) is not None:
            return known
        if (linked := self.links.get((kind, inside))) is not None:
            return linked
        for item in self.items:
            if (item.kind, item.inside) == (kind, inside):
                return None if item.reason else item.outside
        record = self._records.get((kind, inside))
        return None if record is None else str(record.resource_id)

    def known(self) -> dict[Key, str]:
        """{resource of the region: the pod's object} of what it will have once all is done."""
        found = {Key(kind, outside): inside for (kind, inside), outside in self._known.items()}
        found |= {Key(kind, outside): inside for (kind, inside), outside in self.links.items()}
        return found | {item.key: item.inside for item in self.items if not item.reason}

    def joins(self, port: Resource) -> bool:
        """Whether a port joins a router that is taken over."""
        return any(item.inside == port["id"] for item in self.of(adopted.INTERFACE))

    def add(self, kind: str, document: Resource, reason: str = "") -> Item | None:
        """An object of the pod; None when the region has taken it over or made it, already."""
        inside = document["id"]
        record = self._records.get((kind, inside))
        if record is None:
            if (kind, inside) in self._known or named(document):
                return None
        elif record.state == adopted.HERE:
            return None
        elif record.state == adopted.LEAVING:
            reason = "it is being given back: let that end first"
        outside = record.resource_id if record is not None else self._id(kind, inside)
        item = Item(kind, inside, outside, document, reason=reason)
        self.items.append(item)
        return item

    def _id(self, kind: str, inside: str) -> str:
        """The pod's id where the region has no other thing of that id."""
        if not exists(kind, inside):
            return inside
        return str(uuid.uuid5(_NAMESPACE, f"{self.session.pod.region_name} {kind} {inside}"))


def exists(kind: str, resource_id: str) -> bool:
    """Whether the region has a resource."""
    core = central_neutron.core()
    getters: dict[str, Callable[..., Resource]] = {
        "network": core.get_network,
        "subnet": core.get_subnet,
        "port": core.get_port,
        adopted.INTERFACE: core.get_port,
        "security_group": core.get_security_group,
        "address_group": core.get_address_group,
    }
    if (routers := central_neutron.routers()) is not None:
        getters |= {"router": routers.get_router, "floating_ip": routers.get_floatingip}
    if (qos := directory.get_plugin(plugins.QOS)) is not None:
        getters["qos_policy"] = qos.get_policy
    if (trunks := directory.get_plugin("trunk")) is not None:
        getters["trunk"] = trunks.get_trunk
    getter = getters.get(kind)
    return getter is not None and central_neutron.found(getter, resource_id) is not None
