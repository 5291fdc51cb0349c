# SPDX-License-Identifier: Apache-2.0
"""A trunk is in the pod where its parent port is bound, with its subports."""

from typing import Any

import pytest
from neutron.services.trunk import exceptions as trunk_exc

from tests.functional.network.audits import audit, settled
from tests.functional.network.crash_injection import Killer
from tests.functional.network.stage import Object, Stage
from tricircle.db.realizations import Key
from tricircle.network.observe import status
from tricircle.network.plugins import binding, trunk_driver
from tricircle.network.reconcile import runtime
from tricircle.network.wanted.outbox import SessionOnly
from tricircle.pods.deadline import Deadline


def subports(*ports: Object, first: int = 101) -> list[Object]:
    return [
        {"port_id": port["id"], "segmentation_type": "vlan", "segmentation_id": first + number}
        for number, port in enumerate(ports)
    ]


def trunk(stage: Stage, parent: Object, *children: Object) -> Object:
    return stage.make(
        "trunk", name="t", description="", port_id=parent["id"], sub_ports=subports(*children)
    )


def add(stage: Stage, trunk: Object, *children: Object, first: int = 201) -> None:
    body = {"sub_ports": subports(*children, first=first)}
    stage.plugin("trunk").add_subports(stage.context, trunk["id"], body)


def remove(stage: Stage, trunk: Object, *children: Object) -> None:
    body = {"sub_ports": [{"port_id": port["id"]} for port in children]}
    stage.plugin("trunk").remove_subports(stage.context, trunk["id"], body)


def central(stage: Stage, kind: str, resource: Object) -> Object:
    found: Object = getattr(stage.plugin(kind), f"get_{kind}")(stage.admin, resource["id"])
    return found


def whole(stage: Stage, region: str, trunk: Object, *children: Object) -> None:
    """The pod has the trunk once, with these subports and no other, and central says so."""
    there = stage.copy(region, "trunks", trunk["id"])
    assert there["port_id"] == stage.copy(region, "ports", trunk["port_id"])["id"]
    wanted = {stage.copy(region, "ports", port["id"])["id"] for port in children}
    tags = {subport["port_id"]: subport["segmentation_id"] for subport in there["sub_ports"]}
    assert set(tags) == wanted
    for port in children:
        copy = stage.copy(region, "ports", port["id"])
        assert copy["device_owner"] == "trunk:subport"
        mark = {"parent_name": there["port_id"], "tag": tags[copy["id"]]}
        assert copy["binding:profile"] == mark
        bound = central(stage, "port", port)
        assert (bound["binding:host_id"], bound["binding:vif_type"]) == (region, "other")
        assert bound["device_owner"] == "trunk:subport"


def free(stage: Stage, *ports: Object) -> None:
    """Central knows the ports as nobody's."""
    for port in ports:
        found = central(stage, "port", port)
        assert (found["binding:host_id"], found["binding:vif_type"]) == ("", "unbound")
        assert (found["device_owner"], found["status"]) == ("", "DOWN")


@pytest.fixture
def made(stage: Stage) -> tuple[Object, Object, Object, Object]:
    """A trunk, its parent and its two subports, each port on a network of its own."""
    ports = [stage.port(stage.network(f"10.{n}.0.0/24")[0]) for n in range(3)]
    return trunk(stage, *ports), *ports


Made = tuple[Object, Object, Object, Object]


def test_the_parent_brings_the_trunk(stage: Stage, made: Made) -> None:
    group, parent, one, two = made
    assert stage.rows() == []
    bound = stage.bind(parent, "pod1")
    # All is there when the binding is: a server may start with it.
    assert bound["binding:vif_type"] == "other", bound["binding:vif_details"]
    whole(stage, "pod1", group, one, two)
    there = stage.copy("pod1", "trunks", group["id"])
    assert {(s["segmentation_type"], s["segmentation_id"]) for s in there["sub_ports"]} == {
        ("vlan", 101),
        ("vlan", 102),
    }
    assert len(stage.copies("pod1", "networks")) == 3
    assert stage.empty("pod2")

    stage.bind(parent, "")
    stage.reconcile()
    assert stage.empty("pod1")
    assert stage.rows() == []
    free(stage, one, two)
    assert central(stage, "trunk", group)["status"] == "DOWN"


def test_a_trunk_of_a_port_that_is_bound(stage: Stage) -> None:
    ports = [stage.port(stage.network(f"10.{n}.0.0/24")[0]) for n in range(2)]
    stage.bind(ports[0], "pod1")
    group = trunk(stage, *ports)
    stage.reconcile()
    whole(stage, "pod1", group, ports[1])

    stage.delete("trunk", group["id"])
    stage.reconcile()
    assert stage.copies("pod1", "trunks") == []
    assert stage.copy("pod1", "ports", ports[0]["id"])
    assert stage.copies("pod1", "ports", ports[1]["id"]) == []
    free(stage, ports[1])


