# SPDX-License-Identifier: Apache-2.0
"""Application credentials with access rules: good for what the user asks, whatever it takes us."""

import asyncio

import pytest

from tests.functional.fakes.cloud import Cloud
from tests.functional.fakes.faults import Kind
from tests.functional.gateway_harness import Gateway


def restricted(cloud: Cloud, *rules: tuple[str, str], user: str = "member") -> dict[str, str]:
    """Headers with a user's token that is good for these (method, path) of compute only."""
    token = cloud.keystone.issue(user)
    token.access_rules = [
        {"service": "compute", "method": method, "path": path} for method, path in rules
    ]
    return {"X-Auth-Token": token.id}


async def test_only_what_the_rules_name(gateway: Gateway, cloud: Cloud) -> None:
    server = cloud.pods["pod1"].nova.add_server("one")
    headers = restricted(cloud, ("GET", "/v2.1/servers/*"))
    assert (await gateway.get(f"/servers/{server.id}", headers=headers)).status == 200
    for method, path in (
        ("GET", "/servers"),
        ("DELETE", f"/servers/{server.id}"),
        ("GET", "/flavors"),
    ):
        answer = await gateway.call(method, path, headers=headers)
        assert answer.status == 401, (method, path)
    # What was allowed once is not remembered as a licence for the rest, nor the other way round.
    assert (await gateway.get(f"/servers/{server.id}", headers=headers)).status == 200
    assert not server.deleted


@pytest.mark.parametrize("name", ["block-storage", "volumev3", "compute"])
async def test_a_service_has_several_names(gateway: Gateway, cloud: Cloud, name: str) -> None:
    """A pod's Cinder takes its own name of them, which may be another than a rule's."""
    volume = cloud.pods["pod1"].cinder.add_volume("one")
    cloud.keystone.endpoint("RegionOne", "volumev3", f"{gateway.volume}/v3")
    for pod in cloud.pods.values():
        pod.cinder.service_type = name
    token = cloud.keystone.issue("member")
    token.access_rules = [{"service": name, "method": "GET", "path": "/v3/volumes/**"}]
    headers = {"X-Auth-Token": token.id}
    status = 401 if name == "compute" else 200
    for path in ("/volumes/detail", f"/volumes/{volume['id']}"):
        assert (await gateway.volumes.get(path, headers=headers)).status == status


async def test_a_call_that_is_refused_takes_no_other_with_it(
    gateway: Gateway, cloud: Cloud
) -> None:
    """Both wait for the same answer of Keystone."""
    server = cloud.pods["pod1"].nova.add_server("one")
    headers = restricted(cloud, ("GET", "/v2.1/servers/*"))
    slow = cloud.keystone.fail(Kind.SLOW, "GET", "/auth/tokens", seconds=0.5)
    refused = asyncio.create_task(gateway.get("/flavors", headers=headers))
    await asyncio.to_thread(slow.hit.wait, 10)
    assert (await gateway.get(f"/servers/{server.id}", headers=headers)).status == 200
    assert (await refused).status == 401


async def test_a_list_of_names_needs_no_right_to_details(gateway: Gateway, cloud: Cloud) -> None:
    for region in cloud.pods:
        cloud.pods[region].nova.add_server(region)
    headers = restricted(cloud, ("GET", "/v2.1/servers"))
    listed = (await gateway.get("/servers", headers=headers)).ok()["servers"]
    assert {server["name"] for server in listed} == set(cloud.pods)


async def test_an_unknown_id_is_looked_for(gateway: Gateway, cloud: Cloud) -> None:
    server = cloud.pods["pod3"].nova.add_server("one")
    headers = restricted(cloud, ("POST", "/v2.1/servers/*/action"))
    path = f"/servers/{server.id}/action"
    (await gateway.post(path, {"os-stop": None}, headers=headers)).ok(202)
    assert server.status == "SHUTOFF"


@pytest.mark.parametrize("network", ["id", "none"])
async def test_a_server_may_be_made(gateway: Gateway, cloud: Cloud, network: str) -> None:
    net = cloud.central.network(cloud.project_id)
    headers = restricted(cloud, ("POST", "/v2.1/servers"))
    body = {
        "server": {
            "name": "one",
            "imageRef": cloud.image_id,
            "flavorRef": "1",
            "networks": [{"uuid": net["id"]}] if network == "id" else "none",
            "availability_zone": "az2",
        }
    }
    made = (await gateway.post("/servers", body, version="2.90", headers=headers)).ok(202)
    server = cloud.pods["pod2"].nova.servers[made["server"]["id"]]
    assert server.project_id == cloud.project_id
    ports = cloud.central.ports(device_id=server.id)
    assert len(ports) == (1 if network == "id" else 0)
    assert all(port["project_id"] == cloud.project_id for port in ports)
    headers = restricted(cloud, ("DELETE", "/v2.1/servers/*"))
    (await gateway.delete(f"/servers/{server.id}", headers=headers)).ok(204)
    await gateway.idle()
    assert cloud.central.ports() == []


