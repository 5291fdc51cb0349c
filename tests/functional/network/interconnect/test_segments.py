# SPDX-License-Identifier: Apache-2.0
"""Networks stretched over pods: the same segment in each, and used again when it is free."""

import datetime
import logging

import pytest
import sqlalchemy as sa

from tests.functional.network.routed_networks import VLAN, clean
from tests.functional.network.stage import PROJECT, Stage
from tricircle.conf import CONF
from tricircle.db.models import now
from tricircle.network.central.models import Realization
from tricircle.network.observe.segment_watch import SegmentWatch
from tricircle.network.reconcile import runtime
from tricircle.pods.deadline import Deadline


def test_a_network_is_the_same_segment_in_each_pod(stage: Stage) -> None:
    network, subnet = stage.network(**VLAN)
    ports = [stage.bound(network, region) for region in ("pod1", "pod2", "pod1")]
    segments, gateways, used = [], [], [port["fixed_ips"][0]["ip_address"] for port in ports]
    for region in ("pod1", "pod2"):
        there = stage.copy(region, "networks", network["id"])
        segments.append(
            [
                there[f"provider:{x}"]
                for x in ("network_type", "physical_network", "segmentation_id")
            ]
        )
        copy = stage.copy(region, "subnets", subnet["id"])
        gateways.append(copy["gateway_ip"])
        used += [copy["gateway_ip"], copy["allocation_pools"][0]["start"]]
    assert segments[0] == segments[1]
    assert segments[0][:2] == ["vlan", "physnet1"]
    assert gateways[0] == subnet["gateway_ip"]
    assert len(set(used)) == len(used)
    for port in ports:
        stage.delete("port", port["id"])
    clean(stage)


def test_a_pod_calls_the_physical_network_otherwise(stage: Stage) -> None:
    CONF.set_override("physical_networks", {"pod2/physnet1": "wan"}, "interconnect")
    network, _ = stage.network(**VLAN)
    for region in ("pod1", "pod2"):
        stage.bound(network, region)
    names = {
        region: stage.copy(region, "networks", network["id"])["provider:physical_network"]
        for region in ("pod1", "pod2")
    }
    CONF.clear_override("physical_networks", "interconnect")
    assert names == {"pod1": "physnet1", "pod2": "wan"}


def test_the_gateway_of_an_administrators_segment_is_theirs(stage: Stage) -> None:
    segment = {"provider:physical_network": "physnet1", "provider:segmentation_id": 77}
    network, subnet = stage.network(**VLAN, **segment)
    stage.bound(network, "pod1")
    assert stage.copy("pod1", "subnets", subnet["id"])["gateway_ip"] == subnet["gateway_ip"]


@pytest.fixture
def waiting(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was waited for; meanwhile what is due in pod1 is worked on, as xjob does."""
    waited: list[str] = []
    running = runtime.get()
    pod = running.registry.fresh().by_region("pod1")
    assert pod is not None

    def sleep(self: Deadline, seconds: float, waiting_for: str) -> None:
        waited.append(waiting_for)
        for row in sorted(running.worker.due(pod, 100), key=running.engine.order):
            if row.absent:
                running.worker.work_on(pod, row.id)

    monkeypatch.setattr(Deadline, "sleep", sleep)
    return waited


@pytest.mark.parametrize(("state", "vlan"), [("going", 1250), ("stuck", 1252), ("orphan", 1253)])
def test_a_segment_is_used_again_at_once(
    stage: Stage, waiting: list[str], state: str, vlan: int
) -> None:
    """The pod still has the copy of the network that had it before: nobody has got to it yet, its
    removal has failed for long, or it came to be when the network had been given up."""
    segment = {"provider:physical_network": "physnet1", "provider:segmentation_id": vlan}
    old, _ = stage.network(**VLAN, **segment)
    port = stage.bound(old, "pod1")
    stage.delete("port", port["id"])
    stage.delete("network", old["id"])
    if state == "stuck":
        table = Realization
        later = now() + datetime.timedelta(hours=1)
        runtime.get().engine.queue.transact(
            lambda tx: tx.execute(
                sa.update(table).where(table.resource_id == old["id"]).values(next_try_at=later)
            )
        )
    elif state == "orphan":
        stage.reconcile()
        mark = stage.mark("pod1", "networks", old["id"])
        stage.neutron("pod1").make("networks", PROJECT, description=mark, **VLAN, **segment)

    new, _ = stage.network(**VLAN, **segment)
    another = stage.port(new)
    stage.realize(another, "pod1")
    assert set(waiting) == {"a deleted network to leave its segment"}
    assert stage.copies("pod1", "networks", old["id"]) == []
    there = stage.copy("pod1", "networks", new["id"])
    assert there["provider:segmentation_id"] == vlan


def test_a_segment_of_somebody_elses_is_not_waited_for(stage: Stage) -> None:
    segment = {"provider:physical_network": "physnet1", "provider:segmentation_id": 1251}
    stage.neutron("pod1").make("networks", "operator", name="theirs", **VLAN, **segment)
    network, _ = stage.network(**VLAN, **segment)
    port = stage.bind(stage.port(network), "pod1")
    assert port["binding:vif_type"] == "binding_failed"
    assert "in use" in port["binding:vif_details"]["reason"]


def test_operators_are_told_before_segments_run_out(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    # physnet1 has a hundred, vxlan 99.
    CONF.set_override("few_segments", 99, group="interconnect")
    watch = SegmentWatch(runtime.get().engine.queue)
    assert watch.look() == {}
    made = [stage.make("network", name="net", **{"provider:network_type": "vlan"}) for _ in "ab"]
    with caplog.at_level(logging.INFO):
        assert watch.look() == {"vlan of physnet1": 98}
        watch.look()
        for one in made:
            stage.delete("network", one["id"])
        assert watch.look() == {}
    CONF.clear_override("few_segments", group="interconnect")
    told = [one.getMessage() for one in caplog.records if "segment_watch" in one.name]
    assert len(told) == 2
    assert "Only 98 segments are left of vlan of physnet1" in told[0]
    assert "enough" in told[1]
