# SPDX-License-Identifier: Apache-2.0
"""What a test makes as a user, and what of it is in the pods."""

import time
from collections.abc import Callable, Iterable
from typing import Any

from tricircle.pods.markers import named


def eventually(what: str, probe: Callable[[], object], timeout: float = 60) -> Any:
    """Poll until ``probe`` gives something true, and give that; fails with ``what`` otherwise."""
    deadline = time.monotonic() + timeout
    last: object = None
    while time.monotonic() < deadline:
        try:
            last = probe()
            if last:
                return last
        except Exception as error:
            last = error
        time.sleep(0.5)
    raise AssertionError(f"not within {timeout:.0f} s: {what} (last: {last!r})")


def pod_objects(pod: Any, central_id: str) -> list[Any]:
    """Every Neutron object in a pod that carries the marker of a central resource."""
    network = pod.network
    kinds = (network.networks, network.subnets, network.ports, network.routers)
    found = [item for kind in kinds for item in kind() if named(item.description) == central_id]
    groups = network.security_groups()
    return found + [group for group in groups if named(group.description) == central_id]


class Leftovers:
    """What tests made and have deleted, until no pod has anything of it any more."""

    def __init__(self, admin: Any, pods: dict[str, Any]) -> None:
        self._regions, self._pods = (admin, *pods.values()), pods
        self._expected: list[tuple[str, list[str], list[str]]] = []

    def expect(self, test: str, made: Iterable[str], routers: Iterable[str]) -> None:
        """What a test made, by central ids, goes from the pods; so do its routers' bridges."""
        bridges = [f"{kind} {router}" for router in routers for kind in BRIDGES]
        self._expected.append((test, list(made), bridges))

    def none(self) -> None:
        """All that is expected to go has gone before long; else the test it is of is named."""
        expected, self._expected = self._expected, []
        for test, made, bridges in expected:
            eventually(f"the pods are clean of {test}", lambda m=made: not self._left(m), 90)
            eventually(f"no bridge is left of {test}", lambda b=bridges: not self._named(b), 90)

    def _left(self, central_ids: Iterable[str]) -> list[str]:
        wanted = set(central_ids)
        return [
            f"{region} {kind} {item['id']}"
            for region, pod in self._pods.items()
            for kind in KINDS
            for item in _listed(pod, kind, "description")
            if wanted and named(item["description"]) in wanted
        ]

    def _named(self, names: list[str]) -> list[str]:
        return [
            item["name"]
            for one in (self._regions if names else ())
            for item in _listed(one, "networks", "name")
            if item["name"] in names
        ]


#: What a router is joined with its copies by.
BRIDGES = ("east-west", "north-south")
#: The collections of what has copies in pods.
KINDS = ("networks", "subnets", "ports", "routers", "floatingips", "security-groups")


def _listed(cloud: Any, collection: str, field: str) -> list[dict[str, Any]]:
    """All of a collection, no more of each than its id and one field."""
    query = {"fields": ["id", field]}
    answer = cloud.network.get(f"/{collection}", params=query).json()
    found: list[dict[str, Any]] = answer[collection.replace("-", "_")]
    return found


class Site:
    """What a test made, removed at its end in an order that works."""

    def __init__(self, demo: Any, image: Any, flavor: Any, name: str) -> None:
        self.demo, self.image, self.flavor, self.name = demo, image, flavor, name
        self.servers: list[Any] = []
        self.networks: list[Any] = []
        self.routers: list[Any] = []
        # The ids of those, also of deleted ones.
        self.routed: list[str] = []
        self.groups: list[Any] = []
        # Ids of what has copies in pods, which go, too.
        self.made: list[str] = []

    def network(self, cidr: str = "10.80.0.0/24", **more: Any) -> Any:
        network = self.demo.network.create_network(name=f"{self.name}-{len(self.networks)}", **more)
        self.networks.append(network)
        network.subnet = self.demo.network.create_subnet(
            network_id=network.id, name=network.name, ip_version=4, cidr=cidr
        )
        self.made += [network.id, network.subnet.id]
        return network

    def group(self) -> Any:
        """A security group that lets ICMP in."""
        group = self.demo.network.create_security_group(name=f"{self.name}-{len(self.groups)}")
        self.groups.append(group)
        self.made.append(group.id)
        self.demo.network.create_security_group_rule(
            security_group_id=group.id, direction="ingress", protocol="icmp", ether_type="IPv4"
        )
        return group

    def server(self, zone: str | None, networks: Any, wait: bool = True, **more: Any) -> Any:
        if zone:
            more["availability_zone"] = zone
        server = self.demo.compute.create_server(
            name=f"{self.name}-{len(self.servers)}",
            image_id=self.image.id,
            flavor_id=self.flavor.id,
            networks=networks,
            **more,
        )
        self.servers.append(server)
        if wait:
            server = self.demo.compute.wait_for_server(server, wait=90, interval=0.5)
        return server

    def delete_servers(self) -> None:
        compute = self.demo.compute
        for server in self.servers:
            compute.delete_server(server, ignore_missing=True)
        for server in self.servers:
            compute.wait_for_delete(server, wait=90, interval=0.5)
        self.servers = []

    def clean(self) -> None:
        network = self.demo.network
        self.delete_servers()
        for router in self.routers:
            # A route of the user's keeps its interface.
            network.update_router(router, routes=[])
            for port in list(network.ports(device_id=router.id)):
                if port.device_owner != "network:router_gateway":
                    network.remove_interface_from_router(router, port_id=port.id)
            network.delete_router(router)
            self.routed.append(router.id)
        self.routers = []
        for item in self.networks:
            eventually("the network is free", lambda item=item: self._gone(item))
        for group in self.groups:
            network.delete_security_group(group, ignore_missing=True)
        self.networks, self.groups = [], []

    def _gone(self, item: Any) -> bool:
        self.demo.network.delete_network(item, ignore_missing=True)
        return True
