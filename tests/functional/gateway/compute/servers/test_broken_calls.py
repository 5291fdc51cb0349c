# SPDX-License-Identifier: Apache-2.0
"""Whichever call goes wrong on the way, in whichever way: never two servers, never a port astray.

What a gateway could not end, xjob ends (``Operations``); its turn is taken by hand here.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.functional.fakes.cloud import Cloud
from tests.functional.fakes.faults import Fault, Kind
from tests.functional.fakes.server_store import Server
from tests.functional.gateway_harness import Gateway
from tricircle.db import operations, routings
from tricircle.pods.rest import PodServices
from tricircle.xjob.operations import Operations

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


async def each_call(
    gateway: Gateway, kind: Kind, attempt: Callable[[Callable[[], Fault]], Awaitable[None]]
) -> None:
    """``attempt`` with its first call failing, then its second, ... until it makes fewer calls.

    ``attempt`` is given what arms the fault, to be called where the count shall begin.
    """
    for number in range(1, 60):
        gateway.services.scheduler = None  # what it knows of the pods saves calls
        armed: list[Fault] = []

        def arm(number: int = number, armed: list[Fault] = armed) -> Fault:
            armed.append(gateway.cloud.fail_call(number, kind))
            return armed[0]

        try:
            await attempt(arm)
        except BaseException as error:
            error.add_note(f"call {number} ({kind.value}); calls: {gateway.cloud.journal.entries}")
            raise
        gateway.cloud.heal()
        gateway.cloud.journal.clear()
        if not armed[0].hit.is_set():
            assert number > 3
            return
    pytest.fail("it never comes to an end")


async def xjob(gateway: Gateway) -> None:
    """What the reconciler does once its grace is over, and central Neutron's own clean-up."""
    await gateway.idle()
    gateway.cloud.heal()
    gateway.close_breakers()
    worker = Operations(gateway.services.registry, PodServices(gateway.services.identity))
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
    waiting = [row for row in operations.stale(-60) if row.detail.get("server_id") not in alive]
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


@pytest.mark.parametrize("kind", [*QUICK, *SLOW])
async def test_create(gateway: Gateway, cloud: Cloud, kind: Kind) -> None:
    async def attempt(arm: Callable[[], Fault]) -> None:
        network = cloud.central.network(cloud.project_id)
        fault = arm()
        answer = await gateway.post(
            "/servers", body(cloud, [{"uuid": network["id"]}]), version="2.90"
        )
        assert b"Traceback" not in answer.body
        if not fault.hit.is_set() and kind not in SLOW:
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
        elif made:  # only when it could not be known
            assert answer.status == 504
            assert len(made) == 1
        for _, server in made:
            (await gateway.delete(f"/servers/{server.id}")).ok(204)
            await xjob(gateway)
        assert living(cloud) == []
        whole(cloud, 1)

    await each_call(gateway, kind, attempt)


@pytest.mark.parametrize("kind", [Kind.CUT, Kind.CUT_AFTER, Kind.ERROR, Kind.HANG_AFTER])
async def test_create_with_the_users_port(gateway: Gateway, cloud: Cloud, kind: Kind) -> None:
    """The port is the user's: whatever happens it stays, and is free or in use."""
    network = cloud.central.network(cloud.project_id)
    port = cloud.central.make("ports", cloud.project_id, network_id=network["id"])

    def is_free() -> bool:
        return (port["device_id"], port["binding:host_id"]) == ("", "")

    async def attempt(arm: Callable[[], Fault]) -> None:
        arm()
        answer = await gateway.post("/servers", body(cloud, [{"port": port["id"]}]), version="2.90")
        await xjob(gateway)
        assert cloud.central.ports() == [port]
        made = living(cloud)
        assert len(made) <= 1
        assert made or answer.status != 202
        if made:
            whole(cloud, 1)
            (await gateway.delete(f"/servers/{made[0][1].id}")).ok(204)
            await xjob(gateway)
        assert is_free()
        assert operations.stale(-60) == []

    await each_call(gateway, kind, attempt)


