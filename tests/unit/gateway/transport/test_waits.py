# SPDX-License-Identifier: Apache-2.0
"""Waits end with their answer, or when their pod is found down."""

import asyncio

import pytest

from tricircle.gateway.transport import waits as module
from tricircle.gateway.transport.waits import Waits

DOWN = {"down"}


@pytest.fixture(autouse=True)
def brisk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PAUSE", 0.01)


async def after(seconds: float) -> str:
    await asyncio.sleep(seconds)
    return "answer"


async def test_a_pod_that_is_well_is_waited_for() -> None:
    assert await Waits(DOWN.__contains__).wait("well", after(0.05)) == "answer"


async def test_a_pod_found_down_is_waited_for_no_more_and_only_that_one() -> None:
    waits = Waits(DOWN.__contains__)
    well = asyncio.ensure_future(waits.wait("well", after(0.1)))
    with pytest.raises(TimeoutError):
        await waits.wait("down", after(60))
    assert await well == "answer"


async def test_later_waits_are_looked_after_too() -> None:
    waits = Waits(DOWN.__contains__)
    assert await waits.wait("well", after(0)) == "answer"
    await asyncio.sleep(0.05)  # nobody waits: no timer is left
    with pytest.raises(TimeoutError):
        await waits.wait("down", after(60))


async def test_who_gives_up_by_itself_leaves_nothing_behind() -> None:
    waits = Waits(DOWN.__contains__)
    wait = asyncio.ensure_future(waits.wait("down", after(60)))
    await asyncio.sleep(0)
    wait.cancel()
    with pytest.raises(asyncio.CancelledError):
        await wait
    await asyncio.sleep(0.05)
    assert await waits.wait("well", after(0.05)) == "answer"


async def test_an_error_of_the_answer_is_told_as_it_is() -> None:
    async def broken() -> None:
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        await Waits(DOWN.__contains__).wait("well", broken())
