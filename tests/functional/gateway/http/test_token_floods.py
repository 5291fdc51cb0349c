# SPDX-License-Identifier: Apache-2.0
"""Tokens by the hundred, and a Keystone that does not answer: who waits for it, and who not."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.functional import gateway_harness
from tests.functional.fakes.cloud import Cloud
from tests.functional.fakes.faults import Kind
from tests.functional.gateway_harness import Gateway

#: Seconds in which whoever need not wait for Keystone has an answer, on a busy machine.
SOON = 1.5
DEADLINE = 2.0
THREADS, QUEUE = 2, 3


@pytest_asyncio.fixture
async def gateway(
    cloud: Cloud, tmp_path: Path, database: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Gateway]:
    """A gateway with few threads for Keystone; a member and an administrator are known to it."""
    gateway_harness.shorten(monkeypatch)
    async with gateway_harness.running(
        cloud, tmp_path, database, keystone_threads=THREADS, thread_queue=QUEUE,
        keystone_deadline=DEADLINE,
    ) as gateway:  # fmt: skip
        for user in ("member", "admin"):
            (await gateway.get("/servers", user=user)).ok()
        yield gateway


async def test_nobody_who_is_known_waits_for_keystone(gateway: Gateway, cloud: Cloud) -> None:
    server = cloud.pods["pod3"].nova.add_server("one")
    hung = cloud.keystone.fail(Kind.HANG)
    flood = gateway.strangers(60)
    await asyncio.to_thread(hung.hit.wait, 10)

    async with asyncio.timeout(SOON):
        answers = await asyncio.gather(
            gateway.get("/servers"),
            gateway.get(f"/servers/{server.id}"),
            gateway.get("/os-keypairs"),
            gateway.get("/os-server-groups"),
            gateway.manage("GET", "/pods"),
            gateway.manage("GET", "/routings"),
        )
    assert [answer.status for answer in answers] == [200] * 6
    assert (await gateway.get("/healthcheck", base=gateway.compute, user=None)).status == 200

    refused = await asyncio.gather(*flood)
    assert {answer.status for answer in refused} == {503}
    assert all(answer.headers["Retry-After"] for answer in refused)


async def test_beyond_the_queue_the_answer_comes_at_once(gateway: Gateway, cloud: Cloud) -> None:
    cloud.keystone.fail(Kind.HANG)
    began = time.monotonic()
    flood = gateway.strangers(4 * (THREADS + QUEUE))
    first = 0
    for asked in asyncio.as_completed(flood):
        assert (await asked).status == 503
        first += time.monotonic() - began < DEADLINE
    assert first == 3 * (THREADS + QUEUE)
    assert time.monotonic() - began < 2 * DEADLINE


async def test_threads_come_back(gateway: Gateway, cloud: Cloud) -> None:
    """Keystone is well again, but never answers what it was asked before."""
    hung = cloud.keystone.fail(Kind.HANG, times=THREADS)
    flood = gateway.strangers(THREADS)
    await asyncio.to_thread(hung.hit.wait, 10)
    assert (await gateway.get("/servers", user="other")).status == 200
    assert {answer.status for answer in await asyncio.gather(*flood)} <= {401, 503}


async def test_a_token_keystone_does_not_know_is_remembered(gateway: Gateway, cloud: Cloud) -> None:
    headers = {"X-Auth-Token": "unheard-of"}
    for _ in range(3):
        assert (await gateway.get("/servers", user=None, headers=headers)).status == 401
    asked = cloud.journal.find("keystone", "GET", "/auth/tokens")
    assert [entry.headers["X-Subject-Token"] for entry in asked].count("unheard-of") == 1


@pytest.mark.parametrize("kind", [Kind.ERROR, Kind.UNAVAILABLE, Kind.CUT, Kind.HANG])
async def test_what_keystone_did_not_say_is_not_remembered(
    gateway: Gateway, cloud: Cloud, kind: Kind
) -> None:
    cloud.keystone.fail(kind)
    assert (await gateway.get("/servers", user="other")).status == 503
    cloud.keystone.heal()
    assert (await gateway.get("/servers", user="other")).status == 200
