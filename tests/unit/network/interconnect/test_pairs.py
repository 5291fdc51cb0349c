# SPDX-License-Identifier: Apache-2.0
"""Which ways join which pods."""

from collections.abc import Callable, Iterator

import pytest

from tricircle.conf import CONF
from tricircle.network.interconnect import pairs

Say = Callable[[dict[str, str]], None]


@pytest.fixture
def say() -> Iterator[Say]:
    yield lambda said: CONF.set_override("joined_by", said, group="interconnect")
    CONF.clear_override("joined_by", group="interconnect")


def test_without_a_word_vlan_joins_all() -> None:
    assert pairs.ways("Pod1", "Pod2") == ("vlan",)
    assert pairs.common(["Pod1", "Pod2", "Pod3"]) == ("vlan",)
    assert pairs.apart("vlan", "Pod1", ["Pod2", "Pod3"]) is None


def test_the_order_of_the_two_means_nothing(say: Say) -> None:
    say({"Pod2/Pod1": "vxlan"})
    assert pairs.ways("Pod1", "Pod2") == pairs.ways("Pod2", "Pod1") == ("vxlan",)


def test_what_names_a_pair_more_closely_wins(say: Say) -> None:
    say({"*/*": "vxlan", "Pod1/*": "vlan", "Pod3/Pod1": "vxlan+vlan"})
    assert pairs.ways("Pod2", "Pod3") == ("vxlan",)
    assert pairs.ways("Pod1", "Pod2") == ("vlan",)
    assert pairs.ways("Pod1", "Pod3") == ("vxlan", "vlan")


def test_the_ways_that_join_several_pods_are_those_of_every_pair(say: Say) -> None:
    say({"*/*": "vxlan+vlan", "Pod1/Pod3": "vlan"})
    assert pairs.common(["Pod1", "Pod2"]) == ("vxlan", "vlan")
    assert pairs.common(["Pod3", "Pod2", "Pod1"]) == ("vlan",)
    say({"Pod1/Pod2": "vxlan"})
    assert pairs.common(["Pod1", "Pod2", "Pod3"]) == ()


def test_one_pod_is_joined_with_itself(say: Say) -> None:
    say({"*/*": "vxlan"})
    assert pairs.common(["Pod1"]) == ("vlan",)
    assert pairs.apart("vlan", "Pod1", ["Pod1"]) is None


def test_the_first_pod_that_is_not_joined_is_named(say: Say) -> None:
    say({"Pod1/Pod3": "vxlan", "Pod1/Pod4": "vxlan"})
    assert pairs.apart("vlan", "Pod1", ["Pod4", "Pod3", "Pod2"]) == "Pod3"
    assert pairs.apart("vxlan", "Pod1", ["Pod4", "Pod3"]) is None
