# SPDX-License-Identifier: Apache-2.0
"""Nova's limits, quota sets and quota classes, mixed into Nova: the pod's own."""

from typing import Any

from aiohttp import web

from tests.functional.fakes.http import Exchange, FakeService, Refusal, checks_first, reply, route
from tests.functional.fakes.keystone import Keystone
from tests.functional.fakes.rights import admin_only
from tests.functional.fakes.schemas import check
from tests.functional.fakes.server_groups_api import ServerGroup
from tests.functional.fakes.server_store import Server

Object = dict[str, Any]

NETWORK = ("fixed_ips", "floating_ips", "security_groups", "security_group_rules")
FILES = ("injected_files", "injected_file_content_bytes", "injected_file_path_bytes")
GROUPS = ("server_groups", "server_group_members")


class Quotas(FakeService):
    """``quotas`` are the pod's limits for every project: none, but for servers."""

    keystone: Keystone
    flavors: dict[str, Object]
    servers: dict[str, Server]
    server_groups: dict[str, ServerGroup]

    def prepare_quotas(self) -> None:
        names = (*NETWORK, *FILES, *GROUPS, "cores", "ram", "key_pairs", "metadata_items")
        self.quotas: dict[str, int] = {**dict.fromkeys(names, -1), "instances": 1000}
        #: projects and classes whose limits somebody wanted to change here
        self.quota_changes: list[tuple[str, Object]] = []

    def _used(self, project_id: str) -> Object:
        mine = [s for s in self.servers.values() if s.project_id == project_id and not s.deleted]
        flavors = [self.flavors.get(server.flavor_id, {}) for server in mine]
        groups = [g for g in self.server_groups.values() if g.project_id == project_id]
        return {
            "instances": len(mine),
            "cores": sum(flavor.get("vcpus", 0) for flavor in flavors),
            "ram": sum(flavor.get("ram", 0) for flavor in flavors),
            "server_groups": len(groups),
        }

    @route("GET", "/limits")
    def limits(self, exchange: Exchange) -> web.Response:
        version, project = exchange.version, exchange.token.project_id
        if set(exchange.query) - {"tenant_id"} and version >= (2, 75):
            raise Refusal(400, "Additional properties are not allowed")
        if "tenant_id" in exchange.query:
            admin_only(exchange)
            project = exchange.query["tenant_id"]
        quotas, used = self.quotas, self._used(project)
        absolute = {
            "maxTotalInstances": quotas["instances"],
            "maxTotalCores": quotas["cores"],
            "maxTotalRAMSize": quotas["ram"],
            "maxServerMeta": quotas["metadata_items"],
            "maxTotalKeypairs": quotas["key_pairs"],
            "maxServerGroups": quotas["server_groups"],
            "maxServerGroupMembers": quotas["server_group_members"],
            "totalInstancesUsed": used["instances"],
            "totalCoresUsed": used["cores"],
            "totalRAMUsed": used["ram"],
            "totalServerGroupsUsed": used["server_groups"],
        }
        if version < (2, 39):
            absolute["maxImageMeta"] = quotas["metadata_items"]
        if version < (2, 57):
            absolute["maxPersonality"] = quotas["injected_files"]
            absolute["maxPersonalitySize"] = quotas["injected_file_content_bytes"]
        if version < (2, 36):
            absolute |= {
                "maxTotalFloatingIps": -1,
                "maxSecurityGroups": -1,
                "maxSecurityGroupRules": -1,
                "totalFloatingIpsUsed": 0,
                "totalSecurityGroupsUsed": 0,
            }
        return reply({"limits": {"rate": [], "absolute": absolute}})

    def _shown(self, exchange: Exchange, *, without_network: tuple[int, int]) -> Object:
        left_out: set[str] = set()
        if exchange.version >= without_network:
            left_out |= set(NETWORK)
        if exchange.version >= (2, 57):
            left_out |= set(FILES)
        return {name: limit for name, limit in self.quotas.items() if name not in left_out}

    def _quota_set(self, exchange: Exchange) -> Object:
        return self._shown(exchange, without_network=(2, 36))

    def _check_query(self, exchange: Exchange) -> None:
        if set(exchange.query) - {"user_id"} and exchange.version >= (2, 75):
            raise Refusal(400, "Additional properties are not allowed")

    def _may_see(self, exchange: Exchange, project_id: str) -> None:
        if exchange.token.project_id != project_id:
            admin_only(exchange)
        if project_id not in {project.id for project in self.keystone.projects.values()}:
            raise Refusal(400, f"Project ID {project_id} is not a valid project.")

    @route("GET", "/os-quota-sets/{project_id}")
    def quota_set(self, exchange: Exchange, project_id: str) -> web.Response:
        self._check_query(exchange)
        self._may_see(exchange, project_id)
        return reply({"quota_set": {"id": project_id, **self._quota_set(exchange)}})

    @route("GET", "/os-quota-sets/{project_id}/detail")
    def quota_detail(self, exchange: Exchange, project_id: str) -> web.Response:
        self._check_query(exchange)
        self._may_see(exchange, project_id)
        used = self._used(project_id)
        shown = {
            name: {"limit": limit, "in_use": used.get(name, 0), "reserved": 0}
            for name, limit in self._quota_set(exchange).items()
        }
        return reply({"quota_set": {"id": project_id, **shown}})

    @route("GET", "/os-quota-sets/{project_id}/defaults")
    def quota_defaults(self, exchange: Exchange, project_id: str) -> web.Response:
        return reply({"quota_set": {"id": project_id, **self._quota_set(exchange)}})

    @route("PUT", "/os-quota-sets/{project_id}")
    @checks_first
    def update_quota_set(self, exchange: Exchange, project_id: str) -> web.Response:
        schema = {(2, 1): "update", (2, 36): "update_v236", (2, 57): "update_v257"}
        version = max(since for since in schema if since <= exchange.version)
        self._check_query(exchange)
        check("quota_sets", schema[version], exchange.json())
        admin_only(exchange)
        self._may_see(exchange, project_id)
        if wanted := exchange.json("quota_set"):
            self.quota_changes.append((project_id, wanted))
        return reply({"quota_set": self._quota_set(exchange)})

    @route("DELETE", "/os-quota-sets/{project_id}")
    def delete_quota_set(self, exchange: Exchange, project_id: str) -> web.Response:
        self.quota_changes.append((project_id, {}))
        return reply(None, 202)

    def _quota_class(self, exchange: Exchange) -> Object:
        shown = self._shown(exchange, without_network=(2, 50))
        early = exchange.version < (2, 50)
        return {name: limit for name, limit in shown.items() if not (early and name in GROUPS)}

    @route("GET", "/os-quota-class-sets/{name}")
    def quota_class(self, exchange: Exchange, name: str) -> web.Response:
        return reply({"quota_class_set": {"id": name, **self._quota_class(exchange)}})

    @route("PUT", "/os-quota-class-sets/{name}")
    @checks_first
    def update_quota_class(self, exchange: Exchange, name: str) -> web.Response:
        schema = {(2, 1): "update", (2, 50): "update_v250", (2, 57): "update_v257"}
        version = max(since for since in schema if since <= exchange.version)
        check("quota_classes", schema[version], exchange.json())
        admin_only(exchange)
        if wanted := exchange.json("quota_class_set"):
            self.quota_changes.append((name, wanted))
        return reply({"quota_class_set": self._quota_class(exchange)})
