# SPDX-License-Identifier: Apache-2.0
"""Servers: born with all that was asked for, found again, changed, gone with all they had."""

import asyncio
import base64
from typing import Any

import pytest

from tests.functional.bed import Answer, Gateway
from tests.functional.fakes.cloud import Cloud
from tests.functional.fakes.faults import Kind
from tests.functional.fakes.server_store import Server
from tricircle.db import creations, routings
from tricircle.gateway.compute import security_groups

Body = dict[str, Any]


def wanted(cloud: Cloud, **more: Any) -> Body:
    """A body of POST /servers with the least there is to say."""
    server = {"name": "one", "imageRef": cloud.image_id, "flavorRef": "1", **more}
    return {"server": {name: value for name, value in server.items() if value is not None}}


def everywhere(cloud: Cloud) -> dict[str, list[Server]]:
    """Living servers, by pod."""
    return {region: pod.nova.live() for region, pod in cloud.pods.items()}


def the_one(cloud: Cloud) -> tuple[str, Server]:
    """The only server there is, and its pod."""
    ((region, server),) = [(r, s) for r, servers in everywhere(cloud).items() for s in servers]
    return region, server


async def settled(gateway: Gateway) -> None:
    await gateway.idle()
    await asyncio.to_thread(gateway.cloud.central.settle)


async def make(gateway: Gateway, version: str = "2.90", **more: Any) -> Answer:
    return await gateway.post("/servers", wanted(gateway.cloud, **more), version=version)


# -- where ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("zone", "regions"), [("az2", {"pod2"}), ("az1", {"pod1", "pod3"})])
async def test_a_server_lands_in_its_zone(
    gateway: Gateway, cloud: Cloud, zone: str, regions: set[str]
) -> None:
    answer = await make(gateway, networks="none", availability_zone=zone)
    made = answer.ok(202)["server"]
    region, server = the_one(cloud)
    assert region in regions
    assert server.id == made["id"]
    shown = (await gateway.get(f"/servers/{server.id}")).ok()["server"]
    assert shown["OS-EXT-AZ:availability_zone"] == zone
    row = routings.get("server", server.id)
    assert row is not None
    assert row.pod_id == gateway.pod_ids[region]
    assert row.project_id == cloud.project_id


async def test_without_a_zone_any_pod_will_do(gateway: Gateway, cloud: Cloud) -> None:
    assert (await make(gateway, networks="none")).status == 202
    the_one(cloud)


async def test_an_unknown_zone_is_400(gateway: Gateway, cloud: Cloud) -> None:
    answer = await make(gateway, networks="none", availability_zone="mars")
    assert answer.status == 400
    assert answer.json["badRequest"]["message"] == (
        "The requested availability zone is not available"
    )
    assert not any(everywhere(cloud).values())


@pytest.mark.parametrize("state", ["draining", "maintenance"])
async def test_a_pod_that_takes_nothing_new(gateway: Gateway, cloud: Cloud, state: str) -> None:
    await gateway.set_pod("pod1", state=state)
    for _ in range(3):
        assert (await make(gateway, networks="none", availability_zone="az1")).status == 202
    assert len(everywhere(cloud)["pod3"]) == 3


async def test_no_pod_in_the_zone_takes_anything(gateway: Gateway, cloud: Cloud) -> None:
    await gateway.set_pod("pod2", state="draining")
    answer = await make(gateway, networks="none", availability_zone="az2")
    assert answer.status in (400, 503)
    assert not any(everywhere(cloud).values())


async def test_the_next_pod_is_tried_when_one_is_full(gateway: Gateway, cloud: Cloud) -> None:
    network = cloud.central.network(cloud.project_id)
    nics = [{"uuid": network["id"]}]
    full = [cloud.pods["pod1"].nova.fail(Kind.QUOTA, "POST", "/servers$")]
    assert (await make(gateway, networks=nics, availability_zone="az1")).status == 202
    assert the_one(cloud)[0] == "pod3"
    await settled(gateway)
    cloud.pods["pod1"].nova.heal()
    full = [cloud.pods["pod3"].nova.fail(Kind.QUOTA, "POST", "/servers$")]
    assert (await make(gateway, networks=nics, availability_zone="az1")).status == 202
    assert len(everywhere(cloud)["pod1"]) == 1
    assert full
    await settled(gateway)
    bound = {port["binding:host_id"] for port in cloud.central.ports()}
    assert bound == {"pod1", "pod3"}
    for pod in ("pod1", "pod3"):  # of the pod that refused nothing is left
        assert len(cloud.pods[pod].neutron.ports()) == 1


