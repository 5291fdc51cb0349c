# SPDX-License-Identifier: Apache-2.0
"""From what central Neutron knows of a router to the plan of its copy in one pod, and to that of
the pod's east-west router."""

import dataclasses
from collections.abc import Mapping

import sqlalchemy as sa
from neutron.db import models_v2
from sqlalchemy.orm import Session

from tricircle.db.work_queue import Busy
from tricircle.network.central import address_reservations, central_neutron, segments
from tricircle.network.central.central_neutron import Resource
from tricircle.network.central.models import Realization
from tricircle.network.pod_api.site import NotYet, Site
from tricircle.network.routers import bridges, plan, reach, router_addresses, topology
from tricircle.network.routers.bridges import Bridge
from tricircle.network.routers.plan import Gateway, Plan
from tricircle.network.routers.topology import RouterReach


@dataclasses.dataclass(frozen=True)
class Copy:
    """A router's copy in a pod: the plan, with the central networks it names. ``addresses`` are
    what it has on bridge networks: {kind: {central subnet id: address}}."""

    reach: RouterReach
    plan: Plan
    gateway: Gateway | None
    addresses: Mapping[str, Mapping[str, str]]


def copy(site: Site, router: Resource) -> Copy:
    """What the pod's copy of a router must look like. Makes the bridge networks it needs.

    Raises NotYet when something central is missing that an operator or user must mend.
    """
    router_id, pod_id = router["id"], site.pod.id
    reached = _reach(site, router_id)
    attached = _attached(site, router, reached)
    own = _Bridges(site, reached, attached, topology.ROUTER, topology.EAST_WEST_ROUTER)
    info = router.get("external_gateway_info") or {}
    outside = (
        central_neutron.core().get_subnets(
            central_neutron.admin(), filters={"network_id": [reached.external_network]}
        )
        if reached.external_network
        else []
    )
    try:
        made_plan = plan.make(
            reached,
            pod_id,
            attached,
            router.get("routes") or [],
            [subnet["cidr"] for subnet in outside],
            own.next_hop,
        )
        gateway = None
        if made_plan.gateway == plan.EXTERNAL:
            gateway = _external(router_id, reached, info, outside, pod_id)
        elif made_plan.gateway is not None:
            kind = made_plan.gateway
            gateway = Gateway(
                bridges.network_id(router_id, kind),
                own.addresses(kind),
                kind == topology.NORTH_SOUTH and info.get("enable_snat", True),
            )
        addresses = {kind: own.addresses(kind) for kind in made_plan.bridges}
    except (bridges.NoRoom, Busy) as error:
        raise NotYet(str(error)) from None
    return Copy(reached, made_plan, gateway, addresses)


def east_west(site: Site, router: Resource) -> Copy:
    """What the pod's east-west router of a router must look like. Raises NotYet."""
    router_id, pod_id = router["id"], site.pod.id
    reached = _reach(site, router_id)
    if pod_id not in reached.parted:
        raise NotYet(f"The router {router_id} is about to need no east-west router")
    attached = _attached(site, router, reached)
    own = _Bridges(site, reached, attached, topology.EAST_WEST_ROUTER, topology.ROUTER)
    try:
        made_plan = plan.east_west(
            reached, pod_id, attached, router.get("routes") or [], own.next_hop
        )
        network_id = bridges.network_id(router_id, topology.EAST_WEST)
        gateway = Gateway(network_id, own.addresses(topology.EAST_WEST), snat=False)
        addresses = {kind: own.addresses(kind) for kind in made_plan.bridges}
    except (bridges.NoRoom, Busy) as error:
        raise NotYet(str(error)) from None
    return Copy(reached, made_plan, gateway, addresses)


