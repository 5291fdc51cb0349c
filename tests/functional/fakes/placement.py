# SPDX-License-Identifier: Apache-2.0
"""A Placement: one provider whose free room tests set, in every form a scheduler may ask for it."""

from typing import Any

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


class Placement(FakeService):
    """``total`` and ``used`` are amounts of each resource class of the one provider."""

    def __init__(self, thread: LoopThread, name: str, journal: Journal, keystone: Keystone) -> None:
        super().__init__(thread, name, journal)
        self.keystone = keystone
        self.provider = new_id()
        self.total = dict.fromkeys(CLASSES, 10000)
        self.used = dict.fromkeys(CLASSES, 0)

    def refuse(self, refusal: Refusal) -> web.Response:
        error = {"status": refusal.status, "title": "No", "detail": refusal.message}
        return web.json_response({"errors": [error]}, status=refusal.status)

    async def answer(self, exchange: Exchange) -> web.Response:
        if exchange.path != "/":
            exchange.token = self.keystone.validate(exchange.http.headers.get("X-Auth-Token"))
            if exchange.token is None:
                raise Refusal(401, "Authentication required")
            if not exchange.token.is_admin and "service" not in exchange.token.roles:
                raise Refusal(403, "placement is for admins and services")
        return await self.dispatch(exchange)

    @route("GET", "/")
    def root(self, exchange: Exchange) -> web.Response:
        version = {
            "id": "v1.0",
            "status": "CURRENT",
            "min_version": "1.0",
            "max_version": "1.39",
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

    @route("GET", "/resource_providers")
    def providers(self, exchange: Exchange) -> web.Response:
        links = [
            {"rel": name, "href": f"/resource_providers/{self.provider}/{name}"}
            for name in ("inventories", "usages")
        ]
        provider = {"uuid": self.provider, "name": "host1", "generation": 1, "links": links}
        return reply({"resource_providers": [provider]})

    @route("GET", "/resource_providers/{uuid}/inventories")
    def inventories(self, exchange: Exchange, uuid: str) -> web.Response:
        body = {"inventories": self._inventories(), "resource_provider_generation": 1}
        return reply(body)

    @route("GET", "/resource_providers/{uuid}/usages")
    def usages(self, exchange: Exchange, uuid: str) -> web.Response:
        return reply({"usages": self.used, "resource_provider_generation": 1})

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
