# SPDX-License-Identifier: Apache-2.0
"""Subnets."""

from tricircle.db.realizations import Key
from tricircle.network import central as central_neutron
from tricircle.network import reservations
from tricircle.network.adapters.base import Adapter
from tricircle.network.central import Resource
from tricircle.network.site import Site


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

    def body(self, site: Site, central: Resource) -> Resource:
        body = {
            "network_id": site.id("network", central["network_id"]),
            "name": central["name"],
            "ip_version": central["ip_version"],
            "cidr": central["cidr"],
            "gateway_ip": central["gateway_ip"],
            "enable_dhcp": central["enable_dhcp"],
            "dns_nameservers": central["dns_nameservers"],
            "host_routes": central["host_routes"],
            "project_id": central["project_id"],
        }
        if central["ip_version"] == 6:
            modes = ("ipv6_ra_mode", "ipv6_address_mode")
            body.update({mode: central[mode] for mode in modes if central[mode]})
        if not central_neutron.takes_own_address(central):
            reserved = reservations.address(central, site.pod.id)
            pools = [{"start": reserved, "end": reserved}] if reserved else None
            body["allocation_pools"] = pools or central["allocation_pools"]
        return body

    def forget(self, site: Site, resource_id: str) -> None:
        reservations.release(resource_id, site.pod.id)
