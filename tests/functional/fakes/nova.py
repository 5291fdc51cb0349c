# SPDX-License-Identifier: Apache-2.0
"""A Nova: version documents, strict microversions, tokens, envelopes. The API itself is mixed in.

``min_version``/``max_version`` are what it offers, so that pods of different releases can be had.
"""

import re
from typing import Any

import microversion_parse
from aiohttp import web

from tests.functional.fakes.compute_api import Definitions, Surroundings
from tests.functional.fakes.consoles_api import Consoles
from tests.functional.fakes.http import (
    Exchange,
    Journal,
    LoopThread,
    Refusal,
    reply,
    route,
)
from tests.functional.fakes.keystone import Keystone
from tests.functional.fakes.neutron import Neutron
from tests.functional.fakes.operators_api import Operators
from tests.functional.fakes.quota_api import Quotas
from tests.functional.fakes.records_api import Records
from tests.functional.fakes.rights import Rights
from tests.functional.fakes.server_groups_api import ServerGroups
from tests.functional.fakes.servers_api import Servers
from tests.functional.fakes.volumes_api import Volumes

MODERN, LEGACY = "OpenStack-API-Version", "X-OpenStack-Nova-API-Version"
RIGHTS = Rights("compute")
FAULT_NAMES = {
    400: "badRequest",
    401: "unauthorized",
    403: "forbidden",
    404: "itemNotFound",
    405: "badMethod",
    409: "conflictingRequest",
    413: "overLimit",
    415: "badMediaType",
    429: "overLimit",
    501: "notImplemented",
    503: "serviceUnavailable",
}


class Nova(
    Servers, ServerGroups, Definitions, Surroundings, Quotas, Operators, Records, Consoles, Volumes
):
    """One pod's compute service; its servers plug into ``neutron``."""

    def __init__(
        self,
        thread: LoopThread,
        name: str,
        journal: Journal,
        keystone: Keystone,
        neutron: Neutron,
        images: dict[str, dict[str, Any]],
        zone: str = "nova",
    ) -> None:
        super().__init__(thread, name, journal)
        self.keystone, self.neutron, self.images, self.zone = keystone, neutron, images, zone
        self.min_version, self.max_version = (2, 1), (2, 104)
        self.prepare_servers()
        self.prepare_definitions()
        self.prepare_operators()
        self.prepare_server_groups()
        self.prepare_quotas()
        self.prepare_records()
        self.prepare_volumes()

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
        body = {name: {"code": refusal.status, "message": refusal.message}}
        return web.json_response(body, status=refusal.status, headers=headers)

    async def answer(self, exchange: Exchange) -> web.Response:
        try:
            response = await self._answer_versioned(exchange)
        except Refusal as refusal:
            response = self.refuse(refusal)
        response.headers["x-openstack-request-id"] = exchange.request_id
        response.headers["x-compute-request-id"] = exchange.request_id
        if exchange.version != (0, 0):
            shown = "{}.{}".format(*exchange.version)
            response.headers[MODERN] = f"compute {shown}"
            response.headers[LEGACY] = shown
            response.headers["Vary"] = f"{MODERN}, {LEGACY}"
        return response

    async def _answer_versioned(self, exchange: Exchange) -> web.Response:
        if re.fullmatch(r"/|/v2(\.\d)?/?", exchange.path):
            return await self.dispatch(exchange)
        exchange.token = self.keystone.admit(exchange.http, "compute")
        exchange.version = self._version(exchange)
        found = re.match(r"/v2(?:\.1)?(/.*)", exchange.path)
        if found is None:
            raise Refusal(404, "The resource could not be found.")
        exchange.path = found[1]
        project = re.match(r"/([0-9a-f]{32}|[0-9a-f-]{36})(/.*)", exchange.path)
        if project:
            if project[1] != exchange.token.project_id:
                raise Refusal(
                    400,
                    f"Malformed request URL: URL's project_id '{project[1]}' doesn't match "
                    f"Context's project_id '{exchange.token.project_id}'",
                )
            exchange.path = project[2]
        response = await self.dispatch(exchange)
        assert exchange.right is None or exchange.judged, f"no policy was asked: {exchange.entry}"
        return response

    def before(self, exchange: Exchange, checks_first: bool) -> None:
        # Who asks for the versions is not known.
        if exchange.token is not None:
            RIGHTS.admit(exchange, checks_first)

    def _version(self, exchange: Exchange) -> tuple[int, int]:
        try:
            asked = microversion_parse.get_version(
                exchange.http.headers, service_type="compute", legacy_headers=[LEGACY]
            )
        except ValueError as error:
            raise Refusal(400, str(error)) from None
        if asked is None:
            return (2, 1)
        if asked == "latest":
            return self.max_version
        found = re.fullmatch(r"([1-9]\d*)\.([1-9]\d*|0)", asked)
        if found is None:
            raise Refusal(
                400,
                f"API Version String {asked} is of invalid format. Must be of format "
                "MajorNum.MinorNum.",
            )
        version = (int(found[1]), int(found[2]))
        if not self.min_version <= version <= self.max_version:
            raise Refusal(
                406,
                f"Version {asked} is not supported by the API. Minimum is "
                "{}.{} and maximum is {}.{}.".format(*self.min_version, *self.max_version),
            )
        return version

    # -- version documents -------------------------------------------------------------------

    def _version_document(self) -> dict[str, Any]:
        return {
            "id": "v2.1",
            "status": "CURRENT",
            "version": "{}.{}".format(*self.max_version),
            "min_version": "{}.{}".format(*self.min_version),
            "updated": "2013-07-23T11:33:21Z",
            "links": [{"rel": "self", "href": f"{self.url}/v2.1/"}],
        }

    @route("GET", "/")
    def versions(self, exchange: Exchange) -> web.Response:
        return reply({"versions": [self._version_document()]})

    @route("GET", "/v2.1/?")
    def current(self, exchange: Exchange) -> web.Response:
        media = {
            "base": "application/json",
            "type": "application/vnd.openstack.compute+json;version=2.1",
        }
        return reply({"version": {**self._version_document(), "media-types": [media]}})
