# SPDX-License-Identifier: Apache-2.0
"""What a pod needs is worked out when it may have changed, not all the time."""

import pytest

from tests.functional.network.stage import Stage
from tricircle.network.reconcile import runtime
from tricircle.network.routers import reach
from tricircle.network.wanted import needs


class Looks:
    """How often all routers were looked at."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.number = 0
        self._routers = reach.routers
        monkeypatch.setattr(reach, "routers", self._counted)

    def _counted(self, *args: object, **more: object) -> object:
        self.number += 1
        return self._routers(*args, **more)  # type: ignore[arg-type]


def _sweeper(stage: Stage, region: str) -> needs.Sweeper:
    queue = runtime.get().engine.queue
    return needs.Sweeper(queue, stage.pod_ids[region], needs.Changes(queue))


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(needs, "_BELIEVED", 0)


def test_nothing_has_changed(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    network, _ = stage.network()
    stage.bound(network, "pod1")
    stage.reconcile()
    sweeper, looks = _sweeper(stage, "pod1"), Looks(monkeypatch)
    assert sweeper.look() == 0
    assert looks.number > 0
    looks.number = 0
    for _ in range(3):
        assert sweeper.look() == 0
    assert looks.number == 0
    # A pod may have come, gone or changed its zone, of which no realization tells.
    monkeypatch.setattr(needs, "_RARELY", 0)
    sweeper.look()
    assert looks.number > 0


@pytest.mark.parametrize("what", ["port", "router", "group", "policy"])
def test_something_is_needed_no_more(stage: Stage, what: str) -> None:
    network, subnet = stage.network()
    policy = stage.make("policy", name="p", description="", shared=False)
    web = stage.make("security_group", name="web", description="")
    port = stage.bound(network, "pod1", security_groups=[web["id"]], qos_policy_id=policy["id"])
    router = stage.make("router", name="r")
    stage.l3.add_router_interface(stage.admin, router["id"], {"subnet_id": subnet["id"]})
    stage.reconcile()
    sweeper = _sweeper(stage, "pod1")
    assert sweeper.look() == 0
    if what == "port":
        stage.delete("port", port["id"])
    elif what == "router":
        stage.l3.remove_router_interface(stage.admin, router["id"], {"subnet_id": subnet["id"]})
    elif what == "group":
        stage.change("port", port["id"], security_groups=[])
    else:
        stage.change("port", port["id"], qos_policy_id=None)
    assert sweeper.look() > 0


def test_a_port_that_goes_as_another_comes(stage: Stage) -> None:
    """So many rows as before, and so many changes: yet it is seen."""
    one, two = stage.network()[0], stage.network("10.1.0.0/24")[0]
    first = stage.bound(one, "pod1")
    stage.bound(two, "pod1")
    stage.reconcile()
    sweeper = _sweeper(stage, "pod1")
    assert sweeper.look() == 0
    stage.delete("port", first["id"])
    assert stage.work("pod1") > 0
    stage.bound(two, "pod1")
    assert sweeper.look() > 0
