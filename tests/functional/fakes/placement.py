# SPDX-License-Identifier: Apache-2.0
"""A Placement: one provider whose free room tests set, in every form a scheduler or user may ask.

It judges microversions, queries and paths as the Placement of 2026.2 does.
"""

import re
import uuid as uuids
from typing import Any

import microversion_parse
from aiohttp import web

from tests.functional.fakes.http import (
    Exchange,
    FakeService,
    Journal,
    LoopThread,
    Refusal,
    new_id,
    reply,
    route,
)
from tests.functional.fakes.keystone import Keystone

CLASSES = ("VCPU", "MEMORY_MB", "DISK_GB")
#: Parameters of GET /resource_providers, and since when.
QUERIES = {"name": 0, "uuid": 0, "member_of": 3, "resources": 4, "in_tree": 14, "required": 18}
#: What a provider's document links to, and since when.
RELATIONS = {"inventories": 0, "usages": 0, "aggregates": 1, "traits": 6, "allocations": 11}


class Placement(FakeService):
    """``total`` and ``used`` are amounts of each resource class of the one provider.

    ``allocated`` is {consumer: its project}: each has one VCPU. ``below`` is the path that the
    service is mounted at, in front of all others.
    """

    def __init__(self, thread: LoopThread, name: str, journal: Journal, keystone: Keystone) -> None:
        super().__init__(thread, name, journal)
        self.keystone = keystone
        self.provider = new_id()
        self.host = f"host-{self.provider[:8]}"
        self.total = dict.fromkeys(CLASSES, 10000)
        self.used = dict.fromkeys(CLASSES, 0)
        self.traits = ["HW_CPU_X86_AVX2"]
        self.classes = [*CLASSES]
        self.aggregates = [new_id()]
        self.allocated: dict[str, str] = {}
        self.max_version = 39
        self.below = ""

    def refuse(self, refusal: Refusal) -> web.Response:
        title = {400: "Bad Request", 403: "Forbidden", 404: "Not Found", 406: "Not Acceptable"}
        error: dict[str, Any] = {
            "status": refusal.status,
            "title": title.get(refusal.status, "No"),
            "detail": f"{refusal.message}\n\n   ",
        }
        if refusal.kind:
            error["code"] = refusal.kind
        return web.json_response({"errors": [error]}, status=refusal.status)

    async def answer(self, exchange: Exchange) -> web.Response:
        exchange.path = exchange.path.removeprefix(self.below) or "/"
        if exchange.path != "/":
            exchange.token = self.keystone.validate(exchange.http.headers.get("X-Auth-Token"))
            if exchange.token is None:
                raise Refusal(401, "Authentication required")
        exchange.version = self._version(exchange)
        if exchange.path != "/" and not self._may(exchange):
            raise Refusal(403, "Policy does not allow placement to be used.")
        answer = await self.dispatch(exchange)
        answer.headers["OpenStack-API-Version"] = f"placement 1.{exchange.version[1]}"
        return answer

    def _version(self, exchange: Exchange) -> tuple[int, int]:
        versions = [f"1.{minor}" for minor in range(self.max_version + 1)]
        try:
            found = microversion_parse.extract_version(
                dict(exchange.http.headers),
                "placement",
                versions,
            )
        except ValueError as error:
            raise Refusal(406, f"Invalid microversion: {error}") from None
        except TypeError as error:
            raise Refusal(400, f"Invalid microversion: {error}") from None
        return 1, int(found.minor)

    @staticmethod
    def _may(exchange: Exchange) -> bool:
        if exchange.token.is_admin or "service" in exchange.token.roles:
            return True
        own = exchange.query.get("project_id") == exchange.token.project_id
        return exchange.path == "/usages" and own and "reader" in exchange.token.roles

    @staticmethod
    def _since(exchange: Exchange, minor: int) -> None:
        if exchange.version[1] < minor:
            raise Refusal(404, "The resource could not be found.")

    def _here(self, uuid: str) -> None:
        if uuid != self.provider:
            raise Refusal(404, f"No resource provider with uuid {uuid} found")

    @route("GET", "/")
    def root(self, exchange: Exchange) -> web.Response:
        version = {
            "id": "v1.0",
            "status": "CURRENT",
            "min_version": "1.0",
            "max_version": f"1.{self.max_version}",
            "links": [{"rel": "self", "href": ""}],
        }
        return reply({"versions": [version]})

    def _inventories(self) -> dict[str, Any]:
        return {
            name: {
                "total": total,
                "reserved": 0,
                "min_unit": 1,
                "max_unit": total,
                "step_size": 1,
                "allocation_ratio": 1.0,
            }
            for name, total in self.total.items()
        }

    def _document(self, exchange: Exchange) -> dict[str, Any]:
        here = f"{self.below}/resource_providers/{self.provider}"
        links = [{"rel": "self", "href": here}]
        links += [
            {"rel": name, "href": f"{here}/{name}"}
            for name, since in RELATIONS.items()
            if exchange.version[1] >= since
        ]
        document = {"uuid": self.provider, "name": self.host, "generation": 1, "links": links}
        if exchange.version[1] >= 14:
            document |= {"parent_provider_uuid": None, "root_provider_uuid": self.provider}
        return document

    @route("GET", "/resource_providers")
    def providers(self, exchange: Exchange) -> web.Response:
        query = exchange.query
        for name in query:
            if QUERIES.get(name, 99) > exchange.version[1]:
                raise Refusal(
                    400,
                    "Invalid query string parameters: Additional properties are not allowed "
                    f"('{name}' was unexpected)",
                )
        for name in ("uuid", "in_tree"):
            try:
                uuids.UUID(query.get(name, self.provider))
            except ValueError:
                raise Refusal(400, f"Invalid query string parameters: {query[name]!r}") from None
        asked = [part.split(":")[0] for part in query.get("resources", "VCPU").split(",")]
        if unknown := [name for name in asked if name not in self.classes]:
            raise Refusal(
                400,
                "Invalid resource class in resources parameter: No such resource class "
                f"{unknown[0]}.",
            )
        fits = (
            query.get("name", self.host) == self.host
            and query.get("uuid", self.provider) == self.provider
            and query.get("in_tree", self.provider) == self.provider
            and bool({*self.aggregates} & {*re.split("[:,]", query.get("member_of", ""))})
            == ("member_of" in query)
        )
        return reply({"resource_providers": [self._document(exchange)] if fits else []})

    @route("GET", "/resource_providers/{uuid}")
    def one(self, exchange: Exchange, uuid: str) -> web.Response:
        self._here(uuid)
        return reply(self._document(exchange))

    @route("GET", "/resource_providers/{uuid}/inventories")
    def inventories(self, exchange: Exchange, uuid: str) -> web.Response:
        self._here(uuid)
        body = {"inventories": self._inventories(), "resource_provider_generation": 1}
        return reply(body)

    @route("GET", "/resource_providers/{uuid}/usages")
    def usages(self, exchange: Exchange, uuid: str) -> web.Response:
        self._here(uuid)
        return reply({"usages": self.used, "resource_provider_generation": 1})

    @route("GET", "/resource_providers/{uuid}/traits")
    def traits_of(self, exchange: Exchange, uuid: str) -> web.Response:
        self._since(exchange, 6)
        self._here(uuid)
        return reply({"traits": self.traits, "resource_provider_generation": 1})

    @route("GET", "/resource_providers/{uuid}/aggregates")
    def aggregates_of(self, exchange: Exchange, uuid: str) -> web.Response:
        self._since(exchange, 1)
        self._here(uuid)
        body: dict[str, Any] = {"aggregates": self.aggregates}
        if exchange.version[1] >= 19:
            body["resource_provider_generation"] = 1
        return reply(body)

    @route("GET", "/resource_providers/{uuid}/allocations")
    def allocations_of(self, exchange: Exchange, uuid: str) -> web.Response:
        self._here(uuid)
        each = {consumer: {"resources": {"VCPU": 1}} for consumer in self.allocated}
        return reply({"allocations": each, "resource_provider_generation": 1})

    @route("GET", "/traits")
    def list_traits(self, exchange: Exchange) -> web.Response:
        self._since(exchange, 6)
        return reply({"traits": self.traits})

    @route("GET", "/traits/{name}")
    def show_trait(self, exchange: Exchange, name: str) -> web.Response:
        self._since(exchange, 6)
        if name not in self.traits:
            raise Refusal(404, f"No such trait(s): {name}.")
        return reply(None, 204)

    @route("GET", "/resource_classes")
    def list_classes(self, exchange: Exchange) -> web.Response:
        self._since(exchange, 2)
        return reply({"resource_classes": [self._class(name) for name in self.classes]})

    def _class(self, name: str) -> dict[str, Any]:
        return {
            "name": name,
            "links": [{"rel": "self", "href": f"{self.below}/resource_classes/{name}"}],
        }

    @route("GET", "/allocations/{consumer}")
    def allocations(self, exchange: Exchange, consumer: str) -> web.Response:
        if consumer not in self.allocated:
            return reply({"allocations": {}})
        mine = {self.provider: {"generation": 1, "resources": {"VCPU": 1}}}
        body: dict[str, Any] = {"allocations": mine}
        if exchange.version[1] >= 12:
            body |= {"project_id": self.allocated[consumer], "user_id": "u"}
        return reply(body)

    @route("GET", "/usages")
    def total_usages(self, exchange: Exchange) -> web.Response:
        self._since(exchange, 9)
        if "project_id" not in exchange.query:
            raise Refusal(400, "Invalid query string parameters: 'project_id' is a required one")
        used = list(self.allocated.values()).count(exchange.query["project_id"])
        usages: dict[str, Any] = {"VCPU": used} if used else {}
        if exchange.version[1] >= 38 and used:
            usages = {"INSTANCE": {"VCPU": used, "consumer_count": used}}
        return reply({"usages": usages})

    @route("GET", "/allocation_candidates")
    def candidates(self, exchange: Exchange) -> web.Response:
        asked = dict(part.split(":") for part in exchange.query["resources"].split(","))
        fits = all(self.total[n] - self.used[n] >= int(amount) for n, amount in asked.items())
        if not fits:
            return reply({"allocation_requests": [], "provider_summaries": {}})
        resources = {name: int(amount) for name, amount in asked.items()}
        summary = {
            name: {"capacity": self.total[name], "used": self.used[name]} for name in CLASSES
        }
        summaries = {self.provider: {"resources": summary, "traits": []}}
        request = {"allocations": {self.provider: {"resources": resources}}}
        return reply({"allocation_requests": [request], "provider_summaries": summaries})
