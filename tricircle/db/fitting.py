# SPDX-License-Identifier: Apache-2.0
"""How many of something fit in limits."""

from collections.abc import Mapping

from tricircle.db.errors import Excess, OverLimit


def fitting(
    limits: Mapping[str, int], used: Mapping[str, int], each: Mapping[str, int], low: int, high: int
) -> int:
    """How many of ``high`` fit. Raises OverLimit when that is less than ``low``."""
    room = high
    for name, amount in each.items():
        limit = limits.get(name, -1)
        if limit >= 0 and amount > 0:
            room = min(room, (limit - used[name]) // amount)
    if room >= low and room > 0:
        return room
    asked = {name: str(amount * high) for name, amount in each.items()}
    if "instances" in each:
        asked["instances"] = str(low) if low == high else f"{low}-{high}"
    raise OverLimit(
        *(
            Excess(name, asked[name], used[name], limits[name])
            for name, amount in sorted(each.items())
            if 0 <= limits.get(name, -1) < used[name] + amount * high and amount > 0
        )
    )
