# SPDX-License-Identifier: Apache-2.0
"""How long a piece of work may take, shared by all its steps."""

import time


class DeadlinePassed(Exception):
    """The work took longer than it may; the text says what was being waited for."""


class Deadline:
    """A moment, ``seconds`` from now. Each call to a pod on the way may take ``call`` seconds."""

    def __init__(self, seconds: float, call: float = float("inf")) -> None:
        self._at, self._call = time.monotonic() + seconds, call

    def remaining(self, waiting_for: str) -> float:
        """Seconds left, more than zero. Raises DeadlinePassed."""
        left = self._at - time.monotonic()
        if left <= 0:
            raise DeadlinePassed(f"No time is left to wait for {waiting_for}")
        return left

    def of_a_call(self, waiting_for: str) -> float:
        """Seconds that one call may take that is made now. Raises DeadlinePassed."""
        return min(self._call, self.remaining(waiting_for))

    def at_most(self, seconds: float, waiting_for: str) -> "Deadline":
        """This deadline, or ``seconds`` from now if that is sooner."""
        return Deadline(min(seconds, self.remaining(waiting_for)), self._call)

    def sleep(self, seconds: float, waiting_for: str) -> None:
        """Sleep, but not beyond the deadline. Raises DeadlinePassed when it has passed."""
        time.sleep(min(seconds, self.remaining(waiting_for)))
