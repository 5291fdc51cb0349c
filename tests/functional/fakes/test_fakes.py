# SPDX-License-Identifier: Apache-2.0
"""The fakes against OpenStack's own client: what they say must be good enough for it."""

from typing import Any

import keystoneauth1.exceptions
import keystoneauth1.session
import openstack
import pytest
from keystoneauth1.identity import v3
from openstack import exceptions

from tests.functional.fakes.cloud import Cloud
from tests.functional.fakes.faults import Kind

pytestmark = pytest.mark.filterwarnings("ignore")


def connect(cloud: Cloud, user: str = "member", project: str = "demo", region: str = "pod1") -> Any:
    return openstack.connection.Connection(
        auth={
            "auth_url": f"{cloud.keystone.url}/v3",
            "username": user,
            "password": "secret",
            "project_name": project,
            "user_domain_id": "default",
            "project_domain_id": "default",
        },
        region_name=region,
    )


def test_a_server_is_born_and_dies(cloud: Cloud) -> None:
    client = connect(cloud)
    network = client.network.create_network(name="net")
    client.network.create_subnet(network_id=network.id, ip_version=4, cidr="10.1.0.0/24")
    server = client.compute.create_server(
        name="one", image_id=cloud.image_id, flavor_id="1", networks=[{"uuid": network.id}]
    )
    server = client.compute.wait_for_server(server, interval=0.02)
    assert server.addresses["net"][0]["addr"] == "10.1.0.2"
    assert [item.id for item in client.compute.servers()] == [server.id]
    (port,) = client.network.ports(device_id=server.id)
    assert port.status == "ACTIVE"
    client.compute.stop_server(server)
    assert client.compute.get_server(server.id).status == "SHUTOFF"
    client.compute.delete_server(server)
    with pytest.raises(exceptions.NotFoundException):
        client.compute.get_server(server.id)
    assert list(client.network.ports()) == []


def test_a_list_is_paged(cloud: Cloud) -> None:
    pod = cloud.pods["pod1"]
    made = [pod.nova.add_server(f"s{index}") for index in range(7)]
    cloud.pods["pod2"].nova.add_server("elsewhere")
    found = list(connect(cloud).compute.servers(limit=3))
    assert sorted(item.id for item in found) == sorted(server.id for server in made)
    assert len(cloud.journal.find("pod1/compute", "GET", "/servers/detail")) >= 3


@pytest.mark.parametrize(
    ("user", "scope"),
    [
        ("unscoped", {"unscoped": True}),
        ("domain admin", {"domain_id": "default"}),
        ("system admin", {"system_scope": "all"}),
        ("system reader", {"system_scope": "all"}),
    ],
)
def test_a_token_need_not_be_for_a_project(cloud: Cloud, user: str, scope: dict[str, Any]) -> None:
    auth = v3.Password(
        auth_url=f"{cloud.keystone.url}/v3",
        username=user,
        password="secret",
        user_domain_id="default",
        **scope,
    )
    access = auth.get_access(keystoneauth1.session.Session())
    assert not access.project_scoped
    assert (access.system_scoped, access.domain_scoped) == (
        "system_scope" in scope,
        "domain_id" in scope,
    )
    issued = cloud.keystone.issue(user)
    assert access.role_names == list(issued.roles)
    told = [cloud.keystone._describe(token)["token"] for token in cloud.keystone.tokens.values()]
    assert {*told[0]} == {*told[1]}


def test_each_project_sees_its_own(cloud: Cloud) -> None:
    cloud.pods["pod1"].nova.add_server("theirs", user="other")
    assert list(connect(cloud).compute.servers()) == []
    with pytest.raises(exceptions.ForbiddenException):
        list(connect(cloud).compute.servers(all_projects=True))
    assert len(list(connect(cloud, "admin", "admin").compute.servers(all_projects=True))) == 1


