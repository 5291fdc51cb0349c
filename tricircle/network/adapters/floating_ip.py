# SPDX-License-Identifier: Apache-2.0
"""Floating IPs.

Where the server's pod has the external network, the copy is a plain floating IP there. Else it
takes two steps: the pod with the external network translates to an address on the router's
north-south bridge, and the server's pod translates that to the server's.
"""

from tricircle.db.realizations import Key, pods_with
from tricircle.network import bridges, reach, reservations
from tricircle.network import central as central_neutron
from tricircle.network.adapters.base import Adapter
from tricircle.network.central import Resource
from tricircle.network.site import NotYet, Site


class FloatingIpAdapter(Adapter):
    resource_type = "floating_ip"
    member = "floatingip"
    collection = "floatingips"
    order = 60
    fixed = frozenset({"floating_network_id", "floating_ip_address"})

    def central(self, resource_id: str) -> Resource | None:
        plugin = central_neutron.routers()
        found = plugin and central_neutron.found(plugin.get_floatingip, resource_id)
        return found if found and found["port_id"] and found["router_id"] else None

    def depends(self, site: Site, central: Resource) -> list[Key]:
        router = Key("router", central["router_id"])
        if self._at_the_server(site, central):
            return [Key("port", central["port_id"]), router]
        return [router, Key("port", self._between(site, central)["id"])]

    def body(self, site: Site, central: Resource) -> Resource:
        outside = (central["floating_network_id"], central["floating_ip_address"])
        inside = (central["port_id"], central["fixed_ip_address"])
        if self._two_steps(site, central):
            port = self._between(site, central)
            network = bridges.network_id(central["router_id"], bridges.NORTH_SOUTH)
            if self._at_the_server(site, central):
                outside = (network, _address(port))
            else:
                inside = (port["id"], _address(port))
        return {
            "project_id": central["project_id"],
            "floating_network_id": site.id("network", outside[0]),
            "floating_ip_address": outside[1],
            "port_id": site.id("port", inside[0]),
            "fixed_ip_address": inside[1],
        }

    def settle(self, site: Site, current: Resource, central: Resource) -> None:
        central_neutron.routers().update_floatingip_status(
            central_neutron.admin(), central["id"], "ACTIVE"
        )

    def forget(self, site: Site, resource_id: str) -> None:
        reservations.release(site.pod.id, purpose=_purpose(resource_id))
        plugin = central_neutron.routers()
        left = plugin and central_neutron.found(plugin.get_floatingip, resource_id)
        if left and not left["port_id"]:
            plugin.update_floatingip_status(central_neutron.admin(), resource_id, "DOWN")

    def _at_the_server(self, site: Site, central: Resource) -> bool:
        return _server_pod(site, central) == site.pod.id

    def _two_steps(self, site: Site, central: Resource) -> bool:
        return _server_pod(site, central) in _reach(site, central).guests

    def _between(self, site: Site, central: Resource) -> Resource:
        """The central port that keeps the address on the north-south bridge."""
        reached = _reach(site, central)
        if not reached.home or _server_pod(site, central) not in reached.guests:
            raise NotYet(f"The floating IP {central['id']} is not to be in this pod")
        subnet_id = bridges.subnet_id(central["router_id"], bridges.NORTH_SOUTH, 4)
        subnet = central_neutron.subnets([subnet_id]).get(subnet_id)
        if subnet is None:
            raise NotYet(f"The router {central['router_id']} is not ready for floating IPs yet")
        found = reservations.reserved(subnet, reached.home, _purpose(central["id"]))
        if found is None:
            raise NotYet(
                f"Bridge network {subnet['network_id']} has no address left: raise "
                "[interconnect] bridge_prefix_length"
            )
        return found


def _reach(site: Site, central: Resource) -> reach.RouterReach:
    found: reach.RouterReach = site.store.transact(
        lambda tx: reach.of_router(tx, central["router_id"])
    )
    return found


def _server_pod(site: Site, central: Resource) -> str | None:
    key = Key("port", central["port_id"])
    pods: list[str] = site.store.transact(lambda tx: pods_with(tx, site.store.table, key))
    return pods[0] if pods else None


def _purpose(floating_ip_id: str) -> str:
    return f"floating IP {floating_ip_id}"


def _address(port: Resource) -> str:
    return str(port["fixed_ips"][0]["ip_address"])
