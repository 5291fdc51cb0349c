# SPDX-License-Identifier: Apache-2.0
"""A pod that takes calls and never answers holds a share of central Neutron's threads, no more."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.functional.fakes.faults import Kind
from tests.functional.network.stage import Stage, wait
from tricircle.conf import CONF
from tricircle.db import pods
from tricircle.db.models import now
from tricircle.network.pod_api import bulkhead
from tricircle.network.reconcile import runtime
from tricircle.pods import availability


@pytest.fixture
def one_place(stage: Stage) -> Iterator[None]:
    CONF.set_override("request_threads_per_pod", 1, group="reconciler")
    yield
    CONF.clear_override("request_threads_per_pod", group="reconciler")


def test_the_share_of_a_pod_is_used_up(
    stage: Stage, one_place: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulkhead, "_SILENCE", 0.05)
    monkeypatch.setattr(bulkhead, "_SLOW", 0.0)
    network, _ = stage.network()
    stage.bound(network, "pod1")
    first, second, third = (stage.port(network) for _ in range(3))
    held = stage.cloud.pods["pod1"].neutron.fail(Kind.HELD, "POST", "/v2.0/ports", times=1)
    with ThreadPoolExecutor(1) as thread:
        waiting = thread.submit(stage.bind, first, "pod1")
        assert held.hit.wait(30)
        stage.cloud.journal.clear()
        refused = stage.bind(second, "pod1")
        assert refused["binding:vif_type"] == "binding_failed"
        assert "pod1: its Neutron does not answer" in refused["binding:vif_details"]["reason"]
        assert stage.cloud.journal.find("pod1/network") == []
        assert stage.bind(third, "pod2")["binding:vif_type"] == "other"
        held.go.set()
        assert waiting.result()["binding:vif_type"] == "other"
    assert stage.bind(second, "pod1")["binding:vif_type"] == "other"


def test_no_request_waits_for_a_look_at_a_pod_that_was_left_alone(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    CONF.set_override("breaker_seconds", 0.1, group="pods")
    network, _ = stage.network()
    port = stage.bound(network, "pod1")
    neutron, pod_id = stage.cloud.pods["pod1"].neutron, stage.pod_ids["pod1"]
    breaker = runtime.get().services.breakers[pod_id, "network"]
    for _ in range(CONF.pods.breaker_failures):
        breaker.failure()
    held = neutron.fail(Kind.HELD, "GET", "/v2.0/networks", times=1)
    port = stage.port(network)

    def refused() -> bool:
        details = stage.bind(port, "pod1")["binding:vif_details"]
        assert "left alone" in details["reason"]
        return held.hit.is_set()

    wait(refused)
    looks = [thread for thread in threading.enumerate() if thread.name == "pod1-back"]
    assert len(looks) == 1
    held.go.set()
    wait(lambda: not breaker.open)
    CONF.clear_override("breaker_seconds", group="pods")
    assert stage.bind(port, "pod1")["binding:vif_type"] == "other"


def test_nobody_is_refused_in_a_pod_that_was_found_up_again(stage: Stage) -> None:
    network, _ = stage.network()
    stage.bound(network, "pod1")
    pod_id = stage.pod_ids["pod1"]
    for _ in range(CONF.pods.breaker_failures):
        runtime.get().services.breakers[pod_id, "network"].failure()
    port = stage.port(network)
    assert "left alone" in stage.bind(port, "pod1")["binding:vif_details"]["reason"]
    found = {"network": availability.answered(now()).stored()}
    pods.write_probe(pod_id, lambda _: {"services": found})
    runtime.get().registry.refresh()
    assert stage.bind(port, "pod1")["binding:vif_type"] == "other"


def test_a_call_of_a_binding_has_a_deadline_of_its_own(stage: Stage) -> None:
    network, _ = stage.network()
    stage.bound(network, "pod1")
    CONF.set_override("bind_call_deadline", 0.5, group="reconciler")
    stage.cloud.pods["pod1"].neutron.fail(Kind.HANG, "POST", "/v2.0/ports")
    reason = stage.bind(stage.port(network), "pod1")["binding:vif_details"]["reason"]
    CONF.clear_override("bind_call_deadline", group="reconciler")
    assert "did not answer POST /v2.0/ports within 0 s" in reason


def test_a_host_is_sought_in_all_pods_though_one_is_silent(stage: Stage) -> None:
    CONF.set_override("bind_call_deadline", 0.5, group="reconciler")
    stage.cloud.pods["pod1"].neutron.fail(Kind.HANG, "GET", "/v2.0/agents")
    network, _ = stage.network()
    reason = stage.bind(stage.port(network), "compute-1")["binding:vif_details"]["reason"]
    CONF.clear_override("bind_call_deadline", group="reconciler")
    assert reason.endswith("an agent of that name; pod1 did not answer")
    regions = {call.service.partition("/")[0] for call in stage.cloud.journal.entries}
    assert {"pod1", "pod2", "pod3"} <= regions
