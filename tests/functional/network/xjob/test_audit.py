# SPDX-License-Identifier: Apache-2.0
"""What was deleted or changed in pods behind our back is put right; leftovers go."""

import re

import pytest
import sqlalchemy as sa

from tests.functional.fakes.faults import Kind
from tests.functional.network.audits import audit, repaired, settled, writes
from tests.functional.network.stage import PROJECT, Object, Stage
from tricircle.conf import CONF
from tricircle.db import models, session
from tricircle.db.realizations import Key
from tricircle.network.central import models as network_models
from tricircle.network.pod_api import neutron_client
from tricircle.network.reconcile import runtime
from tricircle.network.reconcile.adapters import ADAPTERS
from tricircle.pods.errors import PodError, PodUnreachable
from tricircle.xjob import audit as audit_module
from tricircle.xjob.audit import Audit


@pytest.fixture
def world(stage: Stage) -> dict[str, Object]:
    """A port with all it may stand on, in pod1."""
    network, subnet = stage.network()
    group = stage.make("security_group", name="web", description="")
    stage.make(
        "security_group_rule",
        security_group_id=group["id"],
        direction="ingress",
        protocol="tcp",
        port_range_min=22,
        port_range_max=22,
    )
    router = stage.make("router", name="r")
    stage.l3.add_router_interface(stage.context, router["id"], {"subnet_id": subnet["id"]})
    default = stage.core.get_security_groups(stage.admin, {"name": ["default"]})[0]
    port = stage.bound(network, "pod1", security_groups=[group["id"], default["id"]])
    stage.reconcile()
    assert repaired() == []
    return {
        "network": network,
        "subnet": subnet,
        "group": group,
        "default": default,
        "router": router,
        "port": port,
    }


def test_what_is_right_costs_a_list_a_collection(stage: Stage, world: dict[str, Object]) -> None:
    stage.bound(world["network"], "pod1")
    stage.reconcile()
    stage.cloud.journal.clear()
    found = audit(stage, "pod1")
    assert (found.gone, found.changed) == ([], [])
    calls = [call.path for call in stage.cloud.journal.find("pod1/network")]
    collections = {adapter.collection for adapter in ADAPTERS.values()}
    assert sorted(calls) == sorted(f"/v2.0/{name}" for name in collections)
    # What no list tells of is looked at one by one, and nothing is written.
    stage.reconcile("pod1")
    assert writes(stage, "pod1") == []
    assert repaired() == []


@pytest.mark.parametrize(
    ("collection", "what", "change"),
    [
        ("networks", "network", {"name": "theirs", "admin_state_up": False}),
        ("subnets", "subnet", {"enable_dhcp": False, "dns_nameservers": ["9.9.9.9"]}),
        ("ports", "port", {"name": "theirs", "security_groups": []}),
        ("security-groups", "group", {"name": "theirs"}),
        ("routers", "router", {"name": "theirs", "admin_state_up": False}),
    ],
)
def test_what_was_changed_is_changed_back(
    stage: Stage, world: dict[str, Object], collection: str, what: str, change: Object
) -> None:
    there = stage.copy("pod1", collection, world[what]["id"])
    before = {name: there[name] for name in change}
    there.update(change)
    audit(stage, "pod1")
    stage.reconcile("pod1")
    assert {name: there[name] for name in change} == before
    (done,) = repaired()
    assert re.fullmatch(rf"PUT /{collection}/{there['id']} \((.*)\)", done), done
    assert all(name in done for name in change)
    settled(stage, "pod1")


def test_rules(stage: Stage, world: dict[str, Object]) -> None:
    there = stage.copy("pod1", "security-groups", world["group"]["id"])
    neutron = stage.neutron("pod1")
    ssh = next(rule for rule in there["security_group_rules"] if rule["port_range_min"] == 22)
    neutron.remove("security-group-rules", ssh, None)
    neutron.make(
        "security-group-rules",
        PROJECT,
        security_group_id=there["id"],
        direction="ingress",
        protocol="tcp",
        port_range_min=1,
        port_range_max=65535,
    )
    found = audit(stage, "pod1")
    assert found.changed == [Key("security_group", world["group"]["id"])]
    stage.reconcile("pod1")
    ports = {rule["port_range_min"] for rule in there["security_group_rules"]}
    assert ports == {None, 22}
    (done,) = repaired()
    assert "POST /security-group-rules; DELETE /security-group-rules/" in done
    settled(stage, "pod1")


