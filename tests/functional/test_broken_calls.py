# SPDX-License-Identifier: Apache-2.0
"""Whichever call goes wrong on the way, in whichever way: never two servers, never a port astray.

What a gateway could not end, xjob ends (``Creations``); its turn is taken by hand here.
"""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.functional import bed
from tests.functional.bed import Gateway
from tests.functional.fakes.cloud import Cloud
from tests.functional.fakes.faults import Kind
from tests.functional.fakes.servers_api import Server
from tricircle.db import creations, routings
from tricircle.xjob.creations import Creations

QUICK = [
    Kind.CUT,
    Kind.CUT_AFTER,
    Kind.TRUNCATED_AFTER,
    Kind.GARBAGE_AFTER,
    Kind.ERROR,
    Kind.UNAVAILABLE,
    Kind.QUOTA,
    Kind.REDIRECT,
]
SLOW = [Kind.HANG, Kind.HANG_AFTER]


@pytest_asyncio.fixture
async def gateway(
    cloud: Cloud, tmp_path: Path, database: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Gateway]:
    """A gateway that waits for nobody."""
    bed.shorten(monkeypatch)
    monkeypatch.setattr("tricircle.gateway.compute.nics.CONF", Impatient())
    cloud.central.bind_deadline = 0.3
    async with bed.running(
        cloud, tmp_path, database, request_deadline=1.0, list_deadline=1.0
    ) as gateway:
        yield gateway


class Impatient:
    """A configuration whose binding deadline is below what is sensible outside of a test."""

    class reconciler:
        bind_deadline = -4.0


async def xjob(gateway: Gateway) -> None:
    """What the reconciler does once its grace is over, and central Neutron's own clean-up."""
    await gateway.idle()
    gateway.cloud.heal()
    for pod_id in gateway.pod_ids.values():
        gateway.services.breakers[pod_id].success()
    worker = Creations(gateway.services.registry, gateway.services.identity)
    await asyncio.to_thread(worker.run, -60)
    await asyncio.to_thread(gateway.cloud.central.settle)


def living(cloud: Cloud) -> list[tuple[str, Server]]:
    return [(region, s) for region, pod in cloud.pods.items() for s in pod.nova.live()]


def whole(cloud: Cloud, nics: int) -> None:
    """Every server has its ports, every port its server, and nobody waits for anything."""
    held = 0
    for region, server in living(cloud):
        mine = cloud.central.ports(device_id=server.id)
        inside = {port["id"] for port in cloud.pods[region].neutron.ports(device_id=server.id)}
        assert len(mine) == len(inside) == nics, (server, mine, inside)
        assert {port["binding:host_id"] for port in mine} <= {region}
        assert {port["binding:vif_details"]["pod_port_id"] for port in mine} == inside
        held += len(mine)
    assert len(cloud.central.ports()) == held, cloud.central.ports()
    assert sum(len(pod.neutron.ports()) for pod in cloud.pods.values()) == held
    # A delete that failed in the pod is watched for some minutes: it may come true yet.
    alive = {server.id for _, server in living(cloud)}
    waiting = [row for row in creations.stale(-60) if row.detail.get("server_id") not in alive]
    assert waiting == []


def body(cloud: Cloud, networks: list[dict[str, str]]) -> dict[str, Any]:
    return {
        "server": {
            "name": "one",
            "imageRef": cloud.image_id,
            "flavorRef": "1",
            "networks": networks,
            "availability_zone": "az1",
        }
    }


async def create_with(gateway: Gateway, number: int, kind: Kind) -> None:
    """A create with one NIC, whose call ``number`` fails; more faults than calls is a success."""
    cloud = gateway.cloud
    network = cloud.central.network(cloud.project_id)
    fault = cloud.fail_call(number, kind)
    answer = await gateway.post("/servers", body(cloud, [{"uuid": network["id"]}]), version="2.90")
    assert b"Traceback" not in answer.body
    if not fault.hit.is_set():
        assert answer.status == 202
    await xjob(gateway)
    whole(cloud, 1)
    made = living(cloud)
    if answer.status == 202:
        ((region, server),) = made
        assert answer.json["server"]["id"] == server.id
        row = routings.get("server", server.id)
        assert row is not None
        assert row.pod_id == gateway.pod_ids[region]
        (await gateway.delete(f"/servers/{server.id}")).ok(204)
        await xjob(gateway)
    else:
        assert len(made) <= 1
        if made:  # only when it could not be known
            assert answer.status == 504
            (await gateway.delete(f"/servers/{made[0][1].id}")).ok(204)
            await xjob(gateway)
    assert living(cloud) == []
    whole(cloud, 1)


async def test_how_many_calls_a_create_takes(gateway: Gateway, cloud: Cloud) -> None:
    """The range below must hold all of them."""
    network = cloud.central.network(cloud.project_id)
    (await gateway.post("/servers", body(cloud, [{"uuid": network["id"]}]), version="2.90")).ok(202)
    calls = [entry for entry in cloud.journal.find() if entry.service != "keystone"]
    assert len(calls) <= LAST, calls


LAST = 18


