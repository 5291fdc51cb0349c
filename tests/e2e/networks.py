# SPDX-License-Identifier: Apache-2.0
"""What tests of networks across pods have in common."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from lab import cli
from lab.dataplane import servers as lab_servers
from lab.settings import Lab
from tests.e2e.site import Site, eventually, pod_objects
from tricircle.pods.markers import named

NONE: Mapping[str, str] = MappingProxyType({})


class Estate:
    """Servers, networks and routers of a test, in words; ``site`` removes them."""

    def __init__(self, lab: Lab, admin: Any, pods: dict[str, Any], site: Site) -> None:
        self.lab, self.admin, self.pods, self.site = lab, admin, pods, site
        self.demo = site.demo
        self.group = site.group()
        self.demo.network.create_security_group_rule(
            security_group_id=self.group.id, direction="ingress", protocol="ipv6-icmp",
            ether_type="IPv6",
        )  # fmt: skip
        self.made = site.made

    def let_in(self, *protocols: str) -> None:
        """Let these in to all servers, too (TCP, UDP; by IPv4 and IPv6)."""
        for protocol in protocols:
            for version in ("IPv4", "IPv6"):
                self.demo.network.create_security_group_rule(
                    security_group_id=self.group.id, direction="ingress", protocol=protocol,
                    ether_type=version,
                )  # fmt: skip

    def network(self, cidr: str, kind: str | None = None, **more: Any) -> Any:
        """A network with a subnet; ``kind`` names another type than projects get."""
        if kind is None:
            network = self.site.network(cidr, **more)
        else:
            network = self.admin.network.create_network(
                name=f"{self.site.name}-{kind}-{len(self.site.networks)}",
                project_id=self.demo.current_project_id,
                provider_network_type=kind,
                **more,
            )
            self.site.networks.append(network)
            network.subnet = self.demo.network.create_subnet(
                network_id=network.id, name=network.name, ip_version=4, cidr=cidr
            )
            self.made += [network.id, network.subnet.id]
        return network

    def six(self, network: Any, cidr: str, mode: str) -> Any:
        """A second subnet of the network, of IPv6."""
        subnet = self.demo.network.create_subnet(
            network_id=network.id,
            ip_version=6,
            cidr=cidr,
            ipv6_address_mode=mode,
            ipv6_ra_mode=mode,
        )
        self.made.append(subnet.id)
        return subnet

    def routers_of(self, server: Any) -> list[str]:
        """The default routers of IPv6 that the server has learnt of."""
        argv = ["ip", "-6", "route", "show", "default"]
        return lab_servers.server_exec(self.lab, server.id, argv).stdout.splitlines()

    def router(self, *networks: Any, **more: Any) -> Any:
        router = self.demo.network.create_router(name=self.site.name, **more)
        self.site.routers.append(router)
        for network in networks:
            self.join(router, network)
        self.made.append(router.id)
        return router

    def join(self, router: Any, network: Any) -> None:
        self.demo.network.add_interface_to_router(router, subnet_id=network.subnet.id)

    def leave(self, router: Any, network: Any) -> None:
        self.demo.network.remove_interface_from_router(router, subnet_id=network.subnet.id)

    def servers(self, *places: tuple[str, Any], groups: Mapping[str, str] = NONE) -> list[Any]:
        """A server for each (zone, network), booted at once; ``.ip`` is its address.

        ``groups`` is {zone: server group}.
        """
        begun = [
            self.site.server(
                zone,
                [{"uuid": network.id}],
                wait=False,
                security_groups=[{"name": self.group.name}],
                **({"scheduler_hints": {"group": groups[zone]}} if zone in groups else {}),
            )
            for zone, network in places
        ]
        made = [self.demo.compute.wait_for_server(one, wait=120, interval=0.5) for one in begun]
        for server in made:
            addresses = next(iter(server.addresses.values()))
            server.ip = next(item["addr"] for item in addresses if item["version"] == 4)
            server.ip6 = [item["addr"] for item in addresses if item["version"] == 6]
            (port,) = self.demo.network.ports(device_id=server.id)
            server.port = port.id
            self.made.append(port.id)
        return made

    def reaches(self, source: Any, address: str, timeout: float = 60) -> None:
        """The server's pings are answered before long."""
        eventually(
            f"{source.name} reaches {address}",
            lambda: cli.ping(self.lab, source.id, address, tries=2),
            timeout,
        )

    def all_reach(self, *servers: Any) -> None:
        for source in servers:
            for target in servers:
                if source is not target:
                    self.reaches(source, target.ip)

    def cannot_reach(self, source: Any, address: str) -> None:
        assert not cli.ping(self.lab, source.id, address, tries=2), f"{address} answers"

    def reached_from_outside(self, address: str, answers: bool = True) -> None:
        argv = ["ping", "-n", "-c", "1", "-W", "1", address]
        eventually(
            f"{address} {'answers' if answers else 'is silent'}",
            lambda: (lab_servers.outside_exec(self.lab, argv).returncode == 0) is answers,
        )

    def routes(self, server: Any) -> str:
        return lab_servers.server_exec(self.lab, server.id, ["ip", "route"]).stdout

    def default_route(self, server: Any) -> str:
        line = next(line for line in self.routes(server).splitlines() if "default" in line)
        return line.split()[2]

    def copies(self, region: str, central_id: str) -> list[Any]:
        return pod_objects(self.pods[region], central_id)

    def copy(self, region: str, kind: str, central_id: str) -> Any:
        """The copy in a pod of a port, a network, …; None while it is not there."""
        client = self.pods[region].network
        items = getattr(client, f"{kind}s")()
        return next((item for item in items if named(item.description) == central_id), None)

    def remove_all(self) -> None:
        """Delete everything; that nothing of it stays in a pod is seen to after the test."""
        self.site.clean()
