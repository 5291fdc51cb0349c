# SPDX-License-Identifier: Apache-2.0
"""The data of an image on their way from one Glance to another, a little at a time."""

import hashlib
import threading
import time
from collections.abc import Callable
from typing import Protocol

from tricircle.conf import CONF

_MEBIBYTE = 1 << 20
# Seconds between two times that it is told how far it is.
_TELLING = 2.0


class Readable(Protocol):
    def read(self, amount: int) -> bytes: ...


class Pace:
    """No more bytes a second than [images] bandwidth, of all that flows in this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._free_at = 0.0

    def wait(self, amount: int) -> None:
        """Wait until so many bytes may go."""
        rate = CONF.images.bandwidth * _MEBIBYTE
        if not rate:
            return
        with self._lock:
            moment = time.monotonic()
            begin = max(moment, self._free_at)
            self._free_at = begin + amount / rate
        if begin > moment:
            time.sleep(begin - moment)


PACE = Pace()


class Flow:
    """What ``requests`` sends as a body: it is read as it is sent, and never held as a whole.

    ``size`` is in bytes. ``tell`` is called now and then with how many of them have gone; what it
    raises ends the flow.
    """

    def __init__(
        self, source: Readable, size: int, algorithm: str, tell: Callable[[int], None]
    ) -> None:
        self._source, self.size, self._tell = source, size, tell
        self._digest = hashlib.new(algorithm, usedforsecurity=False)
        self.done = 0
        self._told_at = time.monotonic()

    def __len__(self) -> int:
        return self.size

    def read(self, amount: int = -1) -> bytes:
        part = self._source.read(_MEBIBYTE if amount < 0 else amount)
        PACE.wait(len(part))
        self.done += len(part)
        self._digest.update(part)
        if time.monotonic() - self._told_at > _TELLING:
            self._told_at = time.monotonic()
            self._tell(self.done)
        return part

    @property
    def digest(self) -> str:
        """Of all that has gone."""
        return self._digest.hexdigest()