def test_subports_come_and_go_while_it_is_used(stage: Stage, made: Made) -> None:
    group, parent, one, two = made
    stage.bind(parent, "pod1")
    three = stage.port(stage.network("10.9.0.0/24")[0])
    add(stage, group, three)
    stage.reconcile()
    whole(stage, "pod1", group, one, two, three)
    with pytest.raises(trunk_exc.PortInUseAsSubPort):
        stage.delete("port", three["id"])

    remove(stage, group, one, three)
    stage.delete("port", three["id"])
    # The same tag for another port, before the pod has heard of anything.
    four = stage.port(stage.network("10.10.0.0/24")[0])
    add(stage, group, four, first=101)
    stage.reconcile()
    whole(stage, "pod1", group, two, four)
    free(stage, one)
    assert stage.copies("pod1", "ports", one["id"]) == []
    assert stage.copies("pod1", "ports", three["id"]) == []
    assert len(stage.copies("pod1", "networks")) == 3


def test_the_parent_moves_to_another_pod(stage: Stage, made: Made) -> None:
    group, parent, one, two = made
    stage.bind(parent, "pod1")
    stage.bind(parent, "pod2")
    whole(stage, "pod2", group, one, two)
    stage.reconcile()
    assert stage.empty("pod1")
    whole(stage, "pod2", group, one, two)


def test_a_trunk_changes(stage: Stage, made: Made) -> None:
    group, parent, one, two = made
    stage.bind(parent, "pod1")
    stage.change("trunk", group["id"], name="new", admin_state_up=False)
    stage.reconcile()
    there = stage.copy("pod1", "trunks", group["id"])
    assert (there["name"], there["admin_state_up"]) == ("new", False)
    with pytest.raises(trunk_exc.TrunkDisabled):
        remove(stage, group, one)

    # Up, changed and down again before the pod hears of it: the pod's own is never managed down.
    stage.change("trunk", group["id"], admin_state_up=True)
    remove(stage, group, one)
    stage.change("trunk", group["id"], admin_state_up=False)
    stage.reconcile()
    whole(stage, "pod1", group, two)
    assert stage.copy("pod1", "trunks", group["id"])["admin_state_up"] is False

    stage.change("trunk", group["id"], admin_state_up=True)
    stage.delete("trunk", group["id"])
    stage.reconcile()
    assert stage.copies("pod1", "trunks") == []


def test_an_unchanged_trunk_costs_no_write(stage: Stage, made: Made) -> None:
    stage.bind(made[1], "pod1")
    stage.touch("trunk", made[0]["id"])
    stage.cloud.journal.clear()
    stage.reconcile()
    calls = stage.cloud.journal.find("pod1/network")
    assert calls
    assert {call.method for call in calls} == {"GET"}


def test_a_port_of_a_trunk_stays(stage: Stage, made: Made) -> None:
    group, parent, one, _ = made
    stage.bind(parent, "pod1")
    with pytest.raises(trunk_exc.PortInUseAsTrunkParent):
        stage.delete("port", parent["id"])
    # A change of a subport reaches the pod and does not unbind it.
    stage.change("port", one["id"], name="renamed")
    stage.reconcile()
    assert stage.copy("pod1", "ports", one["id"])["name"] == "renamed"
    whole(stage, "pod1", group, one, made[3])


def test_what_was_changed_behind_our_back_is_changed_back(stage: Stage, made: Made) -> None:
    group, parent, one, two = made
    stage.bind(parent, "pod1")
    settled(stage, "pod1")
    there = stage.copy("pod1", "trunks", group["id"])
    there.update(name="theirs", sub_ports=there["sub_ports"][:1])
    assert len(audit(stage, "pod1").changed) == 1
    stage.reconcile("pod1")
    whole(stage, "pod1", group, one, two)
    del stage.neutron("pod1").tables["trunks"][there["id"]]
    assert len(audit(stage, "pod1").gone) == 1
    stage.reconcile("pod1")
    whole(stage, "pod1", group, one, two)
    settled(stage, "pod1")


def _watch(stage: Stage, region: str) -> None:
    pod = runtime.get().registry.fresh().by_region(region)
    assert pod is not None
    status.bring_back(runtime.get().engine.session(pod, Deadline(5)))


def test_status_comes_back(stage: Stage, made: Made) -> None:
    group, parent, one, _ = made
    stage.bind(parent, "pod1")
    assert central(stage, "trunk", group)["status"] == "DOWN"
    stage.copy("pod1", "ports", one["id"])["status"] = "ACTIVE"
    _watch(stage, "pod1")
    assert central(stage, "trunk", group)["status"] == "ACTIVE"
    assert central(stage, "port", one)["status"] == "ACTIVE"

    # Until the pod has what is wanted, what it says is of the past.
    add(stage, group, stage.port(stage.network("10.9.0.0/24")[0]))
    _watch(stage, "pod1")
    assert central(stage, "trunk", group)["status"] == "DOWN"
    stage.reconcile()
    _watch(stage, "pod1")
    assert central(stage, "trunk", group)["status"] == "ACTIVE"