async def test_full_everywhere_is_the_pods_own_403(gateway: Gateway, cloud: Cloud) -> None:
    network = cloud.central.network(cloud.project_id)
    for pod in cloud.pods.values():
        pod.nova.quotas["instances"] = 0
    answer = await make(gateway, networks=[{"uuid": network["id"]}], availability_zone="az1")
    assert answer.status == 403
    assert "Quota exceeded" in answer.json["forbidden"]["message"]
    await settled(gateway)
    nothing_left(cloud)


async def test_a_mistake_is_not_tried_in_other_pods(gateway: Gateway, cloud: Cloud) -> None:
    answer = await make(gateway, networks="none", imageRef="00000000-0000-0000-0000-00000000dead")
    assert answer.status == 400
    assert len(cloud.journal.find("pod", "POST", "/servers$")) == 1


def nothing_left(cloud: Cloud) -> None:
    """Neither server nor port anywhere, nor anything to look into."""
    assert not any(everywhere(cloud).values())
    assert cloud.central.ports() == []
    for pod in cloud.pods.values():
        assert pod.neutron.ports() == []
    assert creations.stale(-60) == []


# -- what ----------------------------------------------------------------------------------------

EVERYTHING: list[tuple[str, Body]] = [
    ("2.1", {"user_data": base64.b64encode(b"#!/bin/sh").decode()}),
    ("2.1", {"metadata": {"a": "1", "b": "ü"}}),
    ("2.1", {"adminPass": "S3cret!"}),
    ("2.1", {"accessIPv4": "192.0.2.1", "accessIPv6": "2001:db8::1"}),
    ("2.1", {"config_drive": True}),
    ("2.1", {"OS-DCF:diskConfig": "MANUAL"}),
    ("2.1", {"personality": [{"path": "/a", "contents": "YQ=="}]}),
    ("2.19", {"description": "what it is"}),
    ("2.52", {"tags": ["red", "blue"]}),
    ("2.63", {"trusted_image_certificates": ["674736e3-f25c-405c-8362-bbf991e0ce0a"]}),
    ("2.90", {"hostname": "named"}),
]


@pytest.mark.parametrize(("version", "more"), EVERYTHING, ids=lambda value: str(value)[:30])
async def test_every_field_reaches_the_pod(
    gateway: Gateway, cloud: Cloud, version: str, more: Body
) -> None:
    network = cloud.central.network(cloud.project_id)
    body = wanted(cloud, networks=[{"uuid": network["id"]}], **more)
    (await gateway.post("/servers", body, version=version)).ok(202)
    _, server = the_one(cloud)
    sent = server.request["server"]
    for name in ("name", "imageRef", "flavorRef", *more):
        assert sent[name] == body["server"][name]
    assert set(sent) - set(body["server"]) <= {"availability_zone"}
    (entry,) = cloud.journal.find("pod", "POST", "/servers$")
    assert entry.headers["OpenStack-API-Version"] == f"compute {version}"
    assert entry.headers["X-Auth-Token"] == gateway.token("member")


async def test_block_devices_and_hints_reach_the_pod(gateway: Gateway, cloud: Cloud) -> None:
    device = {
        "boot_index": 0,
        "uuid": cloud.image_id,
        "source_type": "image",
        "destination_type": "local",
        "delete_on_termination": True,
        "tag": "root",
    }
    body = wanted(cloud, networks="none", block_device_mapping_v2=[device])
    body["os:scheduler_hints"] = {"query": '[">=", "$free_ram_mb", 1]', "custom": ["a"]}
    (await gateway.post("/servers", body, version="2.90")).ok(202)
    _, server = the_one(cloud)
    assert server.request["server"]["block_device_mapping_v2"] == [device]
    assert server.request["os:scheduler_hints"] == body["os:scheduler_hints"]


