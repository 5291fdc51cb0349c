# SPDX-License-Identifier: Apache-2.0
"""Leave a pod's service alone for a while when it fails, so that nobody waits for it."""

import threading
import time
from collections.abc import Callable

from tricircle.conf import CONF

# What a proxy says for a service that does not answer it, and a service without its database.
_NO_LIFE = (500, 502, 503, 504)
# The part of an answer's time that the next quicker one leaves to be remembered.
_FORGOTTEN = 0.9


class Breaker:
    """One service's of a pod: opens after [pods] breaker_failures in a row, lets one call try after
    [pods] breaker_seconds, closes when a call succeeds. Thread-safe; of this process only.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._failures = 0
        self._next_trial = 0.0
        self._failed_at = float("-inf")
        self._told = ""
        self._answered_at = float("-inf")
        self._slowest = 0.0

    def allow(self) -> bool:
        """Whether a call may be made now. A call that was allowed must report how it went."""
        if not self._failures:
            return True
        with self._lock:
            if self._failures < CONF.pods.breaker_failures:
                return True
            if self._clock() < self._next_trial:
                return False
            # This caller is the trial; the others wait for what becomes of it, but not for ever,
            # since a cancelled caller reports nothing.
            self._next_trial = self._clock() + CONF.pods.breaker_seconds
            return True

    def answered(self, status: int, seconds: float = 0.0) -> None:
        """An HTTP answer came, after so many seconds. 502, 503 and 504 may be a proxy's: they
        prove no life, nor does a 500.
        """
        if status not in _NO_LIFE:
            self._answered_at = self._clock()
            self._slowest = max(seconds, self._slowest * _FORGOTTEN)
        self.success()

    @property
    def slowest(self) -> float:
        """Seconds that the slower of the last answers took."""
        return self._slowest

    @property
    def silence(self) -> float:
        """Seconds since an answer proved that the service lives; infinite if none ever did."""
        return self._clock() - self._answered_at

    def success(self) -> None:
        if self._failures:
            with self._lock:
                self._failures = 0

    def failure(self) -> None:
        with self._lock:
            self._failures += 1
            self._failed_at = self._clock()
            self._next_trial = self._failed_at + CONF.pods.breaker_seconds

    def told(self, of: str, age: float) -> None:
        """Somebody else had an answer, ``age`` seconds ago. ``of`` tells it from others: each is
        heard once, since clocks differ.

        What failed before it proves nothing any more: calls are made until one fails again.
        """
        with self._lock:
            is_open = self._failures >= CONF.pods.breaker_failures
            if is_open and of != self._told and age < self._clock() - self._failed_at:
                self._told, self._failures = of, CONF.pods.breaker_failures - 1

    @property
    def open(self) -> bool:
        """Whether the pod is being left alone."""
        with self._lock:
            return self._failures >= CONF.pods.breaker_failures

    @property
    def resting(self) -> bool:
        """Whether a call made now would be refused: open, and no trial is due yet."""
        with self._lock:
            failing = self._failures >= CONF.pods.breaker_failures
            return failing and self._clock() < self._next_trial


class Breakers:
    """The breakers of a process: ``breakers[pod.id, service]`` is made at first use."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._breakers: dict[tuple[str, str], Breaker] = {}

    def __getitem__(self, key: tuple[str, str]) -> Breaker:
        if (known := self._breakers.get(key)) is not None:
            return known
        with self._lock:
            return self._breakers.setdefault(key, Breaker())

    def all(self) -> dict[tuple[str, str], Breaker]:
        """Those that were used so far, by pod id and service."""
        with self._lock:
            return dict(self._breakers)
