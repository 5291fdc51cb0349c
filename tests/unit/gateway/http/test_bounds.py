# SPDX-License-Identifier: Apache-2.0
"""Numbers, names and patterns: what is within bounds."""

import pytest

from tricircle.gateway.http import bounds


@pytest.mark.parametrize(
    ("value", "number"),
    [
        ("0", 0), ("7", 7), ("007", 7), ("9" * 18, 10**18 - 1), (5, 5), (5.0, 5),
        ("", None), ("9" * 19, None), ("9" * 5000, None), ("-1", None), (-1, None), ("+1", None),
        ("1_0", None), (" 1", None), ("1\n", None), ("\u0663", None), ("1.0", None), (1.5, None),
        (True, None), (None, None), ([], None), (10**18, None), (float("inf"), None), (1e300, None),
    ],
)  # fmt: skip
def test_whole(value: object, number: int | None) -> None:
    assert bounds.whole(value) == number


def test_whole_within() -> None:
    assert bounds.whole("-1", 10, least=-1) == -1
    assert bounds.whole("-2", 10, least=-1) is None
    assert bounds.whole(11, 10) is None
    assert bounds.whole(2**31, bounds.STORED) is None


@pytest.mark.parametrize(
    ("text", "number"),
    [("5", 5), ("11", 10), ("9" * 5000, 10), ("0" * 5000 + "3", 3), ("", None), ("-1", None)],
)
def test_clamped(text: str, number: int | None) -> None:
    assert bounds.clamped(text, 10) == number


@pytest.mark.parametrize("pattern", ["az1", "^az.*$", "az1|az2", "a[z]{1,2}", "(az)1"])
def test_quick_patterns(pattern: str) -> None:
    assert bounds.is_quick(pattern)


@pytest.mark.parametrize("pattern", ["(a+)+$", ".*.*.*x", "(a|a)*b", "((a)){9}", "x" * 256])
def test_patterns_that_are_not(pattern: str) -> None:
    assert not bounds.is_quick(pattern)
