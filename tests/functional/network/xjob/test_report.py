# SPDX-License-Identifier: Apache-2.0
"""What xjob tells of itself and of its pods."""

import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest

from tests.functional.network.stage import Stage, wait
from tests.functional.processes import free_ports
from tests.functional.telemetry.numbers import Numbers, grown
from tricircle.conf import CONF
from tricircle.db.realizations import Key
from tricircle.network.reconcile import repairs, runtime
from tricircle.telemetry.metrics import (
    CAPACITY,
    CONNECTIONS,
    JOBS,
    OLDEST_JOB,
    POD_CALLS,
    POD_UP,
    REPAIRS,
    USAGE,
)
from tricircle.xjob import report
from tricircle.xjob.service import Service


@pytest.fixture
def port(stage: Stage, one_writer: None) -> Iterator[int]:
    (port,) = free_ports(1)
    CONF.set_override("xjob_port", port, "telemetry")
    service = Service(runtime.get())
    service.start()
    endpoint = report.observe(runtime.get(), service)
    assert endpoint is not None
    yield port
    endpoint.close()
    assert service.stop(20)
    CONF.clear_override("xjob_port", "telemetry")


def test_jobs_pods_and_repairs(stage: Stage, port: int) -> None:
    network, _ = stage.network()
    stage.bound(network, "pod1")
    wait(lambda: Numbers(port).of(JOBS, "pod1", "pending") == 0)
    wait(lambda: Numbers(port).of(POD_UP, "pod1", "network") == 1)
    numbers = Numbers(port)
    assert numbers.of(OLDEST_JOB, "pod1") == 0
    assert (numbers.of(POD_CALLS, "pod1", "network", "2xx") or 0) > 0
    assert (numbers.of(CONNECTIONS, "tricircle", "limit") or 0) > 0

    zone = stage.cloud.zones["pod1"]
    wait(lambda: Numbers(port).of(CAPACITY, "pod1", zone, "vcpus"))
    wait(lambda: Numbers(port).of(USAGE, "pod1", zone, "memory_mb") is not None)

    # A pod that dies is what the rules are about.
    stage.cloud.pods["pod1"].stop()
    wait(lambda: Numbers(port).of(POD_UP, "pod1", "network") == 0)
    stage.change("network", network["id"], name="meanwhile")
    wait(
        lambda: (
            Numbers(port).of(JOBS, "pod1", "pending") or Numbers(port).of(JOBS, "pod1", "failing")
        )
    )
    wait(lambda: (Numbers(port).of(OLDEST_JOB, "pod1") or 0) > 0)
    assert Numbers(port).of(POD_UP, "pod2", "network") == 1

    stage.cloud.pods["pod1"].start()
    wait(lambda: stage.copy("pod1", "networks", network["id"])["name"] == "meanwhile")
    pod = runtime.get().registry.by_region("pod1")
    assert pod is not None
    before = Numbers(port)
    repairs.report(pod, Key("network", network["id"]), None, "PUT /networks")
    assert grown(before, Numbers(port), REPAIRS, "pod1", "network") == 1


def test_health(stage: Stage, port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def asked() -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthcheck") as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    wait(lambda: asked() == (200, "OK"))
    CONF.set_override("unhealthy_after", 0.1, "reconciler")

    def away() -> None:
        raise RuntimeError("the database is away")

    monkeypatch.setattr(runtime.get().registry, "fresh", away)
    wait(lambda: asked()[0] == 503)
    assert "The pods were read from the database last" in asked()[1]
    monkeypatch.undo()
    CONF.clear_override("unhealthy_after", "reconciler")
    wait(lambda: asked() == (200, "OK"))
