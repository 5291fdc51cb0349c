# SPDX-License-Identifier: Apache-2.0
"""Which pods rules leave to a project."""

from typing import Any

import pytest

from tricircle.pods.pod import Pod
from tricircle.scheduling.rules import Rule, default_zone, left_out

PODS = [
    Pod("1", "Pod1", "az1", labels={"country": "nl", "gpu": "yes"}),
    Pod("2", "Pod2", "az2", labels={"country": "de"}),
    Pod("3", "Pod3", "az2", labels={"country": "us"}),
]
GPU = {"property_of": "image", "property_name": "hw_gpu", "property_value": "yes"}


def rule(name: str, effect: str, pods: dict[str, Any], **more: Any) -> Rule:
    return Rule(name, effect, pods, **more)


@pytest.mark.parametrize(
    ("rules", "left"),
    [
        ([], "123"),
        ([rule("r", "allow", {"region_name": ["Pod1"]})], "1"),
        ([rule("r", "allow", {"availability_zone": ["az2"], "labels": {"country": "de"}})], "2"),
        ([rule("r", "forbid", {"labels": {"country": "us"}})], "12"),
        # One for the same widens, one for another narrows.
        (
            [
                rule("a", "allow", {"labels": {"country": "nl"}}, project_id="p"),
                rule("b", "allow", {"labels": {"country": "de"}}, project_id="p"),
            ],
            "12",
        ),
        (
            [
                rule("a", "allow", {"availability_zone": ["az2"]}, project_id="p"),
                rule("b", "allow", {"labels": {"country": "de"}}, domain_id="d"),
            ],
            "2",
        ),
        (
            [
                rule("a", "allow", {"region_name": ["Pod1", "Pod2"]}),
                rule("b", "forbid", {"region_name": ["Pod1"]}),
            ],
            "2",
        ),
        ([rule("r", "allow", {"labels": {"gpu": "yes"}}, **GPU)], "123"),
        ([rule("r", "default", {"availability_zone": ["az2"]})], "123"),
    ],
)
def test_what_is_left(rules: list[Rule], left: str) -> None:
    out = left_out(rules, PODS)
    assert "".join(pod.id for pod in PODS if pod.id not in out) == left


def test_a_rule_for_a_property_is_for_what_has_it() -> None:
    rules = [rule("gpu", "allow", {"labels": {"gpu": "yes"}}, **GPU)]
    assert set(left_out(rules, PODS, {"image": {"hw_gpu": "yes"}})) == {"2", "3"}
    assert left_out(rules, PODS, {"image": {"hw_gpu": "no"}}) == {}
    assert left_out(rules, PODS, {"flavor": {"hw_gpu": "yes"}}) == {}


def test_refusals_name_the_rules() -> None:
    rules = [
        rule("eu", "allow", {"labels": {"country": "nl"}}),
        rule("eu-too", "allow", {"labels": {"country": "de"}}),
        rule("us", "forbid", {"labels": {"country": "us"}}),
    ]
    assert left_out(rules, PODS) == {
        "3": "is forbidden by rule us and is not among the pods of rule eu or eu-too"
    }


def test_the_zone_of_whom_is_nearest_is_the_default() -> None:
    everybody = rule("a", "default", {"availability_zone": ["az1"]})
    domain = rule("b", "default", {"availability_zone": ["az2"]}, domain_id="d")
    project = rule("c", "default", {"availability_zone": ["az3"]}, project_id="p")
    assert default_zone([everybody, domain, project]) == "az3"
    assert default_zone([everybody, domain]) == "az2"
    assert default_zone([everybody]) == "az1"
    assert default_zone([rule("d", "allow", {"availability_zone": ["az1"]})]) is None