async def test_the_answer_is_the_pods(gateway: Gateway, cloud: Cloud) -> None:
    answer = await make(gateway, networks="none", adminPass="S3cret!")
    made = answer.ok(202)["server"]
    assert set(made) == {"id", "links", "OS-DCF:diskConfig", "security_groups", "adminPass"}
    assert made["adminPass"] == "S3cret!"
    assert answer.headers["Location"] == f"{gateway.compute}/v2.1/servers/{made['id']}"
    for link in made["links"]:
        assert link["href"].startswith(gateway.compute)
    assert "X-Tricircle-Pod" not in answer.headers


async def test_a_body_nova_refuses_is_refused_in_its_words(gateway: Gateway, cloud: Cloud) -> None:
    for body in (
        {"server": {}},
        {"server": {"name": "", "flavorRef": "1", "imageRef": cloud.image_id, "networks": "none"}},
        {"nothing": {}},
        wanted(cloud, networks="something"),
        wanted(cloud, networks=[{"uuid": "no-uuid"}]),
        wanted(cloud, networks="none", min_count=3, max_count=2),
        wanted(cloud),  # networks are required since 2.37
    ):
        answer = await gateway.post("/servers", body, version="2.90")
        assert answer.status == 400, body
        assert answer.json["badRequest"]["code"] == 400
    answer = await gateway.post("/servers", b"{not json", version="2.90")
    assert answer.status == 400
    assert not any(everywhere(cloud).values())


@pytest.mark.parametrize("network", ["none", "id"])
async def test_several_at_once(gateway: Gateway, cloud: Cloud, network: str) -> None:
    net = cloud.central.network(cloud.project_id)
    nics: Any = "none" if network == "none" else [{"uuid": net["id"]}]
    answer = await make(gateway, networks=nics, min_count=2, max_count=3, availability_zone="az1")
    first = answer.ok(202)["server"]["id"]
    await settled(gateway)
    made = [server for servers in everywhere(cloud).values() for server in servers]
    assert sorted(server.name for server in made) == ["one-1", "one-2", "one-3"]
    assert first in {server.id for server in made}
    assert len(cloud.central.ports()) == (0 if network == "none" else 3)
    listed = (await gateway.get("/servers")).ok()["servers"]
    assert len(listed) == 3


async def test_fewer_than_the_least_is_none(gateway: Gateway, cloud: Cloud) -> None:
    network = cloud.central.network(cloud.project_id)
    cloud.pods["pod2"].nova.quotas["instances"] = 1
    answer = await make(
        gateway, networks=[{"uuid": network["id"]}], min_count=2, availability_zone="az2"
    )
    assert answer.status == 403
    await settled(gateway)
    nothing_left(cloud)


# -- networks ------------------------------------------------------------------------------------


def plugged(cloud: Cloud) -> tuple[Server, list[Body], list[Body]]:
    """The only server, the central ports it has, and the pod's ports it has."""
    region, server = the_one(cloud)
    central = cloud.central.ports(device_id=server.id)
    inside = cloud.pods[region].neutron.ports(device_id=server.id)
    for port in central:
        details = port["binding:vif_details"]
        assert port["binding:host_id"] == region
        assert details["pod_port_id"] in {one["id"] for one in inside}
        assert port["device_owner"].startswith("compute:")
    assert len(cloud.central.ports()) == len(central)
    return server, central, inside


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
    (await gateway.delete(f"/servers/{made['id']}")).ok(204)
    await settled(gateway)
    assert [one["id"] for one in cloud.central.ports()] == [port["id"]]  # it was the user's
    assert held["device_id"] == ""
    assert held["binding:host_id"] == ""


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


async def test_security_groups_go_with_the_ports(gateway: Gateway, cloud: Cloud) -> None:
    network = cloud.central.network(cloud.project_id)
    group = cloud.central.make("security-groups", cloud.project_id, name="web")
    answer = await make(
        gateway, networks=[{"uuid": network["id"]}], security_groups=[{"name": "web"}]
    )
    assert answer.ok(202)["server"]["security_groups"] == [{"name": "web"}]
    server, (port,), (inside,) = plugged(cloud)
    assert port["security_groups"] == [group["id"]]
    region, _ = the_one(cloud)
    names = [
        cloud.pods[region].neutron.tables["security-groups"][one]["name"]
        for one in inside["security_groups"]
    ]
    assert names == ["web"]
    listed = (await gateway.get(f"/servers/{server.id}/os-security-groups")).ok()
    assert [one["id"] for one in listed["security_groups"]] == [group["id"]]
    answer = await make(gateway, networks="none", security_groups=[{"name": "nothing"}])
    assert answer.status == 400


