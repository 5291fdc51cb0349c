# SPDX-License-Identifier: Apache-2.0
"""A project's servers talk to each other wherever they run: real packets, then nothing is left."""

import concurrent.futures
import ipaddress
import itertools
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest

from lab.dataplane import servers as lab_servers
from lab.dataplane import topology
from lab.settings import Lab
from tests.e2e import packets
from tests.e2e.networks import Estate
from tests.e2e.site import eventually
from tricircle.pods.markers import named


@pytest.fixture
def three_pods(lab: Lab) -> None:
    if len(lab.pods) < 3:
        pytest.skip("needs a lab of three pods: lab up --pods 3")


def test_a_stretched_network(estate: Estate) -> None:
    network = estate.network("10.101.0.0/24")
    here, there, second = estate.servers(("az1", network), ("az2", network), ("az2", network))
    estate.all_reach(here, there, second)
    # Each pod's gateway has an address of its own, also before there is a router; one of them is
    # what the API shows.
    gateways = {estate.default_route(server) for server in (here, there)}
    assert len(gateways) == 2
    shown = network.subnet.gateway_ip
    assert shown in gateways
    assert estate.default_route(there) == estate.default_route(second)
    used = [here.ip, there.ip, second.ip, *gateways]
    assert len(set(used)) == len(used)
    estate.router(network)
    for server in (here, there, second):
        estate.reaches(server, estate.default_route(server))
        estate.reaches(server, shown)
    estate.all_reach(here, there)
    estate.remove_all()


def test_servers_that_take_their_gateway_from_the_api(estate: Estate, external: Any) -> None:
    """It leads out of the cloud, and to another network, from each pod."""
    outside = external("Pod1", "Pod3")
    network, other = estate.network("10.112.0.0/24"), estate.network("10.113.0.0/24")
    gateway = {"network_id": outside.id}
    estate.router(network, other, external_gateway_info=gateway)
    *servers, far = estate.servers(("az1", network), ("az2", network), ("az2", other))
    shown = network.subnet.gateway_ip
    for server in servers:
        estate.reaches(server, shown)
        argv = ["ip", "route", "replace", "default", "via", shown]
        assert lab_servers.server_exec(estate.lab, server.id, argv).returncode == 0
        estate.reaches(server, topology.OUTSIDE_HOST)
        estate.reaches(server, far.ip)
    estate.remove_all()


def test_a_stretched_network_of_ipv6(estate: Estate) -> None:
    network = estate.network("10.102.0.0/24")
    create = estate.demo.network.create_subnet
    six = create(
        network_id=network.id, ip_version=6, cidr="fd00:102::/64",
        ipv6_address_mode="dhcpv6-stateful", ipv6_ra_mode="dhcpv6-stateful",
    )  # fmt: skip
    estate.made.append(six.id)
    here, there = estate.servers(("az1", network), ("az2", network))
    for server in (here, there):
        assert ipaddress.ip_address(server.ip6[0]) in ipaddress.ip_network("fd00:102::/64")
    assert here.ip6 != there.ip6
    estate.all_reach(here, there)
    for pod, server in (("Pod1", here), ("Pod2", there)):
        (copy,) = [c for c in estate.copies(pod, server.port) if hasattr(c, "fixed_ips")]
        assert server.ip6[0] in [ip["ip_address"] for ip in copy.fixed_ips]
    estate.remove_all()


def test_local_networks_joined_by_a_router(estate: Estate, three_pods: None) -> None:
    one, two, three = (estate.network(f"10.11{n}.0.0/24", "local") for n in (1, 2, 3))
    router = estate.router(one, two)
    first, second = estate.servers(("az1", one), ("az2", two))
    estate.all_reach(first, second)
    with steadily(estate, first, second.ip) as lost:
        # A network and a pod join later; a network is in two of the three pods.
        estate.join(router, three)
        third, fourth = estate.servers(("az3", three), ("az2", one))
        for server in (first, second, third):
            estate.reaches(third if server is not third else first, server.ip)
        estate.reaches(third, fourth.ip)
        estate.reaches(fourth, third.ip)
        estate.reaches(second, fourth.ip)
        # And leaves: the others go on.
        estate.demo.compute.delete_server(third)
        estate.demo.compute.wait_for_delete(third, wait=60)
        estate.leave(router, three)
        eventually("the router has left the pod", lambda: not estate.copies("Pod3", router.id))
        estate.reaches(fourth, second.ip)
    assert lost() <= 2, f"{lost()} pings were lost on the way"
    estate.remove_all()


