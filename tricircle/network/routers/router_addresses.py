# SPDX-License-Identifier: Apache-2.0
"""The addresses of routers in each pod, and what servers there are told of them.

Copies of a router on a stretched network would all answer to the same address, so each pod's has
one of its own, and each pod's subnet names that as its gateway. IPv6 needs none of it: servers
take their gateway from advertisements, by link-local address.
"""

from collections.abc import Iterable

from tricircle.network.central import address_reservations, central_neutron, segments
from tricircle.network.central.central_neutron import Resource
from tricircle.network.pod_api.site import NotYet, Site
from tricircle.network.routers import bridges, reach, topology

ROUTER = "router"


def differ(subnet: Resource, network: Resource, pods: topology.Pods) -> bool:
    """Whether the copies of a router that may be in these pods need an address each."""
    return subnet["ip_version"] == 4 and len(pods) > 1 and segments.stretched(network)


def router_address(
    subnet: Resource, network: Resource, port: Resource, pods: topology.Pods, pod_id: str
) -> str:
    """The address in a pod of the router that ``port`` joins to the subnet.

    ``pods`` are those the router may be in. Raises NotYet when the subnet has none left.
    """
    own = next(ip["ip_address"] for ip in port["fixed_ips"] if ip["subnet_id"] == subnet["id"])
    if not differ(subnet, network, pods):
        return str(own)
    purpose = ROUTER if own == subnet["gateway_ip"] else f"{ROUTER} port {port['id']}"
    return _reserved(subnet, pod_id if pod_id in pods else pods[0], purpose)


def gateway(site: Site, subnet: Resource, network: Resource) -> str | None:
    """The gateway that servers in a pod are told.

    Raises NotYet when the subnet has no free address for a router in that pod.
    """
    own: str | None = subnet["gateway_ip"]
    if own is None or network.get("router:external") or bridges.is_bridge(network):
        return own
    for port in _interfaces(subnet):
        if own in (ip["ip_address"] for ip in port["fixed_ips"]):
            pods = _pods(site, port["device_id"])
            return router_address(subnet, network, port, pods, site.pod.id)
    everywhere = reach.pods_of_hints(network.get("availability_zone_hints") or [])
    if differ(subnet, network, everywhere) and segments.projects_own(network):
        # A router may come later: servers must not have to learn of another gateway then.
        return _reserved(subnet, site.pod.id, ROUTER)
    return own


def host_routes(site: Site, subnet: Resource, network: Resource) -> list[dict[str, str]]:
    """The user's host routes, and routes by routers that are not the subnet's gateway.

    Raises NotYet when the subnet has no free address for a router in that pod.
    """
    routes = list(subnet["host_routes"])
    known = {route["destination"] for route in routes} | {subnet["cidr"]}
    for port in _interfaces(subnet):
        own = {ip["ip_address"] for ip in port["fixed_ips"] if ip["subnet_id"] == subnet["id"]}
        if not own or subnet["gateway_ip"] in own:
            continue
        router_id = port["device_id"]
        pods = _pods(site, router_id)
        nexthop = router_address(subnet, network, port, pods, site.pod.id)
        for cidr in sorted(_cidrs(router_id, subnet["ip_version"]) - known):
            routes.append({"destination": cidr, "nexthop": nexthop})
            known.add(cidr)
    return routes


def _interfaces(subnet: Resource) -> Iterable[Resource]:
    """The ports of routers on the subnet."""
    return central_neutron.router_ports_on(subnet["network_id"], subnet["id"])


def _cidrs(router_id: str, version: int) -> set[str]:
    """The ranges of a router's subnets of an IP version."""
    ports = central_neutron.interfaces_of(router_id)
    ids = {ip["subnet_id"] for port in ports for ip in port["fixed_ips"]}
    return {
        subnet["cidr"]
        for subnet in central_neutron.subnets(ids).values()
        if subnet["ip_version"] == version
    }


def _pods(site: Site, router_id: str) -> topology.Pods:
    """The pods a router may be in."""
    router = central_neutron.router(router_id)
    hints = (router or {}).get("availability_zone_hints") or []
    return reach.pods_of_hints(hints)


def _reserved(subnet: Resource, pod_id: str, purpose: str) -> str:
    found = address_reservations.address(subnet, pod_id, purpose)
    if found is None:
        raise NotYet(
            f"Subnet {subnet['id']} ({subnet['cidr']}) has no free address left for a router in "
            "another pod: free one, or add a larger subnet"
        )
    return found
