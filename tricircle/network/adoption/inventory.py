# SPDX-License-Identifier: Apache-2.0
"""What a project has in a pod, as the pod tells it."""

import dataclasses
import functools

from tricircle.network.central.central_neutron import ROUTER_INTERFACES, Resource
from tricircle.network.pod_api.pod_session import PodSession, owner_of
from tricircle.network.reconcile.adapters import address_group, port_forwarding, qos_policy, trunk

# Networks whose ports are asked for in one list.
_AT_ONCE = 50
_PAGE = 1000


@dataclasses.dataclass(frozen=True)
class Inventory:
    """``ports`` are the project's, and all others on its networks; ``subnets`` all those of its
    networks. ``outside`` are the external networks that its routers and floating IPs use, with
    their subnets. ``forwardings`` are those of each floating IP that has any. What the pod's
    Neutron lacks the extension for is empty."""

    networks: list[Resource]
    subnets: list[Resource]
    ports: list[Resource]
    groups: list[Resource]
    routers: list[Resource]
    floating_ips: list[Resource]
    outside: list[tuple[Resource, list[Resource]]]
    policies: list[Resource]
    address_groups: list[Resource]
    trunks: list[Resource]
    forwardings: dict[str, list[Resource]]

    @functools.cached_property
    def owners(self) -> dict[str, str]:
        """{port: who owns it}, empty for one that nobody uses."""
        return {port["id"]: str(port["device_owner"] or "") for port in self.ports}

    def on(self, network_id: str) -> list[Resource]:
        """The ports on a network."""
        return [port for port in self.ports if port["network_id"] == network_id]

    def interfaces(self, router_id: str) -> list[Resource]:
        """The ports that join a router to its networks."""
        return [
            port
            for port in self.ports
            if port["device_id"] == router_id and port["device_owner"] in ROUTER_INTERFACES
        ]


def read(session: PodSession, project_id: str) -> Inventory:
    """All that a project has. Raises PodError."""
    neutron = session.neutron

    def own(collection: str, extension: str = "") -> list[Resource]:
        if extension and not neutron.has(extension):
            return []
        listed = neutron.list(collection, project_id=project_id, limit=_PAGE)
        return sorted(
            (one for one in listed if owner_of(one) == project_id), key=lambda one: str(one["id"])
        )

    networks = own("networks")
    subnets: dict[str, Resource] = {}
    ports = {port["id"]: port for port in own("ports")}
    ids = [network["id"] for network in networks]
    for start in range(0, len(ids), _AT_ONCE):
        some = ids[start : start + _AT_ONCE]
        subnets |= {one["id"]: one for one in neutron.list("subnets", network_id=some)}
        there = neutron.list("ports", network_id=some, limit=_PAGE)
        ports |= {port["id"]: port for port in there}
    routers, floating_ips = own("routers"), own("floatingips")
    for router in routers:
        there = neutron.list("ports", device_id=router["id"])
        ports |= {port["id"]: port for port in there}
    used = {(router.get("external_gateway_info") or {}).get("network_id") for router in routers}
    used |= {one["floating_network_id"] for one in floating_ips}
    outside = []
    for network_id in sorted(one for one in used if one):
        if (document := neutron.find(f"/networks/{network_id}")) is not None:
            inside = neutron.list("subnets", network_id=network_id)
            outside.append((document["network"], inside))
    return Inventory(
        networks,
        list(subnets.values()),
        list(ports.values()),
        own("security-groups"),
        routers,
        floating_ips,
        outside,
        own("qos/policies", qos_policy.EXTENSION),
        own("address-groups", address_group.EXTENSIONS[0]),
        own("trunks", trunk.EXTENSION),
        _forwardings(session, floating_ips),
    )


def _forwardings(session: PodSession, floating_ips: list[Resource]) -> dict[str, list[Resource]]:
    """{floating IP: what it forwards}"""
    found = {one["id"]: list(port_forwarding.there(session, one).values()) for one in floating_ips
             if not one.get("port_id")}  # fmt: skip
    return {one: forwarded for one, forwarded in found.items() if forwarded}


def is_others(port: Resource, project_id: str) -> bool:
    """Whether a port is another project's, or nobody's."""
    return owner_of(port) != project_id
