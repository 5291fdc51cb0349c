# SPDX-License-Identifier: Apache-2.0
"""A lab of two pods with Horizon over the region, and a browser."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lab import packages
from lab.settings import PASSWORD, Lab
from tests.e2e.conftest import admin, demo, external, flavor, image, name  # noqa: F401  (fixtures)
from tests.e2e.labs import standing
from tests.e2e_dashboard.browser import PROGRAM, Browser, browser
from tests.e2e_dashboard.visitor import Visitor

LAB_NAME = os.environ.get("DASHBOARD_LAB_NAME", "dash")
#: Where pictures for the documentation go; without it nowhere.
PICTURES = os.environ.get("PICTURES")


@pytest.fixture(scope="session")
def user() -> str:
    return "demo"


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    packages.install_debian([PROGRAM])
    yield from standing(LAB_NAME, profile="ovn", pods=2, external="pod1,pod2", with_horizon=True)


@pytest.fixture(scope="session")
def window() -> Iterator[Browser]:
    with browser() as opened:
        yield opened


@pytest.fixture
def visit(lab: Lab, window: Browser) -> Callable[[str], Visitor]:
    """Log in as one of the lab's users."""
    return lambda user: Visitor(window, lab.url("dashboard"), user, PASSWORD)


@pytest.fixture
def picture(window: Browser, tmp_path: Path) -> Callable[[str], Any]:
    folder = Path(PICTURES) if PICTURES else tmp_path
    return lambda what: window.picture(folder / f"{what}.png")
