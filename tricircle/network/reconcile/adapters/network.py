# SPDX-License-Identifier: Apache-2.0
"""Networks."""

from collections.abc import Collection
from typing import Any

from neutron_lib import constants

from tricircle.db.realizations import Key
from tricircle.network import interconnect
from tricircle.network.central import central_neutron, facts, segments
from tricircle.network.central.central_neutron import Resource
from tricircle.network.pod_api.pod_session import PodSession, named
from tricircle.network.reconcile.adapters.base import Adapter
from tricircle.network.routers import bridges
from tricircle.network.wanted import sharing
from tricircle.pods.errors import PodRefused

# Seconds between looks whether a segment is free.
_LEAVING = 0.3
_EXTERNAL = "router:external"
# Whether guests may tag their own packets: the attribute, and the extension a pod needs for it.
_TAGGED = {"vlan_transparent": "vlan-transparent", "qinq": "qinq"}


class NetworkAdapter(Adapter):
    """What joins a network with its copies elsewhere is its interconnect's; a ``local`` network is
    made without provider attributes: the pod takes its own kind.

    An external network that the pod has already, on the same segment, is used as it is: nothing of
    it is ever changed.
    """

    resource_type = "network"
    member = "network"
    collection = "networks"
    order = 10
    fixed = frozenset(
        {
            "provider:network_type",
            "provider:physical_network",
            "provider:segmentation_id",
            *_TAGGED,
        }
    )

    def central(self, resource_id: str) -> Resource | None:
        return central_neutron.found(central_neutron.core().get_network, resource_id)

    def depends(self, session: PodSession, central: Resource) -> list[Key]:
        policy = central.get("qos_policy_id")
        return [Key("qos_policy", policy)] if policy else []

    def adopts(self, central: Resource) -> bool:
        return bool(central.get(_EXTERNAL))

    def find(
        self,
        session: PodSession,
        central: Resource | None,
        resource_id: str,
        project_id: str | None = None,
    ) -> Resource | None:
        copy = super().find(session, central, resource_id, project_id)
        if copy is None and central is not None and self.adopts(central):
            copy = next(iter(self._before_us(session, central)), None)
        return copy

    def _before_us(self, session: PodSession, central: Resource) -> list[Resource]:
        """External networks on the segment that are no copies of ours: one of those is leaving."""
        provider = self._provider(session, central)
        if not provider:
            return []
        found = session.neutron.list(self.collection, **provider, **{_EXTERNAL: True})
        return [
            one
            for one in found
            if one.get(_EXTERNAL) and not session.is_ours(self.collection, one, None)
        ]

    def is_on_segment(self, session: PodSession, network: Resource, central: Resource) -> bool:
        """Whether a pod's network is on the segment that the copy of a network would be on."""
        provider = self._provider(session, central)
        return bool(provider) and all(network.get(name) == provider[name] for name in provider)

    def body(self, session: PodSession, central: Resource) -> Resource:
        body = {
            "name": central["name"],
            "admin_state_up": central["admin_state_up"],
            "shared": central["shared"],
            **self._provider(session, central),
        }
        if central["project_id"]:
            body["project_id"] = central["project_id"]
        external = bool(central.get(_EXTERNAL) or bridges.is_gateway(central))
        if external or session.neutron.has("external-net"):
            body[_EXTERNAL] = external
        if session.neutron.has("port-security"):
            body["port_security_enabled"] = central.get("port_security_enabled", True)
        if session.neutron.has("qos"):
            policy = central.get("qos_policy_id")
            body["qos_policy_id"] = session.id("qos_policy", policy) if policy else None
        if central.get("dns_domain") and session.neutron.has("dns-integration"):
            body["dns_domain"] = central["dns_domain"]
        return {**body, **_tagging(session, central)}

    def is_unique(self, central: Resource) -> bool:
        return segments.of(central)["network_type"] != constants.TYPE_LOCAL

    def create(self, session: PodSession, central: Resource) -> Resource:
        """A segment is free centrally as soon as its network is deleted, in the pod when the copy
        is: that is waited for. Raises PodRefused, DeadlinePassed."""
        while True:
            try:
                return super().create(session, central)
            except PodRefused as error:
                if error.status != 409 or "in use" not in error.message:
                    raise
                if not self._hurry_leaving(session, central):
                    raise
            session.deadline.sleep(_LEAVING, "a deleted network to leave its segment")

    def update(self, session: PodSession, current: Resource, central: Resource) -> None:
        if self._is_ours(current, central):
            super().update(session, current, central)
            current.update(self._raise_mtu(session, current, central))

    def drift(self, session: PodSession, listed: Resource, central: Resource) -> Collection[str]:
        if not self._is_ours(listed, central):
            return ()
        return {**super().differs(session, listed, central), **_mtu(listed, central)}

    def settle(self, session: PodSession, current: Resource, central: Resource) -> None:
        if not self._is_ours(current, central):
            return
        self._check_mtu(session, current, central)
        if change := _mtu(current, central):
            session.neutron.put(f"/networks/{current['id']}", {"network": change})
        if central.get(_EXTERNAL):
            _open_to(session, current["id"], sharing.external_to(central["id"]))
        elif bridges.is_gateway(central):
            # A network can be a router's gateway only when it is external, and then every project
            # may use it. A bridge is one router's: let only its project.
            router_id = bridges.router_of(central)
            if router := session.queue.transact(lambda tx: facts.router(tx, router_id)):
                _open_to(session, current["id"], {router["project_id"]})

    def delete(self, session: PodSession, resource_id: str, pod_resource_id: str) -> None:
        current = self.show(session, pod_resource_id)
        if current is not None and is_ours(current, resource_id):
            super().delete(session, resource_id, pod_resource_id)

    def _is_ours(self, current: Resource, central: Resource) -> bool:
        """Whether the copy is one we made, not one the pod had before us."""
        if self.adopts(central):
            return named(current) == central["id"]
        return is_ours(current, central["id"])

    def _hurry_leaving(self, session: PodSession, central: Resource) -> bool:
        """Have copies of deleted networks removed now that hold the segment; False when something
        else holds it. It may be free by now."""
        provider = self._provider(session, central)
        holders = session.neutron.list(self.collection, **provider) if provider else []
        keys = {Key(self.resource_type, str(named(holder))): holder for holder in holders}
        if not all(self._leaves(session, key, holder) for key, holder in keys.items()):
            return False
        for key, holder in keys.items():
            # One that came to be after it was given up has no row that says so.
            project_id = holder.get("project_id")
            session.queue.found(key, session.pod.id, project_id, holder["id"], wanted=False)
        session.queue.requeue_now(session.pod.id, keys)
        return True

    def _leaves(self, session: PodSession, key: Key, network: Resource) -> bool:
        """Whether a network in the pod is a copy of one that is deleted."""
        if named(network) is None or self.central(key.resource_id) is not None:
            return False
        row = session.queue.get(key, session.pod.id)
        is_known = row is not None and row.pod_resource_id == network["id"]
        return is_known or session.is_ours(self.collection, network, None)

    def _provider(self, session: PodSession, central: Resource) -> dict[str, Any]:
        segment = segments.of(central)
        driver = interconnect.of(segment["network_type"] or "")
        return driver.provider(session.pod, segment) if driver else {}

    def _raise_mtu(self, session: PodSession, current: Resource, central: Resource) -> Resource:
        """A copy's packets may be as large again as the network's, or as the pod can carry."""
        if not (wanted := central.get("mtu")) or (current.get("mtu") or wanted) >= wanted:
            return {}
        path = f"/networks/{current['id']}"
        try:
            changed = session.neutron.put(path, {"network": {"mtu": wanted}})
        except PodRefused as error:
            if error.status != 400:
                raise
            # Neutron takes 0 for the largest its pod can carry.
            changed = session.neutron.put(path, {"network": {"mtu": 0}})
        return {"mtu": self._inner(session, changed).get("mtu")}

    def _check_mtu(self, session: PodSession, current: Resource, central: Resource) -> None:
        """What one pod sends on a stretched network must fit in each. Raises PodRefused."""
        wanted, there = central.get("mtu"), current.get("mtu")
        driver = interconnect.of(segments.of(central)["network_type"] or "")
        if driver and driver.stretched and wanted and there and there < wanted:
            raise PodRefused(
                session.pod.region_name,
                409,
                f"it carries packets of {there} bytes, network {central['id']} has an MTU "
                f"of {wanted}: set it to {there} or less",
            )