async def test_another_projects_network_stays_out_of_reach(gateway: Gateway, cloud: Cloud) -> None:
    """However we ask, it is the user's right that counts."""
    net = cloud.central.network(cloud.keystone.projects["other"].id)
    headers = restricted(cloud, ("POST", "/v2.1/servers"))
    body = {
        "server": {
            "name": "one",
            "imageRef": cloud.image_id,
            "flavorRef": "1",
            "networks": [{"uuid": net["id"]}],
        }
    }
    answer = await gateway.post("/servers", body, version="2.90", headers=headers)
    assert answer.status == 400
    assert cloud.central.ports() == []
    stranger = cloud.pods["pod1"].nova.add_server("theirs", user="other")
    headers = restricted(cloud, ("GET", "/v2.1/servers/*"), ("DELETE", "/v2.1/servers/*"))
    for method in ("GET", "DELETE"):
        answer = await gateway.call(method, f"/servers/{stranger.id}", headers=headers)
        assert answer.status == 404
    assert not stranger.deleted


async def test_interfaces_and_groups(gateway: Gateway, cloud: Cloud) -> None:
    net = cloud.central.network(cloud.project_id)
    cloud.central.make("security-groups", cloud.project_id, name="web")
    server = cloud.pods["pod1"].nova.add_server("one")
    headers = restricted(
        cloud,
        ("POST", "/v2.1/servers/*/os-interface"),
        ("GET", "/v2.1/servers/*/os-interface"),
        ("GET", "/v2.1/servers/*/os-security-groups"),
        ("POST", "/v2.1/servers/*/action"),
    )
    path = f"/servers/{server.id}"
    body = {"interfaceAttachment": {"net_id": net["id"]}}
    (await gateway.post(f"{path}/os-interface", body, headers=headers)).ok(200)
    listed = (await gateway.get(f"{path}/os-interface", headers=headers)).ok()
    assert len(listed["interfaceAttachments"]) == 1
    group = {"addSecurityGroup": {"name": "web"}}
    (await gateway.post(f"{path}/action", group, headers=headers)).ok(202)
    groups = (await gateway.get(f"{path}/os-security-groups", headers=headers)).ok()
    assert {one["name"] for one in groups["security_groups"]} == {"default", "web"}


async def test_what_operators_may_do_takes_more_than_one_call(
    gateway: Gateway, cloud: Cloud
) -> None:
    headers = restricted(
        cloud,
        ("PUT", "/v2.1/os-services/disable"),
        ("POST", "/v2.1/os-aggregates"),
        ("POST", "/v2.1/os-aggregates/*/action"),
        user="admin",
    )
    body = {"host": "pod2-host2", "binary": "nova-compute"}
    (await gateway.put("/os-services/disable", body, headers=headers)).ok(200)
    assert cloud.pods["pod2"].nova.compute_service("pod2-host2").disabled
    wanted = {"aggregate": {"name": "a"}}
    made = (await gateway.post("/os-aggregates", wanted, headers=headers)).ok(200)["aggregate"]
    path = f"/os-aggregates/{made['id']}/action"
    for host in ("pod1-host2", "pod2-host2"):
        answer = await gateway.post(path, {"add_host": {"host": host}}, headers=headers)
    assert answer.ok(200)["aggregate"]["hosts"] == ["pod1-host2", "pod2-host2"]
    assert (await gateway.get("/os-aggregates", headers=headers)).status == 401


async def test_server_groups_need_no_other_right(gateway: Gateway, cloud: Cloud) -> None:
    headers = restricted(cloud, ("POST", "/v2.1/os-server-groups"))
    body = {"server_group": {"name": "g", "policy": "affinity"}}
    answer = await gateway.post("/os-server-groups", body, headers=headers, version="2.64")
    group = answer.ok(200)["server_group"]["id"]
    headers = restricted(cloud, ("GET", "/v2.1/os-server-groups/*"))
    (await gateway.get(f"/os-server-groups/{group}", headers=headers)).ok(200)
    assert (await gateway.get("/os-server-groups", headers=headers)).status == 401
    headers = restricted(cloud, ("POST", "/v2.1/servers"))
    server = {"name": "one", "imageRef": cloud.image_id, "flavorRef": "1", "networks": "none"}
    hinted = {"server": server, "os:scheduler_hints": {"group": group}}
    (await gateway.post("/servers", hinted, headers=headers, version="2.60")).ok(202)
    headers = restricted(cloud, ("DELETE", "/v2.1/os-server-groups/*"))
    (await gateway.delete(f"/os-server-groups/{group}", headers=headers)).ok(204)


async def test_a_resize_and_metadata_need_no_other_right(gateway: Gateway, cloud: Cloud) -> None:
    for pod in cloud.pods.values():
        pod.nova.add_flavor("2", name="big", vcpus=2)
    server = cloud.pods["pod2"].nova.add_server("one")
    headers = restricted(cloud, ("POST", "/v2.1/servers/*/action"))
    body = {"resize": {"flavorRef": "2"}}
    (await gateway.post(f"/servers/{server.id}/action", body, headers=headers)).ok(202)
    headers = restricted(cloud, ("POST", "/v2.1/servers/*/metadata"))
    added = {"metadata": {"a": "b"}}
    (await gateway.post(f"/servers/{server.id}/metadata", added, headers=headers)).ok(200)


async def test_a_host_of_storage_is_changed_without_a_service_token(
    gateway: Gateway, cloud: Cloud
) -> None:
    headers = restricted(cloud, ("PUT", "/v3/os-hosts/*"), user="admin")
    rules = cloud.keystone.tokens[headers["X-Auth-Token"]].access_rules
    assert rules is not None
    rules[0]["service"] = "block-storage"
    body = {"status": "enable"}
    answer = await gateway.volumes.put("/os-hosts/pod2-host@lvm", body, headers=headers)
    asked = cloud.journal.find("pod2", "PUT", "/os-hosts/")
    assert [entry.headers.get("X-Service-Token") for entry in asked] == [None], answer.body
