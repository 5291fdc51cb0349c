# SPDX-License-Identifier: Apache-2.0
"""Nova's server groups, and what they do to the hosts of servers. Mixed into Nova."""

import dataclasses
from typing import Any

from aiohttp import web

from tests.functional.fakes.http import Exchange, FakeService, Refusal, new_id, reply, route
from tests.functional.fakes.rights import found
from tests.functional.fakes.schemas import check
from tests.functional.fakes.server_store import Server

Object = dict[str, Any]


@dataclasses.dataclass
class ServerGroup:
    name: str
    project_id: str
    user_id: str
    policy: str
    rules: dict[str, int] = dataclasses.field(default_factory=dict)
    id: str = dataclasses.field(default_factory=new_id)
    members: list[str] = dataclasses.field(default_factory=list)


class ServerGroups(FakeService):
    """What it needs of Nova is declared here."""

    servers: dict[str, Server]
    quotas: dict[str, int]

    def prepare_server_groups(self) -> None:
        self.server_groups: dict[str, ServerGroup] = {}
        self.hosts = ["host1", "host2", "host3"]

    def _visible(self, exchange: Exchange, everyones: bool = False) -> list[ServerGroup]:
        token = exchange.token
        return [
            group
            for group in self.server_groups.values()
            if group.project_id == token.project_id or (token.is_admin and everyones)
        ]

    def group_of(self, exchange: Exchange, group_id: str, status: int = 404) -> ServerGroup:
        group = self.server_groups.get(group_id)
        if group is not None:
            # Nova finds it whoever asks: only the policy looks at whose it is.
            found(exchange, group.project_id)
            return group
        raise Refusal(status, f"Instance group {group_id} could not be found.")

    def hinted_group(self, exchange: Exchange, body: Object) -> ServerGroup | None:
        hint = body.get("os:scheduler_hints", {}).get("group")
        return self.group_of(exchange, hint, 400) if hint else None

    def host_for(self, group: ServerGroup | None) -> str | None:
        """A host by the group's policy; None when there is no valid one."""
        if group is None:
            return self.hosts[0]
        used = [self.servers[one].host for one in self._living(group)]
        if group.policy.endswith("anti-affinity"):
            most = group.rules.get("max_server_per_host", 1)
            host = min(self.hosts, key=used.count)
            full = used.count(host) >= most and group.policy == "anti-affinity"
            return None if full else host
        return used[0] if used else self.hosts[0]

    def _living(self, group: ServerGroup) -> list[str]:
        return [one for one in group.members if not self.servers[one].deleted]

    def _show_group(self, group: ServerGroup, exchange: Exchange) -> Object:
        shown: Object = {"id": group.id, "name": group.name, "members": self._living(group)}
        if exchange.version >= (2, 64):
            shown |= {"policy": group.policy, "rules": group.rules}
        else:
            shown |= {"policies": [group.policy], "metadata": {}}
        if exchange.version >= (2, 13):
            shown |= {"project_id": group.project_id, "user_id": group.user_id}
        return shown

    @route("GET", "/os-server-groups")
    def list_server_groups(self, exchange: Exchange) -> web.Response:
        strict = exchange.version >= (2, 75)
        check("server_groups", "index_query_v275" if strict else "index_query", {
            name: exchange.query.getall(name) for name in exchange.query
        })  # fmt: skip
        found = self._visible(exchange, "all_projects" in exchange.query)
        offset = int(exchange.query.get("offset", 0))
        limit = int(exchange.query.get("limit", 0)) or 1000
        page = found[offset : offset + limit]
        return reply({"server_groups": [self._show_group(group, exchange) for group in page]})

    @route("POST", "/os-server-groups")
    def create_server_group(self, exchange: Exchange) -> web.Response:
        version, token = exchange.version, exchange.token
        schema = {(2, 1): "create", (2, 15): "create_v215", (2, 64): "create_v264"}
        check("server_groups", schema[max(at for at in schema if at <= version)], exchange.json())
        if len(self._visible(exchange)) >= self.quotas["server_groups"] >= 0:
            raise Refusal(403, "Quota exceeded, too many server groups.")
        wanted = exchange.json("server_group")
        policy = wanted["policy"] if version >= (2, 64) else wanted["policies"][0]
        rules = {name: int(value) for name, value in wanted.get("rules", {}).items()}
        if policy != "anti-affinity" and rules:
            raise Refusal(400, "Only anti-affinity policy supports rules.")
        group = ServerGroup(wanted["name"], token.project_id, token.user.id, policy, rules)
        self.server_groups[group.id] = group
        return reply({"server_group": self._show_group(group, exchange)})

    @route("GET", "/os-server-groups/{group_id}")
    def show_server_group(self, exchange: Exchange, group_id: str) -> web.Response:
        if exchange.query and exchange.version >= (2, 102):
            raise Refusal(400, "Additional properties are not allowed")
        group = self.group_of(exchange, group_id)
        return reply({"server_group": self._show_group(group, exchange)})

    @route("DELETE", "/os-server-groups/{group_id}")
    def delete_server_group(self, exchange: Exchange, group_id: str) -> web.Response:
        del self.server_groups[self.group_of(exchange, group_id).id]
        return reply(None, 204)
