# SPDX-License-Identifier: Apache-2.0
"""What the order of the end-to-end tests names is there."""

import re
from pathlib import Path

from tests.e2e import order

E2E = Path(order.__file__).parent


def test_what_is_named_is_there() -> None:
    files = {path.stem: path.read_text() for path in E2E.glob("test_*.py")}
    assert files.keys() >= order.APART
    tests = {
        name for file in order.APART for name in re.findall(r"^def (test_\w+)", files[file], re.M)
    }
    assert tests | (files.keys() - order.APART) | {order.EXTERNAL} >= order.SECONDS.keys()


def test_what_runs_apart_shares_no_fixture() -> None:
    for file in order.APART:
        assert 'scope="module"' not in (E2E / f"{file}.py").read_text()
