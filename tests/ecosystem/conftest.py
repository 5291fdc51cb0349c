# SPDX-License-Identifier: Apache-2.0
"""A lab with Tricircle, of servers without packets: what clients say and hear is what counts."""

from collections.abc import Iterator

import pytest

from lab.settings import Lab
from tests.e2e.labs import standing


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    yield from standing("eco", profile="fake")
