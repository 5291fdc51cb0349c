# SPDX-License-Identifier: Apache-2.0
"""Which ways join which pods: what an operator says in [interconnect] joined_by.

Pods are named by region, ways by the name of their interconnect. Nobody is asked here.
"""

import itertools
from collections.abc import Collection, Iterable

from tricircle.conf import CONF

DEFAULT = ("vlan",)
_ANY = "*"


def ways(one: str, other: str) -> tuple[str, ...]:
    """The ways that join two pods, the preferred one first."""
    said = {frozenset(key.split("/")): value for key, value in CONF.interconnect.joined_by.items()}
    for named in ({one, other}, {one, _ANY}, {other, _ANY}, {_ANY}):
        if (value := said.get(frozenset(named))) is not None:
            return tuple(value.split("+"))
    return DEFAULT


def common(regions: Collection[str]) -> tuple[str, ...]:
    """The ways that join all of the pods with one another, as the first pair prefers them."""
    pairs = list(itertools.combinations(sorted(regions), 2))
    if not pairs:
        return DEFAULT
    every = [ways(*pair) for pair in pairs]
    return tuple(way for way in every[0] if all(way in others for others in every))


def apart(way: str, region: str, others: Iterable[str]) -> str | None:
    """The first of the other pods that this way does not join with a pod; None if it joins all."""
    return next(
        (other for other in sorted(others) if other != region and way not in ways(region, other)),
        None,
    )
