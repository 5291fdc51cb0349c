# SPDX-License-Identifier: Apache-2.0
"""Routers: a copy in each pod, the copies joined by bridge networks so that they act as one."""

import dataclasses
import ipaddress
from collections.abc import Iterable, Mapping
from typing import Any

from tricircle.db.realizations import Key
from tricircle.network.central import address_reservations, central_neutron, facts, models
from tricircle.network.central.central_neutron import Resource
from tricircle.network.pod_api.pod_session import PodSession, named
from tricircle.network.reconcile.adapters import qos_policy, router_interfaces
from tricircle.network.reconcile.adapters.base import Adapter, same
from tricircle.network.routers import bridges, copies, east_west, plan, router_modes, topology
from tricircle.network.routers.copies import Copy


class RouterAdapter(Adapter):
    resource_type = "router"
    member = "router"
    collection = "routers"
    order = 40
    hidden = True

    def central(self, resource_id: str) -> Resource | None:
        if central_neutron.routers() is None:
            return None
        found: Resource | None = models.work_queue().transact(
            lambda tx: facts.router(tx, resource_id)
        )
        return found

    def depends(self, session: PodSession, central: Resource) -> list[Key]:
        # What changes from here on has the row worked on once more.
        copy = session.notes[self._key(central)] = self._copy(session, central)
        subnets = [item.subnet_id for item in copy.plan.interfaces]
        for addresses in copy.addresses.values():
            subnets += addresses
        if copy.gateway is not None:
            subnets += copy.gateway.addresses
        keys = [Key("subnet", subnet) for subnet in dict.fromkeys(subnets)]
        if copy.gateway is not None and copy.gateway.qos_policy_id:
            keys.append(Key("qos_policy", copy.gateway.qos_policy_id))
        return [*keys, *self._before(session, copy)]

    def body(self, session: PodSession, central: Resource) -> Resource:
        return {
            "name": central["name"],
            "admin_state_up": central["admin_state_up"],
            "project_id": central["project_id"],
            **router_modes.told(session.neutron, central),
        }

    def update(self, session: PodSession, current: Resource, central: Resource) -> None:
        changes = self.differs(session, current, central)
        modes = {name: value for name, value in changes.items() if name in router_modes.MODES}
        if modes:
            # Neutron changes them of routers only that are down, and stay so; whoever died between
            # the calls left one that is.
            path = f"/routers/{current['id']}"
            if current["admin_state_up"]:
                session.neutron.put(path, {"router": {"admin_state_up": False}})
            session.neutron.put(path, {"router": modes})
            current = {**current, **modes, "admin_state_up": False}
        super().update(session, current, central)

    def prepare(self, session: PodSession, central: Resource) -> Resource:
        """With its gateway at once: a pod takes seconds for that when it is busy."""
        copy = session.notes.get(self._key(central))
        gateway = _gateway(session, _there(session, copy), copy) if copy else None
        more = {"external_gateway_info": gateway} if gateway else {}
        return {**super().prepare(session, central), **more}

    def settle(self, session: PodSession, current: Resource, central: Resource) -> None:
        """Others keep talking meanwhile: a route goes only when what it leads over goes, and comes
        before what would hide its destination. The gateway changes before interfaces come,
        since an address may move between them.
        """
        router = current["id"]
        copy = session.notes.pop(self._key(central), None) or self._copy(session, central)
        ids = _there(session, copy)
        wanted = _interfaces(session, ids, copy, central)
        routes = [{"destination": to, "nexthop": by} for to, by in sorted(copy.plan.routes)]
        ports = router_interfaces.ports(session, current, central["id"])
        there, loose = ports.joined, ports.loose
        info, info_now = _gateway(session, ids, copy), current.get("external_gateway_info")
        new_gateway = not _same_gateway(info, info_now)
        moved = [
            port
            for owner, port in there.items()
            if owner not in wanted or not router_interfaces.same_addresses(port, wanted[owner])
        ]
        automatic = {item.port_id for item in copy.plan.interfaces if item.automatic}
        # One that is wanted as the pod makes it is given its marker when it is joined once more.
        again = [body for owner, body in wanted.items() if owner in automatic]
        moved += [port for port in ports.lost if not _overlap(port, again)]
        gone = [*moved, *([{"fixed_ips": info_now["external_fixed_ips"]}] if info_now else [])]
        known = self._route(
            session,
            current,
            _not_over(session, gone if new_gateway else moved, current.get("routes")),
        )
        for port in moved:
            self._leave(session, router, port)
        if new_gateway:
            change = {"router": {"external_gateway_info": info or {}}}
            session.neutron.put(f"/routers/{router}", change)
        kept = there.keys() - {named(port) for port in moved}
        for owner in kept:
            router_interfaces.sign(session, there[owner])
        missing = {owner: body for owner, body in wanted.items() if owner not in kept}
        if missing:
            early = _not_over(session, list(missing.values()), routes)
            already = {route["destination"] for route in early}
            others = [route for route in known if route["destination"] not in already]
            known = self._route(session, {"id": router, "routes": known}, [*early, *others])
        for owner in loose.keys() - (missing.keys() - automatic):
            session.neutron.delete(f"/ports/{loose[owner]['id']}")
        for owner, body in missing.items():
            if owner in automatic:
                router_interfaces.by_subnet(session, router, body)
            else:
                router_interfaces.by_port(session, router, body, loose.get(owner))
        self._route(session, {"id": router, "routes": known}, routes)

    def delete(self, session: PodSession, resource_id: str, pod_resource_id: str) -> None:
        if (current := self.show(session, pod_resource_id)) is None:
            return
        if current.get("routes"):
            session.neutron.put(f"/routers/{pod_resource_id}", {"router": {"routes": []}})
        ports = router_interfaces.ports(session, current, resource_id)
        for port in (*ports.joined.values(), *ports.lost):
            self._leave(session, pod_resource_id, port)
        for port in ports.loose.values():
            session.neutron.delete(f"/ports/{port['id']}")
        super().delete(session, resource_id, pod_resource_id)

    def forget(self, session: PodSession, resource_id: str) -> None:
        address_reservations.release(session.pod.id, purpose=copies.purpose(resource_id))
        bridges.release(resource_id, session.pod.id, topology.ROUTER)

    def owns(self, listed: Resource) -> bool:
        return not east_west.is_one(listed)

    def _copy(self, session: PodSession, central: Resource) -> Copy:
        return copies.copy(session, central)

    def _before(self, session: PodSession, copy: Copy) -> list[Key]:
        """What is there before packets are sent to it."""
        parted = session.pod.id in copy.reach.parted
        return [east_west.key(copy.reach.router_id)] if parted else []

    def _key(self, central: Resource) -> Key:
        return Key(self.resource_type, central["id"])

    def _route(
        self, session: PodSession, current: Resource, routes: list[dict[str, str]]
    ) -> list[dict[str, str]]:
        """Give the copy these routes, unless it has just them."""
        if not same(routes, current.get("routes") or []):
            session.neutron.put(f"/routers/{current['id']}", {"router": {"routes": routes}})
        return routes

    def _leave(self, session: PodSession, router_id: str, port: Resource) -> None:
        path = f"/routers/{router_id}/remove_router_interface"
        session.neutron.put(path, {"port_id": port["id"]})


