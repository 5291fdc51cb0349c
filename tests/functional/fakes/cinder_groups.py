# SPDX-License-Identifier: Apache-2.0
"""What is made beside volumes, mixed into Cinder: transfers, attachments, groups, messages."""

from typing import Any

from aiohttp import web

from tests.functional.fakes.cinder_lists import Object, Store, since, stamp, true
from tests.functional.fakes.http import Exchange, Refusal, new_id, reply, route
from tests.functional.fakes.rights import found

_TRANSFERS = "(?P<by>volume-transfers|os-volume-transfer)"


class Beside(Store):
    """``auth_key`` of a transfer is a secret."""

    def group_type_of(self, named: str) -> Object:
        raise NotImplementedError

    def type_of(self, exchange: Exchange, named: str | None) -> str:
        raise NotImplementedError

    # -- transfers ---------------------------------------------------------------------------

    def show_transfer(self, item: Object, exchange: Exchange, key: bool = False) -> Object:
        shown = {name: item[name] for name in ("id", "created_at", "name", "volume_id")}
        shown["links"] = self.links_to(exchange, "os-volume-transfer", item["id"])
        if key:
            shown["auth_key"] = item["auth_key"]
        if exchange.version >= (3, 55):
            shown["no_snapshots"] = item["no_snapshots"]
        if exchange.version >= (3, 57):
            shown |= {"destination_project_id": None, "source_project_id": item["project_id"],
                      "accepted": False}  # fmt: skip
        return shown

    @staticmethod
    def _since(exchange: Exchange, by: str) -> None:
        if by == "volume-transfers":
            since(exchange, 3, 55)

    @route("GET", f"/{_TRANSFERS}")
    def list_transfers(self, exchange: Exchange, by: str) -> web.Response:
        self._since(exchange, by)

        def show(item: Object, exchange: Exchange) -> Object:
            whole = self.show_transfer(item, exchange)
            return {name: whole[name] for name in ("id", "volume_id", "name", "links")}

        return self.listed(exchange, "transfer", show)

    @route("GET", f"/{_TRANSFERS}/detail")
    def list_transfer_details(self, exchange: Exchange, by: str) -> web.Response:
        self._since(exchange, by)
        return self.listed(exchange, "transfer", self.show_transfer)

    @route("POST", f"/{_TRANSFERS}")
    def create_transfer(self, exchange: Exchange, by: str) -> web.Response:
        self._since(exchange, by)
        wanted = exchange.json("transfer")
        volume = self.find(exchange, "volume", wanted["volume_id"])
        if volume["status"] != "available":
            raise Refusal(400, "Invalid volume: status must be available")
        volume["status"] = "awaiting-transfer"
        transfer = self.put(
            "transfer", volume["project_id"], volume["user_id"], name=wanted.get("name"),
            volume_id=volume["id"], auth_key=f"secret{new_id().replace('-', '')[:10]}",
            no_snapshots=bool(wanted.get("no_snapshots")),
        )  # fmt: skip
        return reply({"transfer": self.show_transfer(transfer, exchange, key=True)}, 202)

    @route("GET", f"/{_TRANSFERS}/{{item_id}}")
    def show_one_transfer(self, exchange: Exchange, by: str, item_id: str) -> web.Response:
        self._since(exchange, by)
        transfer = self.find(exchange, "transfer", item_id)
        return reply({"transfer": self.show_transfer(transfer, exchange)})

    @route("DELETE", f"/{_TRANSFERS}/{{item_id}}")
    def delete_transfer(self, exchange: Exchange, by: str, item_id: str) -> web.Response:
        self._since(exchange, by)
        transfer = self.find(exchange, "transfer", item_id)
        self.items["volume"][transfer["volume_id"]]["status"] = "available"
        del self.items["transfer"][item_id]
        return reply(None, 202)

    @route("POST", f"/{_TRANSFERS}/{{item_id}}/accept")
    def accept_transfer(self, exchange: Exchange, by: str, item_id: str) -> web.Response:
        self._since(exchange, by)
        transfer = self.items["transfer"].get(item_id)
        if transfer is None:
            raise Refusal(404, f"Transfer {item_id} could not be found.")
        # Whoever has the key may have it: the policy is asked about the project that gets it.
        found(exchange, exchange.token.project_id)
        if exchange.json("accept").get("auth_key") != transfer["auth_key"]:
            raise Refusal(400, f"Invalid auth key: Attempt to transfer {item_id} with invalid auth "
                               "key.")  # fmt: skip
        volume = self.items["volume"][transfer["volume_id"]]
        volume |= {"project_id": exchange.token.project_id, "user_id": exchange.token.user.id,
                   "status": "available"}  # fmt: skip
        if not transfer["no_snapshots"]:
            for snapshot in self.items["snapshot"].values():
                if snapshot["volume_id"] == volume["id"]:
                    snapshot["project_id"] = exchange.token.project_id
        del self.items["transfer"][item_id]
        shown = {name: transfer[name] for name in ("id", "volume_id", "name")}
        shown["links"] = self.links_to(exchange, "os-volume-transfer", item_id)
        return reply({"transfer": shown}, 202)

    # -- attachments -------------------------------------------------------------------------

    def add_attachment(self, volume: Object, server_id: str, **values: Any) -> Object:
        return self.put("attachment", volume["project_id"], volume["user_id"], **{
            "volume_id": volume["id"], "instance": server_id, "status": "reserved",
            "attached_at": "", "detached_at": "", "attach_mode": None, "connection_info": {},
            **values,
        })  # fmt: skip

    @staticmethod
    def _brief_attachment(item: Object, exchange: Exchange) -> Object:
        return {name: item[name] for name in ("id", "status", "instance", "volume_id")}

    def show_attachment(self, item: Object, exchange: Exchange) -> Object:
        more = ("attached_at", "detached_at", "attach_mode", "connection_info")
        return self._brief_attachment(item, exchange) | {name: item[name] for name in more}

    @route("GET", "/attachments")
    def list_attachments(self, exchange: Exchange) -> web.Response:
        return self.listed(exchange, "attachment", self._brief_attachment)

    @route("GET", "/attachments/detail")
    def list_attachment_details(self, exchange: Exchange) -> web.Response:
        return self.listed(exchange, "attachment", self.show_attachment)

    @route("POST", "/attachments")
    def create_attachment(self, exchange: Exchange) -> web.Response:
        wanted = exchange.json("attachment")
        volume = self.find(exchange, "volume", str(wanted.get("volume_uuid")))
        if volume["status"] != "available":
            raise Refusal(400, "Invalid volume: status must be available or downloading")
        volume["status"] = "reserved"
        made = self.add_attachment(volume, wanted.get("instance_uuid"))
        if wanted.get("connector"):
            made["connection_info"] = {"driver_volume_type": "iscsi", "secret": "s3cr3t"}
        return reply({"attachment": self.show_attachment(made, exchange)})

    @route("GET", "/attachments/{item_id}")
    def show_one_attachment(self, exchange: Exchange, item_id: str) -> web.Response:
        found = self.find(exchange, "attachment", item_id)
        return reply({"attachment": self.show_attachment(found, exchange)})

    @route("PUT", "/attachments/{item_id}")
    def update_attachment(self, exchange: Exchange, item_id: str) -> web.Response:
        found = self.find(exchange, "attachment", item_id)
        found |= {"status": "attaching", "connection_info": {"driver_volume_type": "iscsi"}}
        return reply({"attachment": self.show_attachment(found, exchange)})

    @route("POST", "/attachments/{item_id}/action")
    def complete_attachment(self, exchange: Exchange, item_id: str) -> web.Response:
        found = self.find(exchange, "attachment", item_id)
        found |= {"status": "attached", "attached_at": stamp()}
        self.items["volume"][found["volume_id"]]["status"] = "in-use"
        return reply(None, 204)

    @route("DELETE", "/attachments/{item_id}")
    def delete_attachment(self, exchange: Exchange, item_id: str) -> web.Response:
        found = self.find(exchange, "attachment", item_id)
        self.may_detach(exchange, self.items["volume"].get(found["volume_id"]), found)
        del self.items["attachment"][item_id]
        if found["volume_id"] in self.items["volume"]:
            self.items["volume"][found["volume_id"]]["status"] = "available"
        return reply({"attachments": []})

    def may_detach(
        self, exchange: Exchange, volume: Object | None, attachment: Object | None = None
    ) -> None:
        """As ``cinder.volume.api.API.attachment_deletion_allowed``: a service may; a user may not
        while a server of this cloud's Nova uses it.
        """
        if self.keystone.service(exchange.http) is not None:
            return
        of_volume = [
            one
            for one in self.items["attachment"].values()
            if volume is not None and one["volume_id"] == volume["id"]
        ]
        if attachment is None:
            if not of_volume:
                return
            attachment = of_volume[0] if len(of_volume) == 1 else None
        server = attachment["instance"] if attachment else ""
        if attachment and not (server and attachment["connection_info"]):
            return
        if attachment and server not in self.servers:
            return
        raise Refusal(409, f"Detach volume from instance {server} using the Compute API")

    # -- groups and their snapshots ----------------------------------------------------------

    def add_group(self, name: str = "g", user: str = "member", **values: Any) -> Object:
        return self.put("group", *self.owner(user), **{
            "name": name, "availability_zone": self.zone, "volume_types": [],
            "group_type": self.group_type_of("default_cgsnapshot_type")["id"],
            "group_snapshot_id": None, "source_group_id": None, "replication_status": "disabled",
            **values,
        })  # fmt: skip

    def show_group(self, item: Object, exchange: Exchange) -> Object:
        names = ("id", "status", "availability_zone", "created_at", "name", "description",
                 "group_type", "volume_types")  # fmt: skip
        shown = {name: item[name] for name in names}
        if exchange.version >= (3, 14):
            shown |= {name: item[name] for name in ("group_snapshot_id", "source_group_id")}
        if exchange.version >= (3, 25) and true(exchange.query.get("list_volume")):
            volumes = self.items["volume"].values()
            shown["volumes"] = [one["id"] for one in volumes if one["group_id"] == item["id"]]
        if exchange.version >= (3, 38):
            shown["replication_status"] = item["replication_status"]
        if exchange.version >= (3, 58) and exchange.token.is_admin:
            shown["project_id"] = item["project_id"]
        return shown

    @staticmethod
    def _brief_group(item: Object, exchange: Exchange) -> Object:
        return {"id": item["id"], "name": item["name"]}

    @route("GET", "/groups")
    def list_groups(self, exchange: Exchange) -> web.Response:
        return self.listed(exchange, "group", self._brief_group)

    @route("GET", "/groups/detail")
    def list_group_details(self, exchange: Exchange) -> web.Response:
        return self.listed(exchange, "group", self.show_group)

    @route("POST", "/groups")
    def create_group(self, exchange: Exchange) -> web.Response:
        wanted = exchange.json("group")
        group_type = self.group_type_of(str(wanted.get("group_type")))
        types = [self.type_of(exchange, named) for named in wanted.get("volume_types") or ()]
        if not types:
            raise Refusal(400, "Invalid input for field/attribute volume_types.")
        zone = wanted.get("availability_zone") or self.zone
        if zone != self.zone:
            raise Refusal(400, f"Invalid input received: Availability zone '{zone}' is invalid.")
        project, user = exchange.token.project_id, exchange.token.user.id
        made = self.add_group(wanted.get("name"), group_type=group_type["id"], volume_types=types)
        made |= {"project_id": project, "user_id": user}
        return reply({"group": self._brief_group(made, exchange)}, 202)

    @route("POST", "/groups/action")
    def create_group_from(self, exchange: Exchange) -> web.Response:
        since(exchange, 3, 14)
        wanted = exchange.json("create-from-src")
        if wanted.get("source_group_id"):
            source = self.find(exchange, "group", wanted["source_group_id"])
            parts = self._in_group(source)
        else:
            snapshot = self.find(exchange, "group_snapshot", str(wanted.get("group_snapshot_id")))
            source = self.items["group"][snapshot["group_id"]]
            parts = self._of_snapshot(snapshot)
        gigabytes = sum(one["size"] for one in parts)
        self.room(exchange.token.project_id, volumes=len(parts), gigabytes=gigabytes)
        copied = {name: source[name] for name in ("group_type", "volume_types", "project_id",
                                                  "user_id")}  # fmt: skip
        made = self.add_group(wanted.get("name"))
        made |= copied | {"source_group_id": wanted.get("source_group_id"),
                          "group_snapshot_id": wanted.get("group_snapshot_id")}  # fmt: skip
        for part in parts:
            self.add_volume("copy", size=part["size"], group_id=made["id"])
        return reply({"group": self._brief_group(made, exchange)}, 202)

    @route("GET", "/groups/{item_id}")
    def show_one_group(self, exchange: Exchange, item_id: str) -> web.Response:
        return reply({"group": self.show_group(self.find(exchange, "group", item_id), exchange)})

    @route("PUT", "/groups/{item_id}")
    def update_group(self, exchange: Exchange, item_id: str) -> web.Response:
        group, wanted = self.find(exchange, "group", item_id), exchange.json("group")
        group |= {name: wanted[name] for name in ("name", "description") if wanted.get(name)}
        return reply(None, 202)

    @route("POST", "/groups/{item_id}/action")
    def act_on_group(self, exchange: Exchange, item_id: str) -> web.Response:
        since(exchange, 3, 13)
        self.find(exchange, "group", item_id)
        if "delete" not in exchange.json():
            raise Refusal(400, "There is no such action")
        mine = [one for one in self.items["volume"].values() if one["group_id"] == item_id]
        if mine and not exchange.json()["delete"].get("delete-volumes"):
            raise Refusal(400, f"Invalid Group: Group {item_id} still contains volumes.")
        for volume in mine:
            del self.items["volume"][volume["id"]]
        del self.items["group"][item_id]
        return reply(None, 202)

    def _in_group(self, group: Object) -> list[Object]:
        return [one for one in self.items["volume"].values() if one["group_id"] == group["id"]]

    def _of_snapshot(self, whole: Object) -> list[Object]:
        parts = self.items["snapshot"].values()
        return [one for one in parts if one["group_snapshot_id"] == whole["id"]]

    def show_group_snapshot(self, item: Object, exchange: Exchange) -> Object:
        names = ("id", "group_id", "group_type_id", "status", "created_at", "name", "description")
        shown = {name: item[name] for name in names}
        if exchange.version >= (3, 58) and exchange.token.is_admin:
            shown["project_id"] = item["project_id"]
        return shown

    def add_group_snapshot(self, group: Object, name: str = "gs", **values: Any) -> Object:
        return self.put(
            "group_snapshot", group["project_id"], group["user_id"], name=name,
            group_id=group["id"], group_type_id=group["group_type"], **values,
        )  # fmt: skip

    @route("GET", "/group_snapshots")
    def list_group_snapshots(self, exchange: Exchange) -> web.Response:
        return self.listed(exchange, "group_snapshot", self._brief_group)

    @route("GET", "/group_snapshots/detail")
    def list_group_snapshot_details(self, exchange: Exchange) -> web.Response:
        return self.listed(exchange, "group_snapshot", self.show_group_snapshot)

    @route("POST", "/group_snapshots")
    def create_group_snapshot(self, exchange: Exchange) -> web.Response:
        wanted = exchange.json("group_snapshot")
        group = self.find(exchange, "group", str(wanted.get("group_id")))
        volumes = self._in_group(group)
        gigabytes = sum(one["size"] for one in volumes)
        self.room(exchange.token.project_id, snapshots=len(volumes), gigabytes=gigabytes)
        made = self.add_group_snapshot(group, wanted.get("name"))
        for volume in volumes:
            self.add_snapshot(volume, made["name"], group_snapshot_id=made["id"])
        shown = {name: made[name] for name in ("id", "name", "group_type_id")}
        return reply({"group_snapshot": shown}, 202)

    @route("GET", "/group_snapshots/{item_id}")
    def show_one_group_snapshot(self, exchange: Exchange, item_id: str) -> web.Response:
        found = self.find(exchange, "group_snapshot", item_id)
        return reply({"group_snapshot": self.show_group_snapshot(found, exchange)})

    @route("DELETE", "/group_snapshots/{item_id}")
    def delete_group_snapshot(self, exchange: Exchange, item_id: str) -> web.Response:
        whole = self.find(exchange, "group_snapshot", item_id)
        for part in self._of_snapshot(whole):
            del self.items["snapshot"][part["id"]]
        del self.items["group_snapshot"][whole["id"]]
        return reply(None, 202)

    # -- messages ----------------------------------------------------------------------------

    def add_message(self, user: str = "member", **values: Any) -> Object:
        project, user_id = self.owner(user)
        return self.put("message", project, user_id, **{
            "event_id": "VOLUME_000001", "user_message": "schedule allocate volume: no room",
            "message_level": "ERROR", "guaranteed_until": "2027-11-01T00:00:00.000000",
            "request_id": f"req-{new_id()}", "resource_type": "VOLUME", "resource_uuid": new_id(),
            **values,
        })  # fmt: skip

    def show_message(self, item: Object, exchange: Exchange) -> Object:
        names = ("id", "event_id", "user_message", "message_level", "created_at",
                 "guaranteed_until", "request_id", "resource_type", "resource_uuid")  # fmt: skip
        links = self.links_to(exchange, "messages", item["id"])
        return {name: item[name] for name in names} | {"links": links}

    @route("GET", "/messages")
    def list_messages(self, exchange: Exchange) -> web.Response:
        return self.listed(exchange, "message", self.show_message)

    @route("GET", "/messages/{item_id}")
    def show_one_message(self, exchange: Exchange, item_id: str) -> web.Response:
        found = self.find(exchange, "message", item_id)
        return reply({"message": self.show_message(found, exchange)})

    @route("DELETE", "/messages/{item_id}")
    def delete_message(self, exchange: Exchange, item_id: str) -> web.Response:
        del self.items["message"][self.find(exchange, "message", item_id)["id"]]
        return reply(None, 204)
