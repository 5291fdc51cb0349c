# SPDX-License-Identifier: Apache-2.0
"""What a query can answer besides rows."""

from collections.abc import Mapping


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
