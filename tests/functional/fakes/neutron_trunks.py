# SPDX-License-Identifier: Apache-2.0
"""Trunks of a fake Neutron, with the rules stock Neutron has for them and the marks that ML2/OVN
leaves on subports: their parent and tag stand in the binding's profile."""

from collections.abc import Iterable
from typing import Any

from aiohttp import web

from tests.functional.fakes.http import Exchange, Refusal, reply, route

Object = dict[str, Any]

TRUNKS: dict[str, tuple[str, Object]] = {
    "trunks": ("trunk", {"name": "", "port_id": None, "admin_state_up": True, "sub_ports": []})
}


class Trunks:
    """Mixed into ``Neutron``."""

    @route("PUT", "/v2.0/trunks/{trunk_id}/add_subports")
    def add_subports(self: Any, exchange: Exchange, trunk_id: str) -> web.Response:
        trunk = self._manageable(self._get("trunks", trunk_id, exchange.token))
        added = exchange.json()["sub_ports"]
        self._check_subports(added, trunk["sub_ports"])
        self._take(trunk["port_id"], added)
        trunk["sub_ports"].extend(added)
        return reply(trunk)

    @route("PUT", "/v2.0/trunks/{trunk_id}/remove_subports")
    def remove_subports(self: Any, exchange: Exchange, trunk_id: str) -> web.Response:
        trunk = self._manageable(self._get("trunks", trunk_id, exchange.token))
        gone = {subport["port_id"] for subport in exchange.json()["sub_ports"]}
        if missing := gone - {subport["port_id"] for subport in trunk["sub_ports"]}:
            raise Refusal(404, f"SubPort {min(missing)} could not be found.", "SubPortNotFound")
        trunk["sub_ports"] = [s for s in trunk["sub_ports"] if s["port_id"] not in gone]
        self._release(gone)
        return reply(trunk)

    def _prepare_trunk(self: Any, item: Object, token: Any) -> None:
        if "trunk" not in self.aliases:
            raise Refusal(404, "The resource could not be found.", "HTTPNotFound")
        port = self._get("ports", item["port_id"] or "", token)
        if self._trunk_of(port["id"]):
            raise Refusal(409, f"Port {port['id']} is in use by a trunk.", "ParentPortInUse")
        self._check_subports(item["sub_ports"], [])
        self._take(item["port_id"], item["sub_ports"])
        item["status"] = "ACTIVE"

    def _check_subports(self: Any, added: list[Object], there: list[Object]) -> None:
        tags = [subport["segmentation_id"] for subport in (*added, *there)]
        if len(tags) != len(set(tags)):
            raise Refusal(409, "segmentation_id is already in use", "DuplicateSubPort")
        for subport in added:
            port = self._get("ports", subport["port_id"], None)
            if self._trunk_of(port["id"]) or port["device_id"]:
                raise Refusal(409, f"Port {port['id']} is in use.", "TrunkPortInUse")

    def _take(self: Any, parent_id: str, added: list[Object]) -> None:
        for subport in added:
            port = self.tables["ports"][subport["port_id"]]
            port["device_owner"] = "trunk:subport"
            mark = {"parent_name": parent_id, "tag": subport["segmentation_id"]}
            port["binding:profile"] = port["binding:profile"] | mark

    def _release(self: Any, port_ids: Iterable[str]) -> None:
        for port_id in port_ids:
            port = self.tables["ports"][port_id]
            port["device_owner"] = ""
            kept = port["binding:profile"].items()
            port["binding:profile"] = {k: v for k, v in kept if k not in ("parent_name", "tag")}

    def _trunk_of(self: Any, port_id: str) -> Object | None:
        """The trunk a port is in, as its parent or a subport."""
        for trunk in self.tables["trunks"].values():
            if port_id in (trunk["port_id"], *(s["port_id"] for s in trunk["sub_ports"])):
                found: Object = trunk
                return found
        return None

    @staticmethod
    def _manageable(trunk: Object) -> Object:
        if not trunk["admin_state_up"]:
            raise Refusal(409, f"Trunk {trunk['id']} is currently disabled.", "TrunkDisabled")
        return trunk

    def _check_trunkless(self: Any, port: Object) -> None:
        if trunk := self._trunk_of(port["id"]):
            message = f"Port {port['id']} is in use by trunk {trunk['id']}."
            raise Refusal(409, message, "PortInUseAsTrunkParent")

    def _release_subports(self: Any, trunk: Object) -> None:
        self._release(subport["port_id"] for subport in self._manageable(trunk)["sub_ports"])
