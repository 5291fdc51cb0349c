# SPDX-License-Identifier: Apache-2.0
"""Numbers of pods' things as users see them, and back."""

from types import SimpleNamespace
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict, CIMultiDictProxy

from tricircle.db.pods import MOST_NUMBERS
from tricircle.gateway.transport.client import PodResponse
from tricircle.gateway.upstream import integer_ids
from tricircle.pods.pod import Pod


def pod(number: int) -> Pod:
    return Pod(str(number), f"Pod{number}", "az1", number=number)


def call(*pods: Pod) -> Any:
    return SimpleNamespace(services=SimpleNamespace(registry=SimpleNamespace(all=lambda: pods)))


@given(st.sets(st.integers(1, MOST_NUMBERS), min_size=2, max_size=8), st.integers(1, 2**31 - 1))
def test_every_number_comes_back_to_its_pod(known: set[int], own: int) -> None:
    pods = [pod(number) for number in known]
    seen = {integer_ids.outward(one, own): one for one in pods}
    assert len(seen) == len(pods)
    for number, one in seen.items():
        assert integer_ids.inward(call(*pods), number) == (one, own)
        # Numbers of JavaScript and Go clients go as far as this.
        assert number < 2**53


@pytest.mark.parametrize("number", [0, 1, 9999, 10000, 10009, 20000])
def test_what_no_pod_has_is_nobodys(number: int) -> None:
    assert integer_ids.inward(call(pod(1), pod(2)), number) == (None, integer_ids.NOBODYS)


@pytest.mark.parametrize(("text", "number"), [("12", 12), ("-1", None), ("1.5", None), ("", None),
                                              ("x", None), ("١", None)])  # fmt: skip
def test_only_plain_numbers_are_read(text: str, number: int | None) -> None:
    assert integer_ids.parse(text) == number


def test_refusals_speak_of_the_number_the_user_named() -> None:
    told = {"itemNotFound": {"code": 404, "message": "404 of pod-404, 4040 and '404'."}}
    answer = PodResponse(pod(1), 404, CIMultiDictProxy(CIMultiDict()), orjson.dumps(told))
    document = integer_ids.refused(answer, 404, 4040001).json()
    assert document["itemNotFound"]["code"] == 404
    assert document["itemNotFound"]["message"] == "4040001 of pod-404, 4040 and '4040001'."
