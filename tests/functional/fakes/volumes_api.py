# SPDX-License-Identifier: Apache-2.0
"""Nova's proxies to volumes and snapshots, over a Cinder that is as small."""

from typing import Any

from aiohttp import web

from tests.functional.fakes.http import Exchange, Refusal, new_id, reply, route
from tests.functional.fakes.operators_api import gone
from tests.functional.fakes.server_store import ServerStore

Object = dict[str, Any]
LAST = (2, 35)


class Volumes(ServerStore):
    """Mixed into Nova. ``stored`` is {volume or snapshot: {id: item}}."""

    def prepare_volumes(self) -> None:
        self.stored: dict[str, dict[str, Object]] = {"volume": {}, "snapshot": {}}

    def add_volume(self, project_id: str, name: str = "v", **values: Any) -> Object:
        volume = {
            "id": new_id(),
            "displayName": name,
            "displayDescription": "",
            "size": 1,
            "status": "available",
            "availabilityZone": self.zone,
            "createdAt": "2026-11-01T00:00:00.000000",
            "attachments": [{}],
            "volumeType": "lvm",
            "snapshotId": None,
            "metadata": {},
            "project_id": project_id,
            **values,
        }
        self.stored["volume"][volume["id"]] = volume
        return volume

    @staticmethod
    def _show_stored(item: Object) -> Object:
        return {name: value for name, value in item.items() if name != "project_id"}

    def _stored(self, exchange: Exchange, kind: str, name: str) -> Object:
        item = self.stored[kind].get(name)
        if item is None or item["project_id"] != exchange.token.project_id:
            raise Refusal(404, f"{kind.title()} {name} could not be found.")
        return item

    @route("GET", "/os-(?P<kind>volume|snapshot)s(/detail)?")
    def list_stored(self, exchange: Exchange, kind: str) -> web.Response:
        gone(exchange, LAST)
        numbers = {}
        for name, default in (("limit", "1000"), ("offset", "0")):
            given = exchange.query.get(name, default)
            if not given.isdecimal():
                raise Refusal(400, f"Invalid input for query parameters {name}. Value: {given}.")
            numbers[name] = int(given)
        project = exchange.token.project_id
        found = [one for one in self.stored[kind].values() if one["project_id"] == project]
        found = found[numbers["offset"] :][: numbers["limit"] or 1000]
        return reply({f"{kind}s": [self._show_stored(one) for one in found]})

    @route("GET", "/os-(?P<kind>volume|snapshot)s/{name}")
    def show_stored(self, exchange: Exchange, kind: str, name: str) -> web.Response:
        gone(exchange, LAST)
        return reply({kind: self._show_stored(self._stored(exchange, kind, name))})

    @route("DELETE", "/os-(?P<kind>volume|snapshot)s/{name}")
    def delete_stored(self, exchange: Exchange, kind: str, name: str) -> web.Response:
        gone(exchange, LAST)
        del self.stored[kind][self._stored(exchange, kind, name)["id"]]
        return reply(None, 202)

    @route("POST", "/os-volumes")
    def create_volume(self, exchange: Exchange) -> web.Response:
        gone(exchange, LAST)
        wanted = exchange.json("volume")
        if "size" not in wanted:
            raise Refusal(400, "Invalid input for field/attribute volume. 'size' is a required "
                               "property")  # fmt: skip
        zone = wanted.get("availability_zone", self.zone)
        if zone != self.zone:
            raise Refusal(400, f"Invalid input received: Availability zone '{zone}' is invalid.")
        volume = self.add_volume(
            exchange.token.project_id, wanted.get("display_name"), size=wanted["size"]
        )
        return reply({"volume": self._show_stored(volume)})

    @route("POST", "/os-snapshots")
    def create_stored_snapshot(self, exchange: Exchange) -> web.Response:
        gone(exchange, LAST)
        wanted = exchange.json("snapshot")
        if "volume_id" not in wanted:
            raise Refusal(400, "Invalid input for field/attribute snapshot. 'volume_id' is a "
                               "required property")  # fmt: skip
        volume = self._stored(exchange, "volume", wanted["volume_id"])
        snapshot = {
            "id": new_id(),
            "volumeId": volume["id"],
            "displayName": wanted.get("display_name"),
            "displayDescription": None,
            "size": volume["size"],
            "status": "available",
            "createdAt": "2026-11-01T00:00:00.000000",
            "project_id": exchange.token.project_id,
        }
        self.stored["snapshot"][snapshot["id"]] = snapshot
        return reply({"snapshot": self._show_stored(snapshot)})

    @route("POST", "/servers/{server_id}/os-volume_attachments")
    def attach_volume(self, exchange: Exchange, server_id: str) -> web.Response:
        """Nova asks the Cinder of its own cloud, as the user."""
        self.server_of(server_id, exchange)
        volume_id = exchange.json("volumeAttachment")["volumeId"]
        volume = self.cinder.items["volume"].get(volume_id)
        if volume is None or volume["project_id"] != exchange.token.project_id:
            raise Refusal(404, f"Volume {volume_id} could not be found.")
        made = self.cinder.add_attachment(
            volume,
            server_id,
            status="attached",
            connection_info={"driver_volume_type": "iscsi"},
        )
        volume["status"] = "in-use"
        told = {"id": made["id"], "serverId": server_id, "volumeId": volume_id}
        return reply({"volumeAttachment": {**told, "device": "/dev/vdb"}})
