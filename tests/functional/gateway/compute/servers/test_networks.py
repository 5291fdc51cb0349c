# SPDX-License-Identifier: Apache-2.0
"""Servers are born with the networks, addresses and ports asked for."""

import pytest

from tests.functional.fakes.cloud import Cloud
from tests.functional.gateway_harness import Gateway
from tests.functional.servers import everywhere, make, nothing_left, plugged, settled
from tricircle.gateway.compute.servers import deletion


async def test_a_network_by_id(gateway: Gateway, cloud: Cloud) -> None:
    network = cloud.central.network(cloud.project_id, "mine")
    cloud.central.network(cloud.project_id, "another")
    (await make(gateway, networks=[{"uuid": network["id"]}])).ok(202)
    server, (port,), (inside,) = plugged(cloud)
    assert port["network_id"] == network["id"]
    assert port["project_id"] == inside["project_id"] == cloud.project_id
    assert inside["fixed_ips"][0]["ip_address"] == port["fixed_ips"][0]["ip_address"]
    shown = (await gateway.get(f"/servers/{server.id}")).ok()["server"]
    assert [ip["addr"] for ip in shown["addresses"]["mine"]] == [port["fixed_ips"][0]["ip_address"]]


async def test_two_networks_keep_their_order_and_tags(gateway: Gateway, cloud: Cloud) -> None:
    nets = [
        cloud.central.network(cloud.project_id, f"n{index}", f"10.{index}.0.0/24")
        for index in range(3)
    ]
    nics = [{"uuid": net["id"], "tag": f"t{index}"} for index, net in enumerate(nets)]
    (await make(gateway, networks=nics)).ok(202)
    server, ports, _ = plugged(cloud)
    by_pod_id = {port["binding:vif_details"]["pod_port_id"]: port for port in ports}
    sent = server.request["server"]["networks"]
    assert [by_pod_id[nic["port"]]["network_id"] for nic in sent] == [net["id"] for net in nets]
    assert [nic["tag"] for nic in sent] == ["t0", "t1", "t2"]


async def test_a_fixed_ip(gateway: Gateway, cloud: Cloud) -> None:
    network = cloud.central.network(cloud.project_id)
    nics = [{"uuid": network["id"], "fixed_ip": "10.0.0.77"}]
    (await make(gateway, networks=nics)).ok(202)
    _, (port,), (inside,) = plugged(cloud)
    assert port["fixed_ips"][0]["ip_address"] == "10.0.0.77"
    assert inside["fixed_ips"][0]["ip_address"] == "10.0.0.77"
    again = await make(gateway, networks=nics)
    assert again.status == 400
    assert "already in use" in again.message
    assert len(cloud.central.ports()) == 1


async def test_a_fixed_ip_outside(gateway: Gateway, cloud: Cloud) -> None:
    network = cloud.central.network(cloud.project_id)
    answer = await make(gateway, networks=[{"uuid": network["id"], "fixed_ip": "192.0.2.9"}])
    assert answer.status == 400
    nothing_left(cloud)


async def test_a_port(gateway: Gateway, cloud: Cloud) -> None:
    network = cloud.central.network(cloud.project_id)
    port = cloud.central.make("ports", cloud.project_id, network_id=network["id"], name="mine")
    made = (await make(gateway, networks=[{"port": port["id"]}])).ok(202)["server"]
    _, (held,), _ = plugged(cloud)
    assert held["id"] == port["id"]
    again = await make(gateway, networks=[{"port": port["id"]}])
    assert again.status == 409
    assert port["id"] in again.message
    held["dns_name"] = "one"  # as it is called while its server is
    (await gateway.delete(f"/servers/{made['id']}")).ok(204)
    await settled(gateway)
    assert [one["id"] for one in cloud.central.ports()] == [port["id"]]  # it was the user's
    assert held["device_id"] == ""
    assert held["dns_name"] == ""
    assert held["binding:host_id"] == ""


