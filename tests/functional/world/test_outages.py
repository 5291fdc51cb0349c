# SPDX-License-Identifier: Apache-2.0
"""The database, memcached or Keystone is away, or there is too little of something: what callers
of a real ``tricircle-gateway`` see meanwhile, and what is there afterwards.
"""

import asyncio
import contextlib
import os
import re
import signal
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.functional.fakes.cloud import Cloud
from tests.functional.fakes.faults import Kind
from tests.functional.gateway_harness import Answer, Gateway
from tests.functional.processes import Process, caller
from tests.functional.world import daemons
from tests.functional.world.daemons import MariaDB
from tests.waiting import eventually
from tricircle.db import allocations, operations, routings
from tricircle.pods.identity import ServiceIdentity
from tricircle.pods.registry import Registry
from tricircle.pods.rest import PodServices
from tricircle.xjob.operations import Operations

#: Seconds a database is away.
OUTAGE = float(os.environ.get("TRICIRCLE_TESTS_OUTAGE", "3"))
#: No request is to wait longer than this for what is away (seconds).
PATIENCE = 12.0


def body(cloud: Cloud) -> dict[str, Any]:
    server = {"name": "one", "imageRef": cloud.image_id, "flavorRef": "1", "networks": "none"}
    return {"server": {**server, "availability_zone": "az2"}}


async def create(gateway: Gateway) -> Answer:
    return await gateway.post("/servers", body(gateway.cloud), version="2.90")


def refused_well(answer: Answer) -> None:
    """What is not done now is refused in the service's envelope, with when to come again."""
    assert answer.status == 503, (answer.status, answer.body)
    assert answer.headers["Retry-After"]
    assert "Try again later" in answer.message or "temporarily unavailable" in answer.message


def untroubled(process: Process) -> None:
    """Nothing of ours failed in a way nobody had thought of (the connections' pool may say so)."""
    assert not re.search(r" tricircle\.\S+ Traceback", process.log.read_text())


def counted(cloud: Cloud) -> bool:
    """Whether of every server it is written down what it uses."""
    there = [server.id for pod in cloud.pods.values() for server in pod.nova.live()]
    return all(allocations.get(server_id) for server_id in there)


def whole(cloud: Cloud, told: set[str]) -> None:
    """Once xjob has looked into what was begun, all that is written down is what is there.

    ``told`` are the servers that callers were told of: none of them is lost.
    """
    Operations(Registry().fresh(), PodServices(ServiceIdentity())).run(-60)
    there = [server.id for pod in cloud.pods.values() for server in pod.nova.live()]
    assert len(there) == len(set(there))
    assert told <= set(there)
    assert operations.stale(-60) == []
    assert allocations.used(cloud.project_id)["instances"] == len(there)
    assert all(routings.get("server", server_id) for server_id in there)


@pytest.mark.parametrize("how", ["killed", "silent"])
async def test_the_database_is_away(
    process: Process, cloud: Cloud, mariadb: MariaDB, how: str, capsys: pytest.CaptureFixture[str]
) -> None:
    seen: dict[str, Counter[int]] = {"get": Counter(), "create": Counter()}
    made: list[str] = []
    longest = 0.0
    async with caller(process) as gateway:
        known = (await create(gateway)).ok(202)["server"]["id"]
        (await gateway.get(f"/servers/{known}")).ok(200)
        over = asyncio.Event()

        async def keep(kind: str, call: Callable[[], Awaitable[Answer]]) -> None:
            nonlocal longest
            while not over.is_set():
                began = time.monotonic()
                answer = await call()
                longest = max(longest, time.monotonic() - began)
                seen[kind][answer.status] += 1
                if answer.status == 202:
                    made.append(answer.json["server"]["id"])
                elif kind == "create":
                    refused_well(answer)
                await asyncio.sleep(0.05)

        working = [
            asyncio.create_task(keep("get", lambda: gateway.get(f"/servers/{known}"))),
            *(asyncio.create_task(keep("create", lambda: create(gateway))) for _ in range(6)),
        ]
        await asyncio.sleep(0.5)
        if how == "killed":
            await asyncio.to_thread(mariadb.daemon.end)
        else:
            mariadb.daemon.send(signal.SIGSTOP)
        try:
            await asyncio.sleep(OUTAGE)
        finally:
            if how == "killed":
                await asyncio.to_thread(mariadb.start)
            else:
                mariadb.daemon.send(signal.SIGCONT)
        back = time.monotonic()
        enough = len(made) + 3
        await eventually("servers are made again", lambda: len(made) >= enough, PATIENCE)
        recovered = time.monotonic() - back
        over.set()
        await asyncio.gather(*working)
        await eventually(
            "what was made meanwhile is written down", lambda: asyncio.to_thread(counted, cloud)
        )
    with capsys.disabled():
        print(f"\n{how}: {seen}, longest {longest:.1f} s, well after {recovered:.1f} s")
    assert set(seen["get"]) == {200}  # what is known goes on
    assert set(seen["create"]) <= {202, 503}
    assert longest < OUTAGE + PATIENCE
    await asyncio.to_thread(whole, cloud, {known, *made})
    untroubled(process)