def test_out_and_in_through_one_pod(estate: Estate, external: Any) -> None:
    outside = external("Pod1")
    network = estate.network("10.121.0.0/24")
    router = estate.router(network)
    here, there = estate.servers(("az1", network), ("az2", network))
    gateway = {"network_id": outside.id}
    router = estate.demo.network.update_router(router, external_gateway_info=gateway)
    for server in (here, there):
        estate.reaches(server, topology.OUTSIDE_HOST)
    # Both are seen from outside under the router's one address.
    (shown,) = router.external_gateway_info["external_fixed_ips"]
    assert _seen_as(estate, there) == shown["ip_address"]

    create = estate.demo.network.create_ip
    near = create(floating_network_id=outside.id, port_id=here.port)
    far = create(floating_network_id=outside.id, port_id=there.port)
    for floating in (near, far):
        estate.reached_from_outside(floating.floating_ip_address)
        eventually("it is ACTIVE", lambda f=floating: _status(estate, f) == "ACTIVE")
    assert _seen_as(estate, there) == far.floating_ip_address
    # Between the servers, addresses stay what they are.
    estate.reaches(here, there.ip)

    update = estate.demo.network.update_ip
    update(near, port_id=None)
    estate.reached_from_outside(near.floating_ip_address, answers=False)
    update(far, port_id=here.port)
    estate.reached_from_outside(far.floating_ip_address)
    eventually("it is the other server", lambda: _seen_as(estate, here) == far.floating_ip_address)
    eventually("as before", lambda: _seen_as(estate, there) == shown["ip_address"])
    for floating in (near, far):
        estate.demo.network.delete_ip(floating)
    estate.remove_all()


@pytest.fixture
def apart(demo: Any, name: str) -> Iterator[dict[str, str]]:
    """{zone: a server group that holds its servers on different hosts}."""
    made = {
        zone: demo.compute.create_server_group(name=f"{name}-{zone}", policy="anti-affinity")
        for zone in ("az1", "az2")
    }
    yield {zone: group.id for zone, group in made.items()}
    for group in made.values():
        demo.compute.delete_server_group(group)


def test_local_networks_and_a_way_out(estate: Estate, external: Any, apart: dict[str, str]) -> None:
    """Servers on every host of two pods, on networks that are in no VLAN, reach each other by a
    router that has a gateway, and one on a VLAN; before and after it has one, too."""
    outside = external("Pod1")
    one, two = estate.network("10.135.0.0/24", "local"), estate.network("10.136.0.0/24", "local")
    estate.let_in("tcp")
    wide = estate.network("10.137.0.0/24")
    router = estate.router(one, two, wide)
    servers = estate.servers(*(("az1", one),) * 2, *(("az2", two),) * 2, groups=apart)
    servers += estate.servers(("az1", wide))
    here, there = [*servers[:2], servers[4]], servers[2:4]
    hosts = {estate.admin.compute.get_server(server).compute_host for server in servers[:4]}
    assert len(hosts) == 4, hosts
    _all_across(estate, here, there)
    update = estate.demo.network.update_router
    router = update(router, external_gateway_info={"network_id": outside.id})
    for server in servers:
        estate.reaches(server, topology.OUTSIDE_HOST)
    _all_across(estate, here, there)
    (shown,) = router.external_gateway_info["external_fixed_ips"]
    assert _seen_as(estate, there[1]) == shown["ip_address"]
    create = estate.demo.network.create_ip
    for port in (here[0].port, there[1].port):
        floating = create(floating_network_id=outside.id, port_id=port)
        estate.reached_from_outside(floating.floating_ip_address)
        estate.demo.network.delete_ip(floating)
    # Addresses are not translated on the way to another pod.
    source, target = (packets.in_server(estate.lab, one) for one in (here[0], there[0]))
    assert packets.tcp(source, target, there[0].ip)[0] == here[0].ip
    update(router, external_gateway_info={})
    for region in ("Pod1", "Pod2"):
        eventually("one router will do", lambda r=region: len(_routers(estate, r, router)) == 1)
    _all_across(estate, here, there)
    estate.remove_all()


def test_out_of_several_pods(estate: Estate, external: Any, three_pods: None) -> None:
    outside = external("Pod1", "Pod3")
    one, two = estate.network("10.131.0.0/24"), estate.network("10.132.0.0/24")
    router = estate.router(external_gateway_info={"network_id": outside.id})
    for network in (one, two):
        estate.join(router, network)
    first, second, third = estate.servers(("az1", one), ("az2", one), ("az3", two))
    for server in (first, second, third):
        estate.reaches(server, topology.OUTSIDE_HOST)
    # Each pod that has the external network goes out by itself, under an address of its own.
    assert len({_seen_as(estate, server) for server in (first, third)}) == 2
    assert _seen_as(estate, second) == _seen_as(estate, first)
    estate.all_reach(first, second, third)
    floating = estate.demo.network.create_ip(floating_network_id=outside.id, port_id=third.port)
    estate.reached_from_outside(floating.floating_ip_address)
    (copy,) = [
        item for item in estate.pods["Pod3"].network.ips() if named(item.description) == floating.id
    ]
    assert copy.floating_ip_address == floating.floating_ip_address
    estate.demo.network.delete_ip(floating)
    estate.remove_all()


