# SPDX-License-Identifier: Apache-2.0
"""Subnets."""

from collections.abc import Collection

from tricircle.db.realizations import Key
from tricircle.network import bridges, gateways, reservations
from tricircle.network import central as central_neutron
from tricircle.network.adapters.base import Adapter
from tricircle.network.central import Resource
from tricircle.network.site import NotYet, Site


class SubnetAdapter(Adapter):
    """All addresses are central's to give out: in the pod the pool is the one reserved for it."""

    resource_type = "subnet"
    member = "subnet"
    collection = "subnets"
    order = 20
    fixed = frozenset({"network_id", "ip_version", "cidr", "ipv6_ra_mode", "ipv6_address_mode"})
    ordered = frozenset({"dns_nameservers"})

    def central(self, resource_id: str) -> Resource | None:
        return central_neutron.found(central_neutron.core().get_subnet, resource_id)

    def depends(self, site: Site, central: Resource) -> list[Key]:
        return [Key("network", central["network_id"])]

    def adopts(self, central: Resource) -> bool:
        network = _network(central)
        return bool(network and network.get("router:external"))

    def find(self, site: Site, central: Resource | None, resource_id: str) -> Resource | None:
        copy = super().find(site, central, resource_id)
        if copy is None and central is not None and self.adopts(central):
            network_id = site.id("network", central["network_id"])
            found = site.neutron.list(self.collection, network_id=network_id, cidr=central["cidr"])
            copy = found[0] if found else None
        return copy

    def body(self, site: Site, central: Resource) -> Resource:
        network = _network(central)
        if network is None:
            raise NotYet(f"The network {central['network_id']} is being deleted")
        body = {
            "network_id": site.id("network", central["network_id"]),
            "name": central["name"],
            "ip_version": central["ip_version"],
            "cidr": central["cidr"],
            "gateway_ip": gateways.gateway(site, central, network),
            "enable_dhcp": central["enable_dhcp"],
            "dns_nameservers": central["dns_nameservers"],
            "host_routes": gateways.host_routes(site, central, network),
        }
        if central["project_id"]:
            body["project_id"] = central["project_id"]
        if central["ip_version"] == 6:
            modes = ("ipv6_ra_mode", "ipv6_address_mode")
            body.update({mode: central[mode] for mode in modes if central[mode]})
        all_named = network.get("router:external") or bridges.is_bridge(network)
        if all_named and not central["enable_dhcp"]:
            return body  # The pod makes no port by itself there: every address is named.
        if not central_neutron.takes_own_address(central):
            reserved = reservations.address(central, site.pod.id)
            pools = [{"start": reserved, "end": reserved}] if reserved else None
            body["allocation_pools"] = pools or central["allocation_pools"]
        return body

    def update(self, site: Site, current: Resource, central: Resource) -> None:
        if self._ours(current):
            super().update(site, current, central)

    def drift(self, site: Site, listed: Resource, central: Resource) -> Collection[str]:
        return super().drift(site, listed, central) if self._ours(listed) else ()

    def delete(self, site: Site, pod_resource_id: str) -> None:
        if self._ours(self.show(site, pod_resource_id)):
            super().delete(site, pod_resource_id)

    def forget(self, site: Site, resource_id: str) -> None:
        reservations.release(site.pod.id, subnet_id=resource_id)


def _network(subnet: Resource) -> Resource | None:
    return central_neutron.networks([subnet["network_id"]]).get(subnet["network_id"])
