# SPDX-License-Identifier: Apache-2.0
"""Interfaces of servers: attached, listed, detached."""

from tests.functional.fakes.cloud import Cloud
from tests.functional.fakes.faults import Kind
from tests.functional.gateway_harness import Gateway
from tests.functional.servers import make, nothing_left, plugged, settled, the_one


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
