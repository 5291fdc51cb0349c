# SPDX-License-Identifier: Apache-2.0
"""How the copy of a router is joined to a network in its pod. All here may be repeated.

The port that joins them bears two markers: as its description that of what it is for, as its name
that of the router. Whoever makes one may die, or give up waiting, before it is joined. Anybody may
make a port that names the router as its device, or has such texts: it is not looked at.
"""

import dataclasses

from tricircle.network.central.central_neutron import Resource
from tricircle.network.pod_api.pod_session import PodSession, named, owner_of
from tricircle.network.reconcile.adapters.base import is_made_by_us
from tricircle.network.reconcile.adapters.subnet import SubnetAdapter

# The interfaces of a router, as Neutron calls them: plain, distributed, highly available.
_INTERFACES = (
    "network:router_interface",
    "network:router_interface_distributed",
    "network:ha_router_replicated_interface",
)


@dataclasses.dataclass(frozen=True, slots=True)
class Ports:
    """The ports of a router's copy, as {what a port is for: port}.

    ``joined`` join it; ``loose`` were made for that and do not join it yet. ``lost`` join it to a
    subnet of ours, but have no marker: the pod made them by itself and its answer was lost, or it
    refused what was to follow.
    """

    joined: dict[str, Resource]
    loose: dict[str, Resource]
    lost: list[Resource]


def ports(session: PodSession, router: Resource, resource_id: str) -> Ports:
    """Our ports of a router's copy in the pod, ``router``; ``resource_id`` is the central router's.

    A port without our marker is not ours, unless only we can have had the pod make it.
    """
    owners = [owner_of(router)]
    there = session.neutron.list("ports", device_id=router["id"])
    made = session.neutron.list("ports", name=session.markers("routers", resource_id, owners))
    joined, loose = (
        {str(named(port)): port for port in found if session.is_ours("ports", port, owners)}
        for found in (there, [port for port in made if not port["device_id"]])
    )
    return Ports(
        joined, loose, [port for port in there if not named(port) and _is_lost(session, port)]
    )


def _is_lost(session: PodSession, port: Resource) -> bool:
    """Whether it joins our router to subnets of ours only. What these are like by now does not
    count: it may have changed since the port was made."""
    if port["device_owner"] not in _INTERFACES:
        return False
    ids = list({ip["subnet_id"] for ip in port["fixed_ips"]})
    fields = ["id", "description", "project_id"]
    subnets = session.neutron.list("subnets", id=ids, fields=fields) if ids else []
    made = [is_made_by_us(session, subnet, [SubnetAdapter()]) for subnet in subnets]
    return bool(made) and all(made)


def sign(session: PodSession, port: Resource) -> None:
    """Have a port that joins a router bear the newest marker."""
    if not session.is_newest("ports", port, str(named(port))):
        description = session.marker("ports", str(named(port)), owner_of(port))
        body = {"port": {"description": description}}
        session.neutron.put(f"/ports/{port['id']}", body, notable=False)


def by_port(session: PodSession, router_id: str, body: Resource, loose: Resource | None) -> None:
    """Make a port with the addresses of ``body`` the router's interface; ``loose`` was made so."""
    if loose is not None and not same_addresses(loose, body):
        session.neutron.delete(f"/ports/{loose['id']}")
        loose = None
    port = loose or session.neutron.post("/ports", {"port": body})["port"]
    session.neutron.put(f"/routers/{router_id}/add_router_interface", {"port_id": port["id"]})


def by_subnet(session: PodSession, router_id: str, body: Resource) -> None:
    """Let the pod's Neutron make the port, with a subnet's gateway address.

    Where ports make their addresses from their MACs it refuses a port whose address is named, and
    gives one on another subnet of the network such an address beside, unless it makes it itself.
    """
    first = body["fixed_ips"][0]["subnet_id"]
    there = session.neutron.list("ports", device_id=router_id, network_id=body["network_id"])
    joined = (
        port
        for port in there
        if port["device_owner"] in _INTERFACES
        and first in {ip["subnet_id"] for ip in port["fixed_ips"]}
        and named(port) in (None, named(body))
    )
    port = next(joined, None)
    if port is None:
        path = f"/routers/{router_id}/add_router_interface"
        port_id = session.neutron.put(path, {"subnet_id": first})["port_id"]
        port = session.neutron.get(f"/ports/{port_id}")["port"]
    change = {"description": session.marker("ports", str(named(body)), owner_of(port))}
    if not same_addresses(port, body):
        change["fixed_ips"] = body["fixed_ips"]
    session.neutron.put(f"/ports/{port['id']}", {"port": change})


def same_addresses(port: Resource, wanted: Resource) -> bool:
    return pairs(port["fixed_ips"]) == pairs(wanted["fixed_ips"])


def pairs(ips: list[Resource]) -> set[tuple[str, str]]:
    """(subnet, address) of each."""
    return {(ip["subnet_id"], ip["ip_address"]) for ip in ips}
