# SPDX-License-Identifier: Apache-2.0
"""The members a security group has in other pods: an address group in the pod.

Its id is the security group's. Rules that name the group as their remote stand twice in the pod:
with the pod's group, and with this.
"""

from tricircle.network.central import central_neutron
from tricircle.network.central.central_neutron import Resource
from tricircle.network.pod_api.pod_session import PodSession
from tricircle.network.reconcile.adapters.address_group import AddressGroupAdapter
from tricircle.network.wanted import group_members


class GroupMembersAdapter(AddressGroupAdapter):
    """In a pod without address groups this fails, and says whom the pod does not admit."""

    resource_type = group_members.KIND
    paced = True

    def central(self, resource_id: str) -> Resource | None:
        return central_neutron.found(central_neutron.core().get_security_group, resource_id)

    def addresses(self, session: PodSession, central: Resource) -> list[str]:
        group_id, pod_id = central["id"], session.pod.id
        found: list[str] = session.queue.transact(
            lambda tx: group_members.addresses(tx, group_id, pod_id)
        )
        return found

    def create(self, session: PodSession, central: Resource) -> Resource:
        made = super().create(session, central)
        # In a pod that could not have it until now, the rules have gone without.
        group_id, pod_id = central["id"], session.pod.id
        session.queue.transact(lambda tx: group_members.look_at_rules(tx, group_id, [pod_id]))
        return made

    def useless(self, session: PodSession, central: Resource, extension: str) -> str:
        return (
            f"its rules with the remote group {central['id']} ({central['name']}) do not admit "
            "that group's members in other pods"
        )