def _overlap(port: Resource, bodies: Iterable[Resource]) -> bool:
    """Whether a port is on a subnet of one of the others."""
    subnets = {ip["subnet_id"] for body in bodies for ip in body["fixed_ips"]}
    return any(ip["subnet_id"] in subnets for ip in port["fixed_ips"])


def _not_over(session: PodSession, ports: list[Resource], routes: Any) -> list[dict[str, str]]:
    """Those of the routes that do not lead over one of the ports."""
    ids = [ip["subnet_id"] for port in ports for ip in port["fixed_ips"]]
    if not ids or not routes:
        return list(routes or [])
    found = session.neutron.list("subnets", id=ids, fields=["id", "cidr"])
    ranges = [ipaddress.ip_network(subnet["cidr"]) for subnet in found]
    return [
        route
        for route in routes
        if not any(ipaddress.ip_address(route["nexthop"]) in one for one in ranges)
    ]


@dataclasses.dataclass(frozen=True)
class _Ids:
    """{central id: id in the pod} of networks and subnets."""

    networks: Mapping[str, str]
    subnets: Mapping[str, str]


def _there(session: PodSession, copy: Copy) -> _Ids:
    """All that a copy is joined to. Raises NotYet."""
    networks = {item.network_id for item in copy.plan.interfaces}
    networks |= {bridges.network_id(copy.reach.router_id, kind) for kind in copy.addresses}
    subnets = {item.subnet_id for item in copy.plan.interfaces}
    subnets |= {one for addresses in copy.addresses.values() for one in addresses}
    if copy.gateway is not None:
        networks.add(copy.gateway.network_id)
        subnets |= copy.gateway.addresses.keys()
    return _Ids(session.ids("network", networks), session.ids("subnet", subnets))


