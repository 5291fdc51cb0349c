# SPDX-License-Identifier: Apache-2.0
"""Subnets."""

import contextlib
import ipaddress
from collections.abc import Collection

from neutron_lib import exceptions as n_exc

from tricircle.db.realizations import Key
from tricircle.network.central import address_reservations, central_neutron, facts, models
from tricircle.network.central.central_neutron import Resource
from tricircle.network.pod_api.pod_session import PodSession, named
from tricircle.network.reconcile.adapters import conflicts
from tricircle.network.reconcile.adapters import network as network_adapter
from tricircle.network.reconcile.adapters.base import Adapter
from tricircle.network.routers import bridges, router_addresses
from tricircle.pods.errors import PodRefused
from tricircle.pods.reconciler import NotYet

_PUBLISH, _PUBLISHING = "dns_publish_fixed_ip", "subnet-dns-publish-fixed-ip"


class SubnetAdapter(Adapter):
    """All addresses are central's to give out: in the pod the pool is the one reserved for it, or
    none where the pod makes no port by itself."""

    resource_type = "subnet"
    member = "subnet"
    collection = "subnets"
    order = 20
    fixed = frozenset({"network_id", "ip_version", "cidr", "ipv6_ra_mode", "ipv6_address_mode"})
    ordered = frozenset({"dns_nameservers"})

    def is_unique(self, central: Resource) -> bool:
        return True

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
        """Raises PodRefused where the network was in the pod before us: nothing is made there.

        And Leaving while the copy of a deleted subnet has the range.
        """
        if self.adopts(central):
            there = {"network_id": session.id("network", central["network_id"])}
            if not self._is_on_ours(session, there, central["network_id"]):
                raise PodRefused(
                    session.pod.region_name,
                    409,
                    f"its external network {there['network_id']}, which Tricircle did not make, "
                    f"has no subnet {central['cidr']}: make it there",
                )
        try:
            made = super().create(session, central)
        except PodRefused as error:
            if error.status != 400 or not self._is_in_the_way(session, central):
                raise
            raise conflicts.Leaving(f"{error}: what has the range there is about to go") from None
        if (
            made.get("allocation_pools")
            and self.body(session, central).get("allocation_pools") == []
        ):
            # Neutron makes a pool where none is asked for, and lets it be taken away.
            none: Resource = {self.member: {"allocation_pools": []}}
            made = self._inner(
                session, session.neutron.put(f"/{self.collection}/{made['id']}", none)
            )
        return made

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
        body |= _published(session, central)
        all_named = around.network["router:external"] or bridges.is_bridge(around.network)
        if all_named and not central["enable_dhcp"]:
            return body  # The pod makes no port by itself there: every address is named.
        if not central_neutron.takes_own_address(central):
            body["allocation_pools"] = _pools(session, central, around.known.reserved)
        return body

    def differs(self, session: PodSession, current: Resource, central: Resource) -> Resource:
        changes = super().differs(session, current, central)
        if _PUBLISH not in current:
            # ML2/OVN lists the extension without the driver that keeps the attribute, too.
            changes.pop(_PUBLISH, None)
        return changes

    def update(self, session: PodSession, current: Resource, central: Resource) -> None:
        if named(current) != central["id"] and (
            self.adopts(central) or not self._is_on_ours(session, current, central["network_id"])
        ):
            return
        super().update(session, current, central)

    def settle(self, session: PodSession, current: Resource, central: Resource) -> None:
        if not central["enable_dhcp"] and central["project_id"]:  # Nobody's are bridges'.
            address_reservations.give_back(central["id"], session.pod.id)

    def drift(self, session: PodSession, listed: Resource, central: Resource) -> Collection[str]:
        ours = named(listed) == central["id"] or not self.adopts(central)
        return super().drift(session, listed, central) if ours else ()

    def delete(self, session: PodSession, resource_id: str, pod_resource_id: str) -> None:
        current = self.show(session, pod_resource_id)
        if current is not None and (
            named(current) == resource_id or self._is_on_ours(session, current, "")
        ):
            super().delete(session, resource_id, pod_resource_id)

    def _is_in_the_way(self, session: PodSession, central: Resource) -> bool:
        """Whether the copy of a deleted subnet overlaps; it is removed as soon as can be."""
        network_id = session.id("network", central["network_id"])
        wanted = ipaddress.ip_network(central["cidr"])
        there = session.neutron.list(self.collection, network_id=network_id)
        keys = [
            Key(self.resource_type, str(named(one)))
            for one in there
            if ipaddress.ip_network(one["cidr"]).overlaps(wanted)
            and named(one) is not None
            and self.central(str(named(one))) is None
        ]
        if keys:
            session.queue.requeue_now(session.pod.id, keys)
        return bool(keys)

    def _is_on_ours(self, session: PodSession, subnet: Resource, network_id: str) -> bool:
        """Whether we made the network that a subnet in the pod is on, the copy of a network: of one
        that was there before us, its subnets were, too."""
        document = session.neutron.find(f"/networks/{subnet['network_id']}")
        return document is not None and network_adapter.is_ours(document["network"], network_id)

    def taking(self, session: PodSession, central: Resource, listed: Resource) -> None:
        """The pod's DHCP has an address already."""
        pools = listed.get("allocation_pools") or []
        if not central["enable_dhcp"] or len(pools) != 1 or pools[0]["start"] != pools[0]["end"]:
            return
        with contextlib.suppress(n_exc.NeutronException):  # Somebody else has it by now.
            address_reservations.keep(central, session.pod.id, "", pools[0]["start"])

    def forget(self, session: PodSession, resource_id: str) -> None:
        address_reservations.release(session.pod.id, subnet_ids=[resource_id])
        address_reservations.answer_no_more(resource_id, session.pod.id)


def _published(session: PodSession, central: Resource) -> Resource:
    """Whether a DNS service is told the addresses on the subnet. Raises PodRefused where they are
    to be told and the pod cannot."""
    if (wanted := central.get(_PUBLISH)) is None:
        return {}
    if session.neutron.has(_PUBLISHING):
        return {_PUBLISH: wanted}
    if wanted:
        raise PodRefused(
            session.pod.region_name,
            501,
            f"its Neutron lacks the extension {_PUBLISHING}, so subnet {central['id']} cannot "
            f"have {_PUBLISH}",
        )
    return {}


def _pools(
    session: PodSession, central: Resource, known: address_reservations.Reserved
) -> list[dict[str, str]]:
    """One address, for the port that a pod makes by itself where it answers DHCP; none elsewhere.

    Raises NotYet when there is none left: of those that central gives out it may take no other.
    """
    if not central["enable_dhcp"]:
        return []
    reserved = address_reservations.address(central, session.pod.id, known=known)
    if reserved is None:
        raise NotYet(
            f"Subnet {central['id']} ({central['cidr']}) has no free address left for the DHCP of "
            f"pod {session.pod.region_name}: each pod needs one, and one more for a router. Free "
            "one, give the subnet a larger allocation pool, or turn its DHCP off"
        )
    return [{"start": reserved, "end": reserved}]
