# SPDX-License-Identifier: Apache-2.0
"""The real ``tricircle-gateway``, killed at each step of a create and a delete, and restarted."""

import asyncio
import contextlib
import os
import signal
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.functional.fakes.cloud import Cloud
from tests.functional.fakes.faults import Kind
from tests.functional.fakes.http import FakeService
from tests.functional.fakes.server_store import Server
from tests.functional.gateway_harness import Gateway
from tests.functional.processes import Process, caller
from tests.waiting import eventually
from tricircle.db import allocations, operations, quotas, routings
from tricircle.pods.identity import ServiceIdentity
from tricircle.pods.registry import Registry
from tricircle.pods.rest import PodServices
from tricircle.xjob.operations import Operations


def wanted(cloud: Cloud, network: dict[str, Any]) -> dict[str, Any]:
    return {
        "server": {
            "name": "one",
            "imageRef": cloud.image_id,
            "flavorRef": "1",
            "networks": [{"uuid": network["id"]}],
            "availability_zone": "az2",
        }
    }


def living(cloud: Cloud) -> list[tuple[str, Server]]:
    return [(region, s) for region, pod in cloud.pods.items() for s in pod.nova.live()]


def xjob(cloud: Cloud) -> None:
    """What the reconciler does about operations, its grace over, and central Neutron's clean-up."""
    cloud.heal()
    Operations(Registry().fresh(), PodServices(ServiceIdentity())).run(-60)
    cloud.central.settle()


def whole(cloud: Cloud) -> None:
    """Every server has its port, every port its server; nothing is left to look into.

    What the project uses of its quota is what its servers use.
    """
    servers = living(cloud)
    assert len(servers) <= 1
    for region, server in servers:
        (port,) = cloud.central.ports(device_id=server.id)
        (inside,) = cloud.pods[region].neutron.ports(device_id=server.id)
        assert port["binding:vif_details"]["pod_port_id"] == inside["id"]
        row = routings.get("server", server.id)
        assert row is not None
        assert row.detail["ports"] == [port["id"]]
    assert len(cloud.central.ports()) == len(servers)
    assert sum(len(pod.neutron.ports()) for pod in cloud.pods.values()) == len(servers)
    assert operations.stale(-60) == []
    assert allocations.used(cloud.project_id)["instances"] == len(servers)
    assert all(allocations.get(server.id) for _, server in servers)


#: where the gateway is when it is killed: (whose call hangs, method, path, done by then?)
STEPS = {
    "before its port is made": ("central", "POST", "/ports$", False),
    "its port is made, unknown to it": ("central", "POST", "/ports$", True),
    "its port is being bound": ("central", "PUT", "/ports/", False),
    "its port is bound, unknown to it": ("central", "PUT", "/ports/", True),
    "before the server is made": ("pod2", "POST", "/servers$", False),
    "the server is made, unknown to it": ("pod2", "POST", "/servers$", True),
}


def service(cloud: Cloud, whose: str) -> FakeService:
    return cloud.central if whose == "central" else cloud.pods[whose].nova


async def killed_while(
    process: Process, gateway: Gateway, step: tuple[str, str, str, bool], call: Any
) -> None:
    """Begin ``call``, and kill the gateway once it is at ``step``."""
    whose, method, path, done = step
    kind = Kind.HANG_AFTER if done else Kind.HANG
    at = service(process.cloud, whose).fail(kind, method, path)
    asking = asyncio.ensure_future(call)
    await asyncio.to_thread(at.hit.wait, 20)
    if done:
        journal = process.cloud.journal
        await journal.until(lambda: [e for e in journal.find(whose, method, path) if e.worked])
    await process.kill()
    with pytest.raises(aiohttp.ClientError):
        await asking


@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)
async def test_killed_in_a_create(
    process: Process, cloud: Cloud, step: tuple[str, str, str, bool]
) -> None:
    network = cloud.central.network(cloud.project_id)
    async with caller(process) as gateway:
        body = wanted(cloud, network)
        await killed_while(process, gateway, step, gateway.post("/servers", body, version="2.90"))
    await asyncio.to_thread(xjob, cloud)
    await asyncio.to_thread(whole, cloud)
    made = bool(living(cloud))
    assert made == (step == STEPS["the server is made, unknown to it"])


async def test_killed_before_the_server_has_its_port(process: Process, cloud: Cloud) -> None:
    """All is made; only what says so was not written."""
    network = cloud.central.network(cloud.project_id)
    async with caller(process) as gateway:
        fault = cloud.central.fail(Kind.HANG, "PUT", "/ports/", skip=1)
        body = wanted(cloud, network)
        asking = asyncio.ensure_future(gateway.post("/servers", body, version="2.90"))
        await asyncio.to_thread(fault.hit.wait, 20)
        await process.kill()
        with pytest.raises(aiohttp.ClientError):
            await asking
        await asyncio.to_thread(xjob, cloud)
        await asyncio.to_thread(whole, cloud)
        ((_, server),) = living(cloud)
        # A gateway that comes up again finds it, and can take it away with all it has.
        await process.start()
        assert (await gateway.get(f"/servers/{server.id}")).ok()["server"]["name"] == "one"
        (await gateway.delete(f"/servers/{server.id}")).ok(204)
        await cloud.journal.until(lambda: not cloud.central.ports())
    await asyncio.to_thread(xjob, cloud)
    await asyncio.to_thread(whole, cloud)


