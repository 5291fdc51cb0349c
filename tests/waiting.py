# SPDX-License-Identifier: Apache-2.0
"""Waiting for what others do in their own time."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

import pytest

_Found = TypeVar("_Found")
# Seconds between two looks.
_PAUSE = 0.05


def until(what: str, probe: Callable[[], _Found], seconds: float = 20) -> _Found:
    """Ask until there is something true, and give that; fails with ``what`` otherwise."""
    end = time.monotonic() + seconds
    while not (found := probe()):
        if time.monotonic() > end:
            pytest.fail(f"not within {seconds} s: {what}")
        time.sleep(_PAUSE)
    return found


async def eventually(
    what: str, probe: Callable[[], _Found | Awaitable[_Found]], seconds: float = 20
) -> _Found:
    """The same on an event loop; ``probe`` may be a coroutine function."""
    end = time.monotonic() + seconds
    while True:
        found = probe()
        if inspect.isawaitable(found):
            found = await found
        if found:
            return found
        if time.monotonic() > end:
            pytest.fail(f"not within {seconds} s: {what}")
        await asyncio.sleep(_PAUSE)
