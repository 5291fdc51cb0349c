# SPDX-License-Identifier: Apache-2.0
"""Nova's proxies: networks and addresses of central Neutron, volumes of the pods."""

import asyncio
from typing import Any

import pytest

from tests.functional.fakes.cloud import Cloud
from tests.functional.gateway_harness import Gateway

UNKNOWN = "5f9a1c5e-0000-4000-8000-000000000000"
LAST = "2.35"


@pytest.fixture
def network(cloud: Cloud) -> Any:
    """The project's network behind a router to the network ``public``."""
    network = cloud.central.network(cloud.project_id, "mine")
    public = cloud.central.network("", "public", "203.0.113.0/24", **{"router:external": True})
    router = cloud.central.make("routers", cloud.project_id)
    router["external_gateway_info"] = {"network_id": public["id"]}
    cloud.central.make("ports", cloud.project_id, network_id=network["id"],
                       device_id=router["id"], device_owner="network:router_interface")  # fmt: skip
    return network


async def boot(gateway: Gateway, cloud: Cloud, network: Any, **more: Any) -> str:
    server = {"name": "s", "flavorRef": "1", "imageRef": cloud.image_id,
              "networks": [{"uuid": network["id"]}], **more}  # fmt: skip
    made = (await gateway.post("/servers", {"server": server})).ok(202)["server"]
    return str(made["id"])


async def act(
    gateway: Gateway, server: str, action: str, version: str = "2.43", **more: Any
) -> Any:
    return await gateway.post(f"/servers/{server}/action", {action: more}, version=version)


@pytest.mark.parametrize(
    "path",
    ["/os-networks", "/os-tenant-networks", "/os-floating-ips", "/os-floating-ip-pools",
     "/os-security-groups", "/os-volumes", "/os-volumes/detail", "/os-snapshots",
     f"/os-networks/{UNKNOWN}", f"/os-volumes/{UNKNOWN}", f"/os-floating-ips/{UNKNOWN}"],
)  # fmt: skip
async def test_they_end_with_2_35(gateway: Gateway, path: str) -> None:
    answer = await gateway.get(path, version="2.36")
    assert (answer.status, answer.message) == (404, "The resource could not be found.")
    assert (await gateway.get(path, version=LAST)).status == (404 if UNKNOWN in path else 200)


async def test_networks(gateway: Gateway, cloud: Cloud, network: Any) -> None:
    cloud.central.network("somebody else", "theirs")
    found = (await gateway.get("/os-networks")).ok(200)["networks"]
    assert {one["label"] for one in found} == {"mine", "public"}
    shown = (await gateway.get(f"/os-networks/{network['id']}")).ok(200)["network"]
    assert (shown["id"], shown["label"], shown["cidr"]) == (network["id"], "mine", None)
    assert "vlan" not in shown
    shown = (await gateway.get(f"/os-networks/{network['id']}", user="admin")).ok()["network"]
    assert len(shown) == 32
    found = (await gateway.get("/os-tenant-networks")).ok(200)["networks"]
    assert {"id": network["id"], "cidr": "None", "label": "mine"} in found
    for path in ("/os-networks", "/os-tenant-networks"):
        answer = await gateway.get(f"{path}/{UNKNOWN}")
        assert (answer.status, answer.message) == (404, "Network not found")


