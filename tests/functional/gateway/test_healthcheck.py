# SPDX-License-Identifier: Apache-2.0
"""What a load balancer is told of a process."""

import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.functional import gateway_harness
from tests.functional.fakes.cloud import Cloud
from tests.functional.fakes.faults import Kind
from tests.functional.gateway_harness import Answer, Gateway
from tests.waiting import eventually
from tricircle.conf import CONF
from tricircle.db import session
from tricircle.gateway import process
from tricircle.gateway.console.front import Front
from tricircle.gateway.threads import DATABASE, TOKENS, Pool


@pytest_asyncio.fixture
async def gateway(
    cloud: Cloud, tmp_path: Path, database: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Gateway]:
    """A gateway that reads the pods again and again, as a process of its own does."""
    gateway_harness.shorten(monkeypatch)
    async with gateway_harness.running(
        cloud, tmp_path, database, unhealthy_after=0.5, keystone_deadline=1, keystone_threads=2,
        thread_patience=0.2,
    ) as gateway:  # fmt: skip
        reading = asyncio.create_task(process.keep_refreshing(gateway.services))
        yield gateway
        reading.cancel()


async def health(gateway: Gateway) -> list[Answer]:
    """What all ports say, which they do at once."""
    async with asyncio.timeout(2):
        return [
            await gateway.get("/healthcheck", base=base, user=None)
            for base in (gateway.compute, gateway.volume, gateway.admin)
        ]


async def becomes(gateway: Gateway, status: int) -> str:
    """What all say once it is this status, which it must be within seconds."""

    async def said() -> list[Answer]:
        found = await health(gateway)
        return found if {answer.status for answer in found} == {status} else []

    return (await eventually(f"all say {status}", said, 10))[0].body.decode()


async def test_a_database_that_is_away(gateway: Gateway, tmp_path: Path) -> None:
    assert await becomes(gateway, 200) == "OK"
    CONF.set_override("connection", f"sqlite:///{tmp_path}/away/x.sqlite", "tricircle_database")
    session.reset()
    assert "The database was read last" in await becomes(gateway, 503)
    CONF.clear_override("connection", "tricircle_database")
    session.reset()
    assert await becomes(gateway, 200) == "OK"


@pytest.mark.parametrize("pool", [DATABASE, TOKENS], ids=["database", "tokens"])
async def test_threads_that_do_not_come_back(gateway: Gateway, pool: Pool) -> None:
    await gateway.get("/servers")
    end = threading.Event()
    lost = [asyncio.ensure_future(pool.run(end.wait, 20)) for _ in range(pool._most)]
    said = await becomes(gateway, 503)
    assert "The database was read last" in said or "No thread for" in said
    end.set()
    await asyncio.gather(*lost)
    assert await becomes(gateway, 200) == "OK"


async def test_keystone_and_pods_do_not_count(gateway: Gateway, cloud: Cloud) -> None:
    cloud.keystone.fail(Kind.HANG)
    for pod in cloud.pods.values():
        pod.fail(Kind.HANG)
    strangers = gateway.strangers(20)
    for _ in range(20):
        assert {answer.status for answer in await health(gateway)} == {200}
        await asyncio.sleep(0.05)
    assert {answer.status for answer in await asyncio.gather(*strangers)} == {503}


async def test_the_consoles_port_says_the_same(gateway: Gateway) -> None:
    runner = await process.listen(Front(gateway.services), 0)
    try:
        url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        assert (await gateway.get("/healthcheck", base=url, user=None)).status == 200
        gateway.services.database_read_at = None
        assert (await gateway.get("/healthcheck", base=url, user=None)).status == 503
    finally:
        await runner.cleanup()