@pytest.mark.parametrize("kind", [*QUICK, Kind.HANG_AFTER])
async def test_delete(gateway: Gateway, cloud: Cloud, kind: Kind) -> None:
    async def attempt(arm: Callable[[], Fault]) -> None:
        network = cloud.central.network(cloud.project_id)
        made = await gateway.post(
            "/servers", body(cloud, [{"uuid": network["id"]}]), version="2.90"
        )
        server_id = made.ok(202)["server"]["id"]
        arm()
        await gateway.delete(f"/servers/{server_id}")
        await xjob(gateway)
        whole(cloud, 1)
        if living(cloud):
            (await gateway.delete(f"/servers/{server_id}")).ok(204)
            await xjob(gateway)
        assert living(cloud) == []
        whole(cloud, 1)
        assert routings.get("server", server_id) is None

    await each_call(gateway, kind, attempt)


@pytest.mark.parametrize("kind", [Kind.CUT, Kind.CUT_AFTER, Kind.ERROR, Kind.HANG_AFTER])
async def test_attach(gateway: Gateway, cloud: Cloud, kind: Kind) -> None:
    wanted = body(cloud, [])
    wanted["server"]["networks"] = "none"

    async def attempt(arm: Callable[[], Fault]) -> None:
        network = cloud.central.network(cloud.project_id)
        made = await gateway.post("/servers", wanted, version="2.90")
        server_id = made.ok(202)["server"]["id"]
        arm()
        path = f"/servers/{server_id}/os-interface"
        answer = await gateway.post(path, {"interfaceAttachment": {"net_id": network["id"]}})
        await xjob(gateway)
        attached = len(cloud.central.ports(device_id=server_id))
        assert attached == 1 if answer.status == 200 else attached <= 1
        whole(cloud, attached)
        (await gateway.delete(f"/servers/{server_id}")).ok(204)
        await xjob(gateway)
        whole(cloud, 0)

    await each_call(gateway, kind, attempt)


async def test_a_client_that_hangs_up(gateway: Gateway, cloud: Cloud) -> None:
    """The create goes on, and is written down as if the client had waited."""
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
        while operations.stale(-60):  # noqa: ASYNC110 - a row, not an event
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


async def test_a_pod_that_loses_answers_in_a_row_is_still_asked_what_it_made(
    gateway: Gateway, cloud: Cloud
) -> None:
    """Its creates break, its lists answer: that it is left alone otherwise must not matter."""
    for pod in cloud.pods.values():
        pod.nova.fail(Kind.CUT_AFTER, "POST", "/servers$")
    for region in cloud.pods:
        breaker = gateway.services.breakers[gateway.pod_ids[region], "compute"]
        for _ in range(2):  # one more, and the pod is left alone
            breaker.failure()
    wanted = body(cloud, [])
    wanted["server"]["networks"] = "none"
    answer = await gateway.post("/servers", wanted, version="2.90")
    ((_, server),) = living(cloud)
    assert answer.ok(202)["server"]["id"] == server.id


@pytest.mark.parametrize("kind", [Kind.ERROR, Kind.UNAVAILABLE, Kind.QUOTA, Kind.ALTERED])
@pytest.mark.parametrize(
    ("service", "path", "agent"),
    [("neutron", "/ports/", "tricircle-gateway"), ("nova", "/servers/[^/]+$", "aiohttp")],
)
async def test_a_pod_that_cannot_tell_what_it_made_keeps_the_create_open(
    gateway: Gateway, cloud: Cloud, service: str, path: str, agent: str, kind: Kind
) -> None:
    """Only a 404 says that there is none; any other answer tells nothing of it.

    The gateway asks Neutron as the service user and Nova for the client, whose agent it names; what
    xjob asks is answered.
    """
    network = cloud.central.network(cloud.project_id)
    for pod in cloud.pods.values():
        pod.nova.fail(Kind.CUT_AFTER, "POST", "/servers$")
        asked = getattr(pod, service)
        asked.fail(kind, "GET", path, agent=agent, alter=_nonsense)
    answer = await gateway.post("/servers", body(cloud, [{"uuid": network["id"]}]), version="2.90")
    assert answer.status == 504, answer.body
    assert len(living(cloud)) == 1
    await xjob(gateway)
    ((_, server),) = living(cloud)
    whole(cloud, 1)
    assert routings.get("server", server.id) is not None


def _nonsense(_: Any, document: Any) -> Any:
    return dict.fromkeys(document, "nonsense")
