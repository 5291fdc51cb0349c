# SPDX-License-Identifier: Apache-2.0
"""Servers and volumes computed when asked for, not kept: a million of them need no memory.

One ``index`` of a pod has a rank among all of its kind, 0 for the newest; in a pod, ranks grow with
the index. Everything of it follows from the two.
"""

from __future__ import annotations

import dataclasses
import re

#: The newest was created then, each one before it a second earlier.
NEWEST = 1_790_000_000
#: Every so many of a pod has failed.
ERRORS_EVERY = 50
_ID = re.compile(r"([0-9a-f]{8})-0000-4000-8000-([0-9a-f]{12})")


@dataclasses.dataclass(frozen=True, slots=True)
class Population:
    """``total`` of each kind over ``pods`` pods; in ``blocks`` all of a pod's are newer than all of
    the next one's, else they come by turns, in no regular order."""

    pods: int
    total: int
    blocks: bool = False

    @property
    def each(self) -> int:
        """How many one pod has."""
        return self.total // self.pods

    def rank(self, pod: int, index: int) -> int:
        if self.blocks:
            return pod * self.each + index
        # One of each pod in every round, each round in an order of its own.
        return index * self.pods + (pod + index * 7919) % self.pods

    def place(self, rank: int) -> tuple[int, int]:
        """The pod and index of the one of a rank."""
        if self.blocks:
            return divmod(rank, self.each)
        index, turn = divmod(rank, self.pods)
        return (turn - index * 7919) % self.pods, index

    def created(self, pod: int, index: int) -> int:
        """Seconds since the epoch."""
        return NEWEST - self.rank(pod, index)

    @staticmethod
    def has_failed(index: int) -> bool:
        return index % ERRORS_EVERY == 0

    @staticmethod
    def id(pod: int, index: int) -> str:
        return f"{pod:08x}-0000-4000-8000-{index:012x}"

    def index(self, pod: int, given: str) -> int | None:
        """Which one of a pod has an id; None when none has."""
        found = _ID.fullmatch(given)
        if found is None or int(found[1], 16) != pod:
            return None
        index = int(found[2], 16)
        return index if index < self.each else None