def test_router_interfaces(stage: Stage, world: dict[str, Object]) -> None:
    router = stage.copy("pod1", "routers", world["router"]["id"])
    tables = stage.neutron("pod1").tables
    (interface,) = stage.neutron("pod1").ports(device_id=router["id"])
    del tables["ports"][interface["id"]]
    audit(stage, "pod1")
    stage.reconcile("pod1")
    assert len(stage.neutron("pod1").ports(device_id=router["id"])) == 1
    assert "add_router_interface" in repaired("router")[0]
    settled(stage, "pod1")


def test_everything_was_deleted(stage: Stage, world: dict[str, Object]) -> None:
    for table in stage.neutron("pod1").tables.values():
        table.clear()
    found = audit(stage, "pod1")
    assert len(found.gone) == len(stage.rows())
    stage.reconcile("pod1")
    port = stage.copy("pod1", "ports", world["port"]["id"])
    assert port["network_id"] == stage.copy("pod1", "networks", world["network"]["id"])["id"]
    assert set(port["security_groups"]) == {
        stage.copy("pod1", "security-groups", world[name]["id"])["id"]
        for name in ("group", "default")
    }
    router = stage.copy("pod1", "routers", world["router"]["id"])
    assert len(stage.neutron("pod1").ports(device_id=router["id"])) == 1
    assert len(repaired()) == len(found.gone)
    settled(stage, "pod1")


def test_a_group_that_is_named_by_others_was_deleted(stage: Stage) -> None:
    network, _ = stage.network()
    one = stage.make("security_group", name="one", description="")
    two = stage.make("security_group", name="two", description="")
    stage.make(
        "security_group_rule",
        security_group_id=one["id"],
        direction="ingress",
        remote_group_id=two["id"],
    )
    port = stage.bound(network, "pod1", security_groups=[one["id"]])
    stage.reconcile("pod1")
    there = stage.copy("pod1", "security-groups", two["id"])
    neutron = stage.neutron("pod1")
    for rule in list(neutron.tables["security-group-rules"].values()):
        if rule["remote_group_id"] == there["id"]:
            neutron.remove("security-group-rules", rule, None)
    neutron.remove("security-groups", there, None)
    audit(stage, "pod1")
    stage.reconcile("pod1")
    again = stage.copy("pod1", "security-groups", two["id"])["id"]
    remote = {
        rule["remote_group_id"]
        for rule in stage.copy("pod1", "security-groups", one["id"])["security_group_rules"]
    }
    assert remote == {None, again}
    assert stage.copy("pod1", "ports", port["id"])
    settled(stage, "pod1")


def test_what_was_changed_here_is_no_repair(stage: Stage, world: dict[str, Object]) -> None:
    stage.change("network", world["network"]["id"], name="new")
    found = audit(stage, "pod1")
    assert found.changed == []
    stage.reconcile("pod1")
    assert stage.copy("pod1", "networks", world["network"]["id"])["name"] == "new"
    assert repaired() == []


def test_a_failing_repair_is_a_job_that_says_why(stage: Stage, world: dict[str, Object]) -> None:
    stage.copy("pod1", "networks", world["network"]["id"])["name"] = "theirs"
    stage.neutron("pod1").fail(Kind.ERROR, "PUT", "/networks/")
    audit(stage, "pod1")
    stage.work("pod1")
    row = stage.row("network", world["network"]["id"], "pod1")
    assert row is not None
    assert "Kaboom" in str(row.last_error)
    assert repaired("network") == []
    stage.neutron("pod1").heal()
    stage.forget_claims()
    stage.reconcile("pod1")
    assert len(repaired("network")) == 1


