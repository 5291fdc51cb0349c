# SPDX-License-Identifier: Apache-2.0
"""Two workers share the pods; one dies without a word."""

import itertools
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tooz import hashring

from tests.functional.network.stage import Object, Stage, wait
from tricircle.conf import CONF
from tricircle.network.reconcile import runtime
from tricircle.xjob import ring
from tricircle.xjob.service import Service


@pytest.fixture
def shared(stage: Stage, one_writer: None, tmp_path: Path) -> Iterator[None]:
    options = {"backend_url": f"file://{tmp_path}/ring", "member_seconds": 3}
    for name, value in options.items():
        CONF.set_override(name, value, group="coordination")
    yield
    for name in options:
        CONF.clear_override(name, group="coordination")


def names(stage: Stage) -> tuple[str, str]:
    """Two workers' names that a ring gives pods to both of."""
    for number in itertools.count():
        pair = (f"one{number}", f"two{number}")
        nodes = [name.encode() for name in pair]
        made = hashring.HashRing(nodes, partitions=ring._PARTITIONS)
        owners = {min(made.get_nodes(pod.encode())) for pod in stage.pod_ids.values()}
        if len(owners) == 2:
            return pair
    raise AssertionError


def die(service: Service) -> None:
    """Everything ends, and nobody is told."""
    for loop in [*service._loops, service.ring._loop]:
        loop.stop()
    for work in service._pods.values():
        work.stop()
    service._prober.stop()


def test_one_of_two_workers_dies(stage: Stage, shared: None) -> None:
    one, two = (Service(runtime.get(), name) for name in names(stage))
    one.start()
    two.start()
    try:
        every = set(stage.pod_ids.values())
        wait(lambda: one.pods and two.pods and not one.pods & two.pods)
        assert one.pods | two.pods == every

        networks: dict[str, Object] = {}
        for region in stage.pod_ids:
            networks[region], _ = stage.network()
            stage.bound(networks[region], region)
        for network in networks.values():
            stage.change("network", network["id"], name="shared")
        for region, network in networks.items():
            wait(lambda r=region, n=network: _name(stage, r, n) == "shared")

        die(one)
        died_at = time.monotonic()
        for network in networks.values():
            stage.change("network", network["id"], name="alone")
        wait(lambda: two.pods == every)
        taken_after = time.monotonic() - died_at
        for region, network in networks.items():
            wait(lambda r=region, n=network: _name(stage, r, n) == "alone")
        assert taken_after < 15
        wait(lambda: not [row for row in stage.rows() if row.next_try_at])
        for region in stage.pod_ids:
            marks = [item["description"] for item in stage.copies(region, "networks")]
            assert len(marks) == len(set(marks))
    finally:
        die(one)
        assert two.stop(20)


def _name(stage: Stage, region: str, network: Object) -> str:
    return str(stage.copy(region, "networks", network["id"])["name"])