def test_a_router_held_to_one_pod_and_routes_by_it(estate: Estate) -> None:
    """The network of az2 is joined in az1; servers learn of a router that is not their gateway."""
    wide, side = estate.network("10.141.0.0/24"), estate.network("10.142.0.0/24")
    port = estate.demo.network.create_port(
        network_id=wide.id, fixed_ips=[{"subnet_id": wide.subnet.id, "ip_address": "10.141.0.200"}]
    )
    held = estate.router(side, availability_zone_hints=["az1"])
    estate.demo.network.add_interface_to_router(held, port_id=port.id)
    extra = [{"destination": "192.0.2.0/24", "nexthop": "10.142.0.77"}]
    estate.demo.network.update_router(held, routes=extra)
    inner, outer = estate.servers(("az1", side), ("az2", wide))
    estate.reaches(outer, inner.ip)
    estate.reaches(inner, outer.ip)
    assert "10.142.0.0/24 via 10.141.0.200" in estate.routes(outer)
    assert estate.demo.network.get_router(held.id).routes == extra
    assert not [c for c in estate.copies("Pod2", held.id) if hasattr(c, "routes")]
    (copy,) = [c for c in estate.copies("Pod1", held.id) if hasattr(c, "routes")]
    assert extra[0] in [dict(route) for route in copy.routes]
    estate.remove_all()


def test_a_server_that_asks_for_any_network(
    estate: Estate, admin: Any, external: Any, name: str
) -> None:
    """``--nic auto``: a network, subnet and router of the project's, made on the way."""
    outside = external("Pod1")
    admin.network.update_network(outside, is_default=True)
    pool = admin.network.create_subnet_pool(
        name=name, prefixes=["10.151.0.0/16"], default_prefix_length=24, is_shared=True,
        is_default=True,
    )  # fmt: skip
    project = estate.demo.current_project_id
    try:
        server = estate.site.server("az2", "auto", security_groups=[{"name": estate.group.name}])
        (addresses,) = server.addresses.values()
        assert addresses[0]["addr"].startswith("10.151.")
        estate.reaches(server, topology.OUTSIDE_HOST)
        estate.site.delete_servers()
    finally:
        estate.demo.network.delete_auto_allocated_topology(project, ignore_missing=True)
        eventually("the pool is free", lambda: _pool_deleted(admin, pool))
    estate.remove_all()


def _pool_deleted(admin: Any, pool: Any) -> bool:
    admin.network.delete_subnet_pool(pool, ignore_missing=True)
    return True


# -- what the packets look like ------------------------------------------------------------------


def _status(estate: Estate, floating: Any) -> str:
    return str(estate.demo.network.get_ip(floating.id).status)


_LISTEN = (
    "import socket; s = socket.create_server(('', 7007)); s.settimeout(20); print(s.accept()[1][0])"
)
_CONNECT = "import socket, sys; socket.create_connection((sys.argv[1], 7007), 10)"


def _all_across(estate: Estate, some: list[Any], others: list[Any]) -> None:
    for one, other in itertools.product(some, others):
        estate.reaches(one, other.ip)
        estate.reaches(other, one.ip)


def _routers(estate: Estate, region: str, router: Any) -> list[Any]:
    """The routers a pod has for one."""
    return [one for one in estate.pods[region].network.routers() if router.id in one.description]


def _seen_as(estate: Estate, server: Any) -> str:
    """The address under which the world outside sees the server."""
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        listen = [sys.executable, "-c", _LISTEN]
        listening = pool.submit(lab_servers.outside_exec, estate.lab, listen, timeout=40)
        time.sleep(1)
        connect = [sys.executable, "-c", _CONNECT, topology.OUTSIDE_HOST]
        lab_servers.server_exec(estate.lab, server.id, connect, timeout=30)
        told = listening.result()
    assert told.returncode == 0, told.stderr
    return told.stdout.strip()


class steadily:
    """Pings twice a second meanwhile; ``lost()`` tells how many had no answer."""

    def __init__(self, estate: Estate, source: Any, address: str) -> None:
        namespace = lab_servers.find(estate.lab, source.id)
        self._argv = ["ip", "netns", "exec", namespace, "ping", "-n", "-i", "0.5", "-W", "2"]
        self._argv += [address]
        self._text = ""

    def __enter__(self) -> Any:
        self._ping = subprocess.Popen(self._argv, stdout=subprocess.PIPE, text=True)
        return self._lost

    def __exit__(self, *error: object) -> None:
        self._ping.send_signal(2)
        self._text = self._ping.communicate(timeout=20)[0]

    def _lost(self) -> int:
        line = next(line for line in self._text.splitlines() if "received" in line)
        sent, received = (int(part.split()[0]) for part in line.split(",")[:2])
        assert received, line
        return sent - received
