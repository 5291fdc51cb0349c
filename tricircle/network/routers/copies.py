# SPDX-License-Identifier: Apache-2.0
"""From what central Neutron knows of a router to the plan of its copy in one pod, and to that of
the pod's east-west router."""

import dataclasses
from collections.abc import Collection, Mapping

import sqlalchemy as sa
from neutron.db import models_v2
from sqlalchemy.orm import Session

from tricircle.db.work_queue import Busy
from tricircle.network.central import address_reservations, central_neutron, facts, segments
from tricircle.network.central.central_neutron import Resource
from tricircle.network.central.models import Realization
from tricircle.network.pod_api.pod_session import PodSession
from tricircle.network.routers import bridges, plan, reach, router_addresses, topology
from tricircle.network.routers.bridges import Bridge
from tricircle.network.routers.plan import Gateway, Plan
from tricircle.network.routers.router_addresses import Known
from tricircle.network.routers.topology import RouterReach
from tricircle.pods.reconciler import NotYet


@dataclasses.dataclass(frozen=True)
class Copy:
    """A router's copy in a pod: the plan, with the central networks it names. ``addresses`` are
    what it has on bridge networks: {kind: {central subnet id: address}}."""

    reach: RouterReach
    plan: Plan
    gateway: Gateway | None
    addresses: Mapping[str, Mapping[str, str]]


def copy(session: PodSession, router: Resource) -> Copy:
    """What the pod's copy of a router must look like. Makes the bridge networks it needs.

    Raises NotYet when something central is missing that an operator or user must mend.
    """
    router_id, pod_id = router["id"], session.pod.id
    around = _around(session, router_id)
    reached, outside = around.reach, around.outside
    attached = _attached(session, router, around)
    own = _Bridges(session, reached, attached, topology.ROUTER, topology.EAST_WEST_ROUTER)
    info = router.get("external_gateway_info") or {}
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
            gateway = _external(router_id, around, info, pod_id)
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


def east_west(session: PodSession, router: Resource) -> Copy:
    """What the pod's east-west router of a router must look like. Raises NotYet."""
    router_id, pod_id = router["id"], session.pod.id
    around = _around(session, router_id)
    reached = around.reach
    if pod_id not in reached.parted:
        raise NotYet(f"The router {router_id} is about to need no east-west router")
    attached = _attached(session, router, around)
    own = _Bridges(session, reached, attached, topology.EAST_WEST_ROUTER, topology.ROUTER)
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
        self,
        session: PodSession,
        reached: RouterReach,
        attached: list[plan.Attached],
        own: str,
        other: str,
    ) -> None:
        self._session, self._reach = session, reached
        self._used = [item.cidr for item in attached]
        self._own, self._other = own, other
        self._made: dict[str, Bridge] = {}

    def next_hop(self, kind: str, version: int, pod_id: str) -> str:
        """See ``plan.BridgeAddress``."""
        whose = self._other if kind == topology.TRANSIT else self._taker(kind, pod_id)
        return self._bridge(kind).addresses[version, pod_id, whose]

    def addresses(self, kind: str) -> dict[str, str]:
        """{central subnet id: address} of its own."""
        bridge, pod_id = self._bridge(kind), self._session.pod.id
        return {
            subnet["id"]: bridge.addresses[version, pod_id, self._own]
            for version, subnet in bridge.subnets.items()
        }

    def _taker(self, kind: str, pod_id: str) -> str:
        return dict(topology.holders(self._reach, kind, self._session.pod.id))[pod_id]

    def _bridge(self, kind: str) -> Bridge:
        if kind not in self._made:
            holders = topology.holders(self._reach, kind, self._session.pod.id)
            self._made[kind] = bridges.ensure(
                self._session.queue, self._reach.router_id, kind, self._used, holders
            )
        return self._made[kind]


