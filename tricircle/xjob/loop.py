# SPDX-License-Identifier: Apache-2.0
"""Something done again and again in a thread of its own, whatever goes wrong in between."""

import threading
import time
from collections.abc import Callable

from oslo_db import exception as db_exc
from oslo_log import log as logging

LOG = logging.getLogger(__name__)

_PATIENCE = 5.0


class Loop:
    """Calls ``work`` every ``interval()`` seconds, sooner when woken, until it is stopped.

    The first time is ``first`` seconds after the start.
    """

    def __init__(
        self,
        name: str,
        work: Callable[[], object],
        interval: Callable[[], float],
        first: float = 0,
    ):
        self.name = name
        self._work = work
        self._interval = interval
        self._first = first
        self.worked_at = time.monotonic()  # when it last went well, or was to begin
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def wake(self) -> None:
        self._wake.set()

    def stop(self) -> None:
        """Ask it to end after what it is doing now."""
        self._stopping.set()
        self._wake.set()

    def join(self, seconds: float) -> bool:
        """Wait for the end; whether it has ended, or never began."""
        if self._thread.ident is not None:
            self._thread.join(seconds)
        return not self._thread.is_alive()

    def _run(self) -> None:
        if self._first:
            self._wake.wait(self._first)
        while not self._stopping.is_set():
            pause = self._interval()
            self._wake.clear()
            try:
                self._work()
                self.worked_at = time.monotonic()
            except (db_exc.DBError, db_exc.CantStartEngineError) as error:
                LOG.warning("%s: the database failed, will go on: %s", self.name, error)
                pause = max(pause, _PATIENCE)
            except Exception:
                LOG.exception("%s failed, will go on", self.name)
                pause = max(pause, _PATIENCE)
            self._wake.wait(pause)


class BellLoop(Loop):
    """A ``Loop`` that is told when there is work, so that it need not ask: ``work`` gets whether it
    was. It was at first: nobody has looked yet."""

    def __init__(self, name: str, work: Callable[[bool], object], interval: Callable[[], float]):
        super().__init__(name, lambda: work(self._heard()), interval)
        self._rung = threading.Event()
        self._rung.set()

    def ring(self) -> None:
        """There is work."""
        self._rung.set()
        self.wake()

    def _heard(self) -> bool:
        rung = self._rung.is_set()
        self._rung.clear()
        return rung
