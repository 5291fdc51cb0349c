# SPDX-License-Identifier: Apache-2.0
"""Homes of routers: spread, kept, and moved only when they must be."""

import collections
import uuid

import pytest

from tricircle.network.reconcile import stand_ins
from tricircle.network.routers import homes
from tricircle.network.routers.homes import Home
from tricircle.pods.availability import Availability
from tricircle.pods.breaker import Breakers
from tricircle.pods.pod import Pod

PODS = tuple(f"pod{number}" for number in range(10))


def test_routers_are_spread() -> None:
    routers = [str(uuid.UUID(int=number)) for number in range(1000)]
    found = collections.Counter(homes.choose(one, PODS, (), None).pod_id for one in routers)
    assert set(found) == set(PODS)
    assert max(found.values()) < 2 * min(found.values())
    # A pod more takes its share and moves nothing else.
    more = (*PODS, "pod10")
    moved = [one for one in routers if homes.choose(one, more, (), None) != homes.choose(one, PODS, (), None)]  # fmt: skip  # noqa: E501
    assert {homes.choose(one, more, (), None).pod_id for one in moved} == {"pod10"}


def test_servers_come_first() -> None:
    for number in range(20):
        assert homes.choose(f"r{number}", PODS, {"pod3", "elsewhere"}, None) == Home("pod3")


def test_what_is_kept_stays_as_long_as_it_can() -> None:
    kept = Home("pod7", "pod2")
    assert homes.choose("r", PODS, {"pod3"}, kept) == kept
    assert homes.choose("r", ("pod7", "pod8"), (), kept) == Home("pod7")
    assert homes.choose("r", ("pod8",), (), kept) == Home("pod8")
    assert homes.choose("r", PODS, {"pod3"}, Home("")) == Home("pod0")


@pytest.mark.parametrize(
    ("down", "found"),
    [((), False), (("network",), False), (("compute", "network", "volume"), True)],
)
def test_a_pod_is_down_when_none_of_its_services_answers(
    down: tuple[str, ...], found: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    pod = Pod("1", "pod1", "az1", services=dict.fromkeys(("compute", "network", "volume")))
    availability = Availability(Breakers())
    monkeypatch.setattr(availability, "is_down", lambda pod, name: name in down)
    assert stand_ins.is_down(pod, availability) is found
    # Of one that nobody has probed yet nothing is known.
    assert not stand_ins.is_down(Pod("2", "pod2", "az1"), availability)