@dataclasses.dataclass(frozen=True)
class _Around:
    """What central Neutron knows around a router: its interfaces, their networks and subnets, the
    subnets of its external network; of subnets that need it, {address: pod} of the ports on them;
    and what is reserved for the pod."""

    reach: RouterReach
    ports: list[Resource]
    networks: Mapping[str, Resource]
    subnets: Mapping[str, Resource]
    outside: list[Resource]
    servers: Mapping[str, Mapping[str, str]]
    known: Known

    @property
    def automatic(self) -> set[str]:
        """The networks where ports derive their addresses from their MACs."""
        found = (one for one in self.subnets.values() if central_neutron.takes_own_address(one))
        return {subnet["network_id"] for subnet in found}


def _around(session: PodSession, router_id: str) -> _Around:
    """All in one transaction."""

    def read(tx: Session) -> _Around:
        reached = reach.of_router(tx, router_id)
        ports = facts.interfaces(tx, router_ids=[router_id])
        networks = facts.networks(tx, {port["network_id"] for port in ports})
        external = reached.external_network
        listed = facts.subnets_of(tx, {*networks, *([external] if external else [])})
        subnets = {one["id"]: one for one in listed if one["network_id"] in networks}
        apart = [
            one["id"]
            for one in subnets.values()
            if len(reached.networks.get(one["network_id"], ())) > 1
            and not segments.stretched(networks[one["network_id"]])
        ]
        return _Around(
            reached,
            ports,
            networks,
            subnets,
            [one for one in listed if one["network_id"] == external],
            servers_of(tx, apart),
            router_addresses.known_of(tx, session.pod.id, listed),
        )

    found: _Around = session.queue.transact(read)
    return found


def _attached(session: PodSession, router: Resource, around: _Around) -> list[plan.Attached]:
    allowed = reach.pods_of_hints(router.get("availability_zone_hints") or [])
    automatic, found = around.automatic, []
    for port in around.ports:
        network = around.networks.get(port["network_id"])
        pods = around.reach.networks.get(port["network_id"], frozenset())
        for ip in port["fixed_ips"]:
            subnet = around.subnets.get(ip["subnet_id"])
            if subnet is None or network is None:
                continue
            address = ip["ip_address"]
            if session.pod.id in pods:
                address = router_addresses.router_address(
                    subnet, network, port, allowed, session.pod.id, around.known
                )
            found.append(
                plan.Attached(
                    port["id"],
                    port["network_id"],
                    subnet["id"],
                    subnet["cidr"],
                    subnet["ip_version"],
                    address,
                    segments.stretched(network),
                    pods,
                    around.servers.get(subnet["id"], {}),
                    network["id"] in automatic,
                )
            )
    return found


def servers_of(tx: Session, subnet_ids: Collection[str]) -> dict[str, dict[str, str]]:
    """{subnet: {address: pod}} of the ports on subnets that are in a pod."""
    allocation, row = models_v2.IPAllocation, Realization
    query = (
        sa.select(allocation.subnet_id, allocation.ip_address, row.pod_id)
        .join(row, sa.and_(row.resource_type == "port", row.resource_id == allocation.port_id))
        .where(allocation.subnet_id.in_(subnet_ids), row.absent.is_(False))
    )
    found: dict[str, dict[str, str]] = {}
    for subnet_id, address, pod_id in tx.execute(query).tuples() if subnet_ids else ():
        found.setdefault(subnet_id, {})[address] = pod_id
    return found


def purpose(router_id: str) -> str:
    """What an address on the external network is reserved for."""
    return f"router {router_id}"


def _external(router_id: str, around: _Around, info: Resource, pod_id: str) -> Gateway:
    """At home, the addresses that central shows; elsewhere, addresses of the pod's own."""
    reached = around.reach
    shown = {ip["subnet_id"]: ip["ip_address"] for ip in info.get("external_fixed_ips", [])}
    if pod_id != reached.home:
        own = {
            subnet["id"]: address_reservations.address(
                subnet, pod_id, purpose(router_id), around.known.reserved
            )
            for subnet in around.outside
            if subnet["id"] in shown
        }
        if not all(own.values()):
            raise NotYet(
                f"External network {reached.external_network} has no free address left for "
                f"router {router_id} in another pod: free one, or add a subnet"
            )
        shown = {key: str(value) for key, value in own.items()}
    snat, policy = info.get("enable_snat", True), info.get("qos_policy_id")
    return Gateway(str(reached.external_network), shown, snat, policy)
