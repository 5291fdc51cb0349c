# SPDX-License-Identifier: Apache-2.0
"""The rest of Nova: flavors, keypairs, availability zones, images."""

import hashlib
from typing import Any

from aiohttp import web

from tests.functional.fakes import schemas
from tests.functional.fakes.http import Exchange, FakeService, Refusal, new_id, reply, route
from tests.functional.fakes.keystone import Keystone
from tests.functional.fakes.rights import admin_only
from tests.functional.fakes.server_store import Server

Object = dict[str, Any]
#: version from which on -> Nova's schema of a create
_KEYPAIRS = {(2, 1): "create", (2, 2): "create_v22", (2, 10): "create_v210", (2, 92): "create_v292"}


class Definitions(FakeService):
    """Flavors and keypairs, mixed into Nova."""

    keystone: Keystone

    def prepare_definitions(self) -> None:
        self.flavors: dict[str, Object] = {}
        self.keypairs: dict[tuple[str, str], Object] = {}

    def add_flavor(self, flavor_id: str, **values: Any) -> Object:
        """Make a flavor behind everybody's back."""
        flavor: Object = {
            "id": flavor_id,
            "name": f"flavor-{flavor_id}",
            "ram": 64,
            "disk": 1,
            "vcpus": 1,
            "swap": "",
            "rxtx_factor": 1.0,
            "OS-FLV-EXT-DATA:ephemeral": 0,
            "OS-FLV-DISABLED:disabled": False,
            "os-flavor-access:is_public": True,
            "description": None,
            "extra_specs": {},
            "access": set(),
            **values,
        }
        self.flavors[flavor_id] = flavor
        return flavor

    def _flavor(self, flavor_id: str) -> Object:
        if flavor_id not in self.flavors:
            raise Refusal(404, f"Flavor {flavor_id} could not be found.")
        return self.flavors[flavor_id]

    def _flavor_links(self, flavor: Object) -> list[Object]:
        return [
            {"rel": "self", "href": f"{self.url}/v2.1/flavors/{flavor['id']}"},
            {"rel": "bookmark", "href": f"{self.url}/flavors/{flavor['id']}"},
        ]

    def _show_flavor(self, flavor: Object, exchange: Exchange) -> Object:
        shown = {k: v for k, v in flavor.items() if k not in ("extra_specs", "access")}
        shown["links"] = self._flavor_links(flavor)
        if exchange.version < (2, 55):
            del shown["description"]
        if exchange.version >= (2, 61):
            shown["extra_specs"] = flavor["extra_specs"]
        if exchange.version >= (2, 75):
            shown["swap"] = flavor["swap"] or 0
        return shown

    def _flavors_page(self, exchange: Exchange) -> list[Object]:
        public = exchange.query.get("is_public", "true").lower()
        project = exchange.token.project_id
        found = []
        for flavor in sorted(self.flavors.values(), key=lambda flavor: str(flavor["id"])):
            is_public = flavor["os-flavor-access:is_public"]
            if exchange.token.is_admin:
                if public != "none" and is_public != (public in ("true", "1")):
                    continue
            elif not is_public and project not in flavor["access"]:
                continue
            found.append(flavor)
        ids = [flavor["id"] for flavor in found]
        marker = exchange.query.get("marker")
        if marker:
            if marker not in ids:
                raise Refusal(400, f"marker [{marker}] not found")
            found = found[ids.index(marker) + 1 :]
        return found[: int(exchange.query.get("limit", 1000))]

    def _flavors_answer(self, exchange: Exchange, shown: list[Object], tail: str) -> web.Response:
        body: Object = {"flavors": shown}
        if shown and len(shown) == int(exchange.query.get("limit", 1000)):
            url = exchange.http.url.update_query(marker=shown[-1]["id"])
            href = f"{self.url}/v2.1/flavors{tail}?{url.raw_query_string}"
            body["flavors_links"] = [{"rel": "next", "href": href}]
        return reply(body)

    @route("GET", "/flavors")
    def list_flavors(self, exchange: Exchange) -> web.Response:
        shown = []
        for flavor in self._flavors_page(exchange):
            brief = {"id": flavor["id"], "name": flavor["name"],
                     "links": self._flavor_links(flavor)}  # fmt: skip
            if exchange.version >= (2, 55):
                brief["description"] = flavor["description"]
            shown.append(brief)
        return self._flavors_answer(exchange, shown, "")

    @route("GET", "/flavors/detail")
    def list_flavor_details(self, exchange: Exchange) -> web.Response:
        shown = [self._show_flavor(flavor, exchange) for flavor in self._flavors_page(exchange)]
        return self._flavors_answer(exchange, shown, "/detail")

    @route("POST", "/flavors")
    def create_flavor(self, exchange: Exchange) -> web.Response:
        wanted = dict(exchange.json("flavor"))
        if "description" in wanted and exchange.version < (2, 55):
            raise Refusal(
                400, "Additional properties are not allowed ('description' was unexpected)"
            )
        for name in ("name", "ram", "vcpus", "disk"):
            if name not in wanted:
                raise Refusal(400, f"Invalid input. '{name}' is a required property")
        flavor_id = wanted.pop("id", None)
        flavor_id = new_id() if flavor_id in (None, "auto") else str(flavor_id)
        if flavor_id in self.flavors:
            raise Refusal(409, f"Flavor with ID {flavor_id} already exists.")
        if any(flavor["name"] == wanted["name"] for flavor in self.flavors.values()):
            raise Refusal(409, f"Flavor with name {wanted['name']} already exists.")
        wanted["swap"] = wanted.get("swap") or ""
        flavor = self.add_flavor(flavor_id, **wanted)
        return reply({"flavor": self._show_flavor(flavor, exchange)})

    @route("GET", "/flavors/{flavor_id}")
    def show_flavor(self, exchange: Exchange, flavor_id: str) -> web.Response:
        return reply({"flavor": self._show_flavor(self._flavor(flavor_id), exchange)})

    @route("PUT", "/flavors/{flavor_id}")
    def update_flavor(self, exchange: Exchange, flavor_id: str) -> web.Response:
        if exchange.version < (2, 55):
            raise Refusal(404, "The resource could not be found.")
        flavor = self._flavor(flavor_id)
        flavor["description"] = exchange.json("flavor")["description"]
        return reply({"flavor": self._show_flavor(flavor, exchange)})

    @route("DELETE", "/flavors/{flavor_id}")
    def delete_flavor(self, exchange: Exchange, flavor_id: str) -> web.Response:
        self._flavor(flavor_id)
        del self.flavors[flavor_id]
        return reply(None, 202)

    @route("GET", "/flavors/{flavor_id}/os-extra_specs")
    def extra_specs(self, exchange: Exchange, flavor_id: str) -> web.Response:
        return reply({"extra_specs": self._flavor(flavor_id)["extra_specs"]})

    @route("POST", "/flavors/{flavor_id}/os-extra_specs")
    def set_extra_specs(self, exchange: Exchange, flavor_id: str) -> web.Response:
        specs = exchange.json("extra_specs")
        self._flavor(flavor_id)["extra_specs"].update(specs)
        return reply({"extra_specs": specs})

    @route("GET", "/flavors/{flavor_id}/os-extra_specs/{key}")
    def extra_spec(self, exchange: Exchange, flavor_id: str, key: str) -> web.Response:
        specs = self._flavor(flavor_id)["extra_specs"]
        if key not in specs:
            raise Refusal(404, f"Flavor {flavor_id} has no extra specs with key {key}.")
        return reply({key: specs[key]})

    @route("PUT", "/flavors/{flavor_id}/os-extra_specs/{key}")
    def set_extra_spec(self, exchange: Exchange, flavor_id: str, key: str) -> web.Response:
        self._flavor(flavor_id)["extra_specs"][key] = exchange.json()[key]
        return reply({key: exchange.json()[key]})

    @route("DELETE", "/flavors/{flavor_id}/os-extra_specs/{key}")
    def delete_extra_spec(self, exchange: Exchange, flavor_id: str, key: str) -> web.Response:
        if self._flavor(flavor_id)["extra_specs"].pop(key, None) is None:
            raise Refusal(404, f"Flavor {flavor_id} has no extra specs with key {key}.")
        return reply(None)

    def _access(self, flavor: Object) -> Object:
        return {
            "flavor_access": [
                {"flavor_id": flavor["id"], "tenant_id": project}
                for project in sorted(flavor["access"])
            ]
        }

    @route("GET", "/flavors/{flavor_id}/os-flavor-access")
    def access(self, exchange: Exchange, flavor_id: str) -> web.Response:
        flavor = self._flavor(flavor_id)
        if flavor["os-flavor-access:is_public"]:
            raise Refusal(404, "Access list not available for public flavors.")
        return reply(self._access(flavor))

    @route("POST", "/flavors/{flavor_id}/action")
    def change_access(self, exchange: Exchange, flavor_id: str) -> web.Response:
        flavor = self._flavor(flavor_id)
        ((action, argument),) = exchange.json().items()
        project = argument["tenant"]
        if action == "addTenantAccess":
            if flavor["os-flavor-access:is_public"]:
                raise Refusal(409, "Can not add access to a public flavor.")
            if project in flavor["access"]:
                raise Refusal(409, f"Flavor access already exists for flavor {flavor_id} and "
                                   f"project {project} combination.")  # fmt: skip
            flavor["access"].add(project)
        elif project in flavor["access"]:
            flavor["access"].remove(project)
        else:
            raise Refusal(404, f"Flavor access not found for {flavor_id} / {project} combination.")
        return reply(self._access(flavor))

    # -- keypairs ----------------------------------------------------------------------------

    def _owner(self, exchange: Exchange) -> str:
        given = exchange.query.get("user_id")
        if given and exchange.version >= (2, 10) and given != exchange.token.user.id:
            admin_only(exchange)
            return str(given)
        return str(exchange.token.user.id)

    @staticmethod
    def _show_keypair(keypair: Object, exchange: Exchange, whole: bool = False) -> Object:
        names = ["name", "public_key", "fingerprint"]
        if exchange.version >= (2, 2):
            names.append("type")
        if whole:
            names += ["user_id", "id", "created_at", "deleted", "deleted_at", "updated_at"]
        return {"keypair": {name: keypair[name] for name in names}}

    @route("GET", "/os-keypairs")
    def list_keypairs(self, exchange: Exchange) -> web.Response:
        owner = self._owner(exchange)
        found = sorted(name for user, name in self.keypairs if user == owner)
        links: Object = {}
        if exchange.version >= (2, 35):
            marker = exchange.query.get("marker")
            if marker:
                if marker not in found:
                    raise Refusal(400, f"marker [{marker}] not found")
                found = found[found.index(marker) + 1 :]
            limit = int(exchange.query.get("limit", 1000))
            found = found[:limit]
            if found and len(found) == limit:
                url = exchange.http.url.update_query(marker=found[-1])
                href = f"{self.url}/v2.1/os-keypairs?{url.raw_query_string}"
                links["keypairs_links"] = [{"rel": "next", "href": href}]
        shown = [self._show_keypair(self.keypairs[owner, name], exchange) for name in found]
        return reply({"keypairs": shown, **links})

    @route("POST", "/os-keypairs")
    def create_keypair(self, exchange: Exchange) -> web.Response:
        wanted = exchange.json("keypair")
        since = max(version for version in _KEYPAIRS if version <= exchange.version)
        schemas.check("keypairs", _KEYPAIRS[since], exchange.json())
        owner = exchange.token.user.id
        if wanted.get("user_id", owner) != owner:
            admin_only(exchange)
            owner = wanted["user_id"]
        if (owner, wanted["name"]) in self.keypairs:
            raise Refusal(409, f"Key pair '{wanted['name']}' already exists.")
        public = wanted.get("public_key") or f"ssh-rsa AAAA{new_id()} Generated-by-Nova"
        if not isinstance(public, str):
            raise Refusal(400, "Invalid input for field/attribute public_key.")
        digest = hashlib.md5(public.encode(), usedforsecurity=False).hexdigest()
        keypair = {
            "name": wanted["name"],
            "public_key": public,
            "fingerprint": ":".join(digest[i : i + 2] for i in range(0, 32, 2)),
            "type": wanted.get("type", "ssh"),
            "user_id": owner,
            "id": len(self.keypairs) + 1,
            "created_at": "2026-01-01T00:00:00.000000",
            "deleted": False,
            "deleted_at": None,
            "updated_at": None,
        }
        self.keypairs[owner, wanted["name"]] = keypair
        shown = self._show_keypair(keypair, exchange)
        shown["keypair"]["user_id"] = owner
        if "public_key" not in wanted:
            shown["keypair"]["private_key"] = f"-----BEGIN RSA PRIVATE KEY----- {new_id()}"
        return reply(shown, 201 if exchange.version >= (2, 2) else 200)

    def _keypair(self, exchange: Exchange, name: str) -> Object:
        keypair = self.keypairs.get((self._owner(exchange), name))
        if keypair is None:
            raise Refusal(404, f"Keypair {name} not found for user {self._owner(exchange)}")
        return keypair

    @route("GET", "/os-keypairs/{name}")
    def show_keypair(self, exchange: Exchange, name: str) -> web.Response:
        return reply(self._show_keypair(self._keypair(exchange, name), exchange, whole=True))

    @route("DELETE", "/os-keypairs/{name}")
    def delete_keypair(self, exchange: Exchange, name: str) -> web.Response:
        self._keypair(exchange, name)
        del self.keypairs[self._owner(exchange), name]
        return reply(None, 204 if exchange.version >= (2, 2) else 202)


