# SPDX-License-Identifier: Apache-2.0
"""Shadow ports: what a pod knows of a port that is on a tunnelled network in another pod.

A shadow has the port's MAC and addresses and is bound to a host that stands for the port's own.
For the pod's l2population that is enough to set up the tunnel and to know which addresses are at
its other end, once an agent of that host has said that the port is up. We are that agent.
"""

from collections.abc import Collection

from neutron_lib import constants

from tricircle.network.central import central_neutron, facts, models
from tricircle.network.central.central_neutron import Resource
from tricircle.network.pod_api import message_bus
from tricircle.network.pod_api.pod_session import PodSession
from tricircle.network.reconcile.adapters import conflicts
from tricircle.network.reconcile.adapters.base import Adapter, covered, keeps_names
from tricircle.network.wanted import tunnel_endpoints
from tricircle.pods.errors import PodRefused
from tricircle.pods.reconciler import NotYet

_HOST = "binding:host_id"
#: Attributes whose change puts a port down: its own, and the endpoint's.
_PLUGGED = {_HOST: "host", "mac_address": "mac_address"}


class ShadowPortAdapter(Adapter):
    """``central`` is a row of the table of endpoints. A shadow is of no project of a user's."""

    resource_type = tunnel_endpoints.KIND
    member = "port"
    collection = "ports"
    order = 50
    bulk = True
    fixed = frozenset({"network_id"})

    def central(self, resource_id: str) -> Resource | None:
        return tunnel_endpoints.get(models.work_queue(), resource_id)

    def body(self, session: PodSession, central: Resource) -> Resource:
        body: Resource = {
            # What is not there yet is on its way for others' sake.
            "network_id": session.id("network", central["network_id"]),
            "admin_state_up": True,
            "mac_address": central["mac_address"],
            "fixed_ips": self._addresses(session, central),
            # The pod's DHCP server must not answer for it: its own pod's does.
            "device_owner": constants.DEVICE_OWNER_FLOATINGIP,
            "security_groups": [],
            _HOST: central["host"],
        }
        if session.neutron.has("port-security"):
            body["port_security_enabled"] = False
        if session.neutron.has("dns-integration"):
            # What is on the network there finds the server by its name.
            body["dns_name"] = central["dns_name"]
        return body

    def differs(self, session: PodSession, current: Resource, central: Resource) -> Resource:
        changes = super().differs(session, current, central)
        if "fixed_ips" in changes and covered(changes["fixed_ips"], current["fixed_ips"]):
            del changes["fixed_ips"]
        if not keeps_names(current):
            changes.pop("dns_name", None)
        return changes

    def drift(self, session: PodSession, listed: Resource, central: Resource) -> Collection[str]:
        sleeping = {"status"} if listed["status"] != constants.PORT_STATUS_ACTIVE else set()
        return {*self.differs(session, listed, central), *sleeping}

    def owns(self, listed: Resource) -> bool:
        return tunnel_endpoints.named_shadow(listed)

    def belongs(self, session: PodSession, central: Resource, listed: Resource) -> bool:
        return bool(central["pod_id"] != session.pod.id)

    def prepare(self, session: PodSession, central: Resource) -> Resource:
        self._report(session, central)
        return super().prepare(session, central)

    def create(self, session: PodSession, central: Resource) -> Resource:
        """Raises Leaving while what has the MAC or an address in the pod is about to go."""
        try:
            return super().create(session, central)
        except PodRefused as error:
            # The port was elsewhere before, or another one had its address.
            conflicts.make_way(session, central["id"], self.body(session, central), error)
        return super().create(session, central)

    def update(self, session: PodSession, current: Resource, central: Resource) -> None:
        changes = self.differs(session, current, central)
        if not changes or self.signs_anew(changes, current, central):
            super().update(session, current, central)
            return
        path = f"/ports/{current['id']}"
        self._report(session, central)
        if "mac_address" in changes:
            # Neutron changes it of ports only that are bound to no host.
            message_bus.of(session.pod).down(session.deadline, current["id"], current[_HOST])
            session.neutron.put(path, {"port": {_HOST: ""}})
            changes[_HOST] = central["host"]
        try:
            session.neutron.put(path, {"port": changes})
        except PodRefused as error:
            conflicts.make_way(session, central["id"], self.body(session, central), error)
            session.neutron.put(path, {"port": changes})

    def settle(self, session: PodSession, current: Resource, central: Resource) -> None:
        # ``current`` is from before a change: one of MAC or host has put the port down.
        same = all(current[name] == central[key] for name, key in _PLUGGED.items())
        if same and current["status"] == constants.PORT_STATUS_ACTIVE and _is_bound(current):
            return
        self._report(session, central)
        message_bus.of(session.pod).up(session.deadline, current["id"], central["host"])
        port = self.show(session, current["id"]) or {"status": "gone"}
        if not _is_bound(port):
            # Bound anew when it is looked at the next time.
            session.neutron.put(f"/ports/{port['id']}", {"port": {_HOST: ""}})
            message_bus.of(session.pod).forget(central["host"])
            raise PodRefused(
                session.pod.region_name,
                409,
                f"its Neutron cannot bind a port to host {port[_HOST]}: are openvswitch and "
                "l2population among its mechanism drivers?",
            )
        if port["status"] != constants.PORT_STATUS_ACTIVE:
            state = f"the shadow port {current['id']} is {port['status']}"
            raise NotYet(f"Pod {session.pod.region_name}: {state}")

    def _report(self, session: PodSession, central: Resource) -> None:
        """A port is bound to a host only whose agent is alive."""
        message_bus.of(session.pod).report(session.deadline, central["host"], central["tunnel_ip"])

    def _addresses(self, session: PodSession, central: Resource) -> list[dict[str, str]]:
        fixed = central["fixed_ips"]
        there = session.ids("subnet", {ip["subnet_id"] for ip in fixed})
        subnets = session.queue.transact(lambda tx: facts.subnets(tx, there))
        addresses = []
        for ip in fixed:
            address = {"subnet_id": there[ip["subnet_id"]]}
            subnet = subnets.get(ip["subnet_id"])
            if subnet is None or not central_neutron.takes_own_address(subnet):
                address["ip_address"] = ip["ip_address"]
            addresses.append(address)
        return addresses


def _is_bound(port: Resource) -> bool:
    return port.get("binding:vif_type") != "binding_failed"