def _leftovers(stage: Stage, resource_id: str, text: str = "") -> dict[str, Object]:
    """Objects with our marker (or ``text``) that nobody wants: a port in a network with a subnet, a
    group, a router."""
    neutron = stage.neutron("pod1")

    def make(collection: str, **values: object) -> Object:
        mark = text or stage.mark("pod1", collection, resource_id)
        return neutron.make(collection, PROJECT, name="left", description=mark, **values)

    network, group = make("networks"), make("security-groups")
    return {
        "networks": network,
        "subnets": make("subnets", network_id=network["id"], cidr="10.8.0.0/24"),
        "security-groups": group,
        "ports": make("ports", network_id=network["id"], security_groups=[group["id"]]),
        "routers": make("routers"),
    }


def _there(stage: Stage, objects: dict[str, Object]) -> set[str]:
    tables = stage.neutron("pod1").tables
    return {name for name, item in objects.items() if item["id"] in tables[name]}


def test_orphans_go_after_the_grace(stage: Stage, world: dict[str, Object]) -> None:
    nobodys = "11111111-2222-3333-4444-555555555555"
    left = _leftovers(stage, nobodys)
    others = _leftovers(stage, nobodys, "made by somebody else, not tricircle:")
    for item in left.values():
        assert item["created_at"]
    assert audit(stage, "pod1").orphans == 0
    stage.reconcile("pod1")
    assert len(_there(stage, left)) == 5

    for item in left.values():
        item["created_at"] = "2020-01-01T00:00:00Z"
    stage.cloud.journal.clear()
    assert audit(stage, "pod1").orphans == 5
    stage.reconcile("pod1")
    assert _there(stage, left) == set()
    assert len(_there(stage, others)) == 5
    removed = [line for line in writes(stage, "pod1") if "DELETE" in line]
    assert [line.rsplit("/", 2)[1] for line in removed].index("ports") == 0
    assert sum("nobody wants" in done for done in repaired()) == 5
    assert stage.copy("pod1", "ports", world["port"]["id"])
    settled(stage, "pod1")


def test_without_a_date_the_grace_counts_from_the_first_sight(stage: Stage) -> None:
    left = _leftovers(stage, "11111111-2222-3333-4444-555555555555")
    for item in left.values():
        del item["created_at"]
    CONF.set_override("orphan_grace", 0.5, group="reconciler")
    try:
        auditor = Audit(runtime.get().engine.queue, ADAPTERS)
        assert audit(stage, "pod1", auditor).orphans == 0
        auditor._seen = {one: models.now().replace(year=2020) for one in auditor._seen}
        assert audit(stage, "pod1", auditor).orphans == 5
    finally:
        CONF.clear_override("orphan_grace", group="reconciler")


