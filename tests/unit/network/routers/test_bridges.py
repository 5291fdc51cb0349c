# SPDX-License-Identifier: Apache-2.0
"""How large a router's bridge network is."""

import pytest

from tricircle.network.pod_api import pod_registry
from tricircle.network.routers import bridges


@pytest.mark.parametrize(
    ("pods", "length"), [(0, 25), (32, 25), (33, 24), (100, 23), (1000, 20), (100_000, 16)]
)
def test_a_range_has_room_for_all_pods(
    pods: int, length: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Registered:
        def all(self) -> range:
            return range(pods)

    monkeypatch.setattr(pod_registry, "get", Registered)
    assert bridges._length(4) == length
    assert bridges._length(6) == 64