@pytest.mark.parametrize("kind", QUICK)
@pytest.mark.parametrize("number", range(1, LAST + 1))
async def test_create(gateway: Gateway, number: int, kind: Kind) -> None:
    await create_with(gateway, number, kind)


@pytest.mark.parametrize("kind", SLOW)
@pytest.mark.parametrize("number", range(1, LAST + 1))
async def test_create_with_a_call_that_hangs(gateway: Gateway, number: int, kind: Kind) -> None:
    await create_with(gateway, number, kind)


@pytest.mark.parametrize("kind", [Kind.CUT, Kind.CUT_AFTER, Kind.ERROR, Kind.HANG_AFTER])
@pytest.mark.parametrize("number", range(1, 13))
async def test_create_with_the_users_port(gateway: Gateway, number: int, kind: Kind) -> None:
    """The port is the user's: whatever happens it stays, and is free or in use."""
    cloud = gateway.cloud
    network = cloud.central.network(cloud.project_id)
    port = cloud.central.make("ports", cloud.project_id, network_id=network["id"])
    cloud.fail_call(number, kind)
    answer = await gateway.post("/servers", body(cloud, [{"port": port["id"]}]), version="2.90")
    await xjob(gateway)
    assert cloud.central.ports() == [port]
    made = living(cloud)
    assert len(made) <= 1
    if answer.status == 202:
        assert len(made) == 1
    if made:
        whole(cloud, 1)
    else:
        assert port["device_id"] == ""
        assert port["binding:host_id"] == ""
        assert creations.stale(-60) == []


@pytest.mark.parametrize("kind", [*QUICK, Kind.HANG_AFTER])
@pytest.mark.parametrize("number", range(1, 7))
async def test_delete(gateway: Gateway, number: int, kind: Kind) -> None:
    cloud = gateway.cloud
    network = cloud.central.network(cloud.project_id)
    made = await gateway.post("/servers", body(cloud, [{"uuid": network["id"]}]), version="2.90")
    server_id = made.ok(202)["server"]["id"]
    cloud.fail_call(number, kind)
    await gateway.delete(f"/servers/{server_id}")
    await xjob(gateway)
    whole(cloud, 1)
    if living(cloud):
        (await gateway.delete(f"/servers/{server_id}")).ok(204)
        await xjob(gateway)
    assert living(cloud) == []
    whole(cloud, 1)
    assert routings.get("server", server_id) is None


@pytest.mark.parametrize("kind", [Kind.CUT, Kind.CUT_AFTER, Kind.ERROR, Kind.HANG_AFTER])
@pytest.mark.parametrize("number", range(1, 13))
async def test_attach(gateway: Gateway, number: int, kind: Kind) -> None:
    cloud = gateway.cloud
    network = cloud.central.network(cloud.project_id)
    made = await gateway.post("/servers", {"server": {**body(cloud, [])["server"],
                              "networks": "none"}}, version="2.90")  # fmt: skip
    server_id = made.ok(202)["server"]["id"]
    cloud.fail_call(number, kind)
    path = f"/servers/{server_id}/os-interface"
    answer = await gateway.post(path, {"interfaceAttachment": {"net_id": network["id"]}})
    await xjob(gateway)
    attached = len(cloud.central.ports(device_id=server_id))
    assert attached <= 1
    if answer.status == 200:
        assert attached == 1
    whole(cloud, attached)
    (await gateway.delete(f"/servers/{server_id}")).ok(204)
    await xjob(gateway)
    whole(cloud, 0)


async def test_a_client_that_hangs_up(gateway: Gateway, cloud: Cloud) -> None:
    """The create goes on, and is written down as if he had waited."""
    network = cloud.central.network(cloud.project_id)
    cloud.pods["pod1"].nova.fail(Kind.SLOW, "POST", "/servers$", seconds=0.3)
    cloud.pods["pod3"].nova.fail(Kind.SLOW, "POST", "/servers$", seconds=0.3)
    asking = asyncio.ensure_future(
        gateway.post("/servers", body(cloud, [{"uuid": network["id"]}]), version="2.90")
    )
    await cloud.journal.until(lambda: cloud.journal.find("pod", "POST", "/servers$"))
    asking.cancel()
    await cloud.journal.until(
        lambda: [
            entry
            for entry in cloud.journal.find("central", "PUT")
            if entry.json["port"].get("device_id") and entry.status == 200
        ]
    )
    async with asyncio.timeout(5):
        while creations.stale(-60):  # noqa: ASYNC110 - a row, not an event
            await asyncio.sleep(0.02)
    whole(cloud, 1)
    ((_, server),) = living(cloud)
    assert routings.get("server", server.id) is not None


async def test_no_double_when_the_answer_is_lost(gateway: Gateway, cloud: Cloud) -> None:
    """Without a NIC nothing tells the server but its name; still it is told as made."""
    for pod in cloud.pods.values():
        pod.nova.fail(Kind.CUT_AFTER, "POST", "/servers$", times=1)
    wanted = body(cloud, [])
    wanted["server"]["networks"] = "none"
    answer = await gateway.post("/servers", wanted, version="2.90")
    ((_, server),) = living(cloud)
    assert answer.ok(202)["server"]["id"] == server.id
