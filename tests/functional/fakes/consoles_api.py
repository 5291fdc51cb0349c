# SPDX-License-Identifier: Apache-2.0
"""Nova's remote consoles: URLs with tokens, as it words them."""

from typing import Any
from urllib.parse import urlencode

from aiohttp import web

from tests.functional.fakes.http import Exchange, Refusal, new_id, reply, route
from tests.functional.fakes.server_store import Server, ServerStore

Object = dict[str, Any]


class Consoles(ServerStore):
    """Mixed into Nova; ``console_bases`` is the base URL of each kind of console it offers."""

    consoles: dict[str, str]
    console_bases: dict[str, str]

    def _console(self, server: Server, protocol: str, kind: str) -> Object:
        if kind not in self.console_bases:
            raise Refusal(400, f"Unavailable console type {kind}.")
        token = new_id()
        self.consoles[token] = server.id
        # As noVNC wants it since its 1.1.
        told = {"path": f"?token={token}"} if kind == "novnc" else {"token": token}
        url = f"{self.console_bases[kind]}?{urlencode(told)}"
        return {"protocol": protocol, "type": kind, "url": url}

    @route("POST", "/servers/{server_id}/remote-consoles")
    def create_console(self, exchange: Exchange, server_id: str) -> web.Response:
        if exchange.version < (2, 6):
            raise Refusal(404, "The resource could not be found.")
        asked = exchange.json("remote_console")
        server = self.server_of(server_id, exchange)
        return reply({"remote_console": self._console(server, asked["protocol"], asked["type"])})

    def _old_console(self, exchange: Exchange, server: Server, argument: Any) -> web.Response:
        if exchange.version >= (2, 6):
            raise Refusal(404, "The resource could not be found.")
        console = self._console(server, "", argument["type"])
        return reply({"console": {"type": console["type"], "url": console["url"]}})

    _act_os_getVNCConsole = _act_os_getSPICEConsole = _old_console
    _act_os_getRDPConsole = _act_os_getSerialConsole = _old_console
