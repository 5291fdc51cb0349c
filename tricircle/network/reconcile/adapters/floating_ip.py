# SPDX-License-Identifier: Apache-2.0
"""Floating IPs.

Where the server's pod has the external network, the copy is a plain floating IP there. Else it
takes two steps: the pod with the external network translates to an address on the router's
north-south bridge, and the server's pod translates that to the server's.
"""

import dataclasses

from neutron_lib.plugins import constants as plugin_constants
from neutron_lib.plugins import directory
from sqlalchemy.orm import Session

from tricircle.db import realizations
from tricircle.db.realizations import Key, pods_with
from tricircle.db.work_queue import Busy
from tricircle.network.central import address_reservations, central_neutron
from tricircle.network.central.central_neutron import Resource
from tricircle.network.pod_api.pod_session import PodSession
from tricircle.network.reconcile.adapters import port_forwarding, qos_policy
from tricircle.network.reconcile.adapters.base import Adapter
from tricircle.network.routers import bridges, floating_ip_reach, reach, topology
from tricircle.network.wanted import floating_ip_status
from tricircle.pods.reconciler import NotYet


class FloatingIpAdapter(Adapter):
    resource_type = "floating_ip"
    member = "floatingip"
    collection = "floatingips"
    order = 60
    fixed = frozenset({"floating_network_id", "floating_ip_address"})

    def is_unique(self, central: Resource) -> bool:
        return True

    def central(self, resource_id: str) -> Resource | None:
        plugin = central_neutron.routers()
        found = plugin and central_neutron.found(plugin.get_floatingip, resource_id)
        if not found or not found["router_id"]:
            return None
        found = {**found, "port_forwardings": _forwardings(found)}
        return found if found["port_id"] or found["port_forwardings"] else None

    def depends(self, session: PodSession, central: Resource) -> list[Key]:
        # What changes from here on has the row worked on once more.
        session.notes[_key(central)] = _look(session, central)
        router, policy = Key("router", central["router_id"]), self._policy(session, central)
        policies = [Key("qos_policy", policy)] if policy else []
        if self._at_the_server(session, central):
            here = session.queue.wanted("port", _served(central), session.pod.id)
            return [*policies, *(Key("port", port_id) for port_id in sorted(here)), router]
        return [*policies, router, Key("port", self._between(session, central)["id"])]

    def body(self, session: PodSession, central: Resource) -> Resource:
        outside = (central["floating_network_id"], central["floating_ip_address"])
        inside: tuple[str | None, str | None] = (central["port_id"], central["fixed_ip_address"])
        if self._two_steps(session, central):
            port = self._between(session, central)
            network = bridges.network_id(central["router_id"], topology.NORTH_SOUTH)
            if self._at_the_server(session, central):
                outside = (network, _address(port))
            elif inside[0]:
                inside = (port["id"], _address(port))
        policy, what = self._policy(session, central), f"the floating IP {central['id']}"
        return {
            **qos_policy.told(session, policy, "qos-fip", what),
            "project_id": central["project_id"],
            "floating_network_id": session.id("network", outside[0]),
            "floating_ip_address": outside[1],
            "port_id": session.id("port", inside[0]) if inside[0] else None,
            "fixed_ip_address": inside[1],
        }

    def differs(self, session: PodSession, current: Resource, central: Resource) -> Resource:
        changes = super().differs(session, current, central)
        if "fixed_ip_address" in changes:
            # Neutron takes it with its port only.
            changes["port_id"] = self.body(session, central)["port_id"]
        return changes

    def update(self, session: PodSession, current: Resource, central: Resource) -> None:
        # Where the address on the bridge is another by now, it is another floating IP to the pod.
        if current["floating_ip_address"] != self.body(session, central)["floating_ip_address"]:
            self.delete(session, central["id"], current["id"])
            current.update(self.create(session, central))
            return
        # A pod does not give an address to a port while it forwards ports.
        there = port_forwarding.there(session, current)
        port_forwarding.remove(session, current, there, self._forwarded(session, central))
        super().update(session, current, central)

    def delete(self, session: PodSession, resource_id: str, pod_resource_id: str) -> None:
        if (current := self.show(session, pod_resource_id)) is not None:
            there = port_forwarding.there(session, current)
            port_forwarding.remove(session, current, there, {})
            super().delete(session, resource_id, pod_resource_id)

    def rests(self, session: PodSession, resource_id: str, pod_resource_id: str) -> bool:
        plugin = central_neutron.routers()
        found = plugin and central_neutron.found(plugin.get_floatingip, resource_id)
        current = self.show(session, pod_resource_id) if found and not found["port_id"] else None
        if current is None:
            return False
        if current.get("port_id"):
            there = {self.member: {"port_id": None}}
            session.neutron.put(f"/{self.collection}/{pod_resource_id}", there)
        return True

    def settle(self, session: PodSession, current: Resource, central: Resource) -> None:
        if wanted := self._forwarded(session, central):
            there = port_forwarding.there(session, current)
            port_forwarding.add(session, current, there, wanted)
        revision = _path(session, central).revision
        session.notes.pop(_key(central), None)
        session.queue.transact(
            lambda tx: floating_ip_status.done(tx, central, session.pod.id, revision)
        )

    def forget(self, session: PodSession, resource_id: str) -> None:
        session.queue.transact(lambda tx: floating_ip_status.left(tx, resource_id, session.pod.id))
        if _wanted(session, resource_id):
            # Other pods need the address on the bridge still; this one does not have it any more.
            table, pods = session.queue.table, [session.pod.id]
            keys = [Key("port", port_id) for port_id in address_reservations.held(resource_id)]

            def leave(tx: Session) -> None:
                for key in keys:
                    realizations.retire(tx, table, key, pods)

            session.queue.transact(leave)
            return
        address_reservations.release(session.pod.id, purpose=_purpose(resource_id))
        address_reservations.release(resource_id)

    def _forwarded(self, session: PodSession, central: Resource) -> port_forwarding.Forwardings:
        if not central["port_forwardings"]:
            return {}
        away = self._two_steps(session, central) and not self._at_the_server(session, central)
        between = self._between(session, central) if away else None
        return port_forwarding.wanted(session, central, between)

    def _policy(self, session: PodSession, central: Resource) -> str | None:
        """The QoS policy of the copy: of two steps, the one that is outside has it."""
        inner = self._two_steps(session, central) and self._at_the_server(session, central)
        return None if inner else central.get("qos_policy_id")

    def _at_the_server(self, session: PodSession, central: Resource) -> bool:
        return _path(session, central).server_pod == session.pod.id

    def _two_steps(self, session: PodSession, central: Resource) -> bool:
        return _path(session, central).two_steps

    def _between(self, session: PodSession, central: Resource) -> Resource:
        """The central port that keeps the address on the north-south bridge."""
        path = _path(session, central)
        if not path.reach.exit or not path.two_steps:
            raise NotYet(f"The floating IP {central['id']} is not to be in this pod")
        router_id, kind = central["router_id"], topology.NORTH_SOUTH
        subnets = session.queue.transact(lambda tx: bridges.subnets_of(tx, router_id, kind))
        subnet = subnets.get(4)
        if subnet is None:
            raise NotYet(f"The router {central['router_id']} is not ready for floating IPs yet")
        # The same whichever pod it comes in by, so that connections outlive a change of that. Some
        # are the home's: from before others stood in for it.
        purpose, holder = _purpose(central["id"]), str(path.reach.home)
        if not address_reservations.kept(subnet, holder, purpose):
            holder = central["id"]
        found = address_reservations.reserved(subnet, holder, purpose)
        if found is None:
            try:
                bridges.enlarge(session.queue, router_id, kind)
            except (bridges.NoRoom, Busy) as error:
                raise NotYet(str(error)) from None
            raise NotYet(f"The router {router_id} is given a larger bridge network")
        return found