class Surroundings(FakeService):
    """Zones and images, mixed into Nova."""

    zone: str
    images: dict[str, Object]
    flavors: dict[str, Object]
    servers: dict[str, Server]

    @route("GET", "/os-availability-zone")
    def zones(self, exchange: Exchange) -> web.Response:
        zone = {"zoneName": self.zone, "zoneState": {"available": True}, "hosts": None}
        return reply({"availabilityZoneInfo": [zone]})

    @route("GET", "/os-availability-zone/detail")
    def zone_details(self, exchange: Exchange) -> web.Response:
        service = {"active": True, "available": True, "updated_at": "2026-01-01T00:00:00.000000"}
        internal = {
            "zoneName": "internal",
            "zoneState": {"available": True},
            "hosts": {"controller": {"nova-conductor": service, "nova-scheduler": service}},
        }
        zone = {
            "zoneName": self.zone,
            "zoneState": {"available": True},
            "hosts": {"host1": {"nova-compute": service}},
        }
        return reply({"availabilityZoneInfo": [internal, zone]})

    def _before_236(self, exchange: Exchange) -> None:
        if exchange.version >= (2, 36):
            raise Refusal(404, "The resource could not be found.")

    @route("GET", "/images")
    @route("GET", "/images/detail")
    def list_images(self, exchange: Exchange) -> web.Response:
        self._before_236(exchange)
        return reply({"images": [self._image(image) for image in self.images.values()]})

    @route("GET", "/images/{image_id}")
    def show_image(self, exchange: Exchange, image_id: str) -> web.Response:
        self._before_236(exchange)
        if image_id not in self.images:
            raise Refusal(404, "Image not found.")
        return reply({"image": self._image(self.images[image_id])})

    def _image(self, image: Object) -> Object:
        link = {"rel": "self", "href": f"{self.url}/v2.1/images/{image['id']}"}
        return {"id": image["id"], "name": image["name"], "links": [link]}