@pytest.mark.parametrize("done", [False, True], ids=["before", "after"])
async def test_killed_in_a_delete(process: Process, cloud: Cloud, done: bool) -> None:
    network = cloud.central.network(cloud.project_id)
    async with caller(process) as gateway:
        body = wanted(cloud, network)
        made = (await gateway.post("/servers", body, version="2.90")).ok(202)["server"]["id"]
        step = ("pod2", "DELETE", "/servers/", done)
        await killed_while(process, gateway, step, gateway.delete(f"/servers/{made}"))
        if done:
            await asyncio.to_thread(xjob, cloud)
            assert living(cloud) == []
        else:  # the user asks again, since they had no answer
            cloud.heal()
            await process.start()
            (await gateway.delete(f"/servers/{made}")).ok(204)
            await cloud.journal.until(lambda: not cloud.central.ports())
            await asyncio.to_thread(xjob, cloud)
    await asyncio.to_thread(whole, cloud)


async def test_told_to_stop_it_finishes_what_it_began(process: Process, cloud: Cloud) -> None:
    network = cloud.central.network(cloud.project_id)
    cloud.pods["pod2"].nova.fail(Kind.SLOW, "POST", "/servers$", seconds=0.7)
    async with caller(process) as gateway:
        body = wanted(cloud, network)
        asking = asyncio.ensure_future(gateway.post("/servers", body, version="2.90"))
        await cloud.journal.until(lambda: cloud.journal.find("pod2", "POST", "/servers$"))
        stopping = asyncio.ensure_future(process.stop())
        (await asking).ok(202)
        assert await stopping == 0
    await asyncio.to_thread(whole, cloud)
    assert len(living(cloud)) == 1
    text = process.log.read_text()
    assert "Traceback" not in text
    for token in cloud.keystone.tokens:
        assert token not in text


async def test_pods_are_watched(process: Process, cloud: Cloud) -> None:
    async with caller(process) as gateway:

        async def state() -> str:
            path = f"/pods/{gateway.pod_ids['pod1']}"
            shown = (await gateway.manage("GET", path)).ok()["pod"]
            return str(shown["health"]["state"])

        async def is_down() -> bool:
            return await state() == "down"

        async def is_up() -> bool:
            return await state() == "up"

        await asyncio.to_thread(cloud.pods["pod1"].stop)
        await eventually("pod1 is seen to be down", is_down)
        await asyncio.to_thread(cloud.pods["pod1"].start)
        await eventually("pod1 is seen to be back", is_up)


def children(pid: int) -> list[int]:
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def is_running(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


async def test_a_worker_that_dies_is_replaced(cloud: Cloud, tmp_path: Path, prepared: str) -> None:
    process = Process(cloud, tmp_path, prepared, workers=2)
    await process.start()
    try:

        def two() -> list[int]:
            found = children(process.pid)
            return found if len(found) == 2 else []

        first, second = await eventually("two workers run", two)
        os.kill(first, signal.SIGKILL)

        def another() -> bool:
            found = children(process.pid)
            return len(found) == 2 and first not in found and second in found

        await eventually("another one runs", another)
        async with caller(process) as gateway:
            assert (await gateway.get("/servers")).status == 200
        assert await process.stop() == 0
    finally:
        await process.kill()


async def test_workers_end_with_who_supervises_them(
    cloud: Cloud, tmp_path: Path, prepared: str
) -> None:
    process = Process(cloud, tmp_path, prepared, workers=2)
    await process.start()
    workers = await eventually("two workers run", lambda: children(process.pid))
    try:
        await process.kill()
        await eventually("they are gone", lambda: not any(map(is_running, workers)))
    finally:
        for worker in filter(is_running, workers):
            os.kill(worker, signal.SIGKILL)


async def test_two_gateways_do_not_pass_a_limit_together(
    cloud: Cloud, tmp_path: Path, prepared: str
) -> None:
    processes = []
    for name in ("one", "two"):
        folder = tmp_path / name
        folder.mkdir()
        processes.append(Process(cloud, folder, prepared))
    quotas.put(quotas.PROJECT, cloud.project_id, {"instances": 5})
    body = wanted(cloud, {"id": "none"})
    body["server"]["networks"] = "none"
    async with contextlib.AsyncExitStack() as stack:
        await asyncio.gather(*(process.start() for process in processes))
        for process in processes:
            stack.push_async_callback(process.kill)
        callers = [await stack.enter_async_context(caller(process)) for process in processes]
        cloud.pods["pod2"].nova.fail(Kind.SLOW, "POST", "/servers$", seconds=0.3)
        asked = [callers[index % 2].post("/servers", body, version="2.90") for index in range(14)]
        answers = await asyncio.gather(*asked)
    assert sorted(answer.status for answer in answers) == [202] * 5 + [403] * 9
    assert len(living(cloud)) == allocations.used(cloud.project_id)["instances"] == 5
