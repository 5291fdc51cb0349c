# SPDX-License-Identifier: Apache-2.0
"""A Cinder: version documents, strict microversions, tokens, envelopes. The API is mixed in.

``min_version``/``max_version`` are what it offers, so that pods of different releases can be had.
"""

import re
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from tests.functional.fakes.cinder_backups import Backups
from tests.functional.fakes.cinder_groups import Beside
from tests.functional.fakes.cinder_operators import Operators
from tests.functional.fakes.cinder_quotas import Quotas
from tests.functional.fakes.cinder_specs import Specs
from tests.functional.fakes.http import Exchange, Journal, LoopThread, Refusal, reply, route
from tests.functional.fakes.keystone import Keystone
from tests.functional.fakes.nova import FAULT_NAMES
from tests.functional.fakes.rights import Rights

VERSION = "OpenStack-API-Version"
RIGHTS = Rights("volume")
# Before that a Cinder knows no URL without a project.
_PROJECT_OPTIONAL = (3, 67)
# Where a Cinder asks whether a service calls.
_GUARDED = re.compile(r"/attachments(/.*)?|/volumes/[^/]+/action")
_PROJECT = re.compile(r"/([0-9a-f]{32})(/.*)")


class Cinder(Specs, Quotas, Operators, Backups, Beside):
    """One pod's block storage."""

    def __init__(
        self,
        thread: LoopThread,
        name: str,
        journal: Journal,
        keystone: Keystone,
        images: dict[str, dict[str, Any]],
        zone: str = "nova",
    ) -> None:
        super().__init__(thread, name, journal)
        self.keystone, self.images, self.zone = keystone, images, zone
        self.min_version, self.max_version = (3, 0), (3, 71)
        #: what [keystone_authtoken] service_type says
        self.service_type = "block-storage"
        #: those of the same cloud's Nova, by id
        self.servers: Mapping[str, Any] = {}
        self.prepare_store()
        self.prepare_types()
        self.prepare_specs()
        self.prepare_quotas()
        self.prepare_operators()

    def refuse(self, refusal: Refusal) -> web.Response:
        headers = dict(refusal.headers)
        if refusal.status == 401:
            headers["WWW-Authenticate"] = f'Keystone uri="{self.keystone.url}/v3"'
            return web.json_response(
                {"error": {"code": 401, "title": "Unauthorized", "message": refusal.message}},
                status=401,
                headers=headers,
            )
        name = FAULT_NAMES.get(refusal.status, "computeFault")
        body: dict[str, Any] = {"code": refusal.status, "message": refusal.message}
        if refusal.status == 413:
            body["retryAfter"] = headers.setdefault("Retry-After", "0")
        return web.json_response({name: body}, status=refusal.status, headers=headers)

    async def answer(self, exchange: Exchange) -> web.Response:
        try:
            response = await self._answer_versioned(exchange)
        except Refusal as refusal:
            response = self.refuse(refusal)
        response.headers["x-openstack-request-id"] = exchange.request_id
        response.headers["x-compute-request-id"] = exchange.request_id
        if exchange.version != (0, 0):
            response.headers[VERSION] = "volume {}.{}".format(*exchange.version)
            response.headers["Vary"] = VERSION
        return response

    async def _answer_versioned(self, exchange: Exchange) -> web.Response:
        if exchange.path in ("/", ""):
            return await self.dispatch(exchange)
        exchange.token = self.keystone.admit(exchange.http, self.service_type)
        exchange.version = self._version(exchange)
        found = re.match(r"/v3(/.*)?$", exchange.path)
        if found is None:
            raise Refusal(404, "The resource could not be found.")
        exchange.path = found[1] or "/"
        if project := _PROJECT.match(exchange.path):
            if project[1] != exchange.token.project_id:
                raise Refusal(400, "Malformed request url")
            exchange.path = project[2]
        elif self.max_version < _PROJECT_OPTIONAL:
            raise Refusal(404, "The resource could not be found.")
        writes = exchange.http.method not in ("GET", "HEAD")
        if writes and _GUARDED.fullmatch(exchange.path):
            self._only_the_callers_service(exchange)
        response = await self.dispatch(exchange)
        assert exchange.right is None or exchange.judged, f"no policy was asked: {exchange.entry}"
        return response

    def _only_the_callers_service(self, exchange: Exchange) -> None:
        """Our own service token there would let any user do what only a service may."""
        service = self.keystone.service(exchange.http)
        if service is not None and service.user.name == "tricircle":
            self.journal.broken.append(AssertionError(f"our service token at {exchange.entry}"))

    def before(self, exchange: Exchange, checks_first: bool) -> None:
        # Who asks for the versions is not known.
        if exchange.token is not None:
            RIGHTS.admit(exchange, checks_first)

    def _version(self, exchange: Exchange) -> tuple[int, int]:
        asked = None
        for part in ",".join(exchange.http.headers.getall(VERSION, ())).split(","):
            service, _, number = part.strip().partition(" ")
            if service == "volume":
                asked = number.strip()
        if asked is None:
            return (3, 0)
        if asked == "latest":
            return self.max_version
        found = re.fullmatch(r"([1-9]\d*)\.([1-9]\d*|0)", asked)
        if found is None:
            raise Refusal(400, f"API Version String {asked} is of invalid format. Must be of "
                               "format MajorNum.MinorNum.")  # fmt: skip
        version = (int(found[1]), int(found[2]))
        if not self.min_version <= version <= self.max_version:
            raise Refusal(
                406,
                f"Version {asked} is not supported by the API. Minimum is "
                "{}.{} and maximum is {}.{}.".format(*self.min_version, *self.max_version),
            )
        return version

    @route("GET", "/")
    def versions(self, exchange: Exchange) -> web.Response:
        document = {
            "id": "v3.0",
            "status": "CURRENT",
            "version": "{}.{}".format(*self.max_version),
            "min_version": "{}.{}".format(*self.min_version),
            "updated": "2023-08-31T00:00:00Z",
            "links": [{"rel": "self", "href": f"{self.url}/v3/"}],
        }
        return reply({"versions": [document]}, 300)
