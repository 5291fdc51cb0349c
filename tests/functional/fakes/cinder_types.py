# SPDX-License-Identifier: Apache-2.0
"""Volume types and group types, mixed into Cinder.

Each Cinder makes the ids itself, and has one type of each kind from the start.
"""

from typing import Any

from aiohttp import web

from tests.functional.fakes.cinder_lists import Object, Store, since, true
from tests.functional.fakes.http import Exchange, Refusal, new_id, reply, route
from tests.functional.fakes.rights import admin_only

DEFAULT, DEFAULT_GROUP = "__DEFAULT__", "default_cgsnapshot_type"
_ACCESS = "os-volume-type-access:is_public"
_SPECS = "(?P<what>extra|group)_specs"
_TYPED = "/(?P<kind>types|group_types)/{type_id}"


class Types(Store):
    """``types`` and ``group_types`` are {id: item}; ``defaults`` {project: type id}."""

    def prepare_types(self) -> None:
        self.types: dict[str, Object] = {}
        self.group_types: dict[str, Object] = {}
        self.defaults: dict[str, str] = {}
        self.add_type(DEFAULT, description="Default Volume Type")
        self.add_group_type(DEFAULT_GROUP, description="Default group type for cgsnapshots")

    # -- what tests say ----------------------------------------------------------------------

    def add_type(self, name: str, **values: Any) -> Object:
        made: Object = {
            "id": new_id(), "name": name, "description": None, "is_public": True,
            "extra_specs": {}, "access": set(), "encryption": None, "qos_specs_id": None, **values,
        }  # fmt: skip
        self.types[made["id"]] = made
        return made

    def add_group_type(self, name: str, **values: Any) -> Object:
        made: Object = {"id": new_id(), "name": name, "description": None, "is_public": True,
                        "group_specs": {}, **values}  # fmt: skip
        self.group_types[made["id"]] = made
        return made

    def named(self, name: str) -> Object:
        """The volume type of a name."""
        return next(one for one in self.types.values() if one["name"] == name)

    # -- for the others ----------------------------------------------------------------------

    def type_of_default(self) -> str:
        return str(self.named(DEFAULT)["id"])

    def type_of(self, exchange: Exchange, named: str | None) -> str:
        if named is None:
            mine = self.defaults.get(exchange.token.project_id)
            return mine if mine is not None else self.type_of_default()
        for kind in self.types.values():
            if named in (kind["id"], kind["name"]) and self._may_use(exchange, kind):
                return str(kind["id"])
        words = f"with name {named}" if not _is_id(named) else named
        raise Refusal(404, f"Volume type {words} could not be found.")

    def type_name(self, type_id: str) -> str:
        return str(self.types[type_id]["name"])

    def group_type_of(self, named: str) -> Object:
        for kind in self.group_types.values():
            if named in (kind["id"], kind["name"]):
                return kind
        raise Refusal(404, f"Group type {named} could not be found.")

    @staticmethod
    def _may_use(exchange: Exchange, kind: Object) -> bool:
        mine = exchange.token.project_id in kind.get("access", ())
        return bool(exchange.token.is_admin or kind["is_public"] or mine)

    def _one(self, exchange: Exchange, kind: str, type_id: str) -> Object:
        if kind == "types":
            if type_id == "default":
                return self.types[self.type_of(exchange, None)]
            found = self.types.get(type_id)
            if found is None or not self._may_use(exchange, found):
                raise Refusal(404, f"Volume type {type_id} could not be found.")
            return found
        since(exchange, 3, 11)
        if type_id == "default":
            return self.group_type_of(DEFAULT_GROUP)
        if type_id not in self.group_types:
            raise Refusal(404, f"Group type {type_id} could not be found.")
        return self.group_types[type_id]

    # -- volume and group types --------------------------------------------------------------

    def show_type(self, kind: str, item: Object, exchange: Exchange) -> Object:
        shown = {name: item[name] for name in ("id", "name", "description", "is_public")}
        admin = exchange.token.is_admin
        if kind == "group_types":
            return shown | ({"group_specs": item["group_specs"]} if admin else {})
        shown["extra_specs"] = item["extra_specs"] if admin else {}
        shown[_ACCESS] = item["is_public"]
        if admin:
            shown["qos_specs_id"] = item["qos_specs_id"]
        return shown

    @route("GET", "/(?P<kind>types|group_types)")
    def list_types(self, exchange: Exchange, kind: str) -> web.Response:
        if kind == "group_types":
            since(exchange, 3, 11)
        every = self.types if kind == "types" else self.group_types
        public = exchange.query.get("is_public", "true").lower()
        found = []
        for item in every.values():
            if not exchange.token.is_admin:
                if not self._may_use(exchange, item):
                    continue
            elif public != "none" and item["is_public"] != true(public):
                continue
            found.append(item)
        # The latest first; made within one moment they are told apart by their order.
        found.reverse()
        if marker := exchange.query.get("marker"):
            ids = [item["id"] for item in found]
            if marker not in ids:
                raise Refusal(404, f"Volume type {marker} could not be found.")
            found = found[ids.index(marker) + 1 :]
        found = found[: int(exchange.query.get("limit", 1000))]
        key = "volume_types" if kind == "types" else "group_types"
        return reply({key: [self.show_type(kind, item, exchange) for item in found]})

    @route("POST", "/(?P<kind>types|group_types)")
    def create_type(self, exchange: Exchange, kind: str) -> web.Response:
        if kind == "group_types":
            since(exchange, 3, 11)
        admin_only(exchange)
        key = "volume_type" if kind == "types" else "group_type"
        wanted = exchange.json(key)
        if not wanted.get("name"):
            raise Refusal(400, f"Invalid input for field/attribute {key}. 'name' is a required "
                               "property")  # fmt: skip
        every = self.types if kind == "types" else self.group_types
        self._refuse_name(every, key, wanted["name"])
        if kind == "types":
            made = self.add_type(
                wanted["name"], description=wanted.get("description"),
                is_public=wanted.get(_ACCESS, True), extra_specs=wanted.get("extra_specs", {}),
            )  # fmt: skip
        else:
            made = self.add_group_type(
                wanted["name"], description=wanted.get("description"),
                is_public=wanted.get("is_public", True),
                group_specs=wanted.get("group_specs", {}),
            )  # fmt: skip
        status = 200 if kind == "types" else 202
        return reply({key: self.show_type(kind, made, exchange)}, status)

    @staticmethod
    def _refuse_name(every: dict[str, Object], key: str, name: str, but: str = "") -> None:
        if any(item["name"] == name and item["id"] != but for item in every.values()):
            raise Refusal(409, f"{key.replace('_', ' ').title()} {name} already exists.")

    @route("GET", _TYPED)
    def show_one_type(self, exchange: Exchange, kind: str, type_id: str) -> web.Response:
        key = "volume_type" if kind == "types" else "group_type"
        item = self._one(exchange, kind, type_id)
        return reply({key: self.show_type(kind, item, exchange)})

    @route("PUT", _TYPED)
    def update_type(self, exchange: Exchange, kind: str, type_id: str) -> web.Response:
        key = "volume_type" if kind == "types" else "group_type"
        item, wanted = self._one(exchange, kind, type_id), exchange.json(key)
        known = {k: v for k, v in wanted.items() if k in ("name", "description", "is_public")}
        if all(value is None for value in known.values()):
            raise Refusal(400, "Specify volume type name, description, is_public or a combination "
                               "thereof.")  # fmt: skip
        every = self.types if kind == "types" else self.group_types
        if known.get("name"):
            self._refuse_name(every, key, known["name"], but=type_id)
        item |= {name: value for name, value in known.items() if value is not None}
        return reply({key: self.show_type(kind, item, exchange)})

    @route("DELETE", _TYPED)
    def delete_type(self, exchange: Exchange, kind: str, type_id: str) -> web.Response:
        item = self._one(exchange, kind, type_id)
        if kind == "types":
            if any(v["volume_type_id"] == item["id"] for v in self.items["volume"].values()):
                raise Refusal(400, "Target volume type is still in use.")
            if item["name"] == DEFAULT or item["id"] in self.defaults.values():
                raise Refusal(400, f"The volume type {type_id} is a default volume type and cannot "
                                   "be deleted.")  # fmt: skip
            del self.types[item["id"]]
        else:
            if any(g["group_type"] == item["id"] for g in self.items["group"].values()):
                raise Refusal(400, "Target group type is still in use.")
            del self.group_types[item["id"]]
        return reply(None, 202)

    @route("GET", f"{_TYPED}/{_SPECS}")
    def specs(self, exchange: Exchange, kind: str, type_id: str, what: str) -> web.Response:
        admin_only(exchange)
        return reply({f"{what}_specs": self._one(exchange, kind, type_id)[f"{what}_specs"]})

    @route("POST", f"{_TYPED}/{_SPECS}")
    def add_specs(self, exchange: Exchange, kind: str, type_id: str, what: str) -> web.Response:
        wanted = exchange.json(f"{what}_specs")
        self._one(exchange, kind, type_id)[f"{what}_specs"].update(wanted)
        status = 200 if what == "extra" else 202
        return reply({f"{what}_specs": wanted}, status)

    @route("GET", f"{_TYPED}/{_SPECS}/{{name}}")
    def show_spec(
        self, exchange: Exchange, kind: str, type_id: str, what: str, name: str
    ) -> web.Response:
        specs = self._one(exchange, kind, type_id)[f"{what}_specs"]
        if name not in specs:
            raise Refusal(404, f"Volume Type {type_id} has no extra specs with key {name}.")
        return reply({name: specs[name]})

    @route("PUT", f"{_TYPED}/{_SPECS}/{{name}}")
    def set_spec(
        self, exchange: Exchange, kind: str, type_id: str, what: str, name: str
    ) -> web.Response:
        self._one(exchange, kind, type_id)[f"{what}_specs"][name] = exchange.json()[name]
        return reply(exchange.json())

    @route("DELETE", f"{_TYPED}/{_SPECS}/{{name}}")
    def delete_spec(
        self, exchange: Exchange, kind: str, type_id: str, what: str, name: str
    ) -> web.Response:
        if self._one(exchange, kind, type_id)[f"{what}_specs"].pop(name, None) is None:
            raise Refusal(404, f"Volume Type {type_id} has no extra specs with key {name}.")
        return reply(None, 202)

    # -- who may use a volume type, and how it is encrypted ----------------------------------

    @route("GET", "/types/{type_id}/os-volume-type-access")
    def access(self, exchange: Exchange, type_id: str) -> web.Response:
        item = self._one(exchange, "types", type_id)
        if item["is_public"]:
            raise Refusal(404, "Access list not available for public volume types.")
        found = [{"volume_type_id": type_id, "project_id": one} for one in sorted(item["access"])]
        return reply({"volume_type_access": found})

    @route("POST", "/types/{type_id}/action")
    def change_access(self, exchange: Exchange, type_id: str) -> web.Response:
        item = self._one(exchange, "types", type_id)
        ((action, argument),) = exchange.json().items()
        project = argument["project"]
        if action == "addProjectAccess":
            if item["is_public"] or project in item["access"]:
                raise Refusal(409, f"Volume type access for {type_id} / {project} combination "
                                   "already exists.")  # fmt: skip
            item["access"].add(project)
        elif project not in item["access"]:
            raise Refusal(404, f"Volume type access not found for {type_id} / {project} "
                               "combination.")  # fmt: skip
        else:
            item["access"].discard(project)
        return reply(None, 202)

    @route("GET", "/types/{type_id}/encryption")
    def encryption(self, exchange: Exchange, type_id: str) -> web.Response:
        return reply(self._one(exchange, "types", type_id)["encryption"] or {})

    @route("POST", "/types/{type_id}/encryption")
    def encrypt(self, exchange: Exchange, type_id: str) -> web.Response:
        item, wanted = self._one(exchange, "types", type_id), exchange.json("encryption")
        if item["encryption"]:
            raise Refusal(400, f"Volume type encryption for type {type_id} already exists.")
        item["encryption"] = {
            "cipher": None, "key_size": None, **wanted, "encryption_id": new_id(),
            "volume_type_id": item["id"], "deleted": False, "deleted_at": None,
            "created_at": "2026-11-01T00:00:00.000000", "updated_at": None,
        }  # fmt: skip
        return reply({"encryption": wanted})

    @route("GET", "/types/{type_id}/encryption/{name}")
    def encryption_part(self, exchange: Exchange, type_id: str, name: str) -> web.Response:
        found = self._one(exchange, "types", type_id)["encryption"] or {}
        if name not in found:
            raise Refusal(404, f"Volume type encryption for type {type_id} does not exist.")
        return reply({name: found[name]})

    @route("PUT", "/types/{type_id}/encryption/{name}")
    def change_encryption(self, exchange: Exchange, type_id: str, name: str) -> web.Response:
        found = self._one(exchange, "types", type_id)["encryption"]
        if found is None:
            raise Refusal(404, f"Volume type encryption for type {type_id} does not exist.")
        found |= exchange.json("encryption")
        return reply(exchange.json())

    @route("DELETE", "/types/{type_id}/encryption/{name}")
    def decrypt(self, exchange: Exchange, type_id: str, name: str) -> web.Response:
        item = self._one(exchange, "types", type_id)
        if item["encryption"] is None:
            raise Refusal(404, f"Volume type encryption for type {type_id} does not exist.")
        item["encryption"] = None
        return reply(None, 202)


def _is_id(text: str) -> bool:
    return len(text) == 36 and text.count("-") == 4