async def test_a_change_of_groups_is_told_when_the_pod_shows_it(
    gateway: Gateway, cloud: Cloud
) -> None:
    """Who then looks at the server sees it, though ports in pods are changed a little later."""
    network = cloud.central.network(cloud.project_id)
    cloud.central.make("security-groups", cloud.project_id, name="web")
    made = (await make(gateway, networks=[{"uuid": network["id"]}])).ok(202)["server"]["id"]
    _, _, (inside,) = plugged(cloud)
    region, _ = the_one(cloud)
    twin = cloud.pods[region].neutron.make("security-groups", cloud.project_id, name="web")
    path, loop = f"/servers/{made}/action", asyncio.get_running_loop()
    loop.call_later(0.5, inside["security_groups"].append, twin["id"])
    (await gateway.post(path, {"addSecurityGroup": {"name": "web"}})).ok(202)
    shown = (await gateway.get(f"/servers/{made}")).ok()["server"]["security_groups"]
    assert {group["name"] for group in shown} == {"default", "web"}
    for name in ("web", "default"):
        (there,) = (
            one
            for one in inside["security_groups"]
            if cloud.pods[region].neutron.tables["security-groups"][one]["name"] == name
        )
        loop.call_later(0.5, inside["security_groups"].remove, there)
        (await gateway.post(path, {"removeSecurityGroup": {"name": name}})).ok(202)
    assert "security_groups" not in (await gateway.get(f"/servers/{made}")).ok()["server"]