class _Bridges:
    """The bridge networks of a router as something in a pod sees them, made when asked for.

    Its methods raise NoRoom and Busy.
    """

    def __init__(
        self, site: Site, reached: RouterReach, attached: list[plan.Attached], own: str, other: str
    ) -> None:
        self._site, self._reach = site, reached
        self._used = [item.cidr for item in attached]
        self._own, self._other = own, other
        self._made: dict[str, Bridge] = {}

    def next_hop(self, kind: str, version: int, pod_id: str) -> str:
        """See ``plan.BridgeAddress``."""
        whose = self._other if kind == topology.TRANSIT else self._taker(kind, pod_id)
        return self._bridge(kind).addresses[version, pod_id, whose]

    def addresses(self, kind: str) -> dict[str, str]:
        """{central subnet id: address} of its own."""
        bridge, pod_id = self._bridge(kind), self._site.pod.id
        return {
            subnet["id"]: bridge.addresses[version, pod_id, self._own]
            for version, subnet in bridge.subnets.items()
        }

    def _taker(self, kind: str, pod_id: str) -> str:
        return dict(topology.holders(self._reach, kind, self._site.pod.id))[pod_id]

    def _bridge(self, kind: str) -> Bridge:
        if kind not in self._made:
            holders = topology.holders(self._reach, kind, self._site.pod.id)
            self._made[kind] = bridges.ensure(
                self._site.queue, self._reach.router_id, kind, self._used, holders
            )
        return self._made[kind]


def _reach(site: Site, router_id: str) -> RouterReach:
    found: RouterReach = site.queue.transact(lambda tx: reach.of_router(tx, router_id))
    return found


def _attached(site: Site, router: Resource, reached: RouterReach) -> list[plan.Attached]:
    ports = central_neutron.interfaces_of(router["id"])
    subnets = central_neutron.subnets(
        {ip["subnet_id"] for port in ports for ip in port["fixed_ips"]}
    )
    networks = central_neutron.networks({port["network_id"] for port in ports})
    automatic = central_neutron.automatic(networks)
    allowed = reach.pods_of_hints(router.get("availability_zone_hints") or [])
    found = []
    for port in ports:
        network = networks.get(port["network_id"])
        pods = reached.networks.get(port["network_id"], frozenset())
        for ip in port["fixed_ips"]:
            subnet = subnets.get(ip["subnet_id"])
            if subnet is None or network is None:
                continue
            stretched = segments.stretched(network)
            address = ip["ip_address"]
            if site.pod.id in pods:
                address = router_addresses.router_address(
                    subnet, network, port, allowed, site.pod.id
                )
            found.append(
                plan.Attached(
                    port["id"],
                    port["network_id"],
                    subnet["id"],
                    subnet["cidr"],
                    subnet["ip_version"],
                    address,
                    stretched,
                    pods,
                    {} if stretched or len(pods) < 2 else _servers(site, subnet["id"]),
                    network["id"] in automatic,
                )
            )
    return found


def _servers(site: Site, subnet_id: str) -> dict[str, str]:
    """{address: pod} of the ports on a subnet that are in a pod."""
    allocation, row = models_v2.IPAllocation, Realization
    query = (
        sa.select(allocation.ip_address, row.pod_id)
        .join(row, sa.and_(row.resource_type == "port", row.resource_id == allocation.port_id))
        .where(allocation.subnet_id == subnet_id, row.absent.is_(False))
    )

    def read(tx: Session) -> dict[str, str]:
        return dict(tx.execute(query).tuples().all())

    found: dict[str, str] = site.queue.transact(read)
    return found


def purpose(router_id: str) -> str:
    """What an address on the external network is reserved for."""
    return f"router {router_id}"


def _external(
    router_id: str,
    reached: RouterReach,
    info: Resource,
    outside: list[Resource],
    pod_id: str,
) -> Gateway:
    """At home, the addresses that central shows; elsewhere, addresses of the pod's own."""
    shown = {ip["subnet_id"]: ip["ip_address"] for ip in info.get("external_fixed_ips", [])}
    if pod_id != reached.home:
        own = {
            subnet["id"]: address_reservations.address(subnet, pod_id, purpose(router_id))
            for subnet in outside
            if subnet["id"] in shown
        }
        if not all(own.values()):
            raise NotYet(
                f"External network {reached.external_network} has no free address left for "
                f"router {router_id} in another pod: free one, or add a subnet"
            )
        shown = {key: str(value) for key, value in own.items()}
    return Gateway(str(reached.external_network), shown, info.get("enable_snat", True))