def test_a_reader_writes_nothing(cloud: Cloud) -> None:
    client = connect(cloud, "reader")
    with pytest.raises(exceptions.ForbiddenException):
        client.block_storage.create_volume(size=1)
    with pytest.raises(exceptions.ForbiddenException):
        client.compute.create_server_group(name="g", policy="affinity")
    # But for keys, which are theirs, not the project's.
    client.compute.create_keypair(name="k")
    with pytest.raises(exceptions.ForbiddenException):
        client.network.create_network(name="n")


def test_addresses_are_given_out_once(cloud: Cloud) -> None:
    network = cloud.central.network(cloud.project_id)
    client = connect(cloud, region="RegionOne")
    port = client.network.create_port(network_id=network["id"])
    with pytest.raises(exceptions.ConflictException):
        client.network.create_port(network_id=network["id"], fixed_ips=port.fixed_ips)
    assert client.network.create_port(network_id=network["id"]).fixed_ips != port.fixed_ips


def test_binding_a_port_realizes_it_in_the_pod(cloud: Cloud) -> None:
    network = cloud.central.network(cloud.project_id, "mine")
    port = connect(cloud, region="RegionOne").network.create_port(network_id=network["id"])
    service = connect(cloud, "tricircle", "service", region="RegionOne")
    bound = service.network.update_port(port.id, binding_host_id="pod2")
    pod = cloud.pods["pod2"]
    there = pod.neutron.tables["ports"][bound.binding_vif_details["pod_port_id"]]
    assert there["description"] == f"tricircle:{port.id}"
    assert there["fixed_ips"][0]["ip_address"] == port.fixed_ips[0]["ip_address"]
    assert there["project_id"] == cloud.project_id
    assert [net["name"] for net in pod.neutron.tables["networks"].values()] == ["mine"]
    service.network.delete_port(port.id)
    assert pod.neutron.tables["ports"] == {}


def test_binding_to_a_dead_pod_fails(cloud: Cloud) -> None:
    network = cloud.central.network(cloud.project_id)
    port = cloud.central.make("ports", cloud.project_id, network_id=network["id"])
    cloud.pods["pod2"].stop()
    service = connect(cloud, "tricircle", "service", region="RegionOne")
    for host in ("pod2", "nowhere"):
        bound = service.network.update_port(port["id"], binding_host_id=host)
        assert bound.binding_vif_type == "binding_failed"


def test_a_stopped_pod_refuses_and_comes_back(cloud: Cloud) -> None:
    client = connect(cloud)
    assert list(client.compute.flavors())
    cloud.pods["pod1"].stop()
    with pytest.raises(keystoneauth1.exceptions.ConnectFailure):
        list(client.compute.flavors())
    cloud.pods["pod1"].start()
    assert list(client.compute.flavors())


@pytest.mark.parametrize("kind", [Kind.CUT_AFTER, Kind.TRUNCATED_AFTER])
def test_work_may_be_done_without_an_answer(cloud: Cloud, kind: Kind) -> None:
    client = connect(cloud)
    client.compute.get_endpoint()
    fault = cloud.pods["pod1"].nova.fail(kind, "POST", "/os-keypairs", times=1)
    with pytest.raises(Exception):  # noqa: B017, PT011 - whatever the client makes of it
        client.compute.create_keypair(name="k")
    assert fault.hit.is_set()
    assert [name for _, name in cloud.pods["pod1"].nova.keypairs] == ["k"]


@pytest.mark.parametrize(
    ("version", "status"), [("2.1", 200), ("2.104", 200), ("2.105", 406), ("2.0", 406), ("x", 400)]
)
def test_microversions_are_strict(cloud: Cloud, version: str, status: int) -> None:
    session = connect(cloud).session
    answer = session.get(
        f"{cloud.pods['pod1'].nova.url}/v2.1/servers",
        headers={"OpenStack-API-Version": f"compute {version}"},
        raise_exc=False,
    )
    assert answer.status_code == status
    if status == 200:
        assert answer.headers["OpenStack-API-Version"] == f"compute {version}"
        assert "OpenStack-API-Version" in answer.headers["Vary"]
