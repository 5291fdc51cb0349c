# SPDX-License-Identifier: Apache-2.0
"""Where blocking code runs: a pool of threads for each kind of work, that none wait for others.

The database, keystoneauth and keystonemiddleware block; the event loop must not.
"""

import asyncio
import contextvars
import functools
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, ParamSpec, TypeVar

from oslo_db import exception as db_exc

from tricircle.conf import CONF

_Params = ParamSpec("_Params")
_Result = TypeVar("_Result")


class Busy(Exception):
    """No thread is free for the work, and enough of it waits already. It was not begun."""


class DatabaseBusy(Busy, db_exc.DBError):
    """The same of the database: to whoever asks it, one more way in which it may fail."""


class Pool:
    """Threads for one kind of work.

    Of what finds no thread free, [gateway] thread_queue calls at most wait, and each for
    [gateway] thread_patience seconds at most.
    """

    def __init__(self, kind: str, workers: Callable[[], int], busy: type[Busy] = Busy) -> None:
        self.kind, self._workers, self._busy = kind, workers, busy
        self._executor: ThreadPoolExecutor | None = None
        self._most = 0  # calls at once
        self._lock = threading.Lock()
        self._under_way = 0
        self._moved_at = 0.0

    async def run(
        self, function: Callable[_Params, _Result], *args: _Params.args, **kwargs: _Params.kwargs
    ) -> _Result:
        """Run ``function`` in a thread and give its result, or raise what it raised.

        Raises Busy (for the database DatabaseBusy) when it cannot be begun soon.
        """
        if self._executor is None:
            self._most = self._workers()
            self._executor = ThreadPoolExecutor(self._most, thread_name_prefix=self.kind)
        queued = self._under_way - self._most
        if queued >= CONF.gateway.thread_queue:
            raise self._refusal()
        with self._lock:
            if queued < 0:
                self._moved_at = time.monotonic()
            self._under_way += 1
        begun = self._executor.submit(
            contextvars.copy_context().run, functools.partial(function, *args, **kwargs)
        )
        begun.add_done_callback(self._ended)
        waiting = asyncio.wrap_future(begun)
        if queued < 0:
            return await waiting
        try:
            async with asyncio.timeout(CONF.gateway.thread_patience):
                return await asyncio.shield(waiting)
        except TimeoutError:
            # Only what has not begun can be called off.
            if begun.cancel():
                raise self._refusal() from None
        except asyncio.CancelledError:
            begun.cancel()
            raise
        return await waiting

    def _ended(self, call: Future[Any]) -> None:
        with self._lock:
            self._under_way -= 1
            if not call.cancelled():
                self._moved_at = time.monotonic()

    def stuck_for(self) -> float:
        """Seconds in which all threads have been taken and none became free."""
        with self._lock:
            if self._under_way < self._most or not self._most:
                return 0.0
            return time.monotonic() - self._moved_at

    def shutdown(self) -> None:
        """Let the threads end; work not begun is dropped."""
        if self._executor is not None:
            self._executor.shutdown(wait=False, cancel_futures=True)
        self._executor = None

    def _refusal(self) -> Busy:
        return self._busy(f"All threads for {self.kind} are busy.")


DATABASE = Pool("the database", lambda: 32, DatabaseBusy)
# Who calls: anybody can make us ask, so what we ask for ourselves does not wait for it.
TOKENS = Pool("asking Keystone about tokens", lambda: int(CONF.gateway.keystone_threads))
KEYSTONE = Pool("the service user's calls to Keystone", lambda: 8)
PODS = Pool("calls to pods", lambda: 16)
AUDIT = Pool("audit events", lambda: 2)
# Pods' own Keystones: one that is slow takes no more than [federation] exchanges_per_pod of these.
EXCHANGES = Pool("tokens of pods", lambda: 32)

in_thread = DATABASE.run


def shutdown() -> None:
    """Let all threads end; work not begun is dropped."""
    for pool in (DATABASE, TOKENS, KEYSTONE, PODS, AUDIT, EXCHANGES):
        pool.shutdown()
