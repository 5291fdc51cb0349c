# SPDX-License-Identifier: Apache-2.0
"""The ranges of microversions that pods' services offer.

They are read strictly: a pod writes them, and what all pods have in common is what users get.
"""

import dataclasses
import functools
import re
from collections.abc import Iterable
from typing import Any

from oslo_log import log as logging

LOG = logging.getLogger(__name__)

Version = tuple[int, int]
# The one major version of each service that is spoken here.
MAJORS = {"compute": 2, "network": 2, "volume": 3, "placement": 1}
# Those whose versions clients choose: they get what all pods have.
CHOSEN = ("compute", "volume", "placement")
_NUMBER = re.compile(r"(\d{1,3})\.(\d{1,3})", re.ASCII)


@dataclasses.dataclass(frozen=True, slots=True)
class Range:
    """The microversions offered, both ends included."""

    minimum: Version
    maximum: Version

    def __contains__(self, version: Version) -> bool:
        return self.minimum <= version <= self.maximum

    def __str__(self) -> str:
        return f"{show(self.minimum)} to {show(self.maximum)}"

    def shared(self, other: "Range") -> "Range | None":
        """What both have; None for nothing."""
        lowest, highest = max(self.minimum, other.minimum), min(self.maximum, other.maximum)
        return Range(lowest, highest) if lowest <= highest else None


def show(version: Version) -> str:
    return f"{version[0]}.{version[1]}"


def read(service: str, minimum: Any, maximum: Any) -> Range:
    """The range between two texts like ``"2.96"``. Raises ValueError with the reason."""
    low, high = _number(minimum), _number(maximum)
    if not low[0] == high[0] == MAJORS[service] or low > high:
        raise ValueError(f"offers versions {show(low)} to {show(high)}, which cannot be")
    return Range(low, high)


def _number(told: Any) -> Version:
    found = _NUMBER.fullmatch(told) if isinstance(told, str) else None
    if found is None:
        raise ValueError(f"names a version {told!r:.40}, which is none")
    return int(found[1]), int(found[2])


def stored(region: str, service: str, kept: Any) -> Range | None:
    """A range as ``models.Pod`` keeps it, {"min": "2.1", "max": "2.104"}.

    None for nothing, and for what makes no sense: that is logged once.
    """
    if kept is None:
        return None
    told = kept if isinstance(kept, dict) else {}
    low, high = told.get("min"), told.get("max")
    if not isinstance(low, str) or not isinstance(high, str):
        low, high = f"<{low!r:.40}>", f"<{high!r:.40}>"
    return _stored(region, service, low, high)


@functools.lru_cache(maxsize=4096)
def _stored(region: str, service: str, low: str, high: str) -> Range | None:
    try:
        return read(service, low, high)
    except ValueError as error:
        LOG.warning("What is kept of pod %s is left out: its %s API %s", region, service, error)
        return None


def common(ranges: Iterable[Range]) -> Range | None:
    """What all have; None without any.

    One that has nothing of what those before it have is left out: it must not take all versions
    from the others.
    """
    found: Range | None = None
    for one in ranges:
        found = one if found is None else found.shared(one) or found
    return found
