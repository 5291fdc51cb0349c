# SPDX-License-Identifier: Apache-2.0
"""Leave a pod alone for a while when it fails, so that nobody waits for it."""

import threading
import time
from collections.abc import Callable

from tricircle.conf import CONF


class Breaker:
    """One pod's: opens after [pods] breaker_failures in a row, lets one call try after
    [pods] breaker_seconds, closes when a call succeeds. Thread-safe; of this process only.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._failures = 0
        self._next_trial = 0.0

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

    def success(self) -> None:
        if self._failures:
            with self._lock:
                self._failures = 0

    def failure(self) -> None:
        with self._lock:
            self._failures += 1
            self._next_trial = self._clock() + CONF.pods.breaker_seconds

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
    """The breakers of a process: ``breakers[pod.id]`` is made at first use."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._breakers: dict[str, Breaker] = {}

    def __getitem__(self, pod_id: str) -> Breaker:
        if (known := self._breakers.get(pod_id)) is not None:
            return known
        with self._lock:
            return self._breakers.setdefault(pod_id, Breaker())
