# SPDX-License-Identifier: Apache-2.0
"""Networks that projects share, addresses that servers share, and addresses that change hands."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from lab import cli, tricircle
from lab.dataplane import servers as lab_servers
from lab.settings import Lab
from tests.e2e import packets
from tests.e2e.networks import Estate
from tests.e2e.site import Leftovers, Site, eventually


@pytest.fixture
def friends(lab: Lab, image: Any, flavor: Any, name: str, leftovers: Leftovers) -> Iterator[Site]:
    """Another project, which has nothing of its own."""
    site = Site(tricircle.connect(lab, "demo2"), image, flavor, f"{name}-friends")
    yield site
    site.clean()
    leftovers.expect("the other project's servers", site.made, site.routed)


def share(estate: Estate, kind: str, shared: Any, friends: Site) -> Any:
    return estate.demo.network.create_rbac_policy(
        object_type=kind,
        object_id=shared.id,
        action="access_as_shared",
        target_project_id=friends.demo.current_project_id,
    )


def test_a_network_shared_with_one_project(estate: Estate, friends: Site) -> None:
    network = estate.network("10.181.0.0/24")
    (mine,) = estate.servers(("az1", network))
    policy = share(estate, "network", network, friends)
    group = friends.group()
    theirs = [
        friends.server(zone, [{"uuid": network.id}], security_groups=[{"name": group.name}])
        for zone in ("az1", "az2")
    ]
    for server in theirs:
        ((address,),) = server.addresses.values()
        (port,) = friends.demo.network.ports(device_id=server.id)
        friends.made.append(port.id)
        assert address["addr"] == port.fixed_ips[0]["ip_address"]
        estate.reaches(mine, address["addr"])
    # It is taken away again once nobody of theirs is there.
    friends.delete_servers()
    estate.demo.network.delete_rbac_policy(policy)
    copy = estate.copy("Pod1", "network", network.id)
    eventually(
        "it is shared no more",
        lambda: not list(estate.pods["Pod1"].network.rbac_policies(object_id=copy.id)),
    )
    estate.remove_all()


@pytest.mark.parametrize("outlets", [["Pod1"], ["Pod1", "Pod3"]], ids=["one way out", "two"])
def test_a_floating_ip_of_an_address_that_servers_share(
    estate: Estate, external: Callable[..., Any], outlets: list[str]
) -> None:
    """keepalived over pods: whoever took the address over is reached from outside."""
    other = "az3" if len(outlets) > 1 else "az2"
    outside = external(*outlets)
    network = estate.network("10.182.0.0/24")
    router = estate.router(network)
    estate.demo.network.update_router(router, external_gateway_info={"network_id": outside.id})
    servers = estate.servers(("az1", network), (other, network))
    vip = estate.demo.network.create_port(
        network_id=network.id, security_group_ids=[estate.group.id], device_owner="Octavia"
    )
    estate.made.append(vip.id)
    address = vip.fixed_ips[0]["ip_address"]
    floating = estate.demo.network.create_ip(floating_network_id=outside.id, port_id=vip.id)
    for server in servers:
        estate.demo.network.update_port(
            server.port, allowed_address_pairs=[{"ip_address": address}]
        )
    for turn in (0, 1, 0):
        leave(estate, servers[1 - turn], address)
        take(estate, servers[turn], address)
        eventually(
            f"{floating.floating_ip_address} leads to {servers[turn].name}",
            lambda t=turn: reached(estate, servers[t], address, floating.floating_ip_address),
        )
    eventually(
        "it is told to lead there", lambda: estate.demo.network.get_ip(floating).status == "ACTIVE"
    )
    estate.demo.network.delete_ip(floating)
    estate.demo.network.delete_port(vip)
    estate.remove_all()


def take(estate: Estate, server: Any, address: str) -> None:
    argv = ["ip", "address", "replace", f"{address}/24", "dev", "eth0"]
    assert lab_servers.server_exec(estate.lab, server.id, argv).returncode == 0


def leave(estate: Estate, server: Any, address: str) -> None:
    argv = ["ip", "address", "del", f"{address}/24", "dev", "eth0"]
    lab_servers.server_exec(estate.lab, server.id, argv)


def reached(estate: Estate, server: Any, address: str, outer: str) -> bool:
    """The server says that it has the address, as keepalived does, and is pinged from outside."""
    packets.announce(packets.in_server(estate.lab, server), address)
    argv = ["ping", "-n", "-c", "1", "-W", "1", outer]
    return lab_servers.outside_exec(estate.lab, argv).returncode == 0


def test_addresses_change_hands_at_once(estate: Estate) -> None:
    """Given up and taken, and swapped: in one pod and over two."""
    network = estate.network("10.183.0.0/24")
    zones = ("az1", "az1", "az2", "az2")
    probe, one, two, asks = estate.servers(*((zone, network) for zone in zones))
    update = estate.demo.network.update_port
    for first, second in ((one, two), (one, probe)):
        at = {server.id: server.ip for server in (first, second)}
        for server, address in ((first, "10.183.0.250"), (second, at[first.id]),
                                (first, at[second.id])):  # fmt: skip
            update(server.port, fixed_ips=[{"subnet_id": network.subnet.id,
                                            "ip_address": address}])  # fmt: skip
        first.ip, second.ip = second.ip, first.ip
        for server in (first, second):
            region = "Pod2" if server is two else "Pod1"
            eventually(
                f"{server.name} has {server.ip} in {region}",
                lambda s=server, r=region: [
                    ip["ip_address"] for ip in estate.copy(r, "port", s.port).fixed_ips
                ] == [s.ip],
                20,
            )  # fmt: skip
    # A server goes; another has its MAC and address at once, there and in the other pod.
    for zone in ("az1", "az2"):
        port = estate.demo.network.create_port(
            network_id=network.id, security_group_ids=[estate.group.id],
            fixed_ips=[{"ip_address": "10.183.0.240"}], mac_address="fa:16:3e:18:30:40",
        )  # fmt: skip
        estate.made.append(port.id)
        server = estate.site.server(zone, [{"port": port.id}])
        eventually(
            f"{server.name} answers", lambda: cli.ping(estate.lab, asks.id, "10.183.0.240", tries=2)
        )
        estate.demo.compute.delete_server(server)
        estate.demo.compute.wait_for_delete(server, wait=60, interval=0.2)
        estate.demo.network.delete_port(port)
    estate.remove_all()