def test_a_pod_without_the_extension(stage: Stage, made: Made) -> None:
    stage.neutron("pod1").aliases.discard("trunk")
    group, parent, one, two = made
    refused = stage.bind(parent, "pod1")
    assert refused["binding:vif_type"] == "binding_failed"
    reason = refused["binding:vif_details"]["reason"]
    assert "pod1" in reason
    assert "extension trunk" in reason
    assert group["id"] in reason
    stage.bind(parent, "pod2")
    whole(stage, "pod2", group, one, two)
    stage.forget_claims()
    stage.reconcile()
    assert stage.empty("pod1")

    # A port that is there already: the trunk tells what is wrong.
    later = stage.bound(stage.network("10.9.0.0/24")[0], "pod1")
    group = trunk(stage, later)
    stage.reconcile()
    row = stage.row("trunk", group["id"], "pod1")
    assert row is not None
    assert "extension trunk" in str(row.last_error)
    _watch_failing(stage, group)
    stage.delete("trunk", group["id"])
    stage.forget_claims()
    stage.reconcile()
    assert stage.row("trunk", group["id"], "pod1") is None


def _watch_failing(stage: Stage, group: Object) -> None:
    stage.neutron("pod1").aliases.add("trunk")  # its list of trunks, at least, is answered
    _watch(stage, "pod1")
    assert central(stage, "trunk", group)["status"] == "DEGRADED"
    stage.neutron("pod1").aliases.discard("trunk")


def test_a_pod_is_away_during_changes(stage: Stage, made: Made) -> None:
    group, parent, one, two = made
    stage.bind(parent, "pod1")
    stage.cloud.pods["pod1"].stop()
    three = stage.port(stage.network("10.9.0.0/24")[0])
    add(stage, group, three)
    remove(stage, group, one)
    stage.reconcile("pod1")
    stage.start("pod1")
    stage.forget_claims()
    stage.reconcile("pod1")
    whole(stage, "pod1", group, two, three)
    assert stage.copies("pod1", "ports", one["id"]) == []


def _bind(stage: Stage, port: Object, region: str) -> Any:
    """What ``bind_port`` does, without ML2 around it that would catch the dying."""
    running = runtime.get()
    pod = running.registry.fresh().by_region(region)
    assert pod is not None
    queue = running.engine.queue
    beside = queue.transact(lambda tx: binding.want(SessionOnly(tx), port, pod))
    for key in (Key("port", port["id"]), *beside):
        running.engine.ensure_realized(running.engine.session(pod, Deadline(40)), key)


def _leave(stage: Stage, port: Object) -> None:
    """The port is unbound; it was never bound for ML2."""
    stage.withdraw(port, "pod1")
    queue = runtime.get().engine.queue
    queue.transact(lambda tx: trunk_driver.leave(SessionOnly(tx), port["id"], None))


def test_coming_and_going_die_at_each_step(stage: Stage, made: Made, killer: Killer) -> None:
    group, parent, one, two = made
    for _ in killer.deaths(stage, lambda: _bind(stage, parent, "pod1"), every=7, least=28):
        stage.forget_claims()
        stage.reconcile("pod1")
        whole(stage, "pod1", group, one, two)
        _leave(stage, parent)
        stage.reconcile("pod1")
        _gone(stage, one, two)

    _bind(stage, parent, "pod1")
    _leave(stage, parent)
    for _ in killer.deaths(stage, lambda: stage.reconcile("pod1"), every=7, least=14):
        stage.forget_claims()
        stage.reconcile("pod1")
        _gone(stage, one, two)


def _gone(stage: Stage, *children: Object) -> None:
    assert stage.empty("pod1")
    assert stage.rows() == []
    free(stage, *children)


def test_changes_die_at_each_step(stage: Stage, made: Made, killer: Killer) -> None:
    group, parent, one, two = made
    stage.bind(parent, "pod1")
    remove(stage, group, one)
    for _ in killer.deaths(stage, lambda: stage.reconcile("pod1"), every=3, least=9):
        stage.forget_claims()
        stage.reconcile("pod1")
        whole(stage, "pod1", group, two)
        assert stage.copies("pod1", "ports", one["id"]) == []

    add(stage, group, one)
    for _ in killer.deaths(stage, lambda: stage.reconcile("pod1"), every=3, least=9):
        stage.forget_claims()
        stage.reconcile("pod1")
        whole(stage, "pod1", group, one, two)
