# SPDX-License-Identifier: Apache-2.0
"""What a query can answer besides rows."""

from collections.abc import Mapping
from typing import NamedTuple


class Duplicate(Exception):
    """A row with the same unique columns is there already."""


class NotFound(Exception):
    """No row has this id."""


class UnknownMarker(Exception):
    """A page was asked for after a row that does not exist."""


class InUse(Exception):
    """A pod still holds things. ``counts`` is {what: how many}, never empty."""

    def __init__(self, counts: Mapping[str, int]) -> None:
        super().__init__(", ".join(f"{number} × {name}" for name, number in counts.items()))
        self.counts = dict(counts)


class Excess(NamedTuple):
    """One thing that is too much: what was asked for (in words), used and allowed."""

    resource: str
    requested: str = ""
    used: int = 0
    limit: int = 0


class OverLimit(Exception):
    """More than limits allow: ``excess`` of one or several resources, by name."""

    def __init__(self, *excess: Excess) -> None:
        super().__init__(", ".join(one.resource for one in excess))
        self.excess = excess


class Elsewhere(Exception):
    """A group that keeps together has its servers in another pod. ``pod_id`` is that one's."""

    def __init__(self, pod_id: str) -> None:
        super().__init__(pod_id)
        self.pod_id = pod_id
