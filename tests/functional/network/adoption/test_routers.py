# SPDX-License-Identifier: Apache-2.0
"""Routers and floating IPs that a pod had become the region's, and carry on meanwhile."""

import pytest

from tests.functional.network.adoption import before as world
from tests.functional.network.adoption.before import Before, adopt, by_id, changed, plain, release
from tests.functional.network.audits import settled, writes
from tests.functional.network.routed_networks import external, floating, join, point
from tests.functional.network.stage import PROJECT, Stage
from tricircle.network.adoption import making
from tricircle.network.pod_api.pod_session import named


@pytest.fixture
def before(stage: Stage) -> Before:
    return Before(stage, "pod1")


def only_marks(stage: Stage) -> None:
    """Nothing but objects' own attributes was written: no interface came or went."""
    calls = [line.split(" ", 1)[1] for line in writes(stage, "pod1")]
    assert calls
    assert all(call.startswith("PUT ") and "interface" not in call for call in calls), calls


def test_a_router_without_a_gateway(stage: Stage, before: Before) -> None:
    router = before.routed()
    stage.cloud.journal.clear()
    adopt(stage, "pod1")
    there = plain(before)["ports"].keys()
    stage.reconcile()
    only_marks(stage)
    assert plain(before)["ports"].keys() == there
    (interface,) = stage.core.get_ports(stage.admin, {"device_id": [router["id"]]})
    assert interface["id"] == before.interface["id"]
    assert interface["fixed_ips"] == before.interface["fixed_ips"]
    assert named(before.neutron.tables["ports"][before.interface["id"]]) == interface["id"]
    settled(stage, "pod1")


def test_a_router_with_a_gateway_and_floating_ips(stage: Stage, before: Before) -> None:
    public = external(stage, "pod1")
    inside = before.public()
    router = before.routed(inside)
    used = before.floating(inside, "203.0.113.80", before.port)
    spare = before.floating(inside, "203.0.113.81", None)
    stage.cloud.journal.clear()
    told = by_id(adopt(stage, "pod1"))
    assert {one["action"] for one in told.values()} == {"adopt", "match"}, told
    stage.reconcile()
    only_marks(stage)
    found = stage.l3.get_router(stage.admin, router["id"])["external_gateway_info"]
    assert found["network_id"] == public["id"]
    assert [ip["ip_address"] for ip in found["external_fixed_ips"]] == ["203.0.113.77"]
    ip = stage.l3.get_floatingip(stage.admin, used["id"])
    assert (ip["floating_ip_address"], ip["port_id"]) == ("203.0.113.80", before.port["id"])
    assert stage.l3.get_floatingip(stage.admin, spare["id"])["port_id"] is None
    settled(stage, "pod1")

    # The spare one is led to a new server: it is the pod's own that goes there.
    network = stage.core.get_network(stage.admin, before.network["id"])
    new = stage.bound(network, "pod1")
    point(stage, spare, new)
    stage.reconcile()
    there = before.neutron.tables["floatingips"]
    assert there.keys() == {used["id"], spare["id"]}
    assert there[spare["id"]]["port_id"] == stage.copy("pod1", "ports", new["id"])["id"]
    settled(stage, "pod1")
    # And away again: it stays what it was, and in the pod.
    point(stage, spare, None)
    stage.reconcile()
    assert there[spare["id"]]["port_id"] is None
    # One of the region's own, for the server that was there before.
    point(stage, used, None)
    own = floating(stage, public, before.port)
    stage.reconcile()
    assert stage.copy("pod1", "floatingips", own["id"])["port_id"] == before.port["id"]
    # What is deleted here goes there.
    stage.l3.delete_floatingip(stage.admin, spare["id"])
    stage.reconcile()
    assert spare["id"] not in there
    settled(stage, "pod1")


def test_it_joins_what_is_in_other_pods(stage: Stage, before: Before) -> None:
    router = before.routed()
    adopt(stage, "pod1")
    network, subnet = stage.network("10.6.0.0/24")
    stage.bound(network, "pod2")
    join(stage, router, subnet)
    stage.reconcile()
    assert stage.copy("pod2", "routers", router["id"])
    assert before.interface["id"] in before.neutron.tables["ports"]
    assert len(before.neutron.tables["routers"]) == 1
    settled(stage, "pod1")


def test_all_is_given_back(stage: Stage, before: Before) -> None:
    external(stage, "pod1")
    inside = before.public()
    before.routed(inside)
    before.floating(inside, "203.0.113.80", before.port)
    adopt(stage, "pod1", dry_run=True)  # the pod has been asked for all by then
    there = plain(before)
    adopt(stage, "pod1")
    stage.reconcile()
    told = release(stage, "pod1")
    assert {one["action"] for one in told} == {"release"}, told
    stage.reconcile()
    assert changed(there, plain(before)) == []
    assert stage.l3.get_routers(stage.admin) == []
    assert stage.l3.get_floatingips(stage.admin) == []
    settled(stage, "pod1")


def test_what_is_open_to_an_unknown_network_stays(stage: Stage, before: Before) -> None:
    inside = before.public()
    router = before.routed(inside)
    told = by_id(adopt(stage, "pod1"))
    assert "not the region's" in told[router["id"]]["reason"]
    assert "is left alone" in told[before.interface["id"]]["reason"]
    assert told[before.port["id"]]["action"] == "adopt"
    # Nobody gets the address of the router that stays.
    taken = {
        ip["ip_address"] for port in stage.core.get_ports(stage.admin) for ip in port["fixed_ips"]
    }
    assert "10.5.0.1" in taken
    settled(stage, "pod1")
    assert before.neutron.tables["routers"][router["id"]]["external_gateway_info"]


def test_who_dies_on_the_way_is_followed(
    stage: Stage, before: Before, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After every step: xjob works on and audits, and whoever begins anew ends it."""
    external(stage, "pod1")
    inside = before.public()
    before.routed(inside)
    before.floating(inside, "203.0.113.80", before.port)
    there = {name: set(table) for name, table in before.neutron.tables.items()}
    for name in ("_router", "join", "point"):
        with monkeypatch.context() as patch:
            patch.setattr(making, name, _dies)
            with pytest.raises(ZeroDivisionError):
                adopt(stage, "pod1")
        stage.reconcile("pod1")
        world.audited(stage, "pod1")
        stage.reconcile("pod1")
        for table in ("networks", "subnets", "ports", "routers", "floatingips"):
            assert there[table] == set(before.neutron.tables[table]), (name, table)
    adopt(stage, "pod1")
    stage.reconcile()
    for table in ("networks", "subnets", "ports", "routers", "floatingips"):
        assert there[table] == set(before.neutron.tables[table]), table
    assert len(stage.l3.get_floatingips(stage.admin, {"project_id": [PROJECT]})) == 1
    settled(stage, "pod1")


def _dies(*_: object, **__: object) -> None:
    raise ZeroDivisionError