async def test_security_groups_change_on_the_central_ports(
    gateway: Gateway, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    # No pod is told of it here.
    monkeypatch.setattr(security_groups, "_PATIENCE", 0.3)
    network = cloud.central.network(cloud.project_id)
    group = cloud.central.make("security-groups", cloud.project_id, name="web")
    made = (await make(gateway, networks=[{"uuid": network["id"]}])).ok(202)["server"]["id"]
    _, (port,), _ = plugged(cloud)
    path = f"/servers/{made}/action"
    (await gateway.post(path, {"addSecurityGroup": {"name": "web"}})).ok(202)
    assert group["id"] in port["security_groups"]
    (await gateway.post(path, {"removeSecurityGroup": {"name": "web"}})).ok(202)
    assert group["id"] not in port["security_groups"]
    assert (await gateway.post(path, {"addSecurityGroup": {"name": "x"}})).status == 404
    other = await gateway.post(path, {"addSecurityGroup": {"name": "web"}}, user="other")
    assert other.status == 404


# -- life ----------------------------------------------------------------------------------------


async def test_delete_takes_the_ports_and_the_routing(gateway: Gateway, cloud: Cloud) -> None:
    network = cloud.central.network(cloud.project_id)
    made = (await make(gateway, networks=[{"uuid": network["id"]}])).ok(202)["server"]["id"]
    (await gateway.delete(f"/servers/{made}")).ok(204)
    await settled(gateway)
    nothing_left(cloud)
    assert routings.get("server", made) is None
    assert (await gateway.get(f"/servers/{made}")).status == 404
    assert (await gateway.delete(f"/servers/{made}")).status == 404


async def test_a_delete_refused_changes_nothing(gateway: Gateway, cloud: Cloud) -> None:
    network = cloud.central.network(cloud.project_id)
    made = (await make(gateway, networks=[{"uuid": network["id"]}])).ok(202)["server"]["id"]
    (await gateway.post(f"/servers/{made}/action", {"lock": None})).ok(202)
    assert (await gateway.delete(f"/servers/{made}")).status == 409
    assert (await gateway.delete(f"/servers/{made}", user="other")).status == 404
    assert (await gateway.delete(f"/servers/{made}", user="reader")).status == 403
    await settled(gateway)
    plugged(cloud)
    assert creations.stale(-60) == []


ACTIONS: list[tuple[Body, str]] = [
    ({"os-stop": None}, "SHUTOFF"),
    ({"pause": None}, "PAUSED"),
    ({"suspend": None}, "SUSPENDED"),
    ({"reboot": {"type": "SOFT"}}, "ACTIVE"),
    ({"shelve": None}, "SHELVED_OFFLOADED"),
    ({"resize": {"flavorRef": "1"}}, "VERIFY_RESIZE"),
    ({"rescue": {}}, "RESCUE"),
    ({"changePassword": {"adminPass": "x"}}, "ACTIVE"),
]


@pytest.mark.parametrize(("body", "status"), ACTIONS, ids=str)
async def test_actions_reach_the_server(
    gateway: Gateway, cloud: Cloud, body: Body, status: str
) -> None:
    server = cloud.pods["pod2"].nova.add_server("one")
    (await gateway.post(f"/servers/{server.id}/action", body)).ok(202)
    assert server.status == status
    (entry,) = cloud.journal.find("pod", "POST", "/action$")
    assert entry.json == body


async def test_actions_answers(gateway: Gateway, cloud: Cloud) -> None:
    server = cloud.pods["pod2"].nova.add_server("one")
    path = f"/servers/{server.id}/action"
    output = (await gateway.post(path, {"os-getConsoleOutput": {"length": 5}})).ok(200)
    assert output == {"output": "console of one"}
    image = await gateway.post(path, {"createImage": {"name": "i"}})
    assert image.status == 202
    assert image.headers["Location"].startswith(gateway.compute)
    assert (
        "image_id"
        in (await gateway.post(path, {"createImage": {"name": "i"}}, version="2.45")).ok()
    )
    rebuilt = await gateway.post(path, {"rebuild": {"imageRef": cloud.image_id}})
    assert rebuilt.ok(202)["server"]["id"] == server.id
    assert (await gateway.post(path, {"os-start": None})).status == 409
    assert (await gateway.post(path, {"nonsense": None})).status == 400
    assert (await gateway.post(path, {})).status == 400
    assert (await gateway.post(path, {"os-resetState": {"state": "error"}})).status == 403
    assert (
        await gateway.post(path, {"os-resetState": {"state": "error"}}, user="admin")
    ).status == 202
    assert (await gateway.post(path, {"os-stop": None}, user="reader")).status == 403
    (await gateway.post(path, {"forceDelete": None})).ok(202)
    assert (await gateway.get(f"/servers/{server.id}")).status == 404


async def test_parts_of_a_server(gateway: Gateway, cloud: Cloud) -> None:
    server = cloud.pods["pod3"].nova.add_server("one")
    path = f"/servers/{server.id}"
    (await gateway.post(f"{path}/metadata", {"metadata": {"a": "1"}})).ok(200)
    assert (await gateway.get(f"{path}/metadata")).ok() == {"metadata": {"a": "1"}}
    assert (await gateway.get(f"{path}/metadata/a")).ok() == {"meta": {"a": "1"}}
    (await gateway.delete(f"{path}/metadata/a")).ok(204)
    assert (await gateway.get(f"{path}/metadata/a")).status == 404
    (await gateway.put(f"{path}/tags", {"tags": ["t"]}, version="2.26")).ok(200)
    added = await gateway.put(f"{path}/tags/u", None, version="2.26")
    assert added.status == 201
    assert added.headers["Location"].startswith(gateway.compute)
    assert (await gateway.get(f"{path}/tags", version="2.26")).ok() == {"tags": ["t", "u"]}
    assert (await gateway.get(f"{path}/tags")).status == 404
    assert (await gateway.get(f"{path}/ips")).ok() == {"addresses": {}}
    assert (await gateway.get(f"{path}/diagnostics")).status == 403
    assert (await gateway.get(f"{path}/diagnostics", user="admin")).status == 200
    actions = (await gateway.get(f"{path}/os-instance-actions")).ok()
    assert actions == {"instanceActions": []}
    updated = (await gateway.put(path, {"server": {"name": "two"}})).ok(200)["server"]
    assert updated["name"] == server.name == "two"
    assert updated["OS-EXT-AZ:availability_zone"] == "az1"


async def test_instance_actions_know_the_request(gateway: Gateway, cloud: Cloud) -> None:
    server = cloud.pods["pod3"].nova.add_server("one")
    path = f"/servers/{server.id}"
    done = await gateway.post(f"{path}/action", {"os-stop": None})
    request_id = done.headers["x-compute-request-id"]
    shown = (await gateway.get(f"{path}/os-instance-actions/{request_id}")).ok()
    assert shown["instanceAction"]["action"] == "os-stop"


async def test_actions_of_a_server_that_is_gone(gateway: Gateway, cloud: Cloud) -> None:
    server = cloud.pods["pod3"].nova.add_server("one")
    path = f"/servers/{server.id}"
    (await gateway.post(f"{path}/action", {"os-stop": None})).ok(202)
    server.deleted = True
    assert (await gateway.get(path)).status == 404
    told = (await gateway.get(f"{path}/os-instance-actions", version="2.21")).ok()
    assert [action["action"] for action in told["instanceActions"]] == ["os-stop"]
    assert (await gateway.get(f"{path}/os-instance-actions", version="2.20")).status == 404
    by_others = await gateway.get(f"{path}/os-instance-actions", version="2.21", user="other")
    assert by_others.status == 404


async def test_interfaces(gateway: Gateway, cloud: Cloud) -> None:
    network = cloud.central.network(cloud.project_id)
    other = cloud.central.network(cloud.project_id, "other", "10.7.0.0/24")
    made = (await make(gateway, networks=[{"uuid": network["id"]}])).ok(202)["server"]["id"]
    path = f"/servers/{made}/os-interface"
    (first,) = (await gateway.get(path)).ok()["interfaceAttachments"]
    assert first["net_id"] == network["id"]
    _, (port,), _ = plugged(cloud)
    assert first["port_id"] == port["id"]
    assert first["fixed_ips"] == port["fixed_ips"]

    body = {"interfaceAttachment": {"net_id": other["id"]}}
    attached = (await gateway.post(path, body)).ok(200)["interfaceAttachment"]
    assert attached["net_id"] == other["id"]
    _, ports, inside = plugged(cloud)
    assert len(ports) == len(inside) == 2
    shown = (await gateway.get(f"{path}/{attached['port_id']}")).ok()["interfaceAttachment"]
    assert shown == attached

    (await gateway.delete(f"{path}/{attached['port_id']}")).ok(202)
    await settled(gateway)
    listed = (await gateway.get(path)).ok()["interfaceAttachments"]
    assert [one["port_id"] for one in listed] == [port["id"]]
    await settled(gateway)
    assert len(cloud.central.ports()) == 1

    (await gateway.delete(f"/servers/{made}")).ok(204)
    await settled(gateway)
    nothing_left(cloud)


async def test_an_interface_with_the_users_port(gateway: Gateway, cloud: Cloud) -> None:
    network = cloud.central.network(cloud.project_id)
    port = cloud.central.make("ports", cloud.project_id, network_id=network["id"])
    made = (await make(gateway, networks="none")).ok(202)["server"]["id"]
    path = f"/servers/{made}/os-interface"
    (await gateway.post(path, {"interfaceAttachment": {"port_id": port["id"]}})).ok(200)
    plugged(cloud)
    (await gateway.delete(f"{path}/{port['id']}")).ok(202)
    await settled(gateway)
    (await gateway.get(path)).ok()
    await settled(gateway)
    assert cloud.central.ports() == [port]
    assert port["device_id"] == ""


async def test_an_interface_that_cannot_be(gateway: Gateway, cloud: Cloud) -> None:
    made = (await make(gateway, networks="none")).ok(202)["server"]["id"]
    path = f"/servers/{made}/os-interface"
    missing = "00000000-0000-0000-0000-00000000dead"
    for body, status in (
        ({"net_id": missing}, 404),
        ({"port_id": missing}, 404),
        ({"fixed_ips": [{"ip_address": "10.0.0.1"}]}, 400),
    ):
        assert (await gateway.post(path, {"interfaceAttachment": body})).status == status
    assert (await gateway.get(f"{path}/{missing}")).status == 404
    assert (await gateway.delete(f"{path}/{missing}")).status == 404
    network = cloud.central.network(cloud.project_id)
    cloud.pods[the_one(cloud)[0]].nova.fail(Kind.ERROR, "POST", "os-interface")
    answer = await gateway.post(path, {"interfaceAttachment": {"net_id": network["id"]}})
    assert answer.status >= 500
    await settled(gateway)
    assert cloud.central.ports() == []


# -- found again ---------------------------------------------------------------------------------


async def test_a_server_made_behind_our_back_is_learned(gateway: Gateway, cloud: Cloud) -> None:
    server = cloud.pods["pod3"].nova.add_server("theirs")
    shown = (await gateway.get(f"/servers/{server.id}")).ok()["server"]
    assert shown["id"] == server.id
    row = routings.get("server", server.id)
    assert row is not None
    assert row.pod_id == gateway.pod_ids["pod3"]
    cloud.journal.clear()
    (await gateway.get(f"/servers/{server.id}")).ok()
    assert {entry.service for entry in cloud.journal.find("pod")} == {"pod3/compute"}


async def test_a_wrong_routing_heals(gateway: Gateway, cloud: Cloud) -> None:
    server = cloud.pods["pod3"].nova.add_server("moved")
    routings.put("server", server.id, gateway.pod_ids["pod1"], cloud.project_id)
    assert (await gateway.get(f"/servers/{server.id}")).ok()["server"]["id"] == server.id
    row = routings.get("server", server.id)
    assert row is not None
    assert row.pod_id == gateway.pod_ids["pod3"]


UNKNOWN = "00000000-0000-0000-0000-00000000dead"


async def test_an_id_nobody_has_is_404(gateway: Gateway) -> None:
    answer = await gateway.get(f"/servers/{UNKNOWN}")
    assert answer.status == 404
    assert answer.message == f"Instance {UNKNOWN} could not be found."


@pytest.mark.parametrize("kind", [Kind.HANG, Kind.CUT, Kind.ERROR, Kind.GARBAGE, Kind.REDIRECT])
async def test_an_id_that_may_be_in_a_sick_pod_is_503(
    gateway: Gateway, cloud: Cloud, kind: Kind
) -> None:
    cloud.pods["pod2"].fail(kind)
    answer = await gateway.get(f"/servers/{UNKNOWN}")
    assert answer.status == 503
    assert "pod2" in answer.message
    here = cloud.pods["pod1"].nova.add_server("here")
    assert (await gateway.get(f"/servers/{here.id}")).status == 200


async def test_a_known_server_of_a_dead_pod(gateway: Gateway, cloud: Cloud) -> None:
    server = cloud.pods["pod2"].nova.add_server("away")
    (await gateway.get(f"/servers/{server.id}")).ok()
    await asyncio.to_thread(cloud.pods["pod2"].stop)
    for answer in (
        await gateway.get(f"/servers/{server.id}"),
        await gateway.delete(f"/servers/{server.id}"),
        await gateway.post(f"/servers/{server.id}/action", {"os-stop": None}),
    ):
        assert answer.status in (503, 504)
        assert "pod2" in answer.message
    await asyncio.to_thread(cloud.pods["pod2"].start)
    assert server.status == "ACTIVE"


@pytest.mark.parametrize("method", ["GET", "DELETE", "forceDelete"])
async def test_another_projects_server_is_404(gateway: Gateway, cloud: Cloud, method: str) -> None:
    network = cloud.central.network(cloud.project_id)
    made = (await make(gateway, networks=[{"uuid": network["id"]}])).ok(202)["server"]["id"]
    if method == "forceDelete":
        body = {"forceDelete": None}
        answer = await gateway.post(f"/servers/{made}/action", body, user="other")
    else:
        answer = await gateway.call(method, f"/servers/{made}", user="other")
    assert answer.status == 404
    await settled(gateway)
    plugged(cloud)  # his 404 takes nothing from its owner
    assert routings.get("server", made) is not None
    assert (await gateway.get(f"/servers/{made}", user="admin")).status == 200
    (await gateway.delete(f"/servers/{made}")).ok(204)
    await settled(gateway)
    nothing_left(cloud)