async def test_floating_ips(gateway: Gateway, cloud: Cloud, network: Any) -> None:
    assert (await gateway.get("/os-floating-ip-pools")).ok(200) == {
        "floating_ip_pools": [{"name": "public"}]
    }
    made = (await gateway.post("/os-floating-ips", {"pool": "public"})).ok(200)["floating_ip"]
    path = f"/os-floating-ips/{made['id']}"
    assert made == {"id": made["id"], "ip": made["ip"], "fixed_ip": None, "instance_id": None,
                    "pool": "public"}  # fmt: skip
    assert (await gateway.get(path)).ok(200) == {"floating_ip": made}
    other = (await gateway.post("/os-floating-ips", None)).ok(200)["floating_ip"]
    assert (await gateway.get("/os-floating-ips", user="other")).ok() == {"floating_ips": []}

    server = await boot(gateway, cloud, network)
    (await act(gateway, server, "addFloatingIp", address=made["ip"])).ok(202)
    shown = (await gateway.get(path)).ok(200)["floating_ip"]
    assert shown["instance_id"] == server
    (port,) = cloud.central.ports(device_id=server)
    assert shown["fixed_ip"] == port["fixed_ips"][0]["ip_address"]
    listed = (await gateway.get("/os-floating-ips")).ok(200)["floating_ips"]
    assert sorted(listed, key=str) == sorted([shown, other], key=str)

    answer = await act(gateway, server, "removeFloatingIp", address=other["ip"])
    assert answer.status == 409
    assert answer.message == f"Floating IP {other['ip']} is not associated with instance {server}."
    (await act(gateway, server, "removeFloatingIp", address=made["ip"])).ok(202)
    assert (await gateway.get(path)).ok()["floating_ip"]["instance_id"] is None
    for one in (made, other):
        (await gateway.delete(f"/os-floating-ips/{one['id']}")).ok(202)
    for method in ("GET", "DELETE"):
        answer = await gateway.call(method, path)
        assert answer.status == 404
        assert answer.message == f"Floating IP not found for ID {made['id']}"


async def test_floating_ips_that_are_refused(gateway: Gateway, cloud: Cloud, network: Any) -> None:
    answer = await gateway.post("/os-floating-ips", {"pool": "nothing"})
    assert (answer.status, answer.message) == (404, "Floating IP pool not found.")
    assert (await gateway.post("/os-floating-ips", {"pool": 1})).status == 400
    made = (await gateway.post("/os-floating-ips", {})).ok()["floating_ip"]
    server = await boot(gateway, cloud, network)
    for more, status, text in (
        ({"address": "203.0.113.77"}, 404, "floating IP not found"),
        ({"address": made["ip"], "fixed_address": "10.9.9.9"}, 400,
         "Specified fixed address not assigned to instance"),
    ):  # fmt: skip
        answer = await act(gateway, server, "addFloatingIp", **more)
        assert (answer.status, answer.message) == (status, text)
    answer = await act(gateway, server, "removeFloatingIp", address="203.0.113.77")
    assert (answer.status, answer.message) == (
        404, "Floating IP not found for address 203.0.113.77.",
    )  # fmt: skip
    answer = await act(gateway, UNKNOWN, "addFloatingIp", address=made["ip"])
    assert (answer.status, answer.message) == (404, f"Instance {UNKNOWN} could not be found.")
    for action, body in (("addFloatingIp", {}), ("addFloatingIp", {"address": "x"}),
                         ("removeFloatingIp", {"address": 1}), ("addFixedIp", {}),
                         ("removeFixedIp", {"address": "x"})):  # fmt: skip
        assert (await act(gateway, server, action, **body)).status == 400, action
    bare = (await gateway.post("/servers", {"server": {
        "name": "s", "flavorRef": "1", "imageRef": cloud.image_id, "networks": "none"
    }}, version="2.37")).ok()["server"]["id"]  # fmt: skip
    answer = await act(gateway, bare, "addFloatingIp", address=made["ip"])
    assert (answer.status, answer.message) == (400, "No fixed IPs associated to instance")


async def test_fixed_ips(gateway: Gateway, cloud: Cloud, network: Any) -> None:
    server = await boot(gateway, cloud, network)
    (port,) = cloud.central.ports(device_id=server)
    (await act(gateway, server, "addFixedIp", networkId=network["id"])).ok(202)
    assert len(port["fixed_ips"]) == 2
    address = port["fixed_ips"][0]["ip_address"]
    (await act(gateway, server, "removeFixedIp", address=address)).ok(202)
    assert [ip["ip_address"] != address for ip in port["fixed_ips"]] == [True]
    # Nova only sends word to the host: it cannot say that there is nothing to do.
    (await act(gateway, server, "addFixedIp", networkId=UNKNOWN)).ok(202)
    (await act(gateway, server, "removeFixedIp", address=address)).ok(202)
    for action in ("addFixedIp", "removeFixedIp", "addFloatingIp", "removeFloatingIp"):
        answer = await act(gateway, server, action, version="2.44", address=address)
        assert answer.status in (400, 404), action


