# SPDX-License-Identifier: Apache-2.0
"""Metadata and tags of servers."""

from aiohttp import web

from tests.functional.fakes.http import Exchange, Refusal, reply, route
from tests.functional.fakes.server_store import Server, ServerStore


class ServerMetadata(ServerStore):
    """Both are the server's own, and changed one by one or all at once."""

    @route("GET", "/servers/{server_id}/metadata")
    def metadata(self, exchange: Exchange, server_id: str) -> web.Response:
        return reply({"metadata": self.server_of(server_id, exchange).metadata})

    @route("POST", "/servers/{server_id}/metadata")
    def add_metadata(self, exchange: Exchange, server_id: str) -> web.Response:
        server = self.server_of(server_id, exchange)
        server.metadata.update(exchange.json("metadata"))
        return reply({"metadata": server.metadata})

    @route("PUT", "/servers/{server_id}/metadata")
    def set_metadata(self, exchange: Exchange, server_id: str) -> web.Response:
        server = self.server_of(server_id, exchange)
        server.metadata = dict(exchange.json("metadata"))
        return reply({"metadata": server.metadata})

    @route("GET", "/servers/{server_id}/metadata/{key}")
    def show_metadata(self, exchange: Exchange, server_id: str, key: str) -> web.Response:
        server = self.server_of(server_id, exchange)
        if key not in server.metadata:
            raise Refusal(404, "Metadata item was not found")
        return reply({"meta": {key: server.metadata[key]}})

    @route("DELETE", "/servers/{server_id}/metadata/{key}")
    def drop_metadata(self, exchange: Exchange, server_id: str, key: str) -> web.Response:
        server = self.server_of(server_id, exchange)
        if server.metadata.pop(key, None) is None:
            raise Refusal(404, "Metadata item was not found")
        return reply(None, 204)

    def _tagged(self, server_id: str, exchange: Exchange) -> Server:
        if exchange.version < (2, 26):
            raise Refusal(404, "The resource could not be found.")
        return self.server_of(server_id, exchange)

    @route("GET", "/servers/{server_id}/tags")
    def tags(self, exchange: Exchange, server_id: str) -> web.Response:
        return reply({"tags": self._tagged(server_id, exchange).tags})

    @route("PUT", "/servers/{server_id}/tags")
    def set_tags(self, exchange: Exchange, server_id: str) -> web.Response:
        server = self._tagged(server_id, exchange)
        server.tags = exchange.json()["tags"]
        return reply({"tags": server.tags})

    @route("PUT", "/servers/{server_id}/tags/{tag}")
    def add_tag(self, exchange: Exchange, server_id: str, tag: str) -> web.Response:
        server = self._tagged(server_id, exchange)
        if tag in server.tags:
            return reply(None, 204)
        server.tags.append(tag)
        location = f"{self.url}/v2.1/servers/{server_id}/tags/{tag}"
        return reply(None, 201, Location=location)

    @route("DELETE", "/servers/{server_id}/tags/{tag}")
    def drop_tag(self, exchange: Exchange, server_id: str, tag: str) -> web.Response:
        self._tagged(server_id, exchange).tags.remove(tag)
        return reply(None, 204)
