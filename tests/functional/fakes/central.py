# SPDX-License-Identifier: Apache-2.0
"""The Neutron users see: binding a port to a pod's name realizes it there.

It makes real requests to that pod's Neutron, as the mechanism driver does, so a fault there is
felt here.
"""

import contextlib
from typing import Any

import aiohttp
from aiohttp import web

from tests.functional.fakes import deadlines
from tests.functional.fakes.http import Exchange, Journal, LoopThread, Refusal, reply, route
from tests.functional.fakes.keystone import Keystone, Token
from tests.functional.fakes.neutron import Neutron, Object
from tricircle.pods.access.own_keystone import digest

#: Seconds it waits for a pod.
BIND_DEADLINE = 1.0


class CentralNeutron(Neutron):
    """Neutron with pods for hosts. ``pods`` is {region name: base URL of its Neutron}."""

    AGENT = "central-neutron"
    """What its own calls to pods say as User-Agent."""

    def __init__(self, thread: LoopThread, journal: Journal, keystone: Keystone) -> None:
        super().__init__(thread, "central/network", journal, keystone)
        self.pods: dict[str, str] = {}
        self.judges: dict[str, Keystone] = {}
        """The Keystones of pods that have one of their own, by region."""
        self.unrealized: list[tuple[str, str]] = []
        """Ports whose pod-side copies are to go: (region, central id); see ``reconcile``."""
        self._http: aiohttp.ClientSession | None = None

    @route("GET", "/v2.0/server-addresses")
    def server_addresses(self, exchange: Exchange) -> web.Response:
        """As ``tricircle.network.plugins.server_addresses`` tells them."""
        servers = exchange.query.getall("id", [])
        if not 0 < len(servers) <= 100:
            text = "Invalid input for operation: Name 1 to 100 servers by id.."
            raise Refusal(400, text, "InvalidInput")
        ports: dict[str, list[Object]] = {}
        for port in self.ports():
            if port["device_id"] in servers and self._visible("ports", port, exchange.token):
                ports.setdefault(port["device_id"], []).append(self._as_shown(port))
        told = [{"id": server, "ports": found} for server, found in ports.items()]
        return reply({"server_addresses": told})

    def _as_shown(self, port: Object) -> Object:
        floating: dict[str, list[str]] = {}
        for one in self.tables["floatingips"].values():
            if one["port_id"] == port["id"]:
                floating.setdefault(one["fixed_ip_address"], []).append(one["floating_ip_address"])
        groups = self.tables["security-groups"]
        return {
            "id": port["id"],
            "network_name": self.tables["networks"][port["network_id"]]["name"],
            "mac_address": port["mac_address"],
            "fixed_ips": [
                {"ip_address": ip["ip_address"], "floating_ips": floating.get(ip["ip_address"], [])}
                for ip in port["fixed_ips"]
            ],
            "security_groups": [
                groups[group]["name"] or group for group in port["security_groups"]
            ],
        }

    async def _pod(self, region: str, method: str, path: str, body: Any = None) -> Any:
        if self._http is None:
            self._http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=BIND_DEADLINE))
        own = self.judges.get(region)
        headers = {
            "X-Auth-Token": (
                own.issue("tricircle-there") if own else self.keystone.issue("tricircle")
            ).id,
            "User-Agent": self.AGENT,
        }
        url = f"{self.pods[region]}/v2.0{path}"
        with deadlines.governed(headers):
            async with self._http.request(
                method, url, json=body, headers=headers, allow_redirects=False
            ) as answer:
                if answer.status == 404 and method == "DELETE":
                    return None
                if answer.status == 409:
                    raise ValueError((await answer.json())["NeutronError"]["message"])
                answer.raise_for_status()
                if answer.status >= 300:
                    raise ValueError(f"unexpected {answer.status}")
                return await answer.json() if answer.status != 204 else None

    def close(self) -> None:
        if self._http is not None:
            self.thread.run(self._http.close())
        super().close()

    async def after_change(
        self, collection: str, item: Object | None, before: Object | None, token: Token
    ) -> None:
        if collection != "ports":
            return
        host = item["binding:host_id"] if item else ""
        old = before["binding:host_id"] if before else ""
        if host == old:
            return
        if before and old:
            self.unrealized.append((old, before["id"]))
        if item is not None:
            item["binding:vif_type"] = "unbound"
            item["binding:vif_details"] = {}
            if host:
                await self._bind(item, host)
        await self.reconcile()

    async def after_creates(self, collection: str, items: list[Object], token: Token) -> None:
        """Ports that one request makes for a host are made there by one call."""
        if collection == "ports":
            for host in {item["binding:host_id"] for item in items} & set(self.pods):
                await self._realize_all([o for o in items if o["binding:host_id"] == host], host)
        await super().after_creates(collection, items, token)

    async def _realize_all(self, ports: list[Object], host: str) -> None:
        """What fails is tried again one by one."""
        if len(ports) < 2:
            return
        with contextlib.suppress(aiohttp.ClientError, TimeoutError, ValueError, KeyError):
            bodies = [await self._copy(port, host) for port in ports]
            await self._pod(host, "POST", "/ports", {"ports": bodies})

    async def _bind(self, port: Object, host: str) -> None:
        port["binding:vif_type"] = "binding_failed"
        if host not in self.pods:
            return
        try:
            port["binding:vif_details"] = await self._realize(port, host)
            port["binding:vif_type"] = "other"
        except (aiohttp.ClientError, TimeoutError, ValueError, KeyError) as error:
            port["binding:vif_details"] = {"pod": host, "reason": f"Pod {host}: {error}"}
            self.unrealized.append((host, port["id"]))

    def _project(self, region: str, project_id: str) -> str:
        """The project that stands for one in a pod. Raises ValueError when there is none."""
        own = self.judges.get(region)
        if own is None:
            return project_id
        ours = next(p for p in self.keystone.projects.values() if p.id == project_id)
        known = digest(region, "project", project_id)
        # By its tag, by the name it was signed with, or by the name it has here.
        names = {known, f"{ours.name}@{self.keystone.domains[ours.domain]}"}
        for project in own.projects.values():
            if f"tricircle:{known}" in project.tags or project.name in names:
                return project.id
        raise ValueError(f"no project there stands for {project_id}")

    async def _one(
        self, host: str, collection: str, single: str, body: Object, marker: str
    ) -> Object:
        """Find the pod's object by its marker or make it."""
        plural = collection.replace("-", "_")
        found = (await self._pod(host, "GET", f"/{collection}?description={marker}"))[plural]
        if found:
            return found[0]
        body = {single: {**body, "description": marker}}
        return (await self._pod(host, "POST", f"/{collection}", body))[single]

    async def _realize(self, port: Object, host: str) -> Object:
        body = await self._copy(port, host)
        made = await self._one(host, "ports", "port", body, body.pop("description"))
        return {"pod": host, "pod_port_id": made["id"], "pod_network_id": made["network_id"]}

    async def _copy(self, port: Object, host: str) -> Object:
        """The port's copy in the pod, when all it stands on is there."""
        network = self.tables["networks"][port["network_id"]]
        owner = {"project_id": self._project(host, port["project_id"])}
        tenant = {"project_id": self._project(host, network["project_id"])}
        there = await self._one(
            host, "networks", "network",
            {"name": network["name"], "shared": network["shared"], **tenant},
            f"tricircle:{network['id']}",
        )  # fmt: skip
        fixed_ips = []
        for ip in port["fixed_ips"]:
            subnet = self.tables["subnets"][ip["subnet_id"]]
            made = await self._one(
                host, "subnets", "subnet",
                {"network_id": there["id"], "cidr": subnet["cidr"], **tenant},
                f"tricircle:{subnet['id']}",
            )  # fmt: skip
            fixed_ips.append({"subnet_id": made["id"], "ip_address": ip["ip_address"]})
        groups = []
        for group_id in port["security_groups"]:
            group = self.tables["security-groups"][group_id]
            if group["name"] == "default":
                mine = (
                    await self._pod(
                        host,
                        "GET",
                        f"/security-groups?name=default&project_id={owner['project_id']}",
                    )
                )["security_groups"]
                groups += [one["id"] for one in mine[:1]]
                continue
            made = await self._one(
                host, "security-groups", "security_group",
                {"name": group["name"], **owner}, f"tricircle:{group_id}",
            )  # fmt: skip
            groups.append(made["id"])
        return {
            "network_id": there["id"],
            "fixed_ips": fixed_ips,
            "mac_address": port["mac_address"],
            "description": f"tricircle:{port['id']}",
            **owner,
            **({"security_groups": groups} if groups else {}),
        }

    async def reconcile(self) -> None:
        """Remove pod-side ports that are no longer wanted, as the reconciler would."""
        wanted, self.unrealized = self.unrealized, []
        for region, central_id in wanted:
            port = self.tables["ports"].get(central_id)
            bound = port and "pod_port_id" in port["binding:vif_details"]
            if port and bound and port["binding:host_id"] == region:
                continue
            try:
                found = await self._pod(region, "GET", f"/ports?description=tricircle:{central_id}")
                for inside in found["ports"]:
                    await self._pod(region, "DELETE", f"/ports/{inside['id']}")
            except (aiohttp.ClientError, TimeoutError, ValueError, KeyError):
                self.unrealized.append((region, central_id))

    def settle(self) -> None:
        """``reconcile`` from a test."""
        self.thread.run(self.reconcile())
