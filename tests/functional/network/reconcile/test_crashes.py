# SPDX-License-Identifier: Apache-2.0
"""Whoever works dies at any step: nothing is lost, nothing is made twice."""

from typing import Any

import pytest

from tests.functional.fakes.faults import Kind
from tests.functional.network.crash_injection import Killer
from tests.functional.network.stage import Object, Stage
from tricircle.db.work_queue import WorkQueue
from tricircle.pods.errors import PodUnreachable


def _nothing_doubled(stage: Stage, region: str) -> None:
    for collection in ("networks", "subnets", "ports", "routers", "security-groups"):
        marks = [item["description"] for item in stage.copies(region, collection)]
        assert len(marks) == len(set(marks)), collection


def _whole(stage: Stage, region: str, port: Object) -> None:
    """The port and what it stands on are in the pod, once each, and the rows say so."""
    _nothing_doubled(stage, region)
    there = stage.copy(region, "ports", port["id"])
    assert there["network_id"] == stage.copy(region, "networks", port["network_id"])["id"]
    (group,) = port["security_groups"]
    group_there = stage.copy(region, "security-groups", group)
    assert there["security_groups"] == [group_there["id"]]
    rules = [
        rule
        for rule in stage.neutron(region).tables["security-group-rules"].values()
        if rule["security_group_id"] == group_there["id"]
    ]
    assert len(rules) == 4
    for row in stage.rows():
        assert row.realized_revision == row.wanted_revision
        assert row.claimed_by is None
        assert row.next_try_at is None


def test_a_binding_dies_at_each_step(stage: Stage, killer: Killer) -> None:
    network, _ = stage.network()
    port = stage.port(network)
    for _ in killer.deaths(stage, lambda: stage.realize(port, "pod1"), least=15):
        stage.forget_claims()
        stage.reconcile("pod1")
        _whole(stage, "pod1", port)
        # Whoever asks again gets the same port.
        assert stage.realize(port, "pod1") == stage.copy("pod1", "ports", port["id"])["id"]
        stage.withdraw(port, "pod1")
        stage.reconcile("pod1")
        assert stage.empty("pod1")
        assert stage.rows() == []


def test_a_removal_dies_at_each_step(stage: Stage, killer: Killer) -> None:
    network, _ = stage.network()
    port = stage.port(network)
    stage.realize(port, "pod1")
    stage.withdraw(port, "pod1")
    for _ in killer.deaths(stage, lambda: stage.reconcile("pod1"), least=8):
        stage.forget_claims()
        stage.reconcile("pod1")
        assert stage.empty("pod1")
        assert stage.rows() == []


def test_an_update_dies_at_each_step(stage: Stage, killer: Killer) -> None:
    network, subnet = stage.network()
    port = stage.port(network)
    stage.realize(port, "pod1")
    router = stage.make("router", name="r")
    stage.l3.add_router_interface(stage.context, router["id"], {"subnet_id": subnet["id"]})
    stage.reconcile("pod1")
    stage.touch("port", port["id"])
    stage.touch("router", router["id"])
    stage.copy("pod1", "ports", port["id"])["name"] = "old"
    there = stage.copy("pod1", "routers", router["id"])
    there["name"] = "old"
    (joined,) = stage.neutron("pod1").ports(device_id=there["id"])
    del stage.neutron("pod1").tables["ports"][joined["id"]]
    for _ in killer.deaths(stage, lambda: stage.reconcile("pod1"), least=8):
        stage.forget_claims()
        stage.reconcile("pod1")
        _whole(stage, "pod1", port)
        assert stage.copy("pod1", "ports", port["id"])["name"] == "port"
        there = stage.copy("pod1", "routers", router["id"])
        assert there["name"] == "r"
        assert len(stage.neutron("pod1").ports(device_id=there["id"])) == 1


@pytest.mark.parametrize("kind", [Kind.CUT_AFTER, Kind.GARBAGE_AFTER])
@pytest.mark.parametrize("collection", ["networks", "subnets", "security-groups", "ports"])
def test_an_answer_is_lost(stage: Stage, kind: Kind, collection: str) -> None:
    network, _ = stage.network()
    group = stage.make("security_group", name="web", description="")
    port = stage.port(network, security_groups=[group["id"]])
    stage.neutron("pod1").fail(kind, method="POST", path=f"/{collection}$", times=1)
    with pytest.raises(PodUnreachable):
        stage.realize(port, "pod1")
    stage.forget_claims()
    stage.reconcile("pod1")
    _nothing_doubled(stage, "pod1")
    assert stage.realize(port, "pod1") == stage.copy("pod1", "ports", port["id"])["id"]


def test_a_change_during_the_work_is_not_lost(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    network, _ = stage.network()
    stage.bound(network, "pod1")
    stage.change("network", network["id"], name="first")
    realized = WorkQueue.realized

    def slowly(self: WorkQueue, *args: Any) -> bool:
        monkeypatch.setattr(WorkQueue, "realized", realized)
        stage.change("network", network["id"], name="second")
        return realized(self, *args)

    monkeypatch.setattr(WorkQueue, "realized", slowly)
    stage.reconcile("pod1")
    assert stage.copy("pod1", "networks", network["id"])["name"] == "second"


def test_what_is_deleted_behind_our_back_comes_back_with_the_next_change(stage: Stage) -> None:
    network, _ = stage.network()
    group = stage.make("security_group", name="web", description="")
    port = stage.bound(network, "pod1", security_groups=[group["id"]])
    there = stage.copy("pod1", "ports", port["id"])
    del stage.neutron("pod1").tables["ports"][there["id"]]
    stage.change("port", port["id"], name="again")
    stage.reconcile("pod1")
    assert stage.copy("pod1", "ports", port["id"])["name"] == "again"