async def test_security_groups(gateway: Gateway, cloud: Cloud) -> None:
    body = {"security_group": {"name": "web", "description": "for the web"}}
    made = (await gateway.post("/os-security-groups", body)).ok(200)["security_group"]
    assert made == {"id": made["id"], "name": "web", "description": "for the web",
                    "tenant_id": cloud.project_id, "rules": []}  # fmt: skip
    path = f"/os-security-groups/{made['id']}"
    rule = {"parent_group_id": made["id"], "ip_protocol": "tcp", "from_port": 80, "to_port": "81"}
    told = {}
    for more in ({}, {"cidr": "10.1.0.0/16"}, {"group_id": made["id"]}, {"cidr": "2001:db8::/32"}):
        wanted = {"security_group_rule": {**rule, **more}}
        answer = (await gateway.post("/os-security-group-rules", wanted)).ok(200)
        told[answer["security_group_rule"]["id"]] = answer["security_group_rule"]
    assert [(one["ip_range"], one["group"]) for one in told.values()] == [
        ({"cidr": "0.0.0.0/0"}, {}),
        ({"cidr": "10.1.0.0/16"}, {}),
        ({}, {"name": "web", "tenant_id": cloud.project_id}),
        ({"cidr": "2001:db8::/32"}, {}),
    ]
    shown = (await gateway.get(path)).ok(200)["security_group"]
    assert {one["id"]: one for one in shown["rules"]} == told
    answer = await gateway.post("/os-security-group-rules", {"security_group_rule": rule})
    assert answer.status == 400
    assert answer.message == f"This rule already exists in group {made['id']}"

    (await gateway.delete(f"/os-security-group-rules/{next(iter(told))}")).ok(202)
    assert len((await gateway.get(path)).ok()["security_group"]["rules"]) == 3
    body["security_group"]["name"] = "www"
    assert (await gateway.put(path, body)).ok(200)["security_group"]["name"] == "www"
    listed = (await gateway.get("/os-security-groups")).ok(200)["security_groups"]
    assert [one["name"] for one in listed] == ["default", "www"]
    query = {"limit": "1", "offset": "1"}
    assert len((await gateway.get("/os-security-groups", query=query)).ok()["security_groups"]) == 1
    every = await gateway.get("/os-security-groups", query={"all_tenants": "1"}, user="admin")
    assert len(every.ok()["security_groups"]) > 2
    (await gateway.delete(path)).ok(202)
    for method, sent in (("GET", None), ("DELETE", None), ("PUT", body)):
        answer = await gateway.call(method, path, sent)
        assert answer.status == 404
        assert made["id"] in answer.message


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ({"ip_protocol": None}, "Not enough parameters to build a valid rule."),
        ({"from_port": None}, "Not enough parameters to build a valid rule."),
        ({"ip_protocol": "gre"}, "Invalid IP protocol gre."),
        ({"from_port": "x"}, "Invalid input received: To and From ports must be integers"),
        ({"ip_protocol": "icmp", "to_port": "x"},
         "Invalid input received: Type and Code must be integers for ICMP protocol type"),
        ({"from_port": 90},
         "Invalid port range 90:81. Former value cannot be greater than the later"),
        ({"to_port": 65536}, "Invalid port range 80:65536. Valid TCP ports should be between "
         "1-65535"),
        ({"ip_protocol": "icmp", "to_port": 256},
         "Invalid port range 80:256. For ICMP, the type:code must be valid"),
        ({"cidr": "x"}, "x is not a valid IP network."),
        ({"cidr": "10.0.0.0/0"}, "Bad prefix for network in cidr 10.0.0.0/0"),
        ({"parent_group_id": "x"}, "Invalid input for field/attribute parent_group_id."),
        ({"group_id": "x"}, "Invalid input for field/attribute group_id."),
    ],
)  # fmt: skip
async def test_rules_that_are_refused(gateway: Gateway, more: Any, text: str) -> None:
    group = (await gateway.get("/os-security-groups")).ok()["security_groups"][0]["id"]
    rule = {"parent_group_id": group, "ip_protocol": "tcp", "from_port": 80, "to_port": 81, **more}
    answer = await gateway.post("/os-security-group-rules", {"security_group_rule": rule})
    assert (answer.status, answer.message) == (400, text)


