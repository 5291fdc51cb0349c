# SPDX-License-Identifier: Apache-2.0
"""Trunk ports, limits and marks, forwarded ports: with the packets they are for."""

from collections.abc import Iterator
from typing import Any

import pytest

from lab.dataplane import topology
from tests.e2e.appliance import plugged
from tests.e2e.networks import Estate
from tests.e2e.packets import answers_tagged, dscp, in_server, outside, tcp
from tests.e2e.site import eventually


@pytest.fixture(autouse=True)
def _open(estate: Estate) -> None:
    estate.let_in("tcp", "udp")


def test_a_trunk_whose_subport_reaches_another_pod(estate: Estate) -> None:
    """Frames that the server tags are on the subport's network."""
    main, tagged = estate.network("10.181.0.0/24"), estate.network("10.182.0.0/24")
    demo = estate.demo.network
    parent = demo.create_port(network_id=main.id, security_groups=[estate.group.id])
    sub, later = (
        demo.create_port(network_id=tagged.id, security_groups=[estate.group.id]) for _ in "12"
    )
    trunk = demo.create_trunk(
        name=estate.site.name, port_id=parent.id,
        sub_ports=[{"port_id": sub.id, "segmentation_type": "vlan", "segmentation_id": 30}],
    )  # fmt: skip
    estate.made += [parent.id, sub.id, later.id, trunk.id]
    trunked = estate.site.server("az1", [{"port": parent.id}])
    (other,) = estate.servers(("az2", tagged))
    run = in_server(estate.lab, trunked)
    there = demo.get_port(other.port)
    assert answers_tagged(run, 30, sub, other.ip) == there.mac_address
    # Another one while the server runs, and away again.
    demo.add_trunk_subports(
        trunk, [{"port_id": later.id, "segmentation_type": "vlan", "segmentation_id": 31}]
    )
    assert answers_tagged(run, 31, later, other.ip) == there.mac_address
    eventually("the trunk is ACTIVE", lambda: demo.get_trunk(trunk.id).status == "ACTIVE")
    demo.delete_trunk_subports(trunk, [{"port_id": later.id}])
    eventually(
        "the subport has left its pod", lambda: estate.copy("Pod1", "port", later.id) is None
    )
    estate.site.delete_servers()
    demo.delete_trunk(trunk)
    for port in (sub, later, parent):
        demo.delete_port(port)
    estate.remove_all()


@pytest.fixture
def policy(admin: Any, demo: Any, name: str) -> Iterator[Any]:
    made = admin.network.create_qos_policy(
        name=name, project_id=demo.current_project_id, shared=True
    )
    yield made
    eventually("the policy is free", lambda: _gone(admin, made))


def _gone(admin: Any, policy: Any) -> bool:
    admin.network.delete_qos_policy(policy, ignore_missing=True)
    return True


def test_a_limit_and_a_mark(policy: Any, estate: Estate) -> None:
    """Of a port, and of a network; changed while in use."""
    estate.admin.network.create_qos_dscp_marking_rule(policy, dscp_mark=26)
    network = estate.network("10.183.0.0/24")
    here, there = estate.servers(("az1", network), ("az2", network))
    source, target = in_server(estate.lab, here), in_server(estate.lab, there)
    estate.reaches(here, there.ip)
    assert dscp(source, target, there.ip) == 0
    estate.demo.network.update_port(here.port, qos_policy_id=policy.id)
    eventually("datagrams are marked", lambda: dscp(source, target, there.ip) == 26)
    estate.demo.network.update_port(here.port, qos_policy_id=None)
    eventually("they are not", lambda: dscp(source, target, there.ip) == 0)
    estate.demo.network.update_network(network, qos_policy_id=policy.id)
    eventually("those of the network are", lambda: dscp(source, target, there.ip) == 26)
    # 4 Mbit/s: 4 MB are 8 s, bursts aside.
    limit = estate.admin.network.create_qos_bandwidth_limit_rule(
        policy, max_kbps=4000, max_burst_kbps=400, direction="egress"
    )
    megabytes = 4_000_000
    eventually(
        "it is slow", lambda: tcp(source, target, there.ip, size=megabytes)[1] > 4, timeout=120
    )
    estate.admin.network.delete_qos_bandwidth_limit_rule(limit, policy)
    eventually(
        "it is fast again", lambda: tcp(source, target, there.ip, size=megabytes)[1] < 4,
        timeout=120,
    )  # fmt: skip
    estate.demo.network.update_network(network, qos_policy_id=None)
    estate.remove_all()