def _open_to(session: PodSession, pod_network_id: str, projects: set[str]) -> None:
    """Let these projects use an external network in the pod as a router's gateway, and no other."""
    external = {"object_id": pod_network_id, "action": "access_as_external"}
    rules = session.neutron.list("rbac-policies", **external)
    for project_id in sorted(projects - {str(rule.get("target_tenant")) for rule in rules}):
        body = {"object_type": "network", "target_tenant": project_id, **external}
        session.neutron.post("/rbac-policies", {"rbac_policy": body})
    for rule in rules:
        if projects and rule.get("target_tenant") not in projects:
            session.neutron.delete(f"/rbac-policies/{rule['id']}")


def is_ours(current: Resource, network_id: str) -> bool:
    """Whether a network in a pod that is known to be one's copy was made by us.

    Only an external one was there before, which nobody but a pod's operators can make; another
    whose marker is gone must not stay when it is deleted.
    """
    return named(current) == network_id or not current.get(_EXTERNAL)


def _tagging(session: PodSession, central: Resource) -> Resource:
    """Raises PodRefused where guests want to tag their packets and the pod cannot let them."""
    wanted: Resource = {}
    for name, extension in _TAGGED.items():
        if not central.get(name):
            continue
        if not session.neutron.has(extension):
            raise PodRefused(
                session.pod.region_name,
                501,
                f"its Neutron lacks the extension {extension}, so network {central['id']} cannot "
                f"have {name}",
            )
        wanted[name] = True
    return wanted


def _mtu(current: Resource, central: Resource) -> Resource:
    # The pod's own kind of network has its own overhead: only a smaller MTU is the user's wish.
    wanted, there = central.get("mtu"), current.get("mtu")
    return {"mtu": wanted} if wanted and there and wanted < there else {}
