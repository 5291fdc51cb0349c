# SPDX-License-Identifier: Apache-2.0
"""Two pods with ML2/OVS, joined by VXLAN: real packets, then nothing is left."""

from typing import Any

from lab import cli
from lab.dataplane import servers as lab_servers
from lab.dataplane import topology
from lab.settings import Lab
from tests.e2e import packets
from tests.e2e.site import eventually
from tests.e2e_vxlan.estate import TunnelEstate


def test_a_network_in_two_pods(lab: Lab, estate: TunnelEstate) -> None:
    network = estate.network("10.131.0.0/24")
    shown = estate.admin.network.get_network(network.id)
    assert shown.provider_network_type == "vxlan"
    here, there, second = estate.servers(("az1", network), ("az2", network), ("az2", network))
    estate.all_reach(here, there, second)
    # What fits the network fits the tunnel.
    assert shown.mtu == 1450
    assert _pings(lab, here, there.ip, "-M", "do", "-s", str(shown.mtu - 28))
    estate.demo.network.create_security_group_rule(
        security_group_id=estate.group.id, direction="ingress", protocol="tcp",
        port_range_min=packets.PORT, port_range_max=packets.PORT,
    )  # fmt: skip
    for source, target in ((here, there), (there, here)):
        ends = packets.in_server(lab, source), packets.in_server(lab, target)
        assert packets.tcp(*ends, target.ip, size=1_000_000)[0] == source.ip
    # Each server has its address from its own pod.
    routers = {estate.default_route(server) for server in (here, there)}
    assert len(routers) == 2
    assert estate.default_route(second) == estate.default_route(there)
    for region in estate.pods:
        assert all(port.status == "ACTIVE" for port in estate.shadows(region))
    estate.remove_all()


def test_a_network_of_ipv6(estate: TunnelEstate) -> None:
    """Servers make their addresses of what their own pod's router advertises."""
    estate.let_in("tcp")
    network = estate.network("10.137.0.0/24")
    subnet = estate.six(network, "fd00:137::/64", "slaac")
    router = estate.router(network)
    estate.demo.network.add_interface_to_router(router, subnet_id=subnet.id)
    here, there = estate.servers(("az1", network), ("az2", network))
    for server in (here, there):
        eventually("a router is advertised", lambda s=server: estate.routers_of(s))
    estate.reaches(here, there.ip6[0])
    estate.reaches(there, here.ip6[0])
    ends = packets.in_server(estate.lab, here), packets.in_server(estate.lab, there)
    assert packets.tcp(*ends, there.ip6[0], size=200_000)[0] == here.ip6[0]
    estate.remove_all()


def test_a_server_that_moves_to_another_host(lab: Lab, estate: TunnelEstate) -> None:
    network = estate.network("10.132.0.0/24")
    here, there = estate.servers(("az1", network), ("az2", network))
    estate.all_reach(here, there)
    pod = estate.pods["Pod2"]
    before = pod.compute.get_server(there.id).compute_host
    other = next(host for host in lab.pod("pod2").hosts if host != before)
    # Not while it runs: the lab's servers change hosts faster than Neutron's agents follow.
    pod.compute.migrate_server(there.id, host=other)
    eventually(
        "the server is on the other host",
        lambda: pod.compute.get_server(there.id).status == "VERIFY_RESIZE",
    )
    pod.compute.confirm_server_resize(there.id)
    # To delete it in the middle of that is an error in a pod, too.
    eventually("that is settled", lambda: pod.compute.get_server(there.id).status == "ACTIVE")
    # The pod's own agents take their time, too.
    estate.reaches(here, there.ip, 120)
    estate.reaches(there, here.ip)
    eventually(
        "the other pod knows",
        lambda: any(other in p.binding_host_id for p in estate.shadows("Pod1")),
    )
    estate.remove_all()


def test_a_remote_group_over_the_tunnel(lab: Lab, estate: TunnelEstate) -> None:
    network = estate.network("10.133.0.0/24")
    create = estate.demo.network.create_security_group
    web, clients = (create(name=f"{estate.site.name}-{word}") for word in ("web", "clients"))
    estate.site.groups += [web, clients]
    estate.demo.network.create_security_group_rule(
        security_group_id=web.id, direction="ingress", protocol="icmp", remote_group_id=clients.id
    )
    here, there = estate.servers(("az1", network), ("az2", network))
    estate.demo.network.update_port(here.port, security_groups=[web.id])
    eventually("nobody is admitted", lambda: not cli.ping(lab, there.id, here.ip, tries=1))
    estate.demo.network.update_port(there.port, security_groups=[clients.id])
    estate.reaches(there, here.ip)
    estate.demo.network.update_port(there.port, security_groups=[estate.group.id])
    eventually("one that has left is not", lambda: not cli.ping(lab, there.id, here.ip, tries=1))
    estate.remove_all()


def test_a_router_over_both_pods(estate: TunnelEstate) -> None:
    one, two = estate.network("10.134.0.0/24"), estate.network("10.135.0.0/24")
    router = estate.router(one, two)
    # One network in both pods, the other in one.
    first, second, third = estate.servers(("az1", one), ("az2", two), ("az2", one))
    estate.all_reach(first, second, third)
    bridges = [
        network
        for network in estate.admin.network.networks()
        if network.name == f"east-west {router.id}"
    ]
    assert [network.provider_network_type for network in bridges] == ["vxlan"]
    # And a network in one pod each.
    fourth = estate.servers(("az1", two))[0]
    estate.all_reach(first, second, fourth)
    estate.remove_all()


def test_out_and_in_through_one_pod(estate: TunnelEstate, external: Any) -> None:
    outside = external("Pod1")
    network = estate.network("10.136.0.0/24")
    router = estate.router(network)
    here, there = estate.servers(("az1", network), ("az2", network))
    gateway = {"network_id": outside.id}
    estate.demo.network.update_router(router, external_gateway_info=gateway)
    for server in (here, there):
        estate.reaches(server, topology.OUTSIDE_HOST, 120)
    floating = estate.demo.network.create_ip(floating_network_id=outside.id, port_id=there.port)
    estate.reached_from_outside(floating.floating_ip_address)
    estate.reaches(here, there.ip)
    estate.demo.network.delete_ip(floating)
    estate.remove_all()


def _pings(lab: Lab, source: Any, address: str, *options: str) -> bool:
    argv = ["ping", "-n", "-c", "2", "-W", "1", *options, address]
    return lab_servers.server_exec(lab, source.id, argv).returncode == 0
