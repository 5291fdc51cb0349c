# SPDX-License-Identifier: Apache-2.0
"""Pools of threads: none waits for ever, and whoever cannot be served is told so."""

import asyncio
import threading
from collections.abc import Iterator

import pytest
from oslo_db import exception as db_exc

from tricircle.conf import CONF
from tricircle.gateway.threads import Busy, DatabaseBusy, Pool


@pytest.fixture(autouse=True)
def little_room() -> Iterator[None]:
    CONF.set_override("thread_queue", 1, "gateway")
    CONF.set_override("thread_patience", 0.1, "gateway")
    yield
    CONF.clear_override("thread_queue", "gateway")
    CONF.clear_override("thread_patience", "gateway")


class Held:
    """A pool of one thread, which is taken until ``let_go``."""

    def __init__(self) -> None:
        self.pool = Pool("a test", lambda: 1)
        self.begun, self.end = threading.Event(), threading.Event()
        self.call = asyncio.ensure_future(self.pool.run(self._hold))

    def _hold(self) -> str:
        self.begun.set()
        assert self.end.wait(10)
        return "done"

    async def let_go(self) -> None:
        self.end.set()
        assert await self.call == "done"


async def test_who_waits_too_long_is_refused_and_nothing_is_begun() -> None:
    held, done = Held(), threading.Event()
    await asyncio.sleep(0)
    with pytest.raises(Busy):
        await held.pool.run(done.set)
    await held.let_go()
    assert await held.pool.run(lambda: 1) == 1
    assert not done.is_set()


async def test_beyond_the_queue_nobody_waits() -> None:
    CONF.set_override("thread_patience", 10.0, "gateway")
    held = Held()
    await asyncio.sleep(0)
    second = asyncio.ensure_future(held.pool.run(lambda: 2))
    await asyncio.sleep(0)
    async with asyncio.timeout(5):
        with pytest.raises(Busy):
            await held.pool.run(lambda: 3)
    await held.let_go()
    assert await second == 2


async def test_what_nobody_waits_for_any_more_is_not_begun() -> None:
    held, done = Held(), threading.Event()
    await asyncio.sleep(0)
    second = asyncio.ensure_future(held.pool.run(done.set))
    await asyncio.sleep(0)
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    await held.let_go()
    assert await held.pool.run(lambda: 1) == 1
    assert not done.is_set()


async def test_what_a_call_raises_comes_back_even_if_it_had_to_wait() -> None:
    CONF.set_override("thread_patience", 10.0, "gateway")

    def late() -> None:
        raise TimeoutError("its own")

    held = Held()
    await asyncio.sleep(0)
    second = asyncio.ensure_future(held.pool.run(late))
    await asyncio.sleep(0)
    await held.let_go()
    with pytest.raises(TimeoutError, match="its own"):
        await second


async def test_a_pool_whose_threads_are_gone_is_stuck() -> None:
    held = Held()
    assert await asyncio.to_thread(held.begun.wait, 10)
    was = held.pool.stuck_for()
    # That others give up is no sign of life.
    with pytest.raises(Busy):
        await held.pool.run(lambda: 2)
    assert held.pool.stuck_for() >= was + 0.09
    await held.let_go()
    assert held.pool.stuck_for() == 0.0


def test_a_busy_database_is_one_more_of_its_failures() -> None:
    assert issubclass(DatabaseBusy, db_exc.DBError)
