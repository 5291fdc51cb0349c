# SPDX-License-Identifier: Apache-2.0
"""Address groups: a project's own, which rules of security groups name as their remote."""

from collections.abc import Collection

from tricircle.network.central import central_neutron
from tricircle.network.central.central_neutron import Resource
from tricircle.network.pod_api.site import Site
from tricircle.network.reconcile.adapters.base import Adapter
from tricircle.network.wanted import group_members
from tricircle.pods.errors import PodRefused

EXTENSIONS = ("address-group", "security-groups-remote-address-group")
# Addresses in one call: what Neutron reads of a request is limited.
_MOST = 1000


def lacking(site: Site) -> str:
    """The extension a pod lacks for rules with address groups; empty when it has all."""
    return next((alias for alias in EXTENSIONS if not site.neutron.has(alias)), "")


class AddressGroupAdapter(Adapter):
    """Addresses are added and removed by calls of their own; an update cannot name them."""

    resource_type = "address_group"
    member = "address_group"
    collection = "address-groups"
    order = 5

    def central(self, resource_id: str) -> Resource | None:
        return central_neutron.found(central_neutron.core().get_address_group, resource_id)

    def body(self, site: Site, central: Resource) -> Resource:
        return {"name": central["name"], "project_id": central["project_id"]}

    def addresses(self, site: Site, central: Resource) -> list[str]:
        """CIDRs, each in the one spelling."""
        return group_members.cidrs(central["addresses"])

    def useless(self, site: Site, central: Resource, extension: str) -> str:
        """What it means that a pod lacks an extension."""
        return f"it cannot have address group {central['id']}"

    def find(
        self, site: Site, central: Resource | None, resource_id: str, project_id: str | None = None
    ) -> Resource | None:
        return None if lacking(site) else super().find(site, central, resource_id, project_id)

    def prepare(self, site: Site, central: Resource) -> Resource:
        addresses = self.addresses(site, central)[:_MOST]
        return {**super().prepare(site, central), "addresses": addresses}

    def create(self, site: Site, central: Resource) -> Resource:
        """Raises PodRefused when the pod lacks address groups."""
        if extension := lacking(site):
            raise PodRefused(
                site.pod.region_name,
                501,
                f"its Neutron lacks the extension {extension}, so "
                f"{self.useless(site, central, extension)}",
            )
        return super().create(site, central)

    def drift(self, site: Site, listed: Resource, central: Resource) -> Collection[str]:
        missing, surplus = self._addresses_to(site, listed, central)
        addresses = ["addresses"] if missing or surplus else []
        return [*self.differs(site, listed, central), *addresses]

    def settle(self, site: Site, current: Resource, central: Resource) -> Resource | None:
        """First add, then remove: what stays is admitted all the time."""
        missing, surplus = self._addresses_to(site, current, central)
        for action, addresses in (("add_addresses", missing), ("remove_addresses", surplus)):
            path = f"/{self.collection}/{current['id']}/{action}"
            for first in range(0, len(addresses), _MOST):
                body = {"addresses": addresses[first : first + _MOST]}
                current = self._inner(site, site.neutron.put(path, body))
        # What was changed before is not in there.
        return None if self.differs(site, current, central) else current

    def _addresses_to(
        self, site: Site, current: Resource, central: Resource
    ) -> tuple[list[str], list[str]]:
        """What to add, and what to remove as the pod spells it."""
        there = {group_members.cidrs([one])[0]: one for one in current.get("addresses") or []}
        wanted = self.addresses(site, central)
        missing = [one for one in wanted if one not in there]
        return missing, [there[one] for one in sorted(there.keys() - set(wanted))]