@pytest.mark.usefixtures("no_grace")
def test_a_binding_in_progress_is_let_alone(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """At each call of a binding, an audit finds nothing to remove or to put right."""
    network, _ = stage.network()
    port = stage.port(network)
    call, counted = neutron_client.PodNeutron._call, []

    def between(self: neutron_client.PodNeutron, method: str, path: str, **more: object) -> Object:
        answer = call(self, method, path, **more)
        with monkeypatch.context() as patched:
            patched.setattr(neutron_client.PodNeutron, "_call", call)
            found = audit(stage, "pod1")
        assert not found.work
        assert found.doubles == 0
        counted.append(path)
        return answer

    with monkeypatch.context() as patched:
        patched.setattr(neutron_client.PodNeutron, "_call", between)
        stage.realize(port, "pod1")
    assert len(counted) > 3
    assert repaired() == []


@pytest.mark.usefixtures("no_grace")
def test_a_second_copy_goes(stage: Stage, world: dict[str, Object]) -> None:
    mark = stage.mark("pod1", "networks", world["network"]["id"])
    double = stage.neutron("pod1").make("networks", PROJECT, name="net", description=mark)
    first = next(
        item
        for item in stage.copies("pod1", "networks", world["network"]["id"])
        if item is not double
    )
    assert audit(stage, "pod1").doubles == 1
    assert stage.copies("pod1", "networks", world["network"]["id"]) == [first]
    assert "a second copy" in repaired()[0]
    stage.reconcile("pod1")
    settled(stage, "pod1")


@pytest.mark.usefixtures("no_grace")
def test_a_second_port_that_a_server_uses_stays(stage: Stage, world: dict[str, Object]) -> None:
    first = stage.copy("pod1", "ports", world["port"]["id"])
    double = stage.neutron("pod1").make(
        "ports",
        PROJECT,
        network_id=first["network_id"],
        description=first["description"],
        device_id="server",
        device_owner="compute:nova",
    )
    assert audit(stage, "pod1").doubles == 0
    assert double["id"] in stage.neutron("pod1").tables["ports"]


@pytest.mark.usefixtures("no_grace")
def test_rows_that_were_lost_are_made_again(stage: Stage, world: dict[str, Object]) -> None:
    """As when a pod was forgotten and registered anew: its servers' ports must live on."""
    before = {name: dict(table) for name, table in stage.neutron("pod1").tables.items()}
    runtime.get().engine.queue.forget_pod(stage.pod_ids["pod1"])
    found = audit(stage, "pod1")
    assert found.orphans == 0
    assert found.adopted == 6
    stage.reconcile("pod1")
    after = stage.neutron("pod1").tables
    assert {name: set(table) for name, table in after.items()} == {
        name: set(table) for name, table in before.items()
    }
    assert len(stage.rows()) == 6
    settled(stage, "pod1")
    # What is taken over goes as everything does.
    stage.delete("port", world["port"]["id"])
    stage.reconcile("pod1")
    assert stage.empty("pod1")


@pytest.mark.usefixtures("no_grace")
def test_a_copy_of_what_is_elsewhere_now_goes(stage: Stage, world: dict[str, Object]) -> None:
    mark = stage.mark("pod2", "networks", world["network"]["id"])
    left = stage.neutron("pod2").make("networks", PROJECT, name="late", description=mark)
    audit(stage, "pod2")
    stage.reconcile()
    assert left["id"] not in stage.neutron("pod2").tables["networks"]
    assert stage.rows()
    assert {row.pod_id for row in stage.rows()} == {stage.pod_ids["pod1"]}


@pytest.mark.usefixtures("no_grace")
def test_an_orphan_that_is_wanted_before_it_is_removed(stage: Stage) -> None:
    network, _ = stage.network()
    port = stage.port(network)
    queue = runtime.get().engine.queue
    mark = stage.mark("pod1", "networks", network["id"])
    there = stage.neutron("pod1").make("networks", PROJECT, name="late", description=mark)
    key = Key("network", network["id"])
    assert queue.found(key, stage.pod_ids["pod1"], PROJECT, there["id"], wanted=False)
    assert not queue.found(key, stage.pod_ids["pod1"], PROJECT, "another", wanted=False)
    stage.realize(port, "pod1")
    assert stage.copy("pod1", "networks", network["id"])["id"] == there["id"]
    stage.reconcile("pod1")
    assert stage.copy("pod1", "networks", network["id"])["name"] == "net"


@pytest.mark.parametrize("kind", [Kind.ERROR, Kind.GARBAGE, Kind.CUT])
def test_a_pod_that_does_not_tell_all_loses_nothing(
    stage: Stage, world: dict[str, Object], kind: Kind
) -> None:
    stage.neutron("pod1").fail(kind, "GET", "/v2.0/ports$")
    with pytest.raises(PodError):
        audit(stage, "pod1")
    assert stage.pending("pod1") == []


def test_long_lists_come_in_pages(
    stage: Stage, world: dict[str, Object], monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(5):
        stage.bound(world["network"], "pod1")
    stage.reconcile("pod1")
    stage.cloud.journal.clear()
    monkeypatch.setattr(audit_module, "_PAGE", 2)
    found = audit(stage, "pod1")
    assert (found.gone, found.changed) == ([], [])
    assert len(stage.cloud.journal.find("pod1/network", "GET", "/ports$")) == 4


@pytest.mark.parametrize("odd", [{}, {"id": None}, {"id": 5}, {"id": ["x"]}])
def test_an_object_without_an_id_is_the_pods_failure(
    stage: Stage, world: dict[str, Object], odd: Object
) -> None:
    def alter(_: object, document: Object) -> Object:
        items = [{k: v for k, v in one.items() if k != "id"} | odd for one in document["ports"]]
        return {"ports": items}

    stage.neutron("pod1").fail(Kind.ALTERED, "GET", "/v2.0/ports$", alter=alter)
    with pytest.raises(PodUnreachable, match="its list of ports has no ids"):
        audit(stage, "pod1")
    assert stage.pending("pod1") == []


@pytest.mark.parametrize(
    ("limit", "told"), [("_MOST_PAGES", "do not come to an end"), ("_MOST_ANSWERS", "more than")]
)
def test_a_list_without_end_is_given_up(
    stage: Stage,
    world: dict[str, Object],
    monkeypatch: pytest.MonkeyPatch,
    limit: str,
    told: str,
) -> None:
    inside = stage.copy("pod1", "ports", world["port"]["id"])["id"]
    port = {"id": inside, "name": "x" * 500}

    def endless(_: object, document: Object) -> Object:
        return {"ports": [port], "ports_links": [{"rel": "next", "href": "http://pod"}]}

    stage.neutron("pod1").fail(Kind.ALTERED, "GET", "/v2.0/ports$", alter=endless)
    CONF.set_override("max_answer", 1 << 20, "pods")
    monkeypatch.setattr(neutron_client, limit, {"_MOST_PAGES": 5, "_MOST_ANSWERS": 0.002}[limit])
    stage.cloud.journal.clear()
    with pytest.raises(PodUnreachable, match=told):
        audit(stage, "pod1")
    assert len(stage.cloud.journal.find("pod1/network", "GET", "/ports$")) <= 6


def test_repairs_are_told_even_if_they_cannot_be_written_down(
    stage: Stage, world: dict[str, Object], caplog: pytest.LogCaptureFixture
) -> None:
    with session.write() as tx:
        tx.execute(sa.text("DROP TABLE repairs"))
    stage.copy("pod1", "networks", world["network"]["id"])["name"] = "theirs"
    queue = runtime.get().engine.queue
    query = sa.select(network_models.Realization).filter_by(resource_type="network")
    row = queue.transact(lambda tx: tx.scalar(query))
    assert queue.mark_for_check([row]) == 1
    stage.work("pod1")
    assert stage.copy("pod1", "networks", world["network"]["id"])["name"] == "net"
    assert any("Repaired the network" in record.getMessage() for record in caplog.records)


def test_address_groups_and_members_elsewhere(stage: Stage, no_grace: None) -> None:
    network, _ = stage.network()
    hosts = stage.make("address_group", name="hosts", addresses=["10.5.0.0/16"])
    web = stage.make("security_group", name="web", description="")
    for remote in ({"remote_address_group_id": hosts["id"]}, {"remote_group_id": web["id"]}):
        stage.make(
            "security_group_rule", security_group_id=web["id"], direction="ingress", **remote
        )
    stage.bound(network, "pod1", security_groups=[web["id"]])
    stage.bound(network, "pod2", security_groups=[web["id"]])
    stage.reconcile()
    settled(stage, "pod1")
    before = {one["id"]: list(one["addresses"]) for one in stage.copies("pod1", "address-groups")}
    assert len(before) == 2

    for one in stage.copies("pod1", "address-groups"):
        one["addresses"] = ["192.0.2.0/24"]
    rules = stage.neutron("pod1").tables["security-group-rules"]
    for rule in list(rules.values()):
        if rule["remote_address_group_id"]:
            stage.neutron("pod1").remove("security-group-rules", rule, None)
    found = audit(stage, "pod1")
    assert sorted(key.resource_type for key in found.changed) == [
        "address_group",
        "group_members",
        "security_group",
    ]
    stage.reconcile("pod1")
    after = {one["id"]: list(one["addresses"]) for one in stage.copies("pod1", "address-groups")}
    assert after == before
    settled(stage, "pod1")


def test_address_groups_that_nobody_wants(stage: Stage, no_grace: None) -> None:
    network, _ = stage.network()
    stage.bound(network, "pod1")
    for gone in ("4d3c2b1a-0000-4000-8000-000000000001", "4d3c2b1a-0000-4000-8000-000000000002"):
        mark = stage.mark("pod1", "address-groups", gone)
        stage.neutron("pod1").make("address-groups", PROJECT, description=mark)
    own = stage.neutron("pod1").make("address-groups", PROJECT, description="mine")
    assert audit(stage, "pod1").orphans == 2
    stage.reconcile("pod1")
    assert list(stage.neutron("pod1").tables["address-groups"]) == [own["id"]]
    settled(stage, "pod1")