@dataclasses.dataclass(frozen=True)
class _Path:
    """The way of packets: the pod of the server, and how far the router on the way reaches; and
    of which change of the floating IP that is."""

    server_pod: str | None
    reach: topology.RouterReach
    revision: int

    @property
    def two_steps(self) -> bool:
        return self.server_pod in self.reach.guests


def _path(session: PodSession, central: Resource) -> _Path:
    """As it was when the work on the floating IP began."""
    return session.notes.get(_key(central)) or _look(session, central)


def _look(session: PodSession, central: Resource) -> _Path:
    served = _served(central)

    def read(tx: Session) -> _Path:
        pods = floating_ip_reach.server_pods(tx, served)
        revision = floating_ip_status.revision(tx, central["id"], session.pod.id)
        return _Path(min(pods, default=None), reach.of_router(tx, central["router_id"]), revision)

    found: _Path = session.queue.transact(read)
    return found


def _key(central: Resource) -> Key:
    return Key(FloatingIpAdapter.resource_type, central["id"])


def _wanted(session: PodSession, floating_ip_id: str) -> list[str]:
    """The pods that are to have the floating IP."""
    key = Key(FloatingIpAdapter.resource_type, floating_ip_id)
    found: list[str] = session.queue.transact(lambda tx: pods_with(tx, session.queue.table, key))
    return found


def _served(central: Resource) -> list[str]:
    """The ports of servers behind a floating IP."""
    if central["port_id"]:
        return [central["port_id"]]
    return sorted({one["internal_port_id"] for one in central["port_forwardings"]})


def _forwardings(floating_ip: Resource) -> list[Resource]:
    plugin = directory.get_plugin(plugin_constants.PORTFORWARDING)
    if plugin is None or not floating_ip.get("port_forwardings"):
        return []
    found: list[Resource] = plugin.get_floatingip_port_forwardings(
        central_neutron.admin(), floating_ip["id"]
    )
    return found


def _purpose(floating_ip_id: str) -> str:
    return f"floating IP {floating_ip_id}"


def _address(port: Resource) -> str:
    return str(port["fixed_ips"][0]["ip_address"])
