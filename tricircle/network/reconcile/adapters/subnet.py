# SPDX-License-Identifier: Apache-2.0
"""Subnets."""

from collections.abc import Collection

from tricircle.db.realizations import Key
from tricircle.network.central import address_reservations, central_neutron, facts, models
from tricircle.network.central.central_neutron import Resource
from tricircle.network.pod_api.pod_session import PodSession, named
from tricircle.network.reconcile.adapters import network as network_adapter
from tricircle.network.reconcile.adapters.base import Adapter
from tricircle.network.routers import bridges, router_addresses
from tricircle.pods.errors import PodRefused


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

    def depends(self, session: PodSession, central: Resource) -> list[Key]:
        return [Key("network", central["network_id"])]

    def adopts(self, central: Resource) -> bool:
        network_id = central["network_id"]
        found = models.work_queue().transact(lambda tx: facts.networks(tx, [network_id]))
        return network_id in found and bool(found[network_id]["router:external"])

    def find(
        self,
        session: PodSession,
        central: Resource | None,
        resource_id: str,
        project_id: str | None = None,
    ) -> Resource | None:
        copy = super().find(session, central, resource_id, project_id)
        if copy is None and central is not None and self.adopts(central):
            network_id = session.id("network", central["network_id"])
            found = session.neutron.list(
                self.collection, network_id=network_id, cidr=central["cidr"]
            )
            copy = found[0] if found else None
        return copy

    def create(self, session: PodSession, central: Resource) -> Resource:
        """Raises PodRefused where the network was in the pod before us: nothing is made there."""
        if self.adopts(central):
            there = {"network_id": session.id("network", central["network_id"])}
            if not self._is_on_ours(session, there, central["network_id"]):
                raise PodRefused(
                    session.pod.region_name,
                    409,
                    f"its external network {there['network_id']}, which Tricircle did not make, "
                    f"has no subnet {central['cidr']}: make it there",
                )
        return super().create(session, central)

    def body(self, session: PodSession, central: Resource) -> Resource:
        around = router_addresses.around(session, central)
        body = {
            "network_id": session.id("network", central["network_id"]),
            "name": central["name"],
            "ip_version": central["ip_version"],
            "cidr": central["cidr"],
            "gateway_ip": router_addresses.gateway(session, central, around),
            "enable_dhcp": central["enable_dhcp"],
            "dns_nameservers": central["dns_nameservers"],
            "host_routes": router_addresses.host_routes(session, central, around),
        }
        if central["project_id"]:
            body["project_id"] = central["project_id"]
        if central["ip_version"] == 6:
            modes = ("ipv6_ra_mode", "ipv6_address_mode")
            body.update({mode: central[mode] for mode in modes if central[mode]})
        all_named = around.network["router:external"] or bridges.is_bridge(around.network)
        if all_named and not central["enable_dhcp"]:
            return body  # The pod makes no port by itself there: every address is named.
        if not central_neutron.takes_own_address(central):
            reserved = address_reservations.address(central, session.pod.id, known=around.reserved)
            pools = [{"start": reserved, "end": reserved}] if reserved else None
            body["allocation_pools"] = pools or central["allocation_pools"]
        return body

    def update(self, session: PodSession, current: Resource, central: Resource) -> None:
        if named(current) != central["id"] and (
            self.adopts(central) or not self._is_on_ours(session, current, central["network_id"])
        ):
            return
        super().update(session, current, central)

    def drift(self, session: PodSession, listed: Resource, central: Resource) -> Collection[str]:
        ours = named(listed) == central["id"] or not self.adopts(central)
        return super().drift(session, listed, central) if ours else ()

    def delete(self, session: PodSession, resource_id: str, pod_resource_id: str) -> None:
        current = self.show(session, pod_resource_id)
        if current is not None and (
            named(current) == resource_id or self._is_on_ours(session, current, "")
        ):
            super().delete(session, resource_id, pod_resource_id)

    def _is_on_ours(self, session: PodSession, subnet: Resource, network_id: str) -> bool:
        """Whether we made the network that a subnet in the pod is on, the copy of a network: of one
        that was there before us, its subnets were, too."""
        document = session.neutron.find(f"/networks/{subnet['network_id']}")
        return document is not None and network_adapter.is_ours(document["network"], network_id)

    def forget(self, session: PodSession, resource_id: str) -> None:
        address_reservations.release(session.pod.id, subnet_ids=[resource_id])