def test_a_limit_on_the_way_in_and_out(policy: Any, estate: Estate, external: Any) -> None:
    """Of a floating IP, and of a router's gateway: in the pod that is open to the outside, for a
    server in another."""
    for direction in ("ingress", "egress"):
        estate.admin.network.create_qos_bandwidth_limit_rule(
            policy, max_kbps=4000, max_burst_kbps=400, direction=direction
        )
    outer = external("Pod1")
    network = estate.network("10.185.0.0/24")
    gateway = {"network_id": outer.id}
    router = estate.router(network, external_gateway_info=gateway)
    (server,) = estate.servers(("az2", network))
    demo, inside = estate.demo.network, in_server(estate.lab, server)
    beyond, size = outside(estate.lab), 4_000_000  # 8 s, bursts aside

    def out() -> float:
        return tcp(inside, beyond, topology.OUTSIDE_HOST, size=size)[1]

    estate.reaches(server, topology.OUTSIDE_HOST)
    assert out() < 4
    demo.update_router(router, external_gateway_info={**gateway, "qos_policy_id": policy.id})
    eventually("going out is slow", lambda: out() > 4, timeout=120)
    demo.update_router(router, external_gateway_info={**gateway, "qos_policy_id": None})
    eventually("it is fast again", lambda: out() < 4, timeout=120)

    floating = demo.create_ip(floating_network_id=outer.id, port_id=server.port)
    estate.made.append(floating.id)

    def come_in() -> float:
        return tcp(beyond, inside, floating.floating_ip_address, size=size)[1]

    assert come_in() < 4
    demo.update_ip(floating, qos_policy_id=policy.id)
    eventually("coming in is slow", lambda: come_in() > 4, timeout=120)
    demo.delete_ip(floating)
    estate.remove_all()


def test_a_port_on_a_host_of_a_pod(estate: Estate) -> None:
    """What is plugged in there by hand is reached from servers in both pods, and reaches them."""
    network = estate.network("10.186.0.0/24")
    servers = estate.servers(("az1", network), ("az2", network))
    host = estate.lab.pod("pod2").hosts[0]
    port = estate.admin.network.create_port(
        network_id=network.id, project_id=estate.demo.current_project_id, binding_host_id=host,
        device_owner="Octavia:health-mgr", security_groups=[estate.group.id],
    )  # fmt: skip
    estate.made.append(port.id)
    assert port.binding_vif_details["pod"] == "Pod2", port.binding_vif_details
    with plugged(estate.lab, host, port) as appliance:
        for server in servers:
            estate.reaches(server, appliance.ip)
            estate.reaches(appliance, server.ip)
        eventually(
            "the port is ACTIVE",
            lambda: estate.demo.network.get_port(port.id).status == "ACTIVE",
        )
    nowhere = estate.admin.network.create_port(network_id=network.id, binding_host_id="nowhere")
    estate.made.append(nowhere.id)
    assert nowhere.binding_vif_type == "binding_failed"
    assert "none has a compute host" in nowhere.binding_vif_details["reason"]
    for one in (port, nowhere):
        estate.admin.network.delete_port(one)
    estate.remove_all()


@pytest.mark.parametrize("zone", ["az1", "az2"])
def test_a_forwarded_port(estate: Estate, external: Any, zone: str) -> None:
    """One port of a floating IP is a server's, in the pod with the external network or another."""
    outer = external("Pod1")
    network = estate.network("10.184.0.0/24")
    estate.router(network, external_gateway_info={"network_id": outer.id})
    (server,) = estate.servers((zone, network))
    demo = estate.demo.network
    floating = demo.create_ip(floating_network_id=outer.id)
    forwarding = demo.create_floating_ip_port_forwarding(
        floating, internal_port_id=server.port, internal_ip_address=server.ip, internal_port=7007,
        external_port=17007, protocol="tcp",
    )  # fmt: skip
    estate.made.append(floating.id)
    seen, _ = tcp(
        outside(estate.lab), in_server(estate.lab, server), floating.floating_ip_address, port=17007
    )
    assert seen
    demo.delete_floating_ip_port_forwarding(floating, forwarding)
    demo.delete_ip(floating)
    estate.remove_all()
