# SPDX-License-Identifier: Apache-2.0
"""All stages are run, whatever fails, and what each took is told however they end."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

MAKEFILE = """
check:
\t@echo checked

test-unit:
\t@echo "FAILED tests/unit/test_x.py::test_y - assert 1"
\t@echo "ERROR tests/unit/test_z.py"
\t@echo "1 failed, 2 passed in 0.1s"; exit 1

test-functional-gateway:
\t@echo "= 4 passed in 0.1s ="

test-functional-network:
\t@echo begun; sleep 60

test-e2e:
\t@echo "= 5 passed in 0.1s ="
"""
PROGRAM = """
import sys
from tests import stages
stages.PATIENCE = 0.2
for stage in sys.argv[1:]:
    del stages.STAGES[stage]
sys.exit(stages.main())
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "Makefile").write_text(MAKEFILE)
    return tmp_path


def start(folder: Path, *without: str, minutes: float = 1) -> "subprocess.Popen[str]":
    here = str(Path(__file__).parents[2])
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *without],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": here, "TEST_MINUTES": str(minutes)},
        stdout=subprocess.PIPE,
        text=True,
    )


def counts(told: str) -> dict[str, str]:
    """{stage and its fate: how many tests} of a table."""
    return dict(re.findall(r"^(\w.*?) +(\d+|-) +(?:\d+|-) +(?:\d+|-) +(?:\d+|-)$", told, re.M))


def test_a_stage_that_fails_stops_no_other(folder: Path) -> None:
    with start(folder, "functional/network") as made:
        told, _ = made.communicate()
    assert made.returncode == 1
    assert counts(told) == {
        "lint, types, layers": "-",
        "unit FAILED": "3",
        "functional": "4",
        "e2e": "5",
        "all": "12",
    }
    # Once more where a reader looks first.
    _, _, end = told.rpartition("5 passed in 0.1s =")
    assert "\nunit: FAILED tests/unit/test_x.py::test_y - assert 1\n" in end
    assert "\nunit: ERROR tests/unit/test_z.py\n" in end
    assert re.search(r"^unit: make(\[\d+\])?: \*\*\* .*test-unit", end, re.M)


def test_all_is_well(folder: Path) -> None:
    with start(folder, "functional/network", "unit") as made:
        told, _ = made.communicate()
    assert made.returncode == 0
    assert counts(told)["all"] == "9"


def test_what_takes_too_long_is_cut_off(folder: Path) -> None:
    others = ("lint, types, layers", "unit", "functional")
    with start(folder, *others, minutes=0.005) as made:
        told, _ = made.communicate()
    assert made.returncode == 1
    assert counts(told) == {
        "functional/network CUT OFF": "-",
        "e2e NOT RUN": "-",
        "all": "-",
    }


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_who_ends_it_is_told_how_far_it_came(folder: Path, how: signal.Signals) -> None:
    with start(folder) as made:
        assert made.stdout is not None
        said = iter(made.stdout)
        assert "begun\n" in said
        made.send_signal(how)
        told = made.stdout.read()
    assert made.returncode
    assert counts(told)["functional/network CUT OFF"] == "-"
    assert counts(told)["functional"] == "4"
