# SPDX-License-Identifier: Apache-2.0
"""Which microversion a request is served at."""

import dataclasses
import re

from tricircle.gateway.errors import Fault

Version = tuple[int, int]
_NUMBER = re.compile(r"([1-9]\d*)\.([1-9]\d*|0)")


@dataclasses.dataclass(frozen=True, slots=True)
class Scheme:
    """How one service does microversions. ``legacy`` is its older header, if it has one."""

    service: str
    minimum: Version
    legacy: str | None = None

    @property
    def header_names(self) -> tuple[str, ...]:
        return ("OpenStack-API-Version", self.legacy) if self.legacy else ("OpenStack-API-Version",)


COMPUTE = Scheme("compute", (2, 1), "X-OpenStack-Nova-API-Version")
VOLUME = Scheme("volume", (3, 0))


def parse(text: str) -> Version:
    """``"2.30"`` as ``(2, 30)``. Raises Fault 400."""
    if found := _NUMBER.fullmatch(text):
        return int(found[1]), int(found[2])
    raise Fault(
        400,
        f"API Version String {text} is of invalid format. Must be of format MajorNum.MinorNum.",
    )


def show(version: Version) -> str:
    return f"{version[0]}.{version[1]}"
