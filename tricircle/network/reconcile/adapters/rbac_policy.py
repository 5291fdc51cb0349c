# SPDX-License-Identifier: Apache-2.0
"""RBAC policies: what is shared with a project is shared with it in the pod, too."""

from tricircle.db.realizations import Key
from tricircle.network.central.central_neutron import Resource
from tricircle.network.pod_api.pod_session import PodSession, named
from tricircle.network.reconcile.adapters.base import Adapter
from tricircle.network.wanted import sharing
from tricircle.pods.errors import PodRefused

_EXTENSION = "rbac-policies"


class RbacPolicyAdapter(Adapter):
    """A policy has no description, so no marker: it is known by what it shares, and with whom."""

    resource_type = sharing.KIND
    member = "rbac_policy"
    collection = "rbac-policies"
    order = 30
    fixed = frozenset({"object_type", "object_id", "action"})

    def is_unique(self, central: Resource) -> bool:
        return True

    def central(self, resource_id: str) -> Resource | None:
        return sharing.get(resource_id)

    def depends(self, session: PodSession, central: Resource) -> list[Key]:
        return [Key(central["object_type"], central["object_id"])]

    def body(self, session: PodSession, central: Resource) -> Resource:
        return {
            "object_type": central["object_type"],
            "object_id": session.id(central["object_type"], central["object_id"]),
            "action": central["action"],
            "target_tenant": central["target_project"],
            "project_id": self.owner(session, central),
        }

    def find(
        self,
        session: PodSession,
        central: Resource | None,
        resource_id: str,
        project_id: str | None = None,
    ) -> Resource | None:
        if central is None:
            return None
        body = self.body(session, central)
        wanted = {name: body[name] for name in ("object_id", "action", "target_tenant")}
        return next(iter(session.neutron.list(self.collection, **wanted)), None)

    def prepare(self, session: PodSession, central: Resource) -> Resource:
        return self.body(session, central)

    def create(self, session: PodSession, central: Resource) -> Resource:
        """Raises PodRefused where it cannot be: the network was in the pod before us, say."""
        region = session.pod.region_name
        if not session.neutron.has(_EXTENSION):
            raise PodRefused(
                region,
                501,
                f"its Neutron lacks the extension {_EXTENSION}, so the {_shared(central)} cannot "
                f"be shared with project {central['target_project']} there",
            )
        try:
            if not self._is_of_others(session, self.body(session, central)):
                return super().create(session, central)
        except PodRefused as error:
            if error.status != 409 or (found := self.find(session, central, "")) is None:
                raise
            return found
        if found := self.find(session, central, ""):
            return found
        raise PodRefused(
            region,
            409,
            f"its external network {session.id('network', central['object_id'])}, which Tricircle "
            f"did not make, is not shared with project {central['target_project']}: share it there",
        )

    def differs(self, session: PodSession, current: Resource, central: Resource) -> Resource:
        return self._differing(session, current, central)

    def delete(self, session: PodSession, resource_id: str, pod_resource_id: str) -> None:
        current = self.show(session, pod_resource_id)
        if current is not None and not self._is_of_others(session, current):
            super().delete(session, resource_id, pod_resource_id)

    def _is_of_others(self, session: PodSession, policy: Resource) -> bool:
        """Whether what a policy in the pod shares was in the pod before us, with its policies."""
        if policy["object_type"] != "network":
            return False
        document = session.neutron.find(f"/networks/{policy['object_id']}") or {"network": {}}
        network = document["network"]
        return bool(network.get("router:external")) and named(network) is None


def _shared(central: Resource) -> Key:
    return Key(central["object_type"], central["object_id"])
