# SPDX-License-Identifier: Apache-2.0
import concurrent.futures
import time
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


def test_what_is_old_is_read_once_for_all_that_ask(
    cached: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads = []

    def slowly() -> list[object]:
        reads.append(1)
        time.sleep(0.1)
        return []

    monkeypatch.setattr("tricircle.pods.registry.pods.list_all", slowly)
    registry = Registry()
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: registry.fresh(), range(8)))
    assert len(reads) == 1
