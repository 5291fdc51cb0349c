# SPDX-License-Identifier: Apache-2.0
"""The functional bed: fake clouds, and Tricircle's real processes over them."""

from collections.abc import Iterator

import pytest

from tests.functional.fakes.cloud import Cloud
from tests.functional.fakes.http import LoopThread


@pytest.fixture(scope="session")
def fakes() -> Iterator[LoopThread]:
    thread = LoopThread()
    yield thread
    thread.close()


@pytest.fixture
def cloud(fakes: LoopThread) -> Iterator[Cloud]:
    """Three pods (two in az1, one in az2), fresh for each test."""
    cloud = Cloud(fakes)
    yield cloud
    cloud.close()
    assert cloud.journal.broken == []
