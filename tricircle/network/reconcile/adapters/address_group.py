# SPDX-License-Identifier: Apache-2.0
"""Address groups: a project's own, which rules of security groups name as their remote."""

from collections.abc import Collection

from tricircle.network.central import central_neutron
from tricircle.network.central.central_neutron import Resource
from tricircle.network.pod_api.pod_session import PodSession
from tricircle.network.reconcile.adapters.base import Adapter
from tricircle.network.wanted import group_members
from tricircle.pods.errors import PodRefused

EXTENSIONS = ("address-group", "security-groups-remote-address-group")
# Addresses in one call: what Neutron reads of a request is limited.
_MOST = 1000


def lacking(session: PodSession) -> str:
    """The extension a pod lacks for rules with address groups; empty when it has all."""
    return next((alias for alias in EXTENSIONS if not session.neutron.has(alias)), "")


class AddressGroupAdapter(Adapter):
    """Addresses are added and removed by calls of their own; an update cannot name them."""

    resource_type = "address_group"
    member = "address_group"
    collection = "address-groups"
    order = 5

    def central(self, resource_id: str) -> Resource | None:
        return central_neutron.found(central_neutron.core().get_address_group, resource_id)

    def body(self, session: PodSession, central: Resource) -> Resource:
        return {"name": central["name"], "project_id": central["project_id"]}

    def addresses(self, session: PodSession, central: Resource) -> list[str]:
        """CIDRs, each in the one spelling."""
        return group_members.cidrs(central["addresses"])

    def useless(self, session: PodSession, central: Resource, extension: str) -> str:
        """What it means that a pod lacks an extension."""
        return f"it cannot have address group {central['id']}"

    def find(
        self,
        session: PodSession,
        central: Resource | None,
        resource_id: str,
        project_id: str | None = None,
    ) -> Resource | None:
        return None if lacking(session) else super().find(session, central, resource_id, project_id)

    def prepare(self, session: PodSession, central: Resource) -> Resource:
        addresses = self.addresses(session, central)[:_MOST]
        return {**super().prepare(session, central), "addresses": addresses}

    def create(self, session: PodSession, central: Resource) -> Resource:
        """Raises PodRefused when the pod lacks address groups."""
        if extension := lacking(session):
            raise PodRefused(
                session.pod.region_name,
                501,
                f"its Neutron lacks the extension {extension}, so "
                f"{self.useless(session, central, extension)}",
            )
        return super().create(session, central)

    def drift(self, session: PodSession, listed: Resource, central: Resource) -> Collection[str]:
        missing, surplus = self._addresses_to(session, listed, central)
        addresses = ["addresses"] if missing or surplus else []
        return [*self.differs(session, listed, central), *addresses]

    def settle(self, session: PodSession, current: Resource, central: Resource) -> Resource | None:
        """First add, then remove: what stays is admitted all the time."""
        missing, surplus = self._addresses_to(session, current, central)
        for action, addresses in (("add_addresses", missing), ("remove_addresses", surplus)):
            path = f"/{self.collection}/{current['id']}/{action}"
            for first in range(0, len(addresses), _MOST):
                body = {"addresses": addresses[first : first + _MOST]}
                current = self._inner(session, session.neutron.put(path, body))
        # What was changed before is not in there.
        return None if self.differs(session, current, central) else current

    def _addresses_to(
        self, session: PodSession, current: Resource, central: Resource
    ) -> tuple[list[str], list[str]]:
        """What to add, and what to remove as the pod spells it."""
        there = {group_members.cidrs([one])[0]: one for one in current.get("addresses") or []}
        wanted = self.addresses(session, central)
        missing = [one for one in wanted if one not in there]
        return missing, [there[one] for one in sorted(there.keys() - set(wanted))]
