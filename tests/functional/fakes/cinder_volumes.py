# SPDX-License-Identifier: Apache-2.0
"""Volumes and snapshots, mixed into Cinder."""

from typing import Any

from aiohttp import web

from tests.functional.fakes.cinder_images import Images
from tests.functional.fakes.cinder_lists import DB_MAX_INT, Object, since, true
from tests.functional.fakes.http import Exchange, Refusal, reply, route
from tests.functional.fakes.rights import admin_only

_MOST_LETTERS = 255
_STATUS = "Invalid volume: Volume {}"
# So it cannot be deleted.
_BUSY = ("in-use", "uploading", "awaiting-transfer")


def _are_text(metadata: Any) -> bool:
    """Whether metadata are what Cinder's schema has, or not there."""
    texts = (metadata or {}).items() if isinstance(metadata, dict | None) else [(None, None)]
    return all(
        isinstance(text, str) and len(text) <= _MOST_LETTERS for pair in texts for text in pair
    )


class Volumes(Images):
    """What is created is creating in the answer and available when looked at."""

    def type_of(self, exchange: Exchange, named: str | None) -> str:
        """The id of a volume type named by id or name, or of the default one."""
        raise NotImplementedError

    def type_name(self, type_id: str) -> str:
        raise NotImplementedError

    def room(self, project_id: str, **more: int) -> None:
        """Raise 413 where the pod's own quota does not allow more."""
        raise NotImplementedError

    # -- what tests say ----------------------------------------------------------------------

    def add_volume(self, name: str = "v", user: str = "member", **values: Any) -> Object:
        """A volume made behind everybody's back."""
        return self._volume(*self.owner(user), name=name, **values)

    def put_volume(self, project: str, user: str, **values: Any) -> Object:
        """As Nova has one made on a user's behalf."""
        return self._volume(project, user, name="", **values)

    def add_snapshot(self, volume: Object, name: str = "s", **values: Any) -> Object:
        return self._snapshot(volume, name=name, **values)

    def _volume(self, project: str, user: str, **values: Any) -> Object:
        return self.put("volume", project, user, **{
            "size": 1,
            "availability_zone": self.zone,
            "volume_type_id": self.type_of_default(),
            "snapshot_id": None,
            "source_volid": None,
            "bootable": False,
            "multiattach": False,
            "encrypted": False,
            "replication_status": None,
            "consistencygroup_id": None,
            "group_id": None,
            "migration_status": None,
            "host": f"{self.name.partition('/')[0]}-host@lvm#lvm",
            "use_quota": True,
            "content": "",
            "readonly": None,
            "image_metadata": {},
            **values,
        })  # fmt: skip

    def type_of_default(self) -> str:
        raise NotImplementedError

    def _snapshot(self, volume: Object, **values: Any) -> Object:
        return self.put("snapshot", volume["project_id"], volume["user_id"], **{
            "volume_id": volume["id"],
            "size": volume["size"],
            "group_snapshot_id": None,
            "availability_zone": volume["availability_zone"],
            "use_quota": True,
            **values,
        })  # fmt: skip

    # -- documents ---------------------------------------------------------------------------

    def show_volume(self, item: Object, exchange: Exchange) -> Object:
        version, admin = exchange.version, exchange.token.is_admin
        names = ["id", "status", "size", "availability_zone", "created_at", "updated_at", "name",
                 "description", "snapshot_id", "source_volid", "metadata", "user_id", "encrypted",
                 "replication_status", "consistencygroup_id", "multiattach"]  # fmt: skip
        shown = {name: item[name] for name in names}
        if item["readonly"] is not None:
            shown["metadata"] = {**item["metadata"], "readonly": str(item["readonly"])}
        if item["image_metadata"]:
            shown["volume_image_metadata"] = item["image_metadata"]
        shown["links"] = self.links_to(exchange, "volumes", item["id"])
        shown["bootable"] = str(item["bootable"]).lower()
        shown["volume_type"] = self.type_name(item["volume_type_id"])
        shown["attachments"] = [
            {"id": item["id"], "attachment_id": one["id"], "volume_id": item["id"],
             "server_id": one["instance"], "host_name": None, "device": "/dev/vdb",
             "attached_at": one["attached_at"]}
            for one in self.items["attachment"].values()
            if one["volume_id"] == item["id"] and one["status"] == "attached"
        ]  # fmt: skip
        shown["os-vol-tenant-attr:tenant_id"] = item["project_id"]
        if admin:
            shown["migration_status"] = item["migration_status"]
            shown["os-vol-host-attr:host"] = item["host"]
            shown["os-vol-mig-status-attr:migstat"] = item["migration_status"]
            shown["os-vol-mig-status-attr:name_id"] = None
        if version >= (3, 13):
            shown["group_id"] = item["group_id"]
        if version >= (3, 21) and admin:
            shown["provider_id"] = None
        if version >= (3, 48):
            shown |= {"shared_targets": False, "service_uuid": None}
        if version >= (3, 61) and admin:
            shown["cluster_name"] = None
        if version >= (3, 63):
            shown["volume_type_id"] = item["volume_type_id"]
        if version >= (3, 65):
            shown["consumes_quota"] = item["use_quota"]
        return shown

    def brief(self, path: str) -> Any:
        def show(item: Object, exchange: Exchange) -> Object:
            links = self.links_to(exchange, path, item["id"])
            return {"id": item["id"], "name": item["name"], "links": links}

        return show

    def show_snapshot(self, item: Object, exchange: Exchange, detailed: bool = True) -> Object:
        names = ["id", "created_at", "updated_at", "name", "description", "volume_id", "status",
                 "size", "metadata"]  # fmt: skip
        shown = {name: item[name] for name in names}
        if not detailed:
            return shown
        shown["os-extended-snapshot-attributes:project_id"] = item["project_id"]
        shown["os-extended-snapshot-attributes:progress"] = "100%"
        if exchange.version >= (3, 14):
            shown["group_snapshot_id"] = item["group_snapshot_id"]
        if exchange.version >= (3, 41):
            shown["user_id"] = item["user_id"]
        if exchange.version >= (3, 65):
            shown["consumes_quota"] = item["use_quota"]
        return shown

    # -- volumes -----------------------------------------------------------------------------

    @route("GET", "/volumes")
    def list_volumes(self, exchange: Exchange) -> web.Response:
        return self.listed(exchange, "volume", self.brief("volumes"))

    @route("GET", "/volumes/detail")
    def list_volume_details(self, exchange: Exchange) -> web.Response:
        return self.listed(exchange, "volume", self.show_volume)

    @route("GET", "/volumes/summary")
    def summary(self, exchange: Exchange) -> web.Response:
        every = true(exchange.query.get("all_tenants")) and exchange.token.is_admin
        mine = exchange.token.project_id
        found = [v for v in self.items["volume"].values() if every or v["project_id"] == mine]
        told: Object = {"total_count": len(found), "total_size": sum(v["size"] for v in found)}
        if exchange.version >= (3, 36):
            metadata: dict[str, list[str]] = {}
            for volume in found:
                for key, value in volume["metadata"].items():
                    if value not in metadata.setdefault(key, []):
                        metadata[key].append(value)
            told["metadata"] = metadata
        return reply({"volume-summary": told})

    @route("POST", "/volumes")
    def create_volume(self, exchange: Exchange) -> web.Response:
        wanted = exchange.json("volume")
        if not _are_text(wanted.get("metadata")):
            raise Refusal(400, "Invalid input for field/attribute metadata.")
        source, size = self._source(exchange, wanted), wanted.get("size")
        if size is None and source is None:
            raise Refusal(400, "Invalid input for field/attribute volume. 'size' is a required "
                               "property")  # fmt: skip
        size = source["size"] if size is None and source else size
        if not str(size).isdecimal() or not 0 < int(str(size)) <= DB_MAX_INT:
            raise Refusal(400, f"Invalid input received: Volume size '{size}' must be an integer "
                               "and greater than 0")  # fmt: skip
        if source is not None and int(str(size)) < source["size"]:
            raise Refusal(400, "Invalid input received: Volume size cannot be lesser than the "
                               "source's")  # fmt: skip
        zone = wanted.get("availability_zone") or self.zone
        if zone != self.zone:
            raise Refusal(400, f"Invalid input received: Availability zone '{zone}' is invalid.")
        kind = wanted.get("volume_type") or self.type_of_image(wanted.get("imageRef"))
        if kind is None and source is not None and "volume_type_id" in source:
            type_id = source["volume_type_id"]
        else:
            type_id = self.type_of(exchange, kind)
        if group := wanted.get("group_id"):
            since(exchange, 3, 13)
            self.find(exchange, "group", group)
        self.room(exchange.token.project_id, volumes=1, gigabytes=int(str(size)))
        volume = self._volume(
            exchange.token.project_id,
            exchange.token.user.id,
            name=name_in(wanted, "name"),
            description=name_in(wanted, "description"),
            size=int(str(size)),
            metadata=wanted.get("metadata") or {},
            volume_type_id=type_id,
            snapshot_id=wanted.get("snapshot_id"),
            source_volid=wanted.get("source_volid"),
            group_id=group,
            hints=exchange.json().get("OS-SCH-HNT:scheduler_hints"),
            **self.of_image(exchange.token, wanted.get("imageRef")),
        )
        return reply({"volume": self.show_volume({**volume, "status": "creating"}, exchange)}, 202)

    def _source(self, exchange: Exchange, wanted: Object) -> Object | None:
        for field, kind in (("snapshot_id", "snapshot"), ("source_volid", "volume"),
                            ("backup_id", "backup")):  # fmt: skip
            if wanted.get(field):
                if kind == "backup":
                    since(exchange, 3, 47)
                return self.find(exchange, kind, wanted[field])
        return None

    @route("GET", "/volumes/{volume_id}")
    def show_one_volume(self, exchange: Exchange, volume_id: str) -> web.Response:
        volume = self.find(exchange, "volume", volume_id)
        return reply({"volume": self.show_volume(volume, exchange)})

    @route("PUT", "/volumes/{volume_id}")
    def update_volume(self, exchange: Exchange, volume_id: str) -> web.Response:
        volume = self.find(exchange, "volume", volume_id)
        change(volume, exchange.json("volume"))
        self.touch(volume)
        return reply({"volume": self.show_volume(volume, exchange)})

    @route("DELETE", "/volumes/{volume_id}")
    def delete_volume(self, exchange: Exchange, volume_id: str) -> web.Response:
        volume = self.find(exchange, "volume", volume_id)
        snapshots = [s for s in self.items["snapshot"].values() if s["volume_id"] == volume_id]
        if volume["status"] in _BUSY or (snapshots and not true(exchange.query.get("cascade"))):
            raise Refusal(400, _STATUS.format("status must be available or error …"))
        self.end_volume(volume_id)
        return reply(None, 202)

    def end_volume(self, volume_id: str) -> None:
        """Away with it and its snapshots."""
        del self.items["volume"][volume_id]
        for snapshot in list(self.items["snapshot"].values()):
            if snapshot["volume_id"] == volume_id:
                del self.items["snapshot"][snapshot["id"]]

    @route("POST", "/volumes/{volume_id}/action")
    def act_on_volume(self, exchange: Exchange, volume_id: str) -> web.Response:
        volume = self.find(exchange, "volume", volume_id)
        body = exchange.json()
        if not isinstance(body, dict) or len(body) != 1:
            raise Refusal(400, "There is no such action")
        ((name, argument),) = body.items()
        match name:
            case "os-extend":
                size = argument["new_size"]
                if volume["status"] == "in-use" and exchange.version < (3, 42):
                    raise Refusal(400, _STATUS.format("in-use cannot be extended"))
                if not str(size).isdecimal() or not (volume["size"] < int(str(size)) <= DB_MAX_INT):
                    raise Refusal(400, "Invalid input received: New size for extend must be "
                                       "greater than current size.")  # fmt: skip
                more = int(str(size)) - volume["size"]
                self.room(exchange.token.project_id, gigabytes=more)
                volume["size"] = int(str(size))
            case "os-force_delete":
                admin_only(exchange)
                self.end_volume(volume_id)
            case "os-reset_status":
                admin_only(exchange)
                volume["status"] = argument.get("status", volume["status"])
            case "os-set_bootable":
                volume["bootable"] = true(argument["bootable"])
                return reply(None, 200)
            case "os-retype":
                volume["volume_type_id"] = self.type_of(exchange, argument["new_type"])
            case "os-update_readonly_flag":
                if volume["status"] != "available":
                    raise Refusal(400, _STATUS.format("status must be available"))
                volume["readonly"] = argument["readonly"]
            case "os-detach" | "os-terminate_connection":
                self.may_detach(exchange, volume)
            case _:
                return self.act_on_image(exchange, volume, name, argument)
        return reply(None, 202)

    @route("GET", "/(?P<kind>volume|snapshot)s/{item_id}/metadata")
    def metadata(self, exchange: Exchange, kind: str, item_id: str) -> web.Response:
        return reply({"metadata": self.find(exchange, kind, item_id)["metadata"]})

    @route("POST", "/(?P<kind>volume|snapshot)s/{item_id}/metadata")
    def add_metadata(self, exchange: Exchange, kind: str, item_id: str) -> web.Response:
        item = self.find(exchange, kind, item_id)
        item["metadata"].update(exchange.json("metadata"))
        return reply({"metadata": item["metadata"]})

    @route("PUT", "/(?P<kind>volume|snapshot)s/{item_id}/metadata")
    def set_metadata(self, exchange: Exchange, kind: str, item_id: str) -> web.Response:
        item = self.find(exchange, kind, item_id)
        item["metadata"] = dict(exchange.json("metadata"))
        return reply({"metadata": item["metadata"]})

    @route("DELETE", "/(?P<kind>volume|snapshot)s/{item_id}/metadata/{name}")
    def drop_metadata(self, exchange: Exchange, kind: str, item_id: str, name: str) -> web.Response:
        item = self.find(exchange, kind, item_id)
        if item["metadata"].pop(name, None) is None:
            raise Refusal(404, f"{kind.title()} {item_id} has no metadata with key {name}.")
        return reply(None, 200)

    @route("GET", "/volumes/{volume_id}/encryption")
    def volume_encryption(self, exchange: Exchange, volume_id: str) -> web.Response:
        self.find(exchange, "volume", volume_id)
        return reply({"encryption_key_id": None})

    # -- snapshots ---------------------------------------------------------------------------

    @route("GET", "/snapshots")
    def list_snapshots(self, exchange: Exchange) -> web.Response:
        def show(item: Object, exchange: Exchange) -> Object:
            return self.show_snapshot(item, exchange, detailed=False)

        return self.listed(exchange, "snapshot", show)

    @route("GET", "/snapshots/detail")
    def list_snapshot_details(self, exchange: Exchange) -> web.Response:
        return self.listed(exchange, "snapshot", self.show_snapshot)

    @route("POST", "/snapshots")
    def create_snapshot(self, exchange: Exchange) -> web.Response:
        wanted = exchange.json("snapshot")
        if "volume_id" not in wanted:
            raise Refusal(400, "Invalid input for field/attribute snapshot. 'volume_id' is a "
                               "required property")  # fmt: skip
        volume = self.find(exchange, "volume", wanted["volume_id"])
        self.room(exchange.token.project_id, snapshots=1, gigabytes=volume["size"])
        snapshot = self._snapshot(
            volume, name=name_in(wanted, "name"), metadata=wanted.get("metadata") or {}
        )
        shown = self.show_snapshot({**snapshot, "status": "creating"}, exchange, detailed=False)
        return reply({"snapshot": shown}, 202)

    @route("GET", "/snapshots/{item_id}")
    def show_one_snapshot(self, exchange: Exchange, item_id: str) -> web.Response:
        return reply(
            {"snapshot": self.show_snapshot(self.find(exchange, "snapshot", item_id), exchange)}
        )

    @route("PUT", "/snapshots/{item_id}")
    def update_snapshot(self, exchange: Exchange, item_id: str) -> web.Response:
        snapshot = self.find(exchange, "snapshot", item_id)
        change(snapshot, exchange.json("snapshot"))
        return reply({"snapshot": self.show_snapshot(snapshot, exchange)})

    @route("DELETE", "/(?P<kind>snapshot|backup)s/{item_id}")
    def delete_item(self, exchange: Exchange, kind: str, item_id: str) -> web.Response:
        del self.items[kind][self.find(exchange, kind, item_id)["id"]]
        return reply(None, 202)

    @route("POST", "/(?P<kind>snapshot|backup)s/{item_id}/action")
    def act_on_item(self, exchange: Exchange, kind: str, item_id: str) -> web.Response:
        item = self.find(exchange, kind, item_id)
        ((name, argument),) = exchange.json().items()
        admin_only(exchange)
        if name == "os-force_delete":
            del self.items[kind][item_id]
        elif name == "os-reset_status":
            item["status"] = argument["status"]
        else:
            raise Refusal(400, f"There is no such action: {name}")
        return reply(None, 202)


def name_in(wanted: Object, field: str) -> Any:
    value = wanted.get(field, wanted.get(f"display_{field}"))
    return value.strip() if isinstance(value, str) else value


def change(item: Object, wanted: Object) -> None:
    for field in ("name", "description"):
        if field in wanted or f"display_{field}" in wanted:
            item[field] = name_in(wanted, field)
    if "metadata" in wanted:
        item["metadata"] = wanted["metadata"]
