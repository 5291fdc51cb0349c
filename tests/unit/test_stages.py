# SPDX-License-Identifier: Apache-2.0
"""What is told of all tests."""

import pytest

from tests.stages import Took, counted, summary


@pytest.mark.parametrize(
    ("line", "tests"),
    [
        ("267 passed, 17 warnings in 474.06s (0:07:54)\n", 267),
        ("=== 1 failed, 1112 passed, 2 skipped, 1 warning in 679.88s (0:11:19) ===\n", 1113),
        ("2 errors in 3.12s\n", 2),
        ("FAILED tests/unit/test_x.py - 3 passed in 1.0s\n", 0),
        ("Success: no issues found in 500 source files\n", 0),
    ],
)
def test_tests_are_counted(line: str, tests: int) -> None:
    assert counted(line) == tests


def test_what_is_told_at_the_end() -> None:
    failed = Took("unit", 772, 28.4, 42.0, 43.9, "FAILED", ["FAILED tests/unit/test_x.py::test_y"])
    told = summary([failed, Took("functional", 3, 1.0, 2.0, 3.0)], ["e2e"])
    assert told.splitlines() == [
        "unit: FAILED tests/unit/test_x.py::test_y",
        "",
        "stage        tests  seconds  processor seconds  of the machine",
        "-----------  -----  -------  -----------------  --------------",
        "unit FAILED    772       28                 42              44",
        "functional       3        1                  2               3",
        "e2e NOT RUN      -        -                  -               -",
        "all            775       29                 44              47",
    ]