def _interfaces(
    session: PodSession, ids: _Ids, copy: Copy, central: Resource
) -> dict[str, Resource]:
    """{what it is for: body of the port} of what the copy is joined to."""
    groups: dict[str, list[plan.Attached]] = {}
    for item in copy.plan.interfaces:
        groups.setdefault(item.port_id, []).append(item)
    wanted = {
        port_id: _port(
            session,
            ids,
            central,
            port_id,
            items[0].network_id,
            {item.subnet_id: item.address for item in items},
        )
        for port_id, items in groups.items()
    }
    for kind, addresses in copy.addresses.items():
        network_id = bridges.network_id(copy.reach.router_id, kind)
        for subnet_id, address in addresses.items():
            # A port holds one subnet: Neutron refuses some mixtures.
            only = {subnet_id: address}
            wanted[subnet_id] = _port(session, ids, central, subnet_id, network_id, only)
    return wanted


def _port(
    session: PodSession,
    ids: _Ids,
    router: Resource,
    owner: str,
    network_id: str,
    addresses: dict[str, str],
) -> Resource:
    project_id = router["project_id"]
    return {
        "network_id": ids.networks[network_id],
        "project_id": project_id,
        "name": session.marker("routers", router["id"], project_id),
        "description": session.marker("ports", owner, project_id),
        "device_owner": "",
        "fixed_ips": [
            {"subnet_id": ids.subnets[subnet_id], "ip_address": address}
            for subnet_id, address in addresses.items()
        ],
    }


def _gateway(session: PodSession, ids: _Ids, copy: Copy) -> Resource | None:
    if copy.gateway is None:
        return None
    policy, what = copy.gateway.qos_policy_id, f"the gateway of router {copy.reach.router_id}"
    return {
        **qos_policy.told(session, policy, "qos-gateway-ip", what),
        "network_id": ids.networks[copy.gateway.network_id],
        "enable_snat": copy.gateway.snat,
        "external_fixed_ips": [
            {"subnet_id": ids.subnets[subnet_id], "ip_address": address}
            for subnet_id, address in copy.gateway.addresses.items()
        ],
    }


def _same_gateway(wanted: Resource | None, current: Any) -> bool:
    if not wanted or not current:
        return not wanted and not current
    return bool(
        wanted["network_id"] == current.get("network_id")
        and wanted["enable_snat"] == current.get("enable_snat", True)
        and wanted.get("qos_policy_id") == current.get("qos_policy_id")
        and router_interfaces.pairs(wanted["external_fixed_ips"])
        == router_interfaces.pairs(current.get("external_fixed_ips") or [])
    )
