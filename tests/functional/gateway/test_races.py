# SPDX-License-Identifier: Apache-2.0
"""Many at once: each gets what it asked for or a refusal, and nobody takes what is another's."""

import asyncio
from typing import Any

import pytest

from tests.functional.fakes.cloud import Cloud
from tests.functional.fakes.faults import Kind
from tests.functional.fakes.server_store import Server
from tests.functional.gateway_harness import Answer, Gateway
from tricircle.db import operations, routings


async def make(gateway: Gateway, networks: Any, **more: Any) -> Answer:
    server = {
        "name": "one",
        "imageRef": gateway.cloud.image_id,
        "flavorRef": "1",
        "networks": networks,
        **more,
    }
    return await gateway.post("/servers", {"server": server}, version="2.60")


def living(cloud: Cloud) -> list[tuple[str, Server]]:
    return [(region, s) for region, pod in cloud.pods.items() for s in pod.nova.live()]


def whole(cloud: Cloud) -> None:
    for region, server in living(cloud):
        for port in cloud.central.ports(device_id=server.id):
            assert port["binding:host_id"] == region
            inside = cloud.pods[region].neutron.tables["ports"]
            details = port["binding:vif_details"]
            assert inside[details["pod_port_id"]]["device_id"] == server.id
    held = sum(len(pod.neutron.ports()) for pod in cloud.pods.values())
    assert held == len([p for p in cloud.central.ports() if p["binding:host_id"]])
    assert operations.stale(-60) == []


@pytest.mark.parametrize("zones", [("az1", "az1"), ("az1", "az2")], ids=str)
@pytest.mark.parametrize("count", [2, 5])
async def test_one_port_for_many(
    gateway: Gateway, cloud: Cloud, zones: tuple[str, str], count: int
) -> None:
    network = cloud.central.network(cloud.project_id)
    port = cloud.central.make("ports", cloud.project_id, network_id=network["id"])
    nics = [{"port": port["id"]}]
    answers = await asyncio.gather(
        *(make(gateway, nics, availability_zone=zones[n % 2]) for n in range(count))
    )
    await gateway.idle()
    await asyncio.to_thread(cloud.central.settle)
    statuses = sorted(answer.status for answer in answers)
    assert statuses == [202] + [409] * (count - 1)
    ((_, server),) = living(cloud)
    assert port["device_id"] == server.id
    whole(cloud)


async def test_one_address_for_many(gateway: Gateway, cloud: Cloud) -> None:
    network = cloud.central.network(cloud.project_id)
    nics = [{"uuid": network["id"], "fixed_ip": "10.0.0.50"}]
    answers = await asyncio.gather(*(make(gateway, nics) for _ in range(4)))
    await gateway.idle()
    await asyncio.to_thread(cloud.central.settle)
    assert sorted(answer.status for answer in answers) == [202, 400, 400, 400]
    assert len(living(cloud)) == len(cloud.central.ports()) == 1
    whole(cloud)


async def test_many_creates_and_deletes(gateway: Gateway, cloud: Cloud) -> None:
    network = cloud.central.network(cloud.project_id)
    nics = [{"uuid": network["id"]}]

    async def life() -> None:
        made = (await make(gateway, nics)).ok(202)["server"]["id"]
        assert (await gateway.get(f"/servers/{made}")).status == 200
        listed = (await gateway.get("/servers")).ok()["servers"]
        assert made in {server["id"] for server in listed}
        (await gateway.delete(f"/servers/{made}")).ok(204)

    await asyncio.gather(*(life() for _ in range(12)))
    await gateway.idle()
    await asyncio.to_thread(cloud.central.settle)
    assert living(cloud) == []
    assert cloud.central.ports() == []
    whole(cloud)


async def test_many_deletes_of_one(gateway: Gateway, cloud: Cloud) -> None:
    network = cloud.central.network(cloud.project_id)
    made = (await make(gateway, [{"uuid": network["id"]}])).ok(202)["server"]["id"]
    answers = await asyncio.gather(*(gateway.delete(f"/servers/{made}") for _ in range(5)))
    assert {answer.status for answer in answers} <= {204, 404}
    assert 204 in {answer.status for answer in answers}
    await gateway.idle()
    await asyncio.to_thread(cloud.central.settle)
    assert cloud.central.ports() == []
    assert routings.get("server", made) is None
    whole(cloud)


async def test_one_flavor_by_many(gateway: Gateway, cloud: Cloud) -> None:
    flavor = {"flavor": {"id": "7", "name": "seven", "ram": 1, "vcpus": 1, "disk": 0}}
    answers = await asyncio.gather(
        *(gateway.post("/flavors", flavor, user="admin") for _ in range(5))
    )
    assert sorted(answer.status for answer in answers) == [200, 409, 409, 409, 409]
    for pod in cloud.pods.values():
        assert pod.nova.flavors["7"]["name"] == "seven"


async def test_an_id_learned_by_many(gateway: Gateway, cloud: Cloud) -> None:
    server = cloud.pods["pod3"].nova.add_server("theirs")
    answers = await asyncio.gather(*(gateway.get(f"/servers/{server.id}") for _ in range(20)))
    assert {answer.status for answer in answers} == {200}
    row = routings.get("server", server.id)
    assert row is not None
    assert row.pod_id == gateway.pod_ids["pod3"]


async def _refused_meanwhile(
    gateway: Gateway, cloud: Cloud, user: str, path: str, status: int
) -> None:
    """The owner's DELETE comes after that of somebody who is refused it, and is answered first."""
    late = cloud.pods["pod2"].nova.fail(Kind.SLOW, "DELETE", times=1, seconds=0.3)
    # Whether it is done cannot be seen until both are answered.
    for service in (cloud.pods["pod2"].nova, cloud.pods["pod2"].neutron):
        service.fail(Kind.ERROR, "GET")
    refused = asyncio.ensure_future(gateway.delete(path, user=user))
    await asyncio.to_thread(late.hit.wait, 5)
    (await gateway.delete(path)).ok(status)
    assert not refused.done()
    assert (await refused).status in (403, 404)
    cloud.heal()
    await gateway.idle()
    await asyncio.to_thread(cloud.central.settle)
    assert cloud.central.ports() == []
    assert operations.stale(-60) == []


@pytest.mark.parametrize("user", ["other", "reader"])
async def test_who_may_not_delete_a_server_stops_nobody(
    gateway: Gateway, cloud: Cloud, user: str
) -> None:
    network = cloud.central.network(cloud.project_id)
    answer = await make(gateway, [{"uuid": network["id"]}], availability_zone="az2")
    server_id = answer.ok(202)["server"]["id"]
    await _refused_meanwhile(gateway, cloud, user, f"/servers/{server_id}", 204)
    assert routings.get("server", server_id) is None


@pytest.mark.parametrize("user", ["other", "reader"])
async def test_who_may_not_detach_a_port_stops_nobody(
    gateway: Gateway, cloud: Cloud, user: str
) -> None:
    network = cloud.central.network(cloud.project_id)
    answer = await make(gateway, [{"uuid": network["id"]}], availability_zone="az2")
    server_id = answer.ok(202)["server"]["id"]
    [port] = cloud.central.ports(device_id=server_id)
    path = f"/servers/{server_id}/os-interface/{port['id']}"
    await _refused_meanwhile(gateway, cloud, user, path, 202)
