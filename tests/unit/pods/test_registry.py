# SPDX-License-Identifier: Apache-2.0
from collections.abc import Iterator

import pytest

from tricircle.conf import CONF
from tricircle.db import pods
from tricircle.pods.registry import Registry

pytestmark = pytest.mark.usefixtures("db")


@pytest.fixture
def cached() -> Iterator[None]:
    CONF.set_override("cache_seconds", 60, group="pods")
    yield
    CONF.clear_override("cache_seconds", group="pods")


def test_a_snapshot_by_id_and_region() -> None:
    row = pods.create({"region_name": "Pod1", "availability_zone": "az1"})
    registry = Registry()
    assert registry.all() == []
    registry.refresh()
    (pod,) = registry.all()
    assert registry.get(row.id) is pod
    assert registry.by_region("Pod1") is pod
    assert registry.by_region("Pod2") is None
    assert registry.get("x") is None


def test_fresh_reads_only_what_is_old(cached) -> None:
    registry = Registry().fresh()
    pods.create({"region_name": "Pod1", "availability_zone": "az1"})
    assert registry.fresh().all() == []
    CONF.set_override("cache_seconds", 0, group="pods")
    assert [pod.region_name for pod in registry.fresh().all()] == ["Pod1"]
