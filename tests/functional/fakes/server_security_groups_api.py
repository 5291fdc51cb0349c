# SPDX-License-Identifier: Apache-2.0
"""Security groups of servers: those of their ports."""

from typing import Any

from aiohttp import web

from tests.functional.fakes.http import Exchange, Refusal, reply, route
from tests.functional.fakes.server_ports_api import ServerPorts
from tests.functional.fakes.server_store import Object, Server


class ServerSecurityGroups(ServerPorts):
    """A change is one of every port the server has."""

    def security_groups_of(self, server: Server) -> list[Object]:
        tables = self.neutron.tables
        return [
            tables["security-groups"][group_id]
            for port in self.neutron.ports(device_id=server.id)
            for group_id in port["security_groups"]
            if group_id in tables["security-groups"]
        ]

    @route("GET", "/servers/{server_id}/os-security-groups")
    def security_groups(self, exchange: Exchange, server_id: str) -> web.Response:
        groups = self.security_groups_of(self.server_of(server_id, exchange))
        shown = {
            group["id"]: {
                "id": group["id"],
                "name": group["name"],
                "description": group["description"],
                "tenant_id": group["project_id"],
                "rules": [],
            }
            for group in groups
        }
        return reply({"security_groups": list(shown.values())})

    def _named_group(self, server: Server, name: str) -> Object:
        for group in self.neutron.tables["security-groups"].values():
            if name in (group["id"], group["name"]) and group["project_id"] == server.project_id:
                return group
        raise Refusal(404, f"Security group {name} not found.")

    def _act_addSecurityGroup(
        self, exchange: Exchange, server: Server, argument: Any
    ) -> web.Response:
        group = self._named_group(server, argument["name"])
        for port in self.neutron.ports(device_id=server.id):
            if group["id"] not in port["security_groups"]:
                port["security_groups"].append(group["id"])
        return reply(None, 202)

    def _act_removeSecurityGroup(
        self, exchange: Exchange, server: Server, argument: Any
    ) -> web.Response:
        group = self._named_group(server, argument["name"])
        for port in self.neutron.ports(device_id=server.id):
            if group["id"] in port["security_groups"]:
                port["security_groups"].remove(group["id"])
        return reply(None, 202)