async def test_few_connections_and_many_requests(
    cloud: Cloud, tmp_path: Path, prepared: str
) -> None:
    """One connection to the database, and each of 120 callers needs it."""
    few = "[tricircle_database]\nmax_pool_size = 1\nmax_overflow = 0\npool_timeout = 0.3\n"
    process = Process(cloud, tmp_path, prepared, sections=few)
    await process.start()
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(process.kill)
        gateway = await stack.enter_async_context(caller(process))
        (await gateway.get("/servers")).ok(200)
        began = time.monotonic()
        answers = await asyncio.gather(*(create(gateway) for _ in range(120)))
        took = time.monotonic() - began
        made = {answer.json["server"]["id"] for answer in answers if answer.status == 202}
        for answer in answers:
            if answer.status != 202:
                refused_well(answer)
        assert took < 60
        (await create(gateway)).ok(202)
    print("made", len(made), "refused", 120 - len(made), f"in {took:.1f} s")
    await asyncio.to_thread(whole, cloud, made)


async def test_keystone_is_away(process: Process, cloud: Cloud) -> None:
    async with caller(process) as gateway:
        (await gateway.get("/servers")).ok(200)
        fresh = cloud.keystone.issue("member").id
        await asyncio.to_thread(cloud.keystone.stop)
        try:
            for _ in range(5):
                (await gateway.get("/servers")).ok(200)
            made = (await create(gateway)).ok(202)["server"]["id"]
            began = time.monotonic()
            refused_well(await gateway.get("/servers", headers={"X-Auth-Token": fresh}, user=None))
            assert time.monotonic() - began < PATIENCE
        finally:
            await asyncio.to_thread(cloud.keystone.start)

        async def back() -> bool:
            headers = {"X-Auth-Token": fresh}
            return (await gateway.get("/servers", headers=headers, user=None)).status == 200

        await eventually("new tokens are good again", back)
        assert (
            await gateway.get("/servers", headers={"X-Auth-Token": "no"}, user=None)
        ).status == 401
    await asyncio.to_thread(whole, cloud, {made})
    untroubled(process)


async def test_memcached_is_away(cloud: Cloud, tmp_path: Path, prepared: str) -> None:
    """Where keystonemiddleware remembers tokens in memcached, it goes on without."""
    with daemons.memcached() as (daemon, address):
        there = f"[keystone_authtoken]\nmemcached_servers = {address}\n"
        process = Process(cloud, tmp_path, prepared, sections=there, token_cache_seconds=0)
        await process.start()
        async with contextlib.AsyncExitStack() as stack:
            stack.push_async_callback(process.kill)
            gateway = await stack.enter_async_context(caller(process))
            await _all_served(gateway)
            daemon.end()
            away = await _all_served(gateway)
            assert away < PATIENCE
            daemon.start()
            await _all_served(gateway)
            print(f"20 requests without memcached in {away:.1f} s")
        untroubled(process)


async def _all_served(gateway: Gateway) -> float:
    """Seconds that 20 requests with 4 tokens take."""
    began = time.monotonic()
    tokens = [gateway.cloud.keystone.issue("member").id for _ in range(4)]
    asked = [
        gateway.get("/servers", headers={"X-Auth-Token": tokens[number % 4]}, user=None)
        for number in range(20)
    ]
    for answer in await asyncio.gather(*asked):
        answer.ok(200)
    return time.monotonic() - began


@pytest.mark.parametrize("workers", [1, 2])
async def test_told_to_stop_with_200_requests_under_way(
    cloud: Cloud, tmp_path: Path, prepared: str, workers: int
) -> None:
    process = Process(cloud, tmp_path, prepared, workers=workers, list_deadline=25)
    await process.start()
    cloud.pods["pod2"].nova.fail(Kind.SLOW, "POST", "/servers$", seconds=1.0)
    outcomes: Counter[str] = Counter()
    made: set[str] = set()
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(process.kill)
        gateway = await stack.enter_async_context(caller(process))
        gateway.http = await stack.enter_async_context(
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0, force_close=True))
        )
        (await gateway.get("/servers")).ok(200)

        async def ask(number: int) -> None:
            await asyncio.sleep(number / 200)  # some come before the signal, some after it
            try:
                answer = await (create(gateway) if number % 2 else gateway.get("/servers"))
            except aiohttp.ClientConnectorError:
                outcomes["refused"] += 1
                return
            except aiohttp.ClientError as error:
                outcomes[f"cut: {type(error).__name__}"] += 1
                return
            outcomes[str(answer.status)] += 1
            if answer.status == 202:
                made.add(answer.json["server"]["id"])
            elif answer.status != 200:
                refused_well(answer)

        asking = [asyncio.create_task(ask(number)) for number in range(200)]
        await asyncio.sleep(0.8)
        told = time.monotonic()
        stopping = asyncio.create_task(process.stop())
        await asyncio.gather(*asking)
        assert await stopping == 0
        print(outcomes, f"ended in {time.monotonic() - told:.1f} s")
    assert not [one for one in outcomes if one.startswith("cut")], outcomes
    assert outcomes["202"] > 0
    await asyncio.to_thread(whole, cloud, made)
    untroubled(process)
