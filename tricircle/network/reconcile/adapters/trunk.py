# SPDX-License-Identifier: Apache-2.0
"""Trunks: their ports come to the pod by themselves, a trunk waits for them."""

from collections.abc import Collection
from typing import Any

from neutron_lib.plugins import directory

from tricircle.network.central import central_neutron
from tricircle.network.central.central_neutron import Resource
from tricircle.network.pod_api.pod_session import PodSession
from tricircle.network.reconcile.adapters.base import Adapter, same
from tricircle.pods.errors import PodRefused

EXTENSION = "trunk"


class TrunkAdapter(Adapter):
    resource_type = "trunk"
    member = "trunk"
    collection = "trunks"
    order = 60
    fixed = frozenset({"port_id", "sub_ports"})

    def is_unique(self, central: Resource) -> bool:
        return True

    def central(self, resource_id: str) -> Resource | None:
        plugin = directory.get_plugin("trunk")
        return None if plugin is None else central_neutron.found(plugin.get_trunk, resource_id)

    def body(self, session: PodSession, central: Resource) -> Resource:
        if not session.neutron.has(EXTENSION):
            raise PodRefused(
                session.pod.region_name,
                501,
                f"its Neutron lacks the extension {EXTENSION}, so the port "
                f"{central['port_id']} cannot have the trunk {central['id']}",
            )
        return {
            "name": central["name"],
            "admin_state_up": central["admin_state_up"],
            "project_id": central["project_id"],
            "port_id": session.id("port", central["port_id"]),
            "sub_ports": self._subports(session, central),
        }

    def differs(self, session: PodSession, current: Resource, central: Resource) -> Resource:
        changes = super().differs(session, current, central)
        changes.pop("admin_state_up", None)  # the last thing to change: see settle
        return changes

    def drift(self, session: PodSession, listed: Resource, central: Resource) -> Collection[str]:
        wanted = self.body(session, central)
        whole = [name for name in wanted if not same(wanted[name], listed.get(name))]
        return [*whole, *self._marker(session, listed, central)]

    def belongs(self, session: PodSession, central: Resource, listed: Resource) -> bool:
        """Also one whose server's port is bound nowhere: see ports."""
        parent = central_neutron.found(central_neutron.core().get_port, central["port_id"])
        if parent is None:
            return False
        host = parent["binding:host_id"]
        return bool(host == session.pod.region_name or (not host and parent["device_id"]))

    def settle(self, session: PodSession, current: Resource, central: Resource) -> None:
        wanted, there = self._subports(session, central), current.get("sub_ports") or []
        surplus = [subport for subport in there if subport not in wanted]
        missing = [subport for subport in wanted if subport not in there]
        path, up = f"/trunks/{current['id']}", current["admin_state_up"]
        if (surplus or missing) and not up:
            # Neutron lets nobody change the subports of a trunk that is down.
            up = self._put_up(session, path, True)
        if surplus:
            ports = [{"port_id": subport["port_id"]} for subport in surplus]
            session.neutron.put(f"{path}/remove_subports", {"sub_ports": ports})
        if missing:
            session.neutron.put(f"{path}/add_subports", {"sub_ports": missing})
        if up != central["admin_state_up"]:
            self._put_up(session, path, central["admin_state_up"])

    def delete(self, session: PodSession, resource_id: str, pod_resource_id: str) -> None:
        if (current := self.show(session, pod_resource_id)) is None:
            return
        if not current["admin_state_up"]:
            self._put_up(session, f"/trunks/{pod_resource_id}", True)
        super().delete(session, resource_id, pod_resource_id)

    def _put_up(self, session: PodSession, path: str, up: bool) -> bool:
        session.neutron.put(path, {"trunk": {"admin_state_up": up}})
        return up

    def _subports(self, session: PodSession, central: Resource) -> list[dict[str, Any]]:
        """The subports as the pod names them. Raises NotYet while one is not there."""
        subports = central["sub_ports"]
        there = session.ids("port", [subport["port_id"] for subport in subports])
        return [
            {
                "port_id": there[subport["port_id"]],
                "segmentation_type": subport["segmentation_type"],
                "segmentation_id": subport["segmentation_id"],
            }
            for subport in subports
        ]
