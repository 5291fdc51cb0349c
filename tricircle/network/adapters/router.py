# SPDX-License-Identifier: Apache-2.0
"""Routers: in each pod a copy that joins those of the router's networks that are there."""

import ipaddress
from collections.abc import Iterable

from tricircle.db.realizations import Key
from tricircle.network import central as central_neutron
from tricircle.network.adapters.base import Adapter, same
from tricircle.network.central import Resource
from tricircle.network.site import Site, marker


class RouterAdapter(Adapter):
    resource_type = "router"
    member = "router"
    collection = "routers"
    order = 40
    hidden = True

    def central(self, resource_id: str) -> Resource | None:
        plugin = central_neutron.routers()
        return None if plugin is None else central_neutron.found(plugin.get_router, resource_id)

    def depends(self, site: Site, central: Resource) -> list[Key]:
        ports = self._interfaces(site, central).values()
        return [Key("subnet", ip["subnet_id"]) for port in ports for ip in port["fixed_ips"]]

    def body(self, site: Site, central: Resource) -> Resource:
        return {
            "name": central["name"],
            "admin_state_up": central["admin_state_up"],
            "project_id": central["project_id"],
        }

    def settle(self, site: Site, current: Resource, central: Resource) -> None:
        router = current["id"]
        wanted = self._interfaces(site, central)
        there = self._joined(site, router)
        surplus = [port for owner, port in there.items() if owner not in wanted]
        missing = [port for owner, port in wanted.items() if owner not in there]
        routes = _reachable(central.get("routes") or [], wanted.values())
        if surplus and current.get("routes"):
            # A pod does not let an interface go that a route needs.
            kept = [route for route in current["routes"] if route in routes]
            site.neutron.put(f"/routers/{router}", {"router": {"routes": kept}})
        for port in surplus:
            self._leave(site, router, port)
        for port in missing:
            self._join(site, router, port)
        if routes or current.get("routes"):
            latest = self.show(site, router)
            if latest is not None and not same(routes, latest.get("routes")):
                site.neutron.put(f"/routers/{router}", {"router": {"routes": routes}})

    def delete(self, site: Site, pod_resource_id: str) -> None:
        if (current := self.show(site, pod_resource_id)) is None:
            return
        if current.get("routes"):
            site.neutron.put(f"/routers/{pod_resource_id}", {"router": {"routes": []}})
        for port in self._joined(site, pod_resource_id).values():
            self._leave(site, pod_resource_id, port)
        super().delete(site, pod_resource_id)

    def _interfaces(self, site: Site, central: Resource) -> dict[str, Resource]:
        """{marker: central interface port} of the networks that are wanted in the pod."""
        ports = central_neutron.interfaces_of(central["id"])
        networks = {port["network_id"] for port in ports}
        wanted = site.store.wanted("network", networks, site.pod.id)
        return {
            marker(port["id"]): port
            for port in ports
            if port["fixed_ips"] and port["network_id"] in wanted
        }

    def _joined(self, site: Site, router_id: str) -> dict[str, Resource]:
        """{marker: interface port in the pod}; a port without our marker is not ours."""
        ports = site.neutron.list("ports", device_id=router_id)
        return {
            port["description"]: port
            for port in ports
            if str(port.get("description")).startswith("tricircle:")
        }

    def _join(self, site: Site, router_id: str, central_port: Resource) -> None:
        mark = marker(central_port["id"])
        # An earlier attempt may have made the port and died before it was joined.
        found = site.neutron.list("ports", description=mark)
        port_id = found[0]["id"] if found else self._make(site, central_port)
        path = f"/routers/{router_id}/add_router_interface"
        site.neutron.put(path, {"port_id": port_id})

    def _make(self, site: Site, central_port: Resource) -> str:
        subnets = site.ids("subnet", {ip["subnet_id"] for ip in central_port["fixed_ips"]})
        answer = site.neutron.post(
            "/ports",
            {
                "port": {
                    "network_id": site.id("network", central_port["network_id"]),
                    "project_id": central_port["project_id"],
                    "name": central_port["name"],
                    "description": marker(central_port["id"]),
                    "device_owner": "",
                    "fixed_ips": [
                        {"subnet_id": subnets[ip["subnet_id"]], "ip_address": ip["ip_address"]}
                        for ip in central_port["fixed_ips"]
                    ],
                }
            },
        )
        return str(answer["port"]["id"])

    def _leave(self, site: Site, router_id: str, port: Resource) -> None:
        path = f"/routers/{router_id}/remove_router_interface"
        site.neutron.put(path, {"port_id": port["id"]})


def _reachable(routes: list[Resource], ports: Iterable[Resource]) -> list[Resource]:
    """The user's routes whose next hop is on a network the router has in the pod."""
    core = central_neutron.core()
    subnet_ids = {ip["subnet_id"] for port in ports for ip in port["fixed_ips"]}
    if not routes or not subnet_ids:
        return []
    found = core.get_subnets(central_neutron.admin(), filters={"id": list(subnet_ids)})
    ranges = [ipaddress.ip_network(subnet["cidr"]) for subnet in found]
    return [
        route
        for route in routes
        if any(ipaddress.ip_address(route["nexthop"]) in cidr for cidr in ranges)
    ]
