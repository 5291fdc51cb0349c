# SPDX-License-Identifier: Apache-2.0
"""The main job: unchanged clients, one region, real clouds behind it."""

import json
from typing import Any

import pytest

from lab import cli
from tests.e2e.site import Site, eventually, pod_objects


def test_servers_boot_where_asked_and_answer_pings(
    lab: Any, demo: Any, pods: Any, tricircle_api: Any, site: Site
) -> None:
    network, group = site.network(), site.group()
    boots = {
        zone: [
            site.server(
                zone,
                [{"uuid": network.id}],
                wait=False,
                security_groups=[{"name": group.name}],
            )
            for _ in range(2)
        ]
        for zone in ("az1", "az2")
    }
    regions = {pod.az: pod.region for pod in lab.pods}
    for zone, servers in boots.items():
        first, second = (demo.compute.wait_for_server(server, wait=90) for server in servers)
        address = second.addresses[network.name][0]["addr"]
        assert cli.ping(lab, first.id, address), f"{second.id} in {zone} does not answer"
        routings = tricircle_api("GET", f"/routings?resource_id={first.id}")["routings"]
        assert [routing["region_name"] for routing in routings] == [regions[zone]]
        assert pods[regions[zone]].compute.get_server(first.id).name == first.name
    listed = {server.id for server in demo.compute.servers()}
    assert {server.id for servers in boots.values() for server in servers} <= listed


def test_everything_is_gone_from_the_pods_when_it_is_deleted(
    demo: Any, pods: Any, site: Site
) -> None:
    network, group = site.network("10.81.0.0/24"), site.group()
    server = site.server("az1", [{"uuid": network.id}], security_groups=[{"name": group.name}])
    ports = list(demo.network.ports(device_id=server.id))
    assert len(ports) == 1
    assert pod_objects(pods["Pod1"], network.id)
    demo.compute.delete_server(server)
    demo.compute.wait_for_delete(server, wait=60)
    eventually(
        "the central port is gone",
        lambda: not list(demo.network.ports(network_id=network.id, device_owner="compute:az1")),
    )
    for central in (ports[0].id, network.id, network.subnet.id, group.id):
        eventually("nothing is left in the pod", lambda c=central: not pod_objects(pods["Pod1"], c))


def test_the_stock_client_unchanged(openstack: Any, site: Site, name: str) -> None:
    network = site.network("10.82.0.0/24")
    openstack("server", "create", "--image", "tiny", "--flavor", site.flavor.name, "--wait",
              "--network", network.name, "--availability-zone", "az2", name)  # fmt: skip
    try:
        for version in ("2.1", "2.60", "2.96"):
            listed = json.loads(
                openstack("--os-compute-api-version", version, "server", "list", "-f", "json")
            )
            assert name in [server["Name"] for server in listed]
        shown = json.loads(openstack("server", "show", name, "-f", "json"))
        assert shown["status"] == "ACTIVE"
        assert network.name in shown["addresses"]
        openstack("server", "stop", name)
        eventually("stopped", lambda: "SHUTOFF" in openstack("server", "show", name))
        openstack("server", "set", "--property", "colour=blue", name)
        assert "blue" in openstack("server", "show", name)
        assert name not in openstack("server", "list", cloud="demo2")
    finally:
        openstack("server", "delete", "--wait", name)


@pytest.mark.parametrize("networks", ["none", "auto-one", "port", "fixed-ip"])
def test_every_way_to_name_a_network(demo: Any, site: Site, networks: str) -> None:
    network = site.network("10.83.0.0/24")
    match networks:
        case "none":
            asked: Any = "none"
        case "auto-one":
            asked = [{"uuid": network.id}]
        case "port":
            port = demo.network.create_port(network_id=network.id)
            asked = [{"port": port.id}]
        case _:
            asked = [{"uuid": network.id, "fixed_ip": "10.83.0.77"}]
    server = site.server("az1", asked)
    ports = list(demo.network.ports(device_id=server.id))
    assert len(ports) == (0 if networks == "none" else 1)
    if networks == "fixed-ip":
        assert ports[0].fixed_ips[0]["ip_address"] == "10.83.0.77"
    if ports:
        eventually(
            "the port is active", lambda: demo.network.get_port(ports[0].id).status == "ACTIVE"
        )
        interfaces = list(demo.compute.server_interfaces(server))
        assert [item.port_id for item in interfaces] == [ports[0].id]
        assert [item.net_id for item in interfaces] == [network.id]
    if networks == "port":
        demo.compute.delete_server(server)
        demo.compute.wait_for_delete(server)
        eventually("the user's port is free", lambda: not demo.network.get_port(port.id).device_id)
        demo.network.delete_port(port)


def test_a_router_appears_where_its_networks_are(demo: Any, pods: Any, site: Site) -> None:
    left, right = site.network("10.84.0.0/24"), site.network("10.85.0.0/24")
    router = demo.network.create_router(name=site.name)
    for network in (left, right):
        demo.network.add_interface_to_router(router, subnet_id=network.subnet.id)
    try:
        assert not pod_objects(pods["Pod2"], router.id)
        one = site.server("az2", [{"uuid": left.id}])
        other = site.server("az2", [{"uuid": right.id}])
        eventually("the router is in the pod", lambda: pod_objects(pods["Pod2"], router.id))
        assert one.status == other.status == "ACTIVE"
    finally:
        site.delete_servers()
        for network in (left, right):
            demo.network.remove_interface_from_router(router, subnet_id=network.subnet.id)
        demo.network.delete_router(router)
    eventually("the router is gone from the pod", lambda: not pod_objects(pods["Pod2"], router.id))


def test_pods_are_shown_as_agents_and_zones(admin: Any, demo: Any, lab: Any) -> None:
    agents = {agent.host: agent for agent in admin.network.agents()}
    for pod in lab.pods:
        assert agents[pod.region].is_alive, f"{pod.region} is not alive"
    zones = {(zone.name, zone.resource) for zone in demo.network.availability_zones()}
    assert {(pod.az, kind) for pod in lab.pods for kind in ("network", "router")} <= zones
    compute = {zone.name for zone in demo.compute.availability_zones()}
    assert {pod.az for pod in lab.pods} <= compute


def test_mixed_releases_offer_what_all_pods_have(demo: Any, pods: Any) -> None:
    def most(connection: Any) -> tuple[int, int]:
        data = connection.compute.get_endpoint_data()
        return tuple(data.max_microversion)

    assert most(demo) == min(most(pod) for pod in pods.values())
