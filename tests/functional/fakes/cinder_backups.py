# SPDX-License-Identifier: Apache-2.0
"""Backups, mixed into Cinder."""

import base64
import json
from typing import Any

from aiohttp import web

from tests.functional.fakes.cinder_lists import Object
from tests.functional.fakes.cinder_volumes import Volumes, change, name_in
from tests.functional.fakes.http import Exchange, Refusal, new_id, reply, route
from tests.functional.fakes.rights import admin_only


class Backups(Volumes):
    """What can be restored: also in another pod that was told of it."""

    def add_backup(self, volume: Object, name: str = "b", **values: Any) -> Object:
        return self._backup(volume, name=name, **values)

    def _backup(self, volume: Object, **values: Any) -> Object:
        return self.put("backup", volume["project_id"], volume["user_id"], **{
            "volume_id": volume["id"],
            "size": volume["size"],
            "snapshot_id": None,
            "availability_zone": self.zone,
            "is_incremental": False,
            "container": "backups",
            "encryption_key_id": None,
            **values,
        })  # fmt: skip

    def show_backup(self, item: Object, exchange: Exchange) -> Object:
        names = ["id", "status", "size", "availability_zone", "container", "created_at",
                 "updated_at", "name", "description", "volume_id", "is_incremental",
                 "snapshot_id"]  # fmt: skip
        shown = {name: item[name] for name in names}
        shown |= {"object_count": 0, "fail_reason": None, "has_dependent_backups": False,
                  "data_timestamp": item["created_at"]}  # fmt: skip
        shown["links"] = self.links_to(exchange, "backups", item["id"])
        if exchange.version >= (3, 18) and exchange.token.is_admin:
            shown["os-backup-project-attr:project_id"] = item["project_id"]
        if exchange.version >= (3, 43):
            shown["metadata"] = item["metadata"]
        if exchange.version >= (3, 56):
            shown["user_id"] = item["user_id"]
        return shown

    # -- backups -----------------------------------------------------------------------------

    @route("GET", "/backups")
    def list_backups(self, exchange: Exchange) -> web.Response:
        return self.listed(exchange, "backup", self.brief("backups"))

    @route("GET", "/backups/detail")
    def list_backup_details(self, exchange: Exchange) -> web.Response:
        return self.listed(exchange, "backup", self.show_backup)

    @route("POST", "/backups")
    def create_backup(self, exchange: Exchange) -> web.Response:
        wanted = exchange.json("backup")
        volume = self.find(exchange, "volume", str(wanted.get("volume_id")))
        if wanted.get("availability_zone") not in (None, "", self.zone):
            raise Refusal(404, "Service cinder-backup could not be found.")
        self.room(exchange.token.project_id, backups=1, backup_gigabytes=volume["size"])
        backup = self._backup(volume, name=name_in(wanted, "name"))
        return reply({"backup": self.brief("backups")(backup, exchange)}, 202)

    @route("GET", "/backups/{item_id}")
    def show_one_backup(self, exchange: Exchange, item_id: str) -> web.Response:
        return reply({"backup": self.show_backup(self.find(exchange, "backup", item_id), exchange)})

    @route("PUT", "/backups/{item_id}")
    def update_backup(self, exchange: Exchange, item_id: str) -> web.Response:
        backup = self.find(exchange, "backup", item_id)
        change(backup, exchange.json("backup"))
        return reply({"backup": self.brief("backups")(backup, exchange)})

    @route("POST", "/backups/{item_id}/restore")
    def restore(self, exchange: Exchange, item_id: str) -> web.Response:
        backup, wanted = self.find(exchange, "backup", item_id), exchange.json("restore")
        if wanted.get("volume_id"):
            volume = self.find(exchange, "volume", wanted["volume_id"])
        else:
            self.room(exchange.token.project_id, volumes=1, gigabytes=backup["size"])
            name = wanted.get("name") or f"restore_backup_{item_id}"
            volume = self._volume(
                exchange.token.project_id, exchange.token.user.id, name=name, size=backup["size"]
            )
        told = {"backup_id": item_id, "volume_id": volume["id"], "volume_name": volume["name"]}
        return reply({"restore": told}, 202)

    @route("GET", "/backups/{item_id}/export_record")
    def export_record(self, exchange: Exchange, item_id: str) -> web.Response:
        admin_only(exchange)
        backup = self.find(exchange, "backup", item_id)
        url = base64.b64encode(json.dumps({"id": item_id, "size": backup["size"]}).encode())
        record = {"backup_service": "fake", "backup_url": url.decode()}
        return reply({"backup-record": record})

    @route("POST", "/backups/import_record")
    def import_record(self, exchange: Exchange) -> web.Response:
        told = json.loads(base64.b64decode(exchange.json("backup-record")["backup_url"]))
        project, user = exchange.token.project_id, exchange.token.user.id
        volume = {"id": new_id(), "size": told["size"], "project_id": project, "user_id": user}
        backup = self._backup(volume, **told)
        return reply({"backup": self.brief("backups")(backup, exchange)}, 201)
