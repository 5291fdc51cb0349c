# SPDX-License-Identifier: Apache-2.0
"""Ranges of microversions: what is read of a pod, and what all pods have."""

import logging
from typing import Any

import pytest

from tricircle.pods import discovery
from tricircle.pods.pod import Pod
from tricircle.pods.registry import Registry
from tricircle.pods.versions import Range, common, read


def pod(number: int, compute: Any, state: str = "enabled") -> Pod:
    return Pod(f"p{number}", f"Pod{number}", "az1", state=state, versions={"compute": compute})


def between(low: int, high: int) -> dict[str, str]:
    return {"min": f"2.{low}", "max": f"2.{high}"}


def offered(*pods: Pod) -> Range | None:
    registry = Registry()
    registry.replace(list(pods))
    return registry.offered("compute")


def test_the_range_is_what_every_pod_has() -> None:
    assert common([read("compute", "2.1", "2.104"), read("compute", "2.1", "2.99")]) == Range(
        (2, 1), (2, 99)
    )
    # As numbers, not as text.
    assert read("compute", "2.1", "2.9") == Range((2, 1), (2, 9))
    assert common([]) is None
    assert offered() is None


@pytest.mark.parametrize(
    "told",
    ["latest", "2.x", "2", "2.96 ", "2.96\n", "2.1234", "9" * 5000 + ".1", "2.٣", "3.1", "2.0",
     "-2.1", 2.96, 2, True, ["2.96"], {"a": 1}],
)  # fmt: skip
def test_what_is_no_version_is_refused(told: Any) -> None:
    document = {"version": {"id": "v2.1", "version": told, "min_version": "2.1"}}
    with pytest.raises(ValueError, match="version") as caught:
        discovery.versions("compute", document)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("told", ["", None])
def test_without_one_the_versions_own_number_counts(told: Any) -> None:
    document = {"version": {"id": "v2.1", "version": told, "min_version": told}}
    assert discovery.versions("compute", document) == {"min": "2.1", "max": "2.1"}


@pytest.mark.parametrize(
    "kept",
    [{}, {"min": "2.1"}, {"min": "2.1", "max": "latest"}, {"min": 2.1, "max": {}}, "2.1", 7, [],
     {"min": "2.9", "max": "2.1"}, {"min": "2.1", "max": "3.1"}],
)  # fmt: skip
def test_what_is_kept_and_odd_is_left_out(kept: Any, caplog: pytest.LogCaptureFixture) -> None:
    strange = pod(1, kept)
    assert strange.offers("compute") is None
    assert strange.newest("compute", unknown=(2, 1)) == (2, 1)
    assert not Pod("v", "V", "az1", versions={"volume": kept}).wants_project("volume")
    assert offered(pod(2, between(1, 96)), strange) == Range((2, 1), (2, 96))


def test_who_has_nothing_of_the_others_takes_nothing_from_them(
    caplog: pytest.LogCaptureFixture,
) -> None:
    good = [pod(1, between(1, 96)), pod(2, between(1, 104))]
    with caplog.at_level(logging.WARNING):
        assert offered(*good, pod(3, between(200, 300))) == Range((2, 1), (2, 96))
    assert "Pod3 (2.200 to 2.300)" in caplog.text
    assert offered(pod(3, between(200, 300), "maintenance"), *good) == Range((2, 1), (2, 96))


def test_it_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    registry = Registry()
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            registry.replace([pod(1, between(1, 96)), pod(8, between(200, 300))])
    assert caplog.text.count("Pod8") == 1
