# SPDX-License-Identifier: Apache-2.0
"""A cloud of which one pod has a Keystone of its own."""

from collections.abc import Iterator

import pytest

from tests.functional.fakes.cloud import Cloud
from tests.functional.fakes.http import LoopThread

FOREIGN = "pod2"


@pytest.fixture
def entered() -> str:
    """How ``FOREIGN`` is entered."""
    return "managed"


@pytest.fixture
def cloud(fakes: LoopThread, entered: str) -> Iterator[Cloud]:
    """Three pods, of which ``FOREIGN`` (the only one of az2) knows nothing of our Keystone."""
    cloud = Cloud(fakes, federated={FOREIGN: entered})
    yield cloud
    cloud.close()
    assert cloud.journal.broken == []