async def test_ports_are_free_once_their_server_is_told_to_be_deleted(
    gateway: Gateway, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nova shows a server for a moment after its end, and clients take that for the end."""
    network = cloud.central.network(cloud.project_id)
    made = (await make(gateway, networks=[{"uuid": network["id"]}])).ok(202)["server"]
    server, _, _ = plugged(cloud)
    monkeypatch.setattr(deletion, "_PAUSES", ())  # nobody else sees to it
    (await gateway.delete(f"/servers/{made['id']}")).ok(204)
    server.deleted = False
    assert cloud.central.ports() != []
    shown = (await gateway.get(f"/servers/{made['id']}")).ok()["server"]
    assert shown["status"] == "DELETED"
    assert cloud.central.ports() == []


@pytest.mark.parametrize("query", ["", "?changes-since=2020-01-01T00:00:00Z"])
async def test_ports_are_free_once_a_list_is_without_their_server(
    gateway: Gateway, cloud: Cloud, monkeypatch: pytest.MonkeyPatch, query: str
) -> None:
    network = cloud.central.network(cloud.project_id)
    made = (await make(gateway, networks=[{"uuid": network["id"]}])).ok(202)["server"]
    monkeypatch.setattr(deletion, "_PAUSES", ())  # nobody else sees to it
    (await gateway.delete(f"/servers/{made['id']}")).ok(204)
    assert cloud.central.ports() != []
    listed = (await gateway.get(f"/servers/detail{query}")).ok()["servers"]
    assert [server["status"] for server in listed] == (["DELETED"] if query else [])
    assert cloud.central.ports() == []


async def test_a_port_of_another_project(gateway: Gateway, cloud: Cloud) -> None:
    other = cloud.keystone.projects["other"].id
    network = cloud.central.network(other)
    port = cloud.central.make("ports", other, network_id=network["id"])
    for nic in ({"port": port["id"]}, {"uuid": network["id"]}):
        assert (await make(gateway, networks=[nic])).status == 400
    assert port["device_id"] == ""
    assert len(cloud.central.ports()) == 1


@pytest.mark.parametrize("version", ["2.36", "2.37"])
async def test_nothing_said_or_auto_means_the_only_network(
    gateway: Gateway, cloud: Cloud, version: str
) -> None:
    network = cloud.central.network(cloud.project_id)
    auto = "auto" if version == "2.37" else None
    (await make(gateway, version, networks=auto)).ok(202)
    _, (port,), _ = plugged(cloud)
    assert port["network_id"] == network["id"]


@pytest.mark.parametrize("version", ["2.36", "2.37"])
async def test_nothing_said_or_auto_with_two_networks(
    gateway: Gateway, cloud: Cloud, version: str
) -> None:
    for cidr in ("10.1.0.0/24", "10.2.0.0/24"):
        cloud.central.network(cloud.project_id, cidr=cidr)
    auto = "auto" if version == "2.37" else None
    answer = await make(gateway, version, networks=auto)
    assert answer.status == 409
    assert "Multiple possible networks" in answer.message
    nothing_left(cloud)


async def test_auto_without_a_network_makes_one(gateway: Gateway, cloud: Cloud) -> None:
    (await make(gateway, networks="auto")).ok(202)
    _, (port,), _ = plugged(cloud)
    network = cloud.central.tables["networks"][port["network_id"]]
    assert network["name"] == "auto_allocated_network"


async def test_nothing_said_without_a_network(gateway: Gateway, cloud: Cloud) -> None:
    (await make(gateway, "2.1")).ok(202)
    plugged(cloud)
    assert cloud.central.ports() == []


async def test_none_means_none(gateway: Gateway, cloud: Cloud) -> None:
    cloud.central.network(cloud.project_id)
    for pod in cloud.pods.values():  # a network in the pod must not be taken by itself
        pod.neutron.network(cloud.project_id)
    (await make(gateway, networks="none")).ok(202)
    (await make(gateway, "2.1", networks=None)).ok(202)
    servers = [server for servers in everywhere(cloud).values() for server in servers]
    with_ports = [s for s in servers if cloud.central.ports(device_id=s.id)]
    assert len(servers) == 2
    assert len(with_ports) == 1
    inside = [port for pod in cloud.pods.values() for port in pod.neutron.ports()]
    assert len(inside) == 1


async def test_a_network_without_subnets(gateway: Gateway, cloud: Cloud) -> None:
    network = cloud.central.make("networks", cloud.project_id, name="bare")
    answer = await make(gateway, networks=[{"uuid": network["id"]}])
    assert answer.status == 400
    assert "requires a subnet" in answer.message
    nothing_left(cloud)


async def test_no_server_without_a_nic_it_asked_for(gateway: Gateway, cloud: Cloud) -> None:
    """A pod's Nova would make it and say nothing: the network is not shared in the pods."""
    theirs = cloud.central.network("another-project")
    cloud.central.make(
        "rbac-policies",
        "another-project",
        object_id=theirs["id"],
        action="access_as_shared",
        target_tenant=cloud.project_id,
    )
    answer = await make(gateway, networks=[{"uuid": theirs["id"]}])
    assert answer.status == 503
    assert f"not shared there with project {cloud.project_id}" in answer.message
    await settled(gateway)
    nothing_left(cloud)

    made = (await make(gateway, networks="none")).ok(202)["server"]["id"]
    body = {"interfaceAttachment": {"net_id": theirs["id"]}}
    assert (await gateway.post(f"/servers/{made}/os-interface", body)).status == 500
    await settled(gateway)
    assert cloud.central.ports() == []


async def test_a_shared_network(gateway: Gateway, cloud: Cloud) -> None:
    theirs = cloud.central.network("another-project", shared=True)
    (await make(gateway, networks=[{"uuid": theirs["id"]}])).ok(202)
    _, (port,), (inside,) = plugged(cloud)
    assert port["network_id"] == theirs["id"]
    assert inside["project_id"] == cloud.project_id
