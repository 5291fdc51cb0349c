# SPDX-License-Identifier: Apache-2.0
"""Default types and QoS specs, mixed into Cinder."""

import json

from aiohttp import web

from tests.functional.fakes.cinder_lists import Object, true
from tests.functional.fakes.cinder_types import Types
from tests.functional.fakes.http import Exchange, Refusal, new_id, reply, route
from tests.functional.fakes.rights import admin_only


class Specs(Types):
    """``qos`` is {id: item}."""

    def prepare_specs(self) -> None:
        self.qos: dict[str, Object] = {}

    def add_qos(self, name: str, consumer: str = "back-end", **specs: str) -> Object:
        made: Object = {"id": new_id(), "name": name, "consumer": consumer, "specs": specs}
        self.qos[made["id"]] = made
        return made

    # -- default types -----------------------------------------------------------------------

    @route("GET", "/default-types")
    def list_defaults(self, exchange: Exchange) -> web.Response:
        found = [{"project_id": p, "volume_type_id": one} for p, one in self.defaults.items()]
        return reply({"default_types": found})

    @route("PUT", "/default-types/{project_id}")
    def set_default(self, exchange: Exchange, project_id: str) -> web.Response:
        wanted = exchange.json("default_type")["volume_type"]
        if not any(wanted in (one["id"], one["name"]) for one in self.types.values()):
            raise Refusal(400, f"Volume type {wanted} could not be found.")
        self.defaults[project_id] = self.type_of(exchange, wanted)
        return self.default(exchange, project_id)

    @route("GET", "/default-types/{project_id}")
    def default(self, exchange: Exchange, project_id: str) -> web.Response:
        if project_id not in self.defaults:
            raise Refusal(404, f"Default type for project {project_id} not found.")
        told = {"project_id": project_id, "volume_type_id": self.defaults[project_id]}
        return reply({"default_type": told})

    @route("DELETE", "/default-types/{project_id}")
    def unset_default(self, exchange: Exchange, project_id: str) -> web.Response:
        self.defaults.pop(project_id, None)
        return reply(None, 204)

    # -- QoS specs ---------------------------------------------------------------------------

    def _qos(self, exchange: Exchange, qos_id: str) -> Object:
        admin_only(exchange)
        if qos_id not in self.qos:
            raise Refusal(404, f"No such QoS spec {qos_id}.")
        return self.qos[qos_id]

    def _of_qos(self, qos_id: str) -> list[Object]:
        return [one for one in self.types.values() if one["qos_specs_id"] == qos_id]

    @route("GET", "/qos-specs")
    def list_qos(self, exchange: Exchange) -> web.Response:
        found = list(self.qos.values())[: int(exchange.query.get("limit", 1000))]
        return reply({"qos_specs": found})

    @route("POST", "/qos-specs")
    def create_qos(self, exchange: Exchange) -> web.Response:
        wanted = dict(exchange.json("qos_specs"))
        name, consumer = wanted.pop("name"), wanted.pop("consumer", "back-end")
        if any(one["name"] == name for one in self.qos.values()):
            raise Refusal(409, f"QoS Specs {name} already exists.")
        made = self.add_qos(name, consumer, **wanted)
        return reply({"qos_specs": made, "links": self.links_to(exchange, "qos-specs", made["id"])})

    @route("GET", "/qos-specs/{qos_id}")
    def show_qos(self, exchange: Exchange, qos_id: str) -> web.Response:
        found = self._qos(exchange, qos_id)
        return reply({"qos_specs": found, "links": self.links_to(exchange, "qos-specs", qos_id)})

    @route("PUT", "/qos-specs/{qos_id}")
    def update_qos(self, exchange: Exchange, qos_id: str) -> web.Response:
        found, wanted = self._qos(exchange, qos_id), dict(exchange.json("qos_specs"))
        found["consumer"] = wanted.pop("consumer", found["consumer"])
        found["specs"].update(wanted)
        return reply(json.loads(exchange.raw))

    @route("PUT", "/qos-specs/{qos_id}/delete_keys")
    def delete_qos_keys(self, exchange: Exchange, qos_id: str) -> web.Response:
        found, keys = self._qos(exchange, qos_id), exchange.json()["keys"]
        for key in keys:
            if key not in found["specs"]:
                raise Refusal(400, f"QoS spec {qos_id} has no spec with key {key}.")
            del found["specs"][key]
        return reply(None, 202)

    @route("DELETE", "/qos-specs/{qos_id}")
    def delete_qos(self, exchange: Exchange, qos_id: str) -> web.Response:
        self._qos(exchange, qos_id)
        used = self._of_qos(qos_id)
        if used and not true(exchange.query.get("force")):
            raise Refusal(400, f"QoS Specs {qos_id} is still associated with entities.")
        for kind in used:
            kind["qos_specs_id"] = None
        del self.qos[qos_id]
        return reply(None, 202)

    @route("GET", "/qos-specs/{qos_id}/associations")
    def associations(self, exchange: Exchange, qos_id: str) -> web.Response:
        self._qos(exchange, qos_id)
        found = [{"association_type": "volume_type", "name": one["name"], "id": one["id"]}
                 for one in self._of_qos(qos_id)]  # fmt: skip
        return reply({"qos_associations": found})

    @route("GET", "/qos-specs/{qos_id}/associate")
    def associate(self, exchange: Exchange, qos_id: str) -> web.Response:
        self._qos(exchange, qos_id)
        kind = self._one(exchange, "types", exchange.query["vol_type_id"])
        if kind["qos_specs_id"] not in (None, qos_id):
            raise Refusal(400, f"Invalid volume type: Type {kind['id']} is already associated with "
                               "another qos specs")  # fmt: skip
        kind["qos_specs_id"] = qos_id
        return reply(None, 202)

    @route("GET", "/qos-specs/{qos_id}/disassociate")
    def disassociate(self, exchange: Exchange, qos_id: str) -> web.Response:
        self._qos(exchange, qos_id)
        self._one(exchange, "types", exchange.query["vol_type_id"])["qos_specs_id"] = None
        return reply(None, 202)

    @route("GET", "/qos-specs/{qos_id}/disassociate_all")
    def disassociate_all(self, exchange: Exchange, qos_id: str) -> web.Response:
        self._qos(exchange, qos_id)
        for kind in self._of_qos(qos_id):
            kind["qos_specs_id"] = None
        return reply(None, 202)
