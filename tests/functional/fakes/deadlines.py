# SPDX-License-Identifier: Apache-2.0
"""Deadlines of calls to fakes: one passes once the fake has said that it will never answer.

So a test waits for no deadline, and a busy machine, on which everything is late, makes none pass.
Callers tell of their calls (``governed``), fakes of those they leave without an answer
(``passes``). The deadline itself is the caller's own: a call that has none never ends.
"""

import contextlib
import inspect
import itertools
from asyncio import AbstractEventLoop
from collections.abc import Iterator, Mapping, MutableMapping
from contextvars import ContextVar
from typing import Any

import aiohttp.client
import pytest
from aiohttp.helpers import TimeoutHandle

from tricircle.gateway.transport.client import PodClient

#: The header by which a fake knows a call.
_CALL = "X-Test-Call"
#: Seconds for calls that a fake answers: no machine is that busy.
_PATIENCE = 60.0
# Seconds from when a fake will not answer: others, asked at the same time, do meanwhile.
_PAUSE = 0.05

_numbers = itertools.count(1)
_current: ContextVar[str | None] = ContextVar("call", default=None)
_deadlines: dict[str, "_Deadline"] = {}


class _Deadline(TimeoutHandle):
    """aiohttp's deadline of a whole call."""

    def __init__(
        self, loop: AbstractEventLoop, timeout: float | None, ceil_threshold: float = 5
    ) -> None:
        number = _current.get()
        late = number is not None and timeout
        super().__init__(loop, max(timeout or 0, _PATIENCE) if late else timeout, ceil_threshold)
        if number is not None:
            _deadlines[number] = self

    def pass_in(self, seconds: float) -> None:
        # A loop that was closed waits for nothing.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._loop.call_later, seconds, self)


aiohttp.client.TimeoutHandle = _Deadline  # type: ignore[misc]


@contextlib.contextmanager
def governed(headers: MutableMapping[str, str]) -> Iterator[None]:
    """The call made inside, with these headers, waits for whoever answers."""
    number = str(next(_numbers))
    headers[_CALL] = number
    before = _current.set(number)
    try:
        yield
    finally:
        _current.reset(before)
        _deadlines.pop(number, None)


def passes(headers: Mapping[str, str], seconds: float = _PAUSE) -> None:
    """The call with these headers is never answered: that is told its caller in so many seconds."""
    if deadline := _deadlines.get(headers.get(_CALL, "")):
        deadline.pass_in(seconds)


def govern_gateway(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a gateway in this process wait so for pods and for central Neutron."""
    send = PodClient._send
    signature = inspect.signature(send)

    async def governed_send(*args: Any, **more: Any) -> Any:
        with governed(signature.bind(*args, **more).arguments["headers"]):
            return await send(*args, **more)

    monkeypatch.setattr(PodClient, "_send", governed_send)