async def test_groups_that_are_refused(gateway: Gateway, cloud: Cloud) -> None:
    for path in ("/os-security-groups/x", "/os-security-group-rules/x"):
        answer = await gateway.delete(path)
        assert (answer.status, answer.message) == (400, "Security group id should be uuid")
    for group in ({}, {"name": "a"}, {"name": "a" * 256, "description": ""}):
        answer = await gateway.post("/os-security-groups", {"security_group": group})
        assert answer.status == 400
    assert (await gateway.get("/os-security-groups", query={"limit": "-1"})).status == 400
    answer = await gateway.delete(f"/os-security-group-rules/{UNKNOWN}")
    assert answer.status == 404


async def test_volumes_of_all_pods(gateway: Gateway, cloud: Cloud) -> None:
    there = {
        region: pod.nova.add_volume(cloud.project_id, region) for region, pod in cloud.pods.items()
    }
    for path in ("/os-volumes", "/os-volumes/detail"):
        found = (await gateway.get(path)).ok(200)["volumes"]
        assert {one["displayName"]: one["availabilityZone"] for one in found} == cloud.zones
    found = (await gateway.get("/os-volumes", query={"limit": "1", "offset": "1"})).ok()["volumes"]
    assert [one["displayName"] for one in found] == ["pod2"]
    assert (await gateway.get("/os-volumes", query={"limit": "x"})).status == 400
    assert (await gateway.get("/os-volumes", user="other")).ok() == {"volumes": []}
    for region, volume in there.items():
        path = f"/os-volumes/{volume['id']}"
        shown = (await gateway.get(path)).ok(200)["volume"]
        assert shown["availabilityZone"] == cloud.zones[region]
        body = {"snapshot": {"volume_id": volume["id"], "display_name": "snap"}}
        snapshot = (await gateway.post("/os-snapshots", body)).ok(200)["snapshot"]
        assert list(cloud.pods[region].nova.stored["snapshot"]) == [snapshot["id"]]
        shown = (await gateway.get(f"/os-snapshots/{snapshot['id']}")).ok()["snapshot"]
        assert shown == snapshot
        (await gateway.delete(f"/os-snapshots/{snapshot['id']}")).ok(202)
        (await gateway.delete(path)).ok(202)
        answer = await gateway.get(path)
        assert answer.status == 404
        assert answer.message == f"Volume {volume['id']} could not be found."
    assert (await gateway.post("/os-snapshots", {"snapshot": {}})).status == 400
    assert (await gateway.post("/os-snapshots", body)).status == 404


async def test_a_volume_is_made_in_its_zone(gateway: Gateway, cloud: Cloud) -> None:
    body: Any = {"volume": {"size": 1, "display_name": "v", "availability_zone": "az2"}}
    made = (await gateway.post("/os-volumes", body)).ok(200)["volume"]
    assert made["availabilityZone"] == "az2"
    assert list(cloud.pods["pod2"].nova.stored["volume"]) == [made["id"]]
    body["volume"]["availability_zone"] = "nowhere"
    assert (await gateway.post("/os-volumes", body)).status == 400
    del body["volume"]["availability_zone"]
    (await gateway.post("/os-volumes", body)).ok(200)
    assert (await gateway.post("/os-volumes", {"volume": {}})).status == 400
    # Without a zone, any pod may have it.
    elsewhere = {
        volume
        for region, pod in cloud.pods.items()
        for volume in pod.nova.stored["volume"]
        if region != "pod2"
    }
    await asyncio.to_thread(cloud.pods["pod2"].stop)
    left = (await gateway.get("/os-volumes")).ok(200)["volumes"]
    assert {volume["id"] for volume in left} == elsewhere
    assert (await gateway.get(f"/os-volumes/{made['id']}")).status == 503
