# SPDX-License-Identifier: Apache-2.0
"""A rule with a remote group admits the group's members, in whatever pod they are."""

import re

import pytest

from tests.functional.fakes.faults import Kind
from tests.functional.network.crash_injection import Killer
from tests.functional.network.stage import PROJECT, Object, Stage
from tricircle.network.reconcile import runtime
from tricircle.network.wanted import group_members


@pytest.fixture
def killer(monkeypatch: pytest.MonkeyPatch) -> Killer:
    return Killer(monkeypatch)


def group(stage: Stage, name: str, **more: object) -> Object:
    return stage.make("security_group", name=name, description="", **more)


def admit(stage: Stage, to: Object, of: Object, ethertype: str = "IPv4", **more: object) -> Object:
    """Group ``to`` admits the members of ``of``."""
    return stage.make(
        "security_group_rule",
        security_group_id=to["id"],
        direction="ingress",
        ethertype=ethertype,
        remote_group_id=of["id"],
        **more,
    )


def rules(stage: Stage, region: str, of: Object) -> list[Object]:
    """The rules with a remote group or address group that the pod's copy of a group has."""
    there = stage.copy(region, "security-groups", of["id"])
    return [
        rule
        for rule in there["security_group_rules"]
        if rule["remote_group_id"] or rule["remote_address_group_id"]
    ]


def away(stage: Stage, region: str, of: Object) -> list[str] | None:
    """Addresses of the members elsewhere, as a pod knows them; None: it knows of none."""
    copies = stage.copies(region, "address-groups", of["id"])
    assert len(copies) < 2
    return list(copies[0]["addresses"]) if copies else None


def calls(stage: Stage) -> list[str]:
    """The calls to pod1's Neutron."""
    found = stage.cloud.journal.find("pod1/network")
    return [f"{call.method} {re.sub('[0-9a-f-]{36}', 'ID', call.path)}" for call in found]


def cidr(port: Object) -> str:
    (ip,) = port["fixed_ips"]
    return f"{ip['ip_address']}/{128 if ':' in ip['ip_address'] else 32}"


class Scene:
    """``web`` in pod1 admits the members of ``clients``; nobody is one yet."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.network, self.subnet = stage.network()
        self.web, self.clients = group(stage, "web"), group(stage, "clients")
        admit(stage, self.web, self.clients, protocol="tcp", port_range_min=80, port_range_max=80)
        self.server = self.bound("pod1", self.web)

    def bound(self, region: str, *groups: Object, **more: object) -> Object:
        ids = [one["id"] for one in groups]
        return self.stage.bound(self.network, region, security_groups=ids, **more)

    def port(self, *groups: Object, **more: object) -> Object:
        ids = [one["id"] for one in groups]
        return self.stage.port(self.network, security_groups=ids, **more)


@pytest.fixture
def scene(stage: Stage) -> Scene:
    return Scene(stage)


def test_the_last_member_comes_from_elsewhere(scene: Scene, stage: Stage) -> None:
    """At once: no worker has told the pod meanwhile that there was one."""
    client = scene.bound("pod2", scene.clients)
    moved = stage.bind(client, "pod1")
    assert moved["binding:vif_type"] == "other", moved["binding:vif_details"]
    # The group is written anew there before anybody finds that the list is needed no more.
    stage.change("security_group", scene.web["id"], name="changed")
    one = scene.bound("pod1", scene.web)
    assert one["binding:vif_type"] == "other", one["binding:vif_details"]
    stage.reconcile()
    (rule,) = rules(stage, "pod1", scene.web)
    assert (
        rule["remote_group_id"] == stage.copy("pod1", "security-groups", scene.clients["id"])["id"]
    )
    assert away(stage, "pod1", scene.clients) is None


def test_nobody_is_elsewhere(scene: Scene, stage: Stage) -> None:
    scene.bound("pod1", scene.clients)
    stage.reconcile()
    (rule,) = rules(stage, "pod1", scene.web)
    assert (
        rule["remote_group_id"] == stage.copy("pod1", "security-groups", scene.clients["id"])["id"]
    )
    assert stage.copies("pod1", "address-groups") == []


def test_a_member_elsewhere(scene: Scene, stage: Stage) -> None:
    client = scene.bound("pod2", scene.clients)
    stage.reconcile()

    assert away(stage, "pod1", scene.clients) == [cidr(client)]
    inside, outside = sorted(
        rules(stage, "pod1", scene.web), key=lambda r: r["remote_group_id"] is None
    )
    assert inside["remote_group_id"]
    assert outside["remote_address_group_id"]
    there = stage.copy("pod1", "address-groups", scene.clients["id"])
    assert outside["remote_address_group_id"] == there["id"]
    assert there["project_id"] == PROJECT
    for name in ("direction", "ethertype", "protocol", "port_range_min", "port_range_max"):
        assert inside[name] == outside[name]
    # Where nothing names the group, nothing is made.
    assert stage.copies("pod2", "address-groups") == []
    assert stage.pending() == []


def test_members_come_and_go(scene: Scene, stage: Stage) -> None:
    first, second = scene.bound("pod2", scene.clients), scene.bound("pod3", scene.clients)
    third = scene.bound("pod2")
    stage.reconcile()
    assert away(stage, "pod1", scene.clients) == sorted([cidr(first), cidr(second)])

    stage.change("port", third["id"], security_groups=[scene.clients["id"]])
    stage.reconcile()
    assert away(stage, "pod1", scene.clients) == sorted(map(cidr, (first, second, third)))

    stage.change("port", first["id"], security_groups=[])
    stage.delete("port", second["id"])
    stage.reconcile()
    assert away(stage, "pod1", scene.clients) == [cidr(third)]

    stage.bind(third, "")
    stage.reconcile()
    assert away(stage, "pod1", scene.clients) is None
    assert len(rules(stage, "pod1", scene.web)) == 1
    assert {row.resource_type for row in stage.rows()} & {group_members.KIND} == set()


def test_a_subport_is_a_member_too(scene: Scene, stage: Stage) -> None:
    parent, subport = scene.port(), scene.port(scene.clients)
    sub = {"port_id": subport["id"], "segmentation_type": "vlan", "segmentation_id": 7}
    trunk = stage.make("trunk", port_id=parent["id"], sub_ports=[sub])
    stage.bind(parent, "pod2")
    stage.reconcile()
    assert away(stage, "pod1", scene.clients) == [cidr(subport)]

    stage.bind(parent, "")
    stage.reconcile(sweep=False)
    assert away(stage, "pod1", scene.clients) == []
    stage.delete("trunk", trunk["id"])


def test_the_first_member_joins_by_an_update(scene: Scene, stage: Stage) -> None:
    late = scene.bound("pod2")
    stage.reconcile()
    assert away(stage, "pod1", scene.clients) is None
    stage.change("port", late["id"], security_groups=[scene.clients["id"]])
    stage.reconcile(sweep=False)
    assert away(stage, "pod1", scene.clients) == [cidr(late)]
    assert len(rules(stage, "pod1", scene.web)) == 2


def test_a_rule_comes_after_the_members(scene: Scene, stage: Stage) -> None:
    other = group(stage, "other")
    scene.bound("pod1", other)
    client = scene.bound("pod2", scene.clients)
    rule = admit(stage, other, scene.clients)
    stage.reconcile(sweep=False)
    assert len(rules(stage, "pod1", other)) == 2
    assert away(stage, "pod1", scene.clients) == [cidr(client)]

    stage.delete("security_group_rule", rule["id"])
    stage.reconcile()
    assert rules(stage, "pod1", other) == []
    assert away(stage, "pod1", scene.clients) == [cidr(client)], "web names it still"


def test_addresses_change(scene: Scene, stage: Stage) -> None:
    client = scene.bound("pod2", scene.clients)
    stage.reconcile()
    pairs = [{"ip_address": "10.0.0.200"}, {"ip_address": "10.7.0.0/16"}]
    stage.change(
        "port",
        client["id"],
        fixed_ips=[{"subnet_id": scene.subnet["id"], "ip_address": "10.0.0.77"}],
        allowed_address_pairs=pairs,
    )
    stage.reconcile()
    assert away(stage, "pod1", scene.clients) == ["10.0.0.200/32", "10.0.0.77/32", "10.7.0.0/16"]

    stage.change("port", client["id"], allowed_address_pairs=[])
    stage.reconcile()
    assert away(stage, "pod1", scene.clients) == ["10.0.0.77/32"]


def test_both_ip_versions(scene: Scene, stage: Stage) -> None:
    six = stage.subnet(
        scene.network, "2001:db8::/64", ipv6_ra_mode="slaac", ipv6_address_mode="slaac"
    )
    admit(stage, scene.web, scene.clients, "IPv6")
    client = scene.bound("pod2", scene.clients)
    stage.reconcile()
    addresses = {ip["ip_address"] for ip in client["fixed_ips"]}
    assert len(addresses) == 2
    assert {one.split("/")[0] for one in away(stage, "pod1", scene.clients) or []} == addresses
    by_ethertype = sorted(rule["ethertype"] for rule in rules(stage, "pod1", scene.web))
    assert by_ethertype == ["IPv4", "IPv4", "IPv6", "IPv6"]

    stage.delete("subnet", six["id"])
    stage.reconcile()
    assert [one for one in away(stage, "pod1", scene.clients) or [] if ":" in one] == []


def test_a_subnet_gives_addresses_to_ports_that_are_there(scene: Scene, stage: Stage) -> None:
    scene.bound("pod2", scene.clients)
    stage.reconcile()
    stage.subnet(scene.network, "2001:db8::/64", ipv6_ra_mode="slaac", ipv6_address_mode="slaac")
    stage.reconcile()
    assert any(":" in one for one in away(stage, "pod1", scene.clients) or [])


def test_a_member_moves(scene: Scene, stage: Stage) -> None:
    client = scene.bound("pod2", scene.clients)
    scene.bound("pod3", scene.web)
    stage.reconcile()
    for region in ("pod1", "pod3"):
        assert away(stage, region, scene.clients) == [cidr(client)]

    stage.bind(client, "pod1")
    stage.reconcile()
    assert away(stage, "pod1", scene.clients) is None
    assert away(stage, "pod3", scene.clients) == [cidr(client)]

    stage.bind(client, "pod3")
    stage.reconcile()
    assert away(stage, "pod1", scene.clients) == [cidr(client)]
    assert away(stage, "pod3", scene.clients) is None


def test_a_group_that_names_itself(stage: Stage) -> None:
    network, _ = stage.network()
    ports = [stage.bound(network, region) for region in ("pod1", "pod2", "pod3")]
    stage.reconcile()
    (group_id,) = ports[0]["security_groups"]
    for region, port in zip(("pod1", "pod2", "pod3"), ports, strict=True):
        others = sorted(cidr(other) for other in ports if other is not port)
        assert away(stage, region, {"id": group_id}) == others
        assert len(rules(stage, region, {"id": group_id})) == 4

    stage.delete("port", ports[2]["id"])
    stage.reconcile()
    assert stage.empty("pod3")
    left = stage.neutron("pod3").tables["security-group-rules"].values()
    assert not any(rule["remote_address_group_id"] for rule in left)
    assert away(stage, "pod1", {"id": group_id}) == [cidr(ports[1])]

    for port in ports[:2]:
        stage.delete("port", port["id"])
    stage.reconcile()
    assert stage.empty("pod1")
    assert stage.empty("pod2")
    assert stage.rows() == []


def test_a_group_is_deleted_that_rules_name(scene: Scene, stage: Stage) -> None:
    client = scene.bound("pod2", scene.clients)
    stage.reconcile()
    stage.change("port", client["id"], security_groups=[])
    stage.delete("security_group", scene.clients["id"])
    stage.reconcile()
    assert rules(stage, "pod1", scene.web) == []
    assert stage.copies("pod1", "address-groups") == []
    assert stage.copies("pod1", "security-groups", scene.clients["id"]) == []
    assert {row.resource_id for row in stage.rows()} & {scene.clients["id"]} == set()


def test_the_last_that_names_it_goes(scene: Scene, stage: Stage) -> None:
    scene.bound("pod2", scene.clients)
    stage.reconcile()
    stage.delete("port", scene.server["id"])
    stage.reconcile()
    assert stage.empty("pod1")


def test_a_thousand_changes_end_in_few_calls(scene: Scene, stage: Stage) -> None:
    ports = [scene.port(scene.clients) for _ in range(12)]
    for port in ports:
        stage.realize(port, "pod2")
    stage.reconcile()
    assert away(stage, "pod1", scene.clients) == sorted(map(cidr, ports))
    stage.cloud.journal.clear()
    for port in ports[:10]:
        stage.change("port", port["id"], security_groups=[])
    stage.reconcile("pod1")
    assert calls(stage) == ["PUT /v2.0/address-groups/ID/remove_addresses"]


def test_what_was_written_by_another_worker_is_looked_at(scene: Scene, stage: Stage) -> None:
    ports = [scene.bound("pod2", scene.clients) for _ in range(3)]
    stage.reconcile()
    mine = runtime.get()
    runtime.use(None)
    stage.change("port", ports[0]["id"], security_groups=[])
    stage.reconcile("pod1")
    runtime.use(mine)
    stage.cloud.journal.clear()
    stage.change("port", ports[1]["id"], security_groups=[])
    stage.reconcile("pod1")
    assert calls(stage) == [
        "GET /v2.0/address-groups/ID",
        "PUT /v2.0/address-groups/ID/remove_addresses",
    ]
    assert away(stage, "pod1", scene.clients) == [cidr(ports[2])]


def test_what_was_changed_behind_our_back_is_looked_at(scene: Scene, stage: Stage) -> None:
    ports = [scene.bound("pod2", scene.clients) for _ in range(3)]
    stage.reconcile()
    stage.copy("pod1", "address-groups", scene.clients["id"])["addresses"].clear()
    stage.change("port", ports[0]["id"], security_groups=[])
    stage.reconcile("pod1")  # the pod cannot remove what it does not have
    stage.forget_claims()
    stage.reconcile("pod1")
    assert away(stage, "pod1", scene.clients) == sorted(map(cidr, ports[1:]))

    (there,) = stage.copies("pod1", "address-groups", scene.clients["id"])
    there["addresses"].append("192.0.2.1/32")
    row = stage.row(group_members.KIND, scene.clients["id"], "pod1")
    assert row is not None
    assert runtime.get().engine.queue.mark_for_check([row]) == 1  # as the audit has it
    stage.reconcile("pod1")
    assert away(stage, "pod1", scene.clients) == sorted(map(cidr, ports[1:]))


def test_a_renamed_address_group_is_written_once(stage: Stage) -> None:
    network, _ = stage.network()
    addresses = stage.make("address_group", name="old", description="", addresses=["10.9.0.0/24"])
    web = group(stage, "web")
    stage.make(
        "security_group_rule",
        security_group_id=web["id"],
        direction="ingress",
        ethertype="IPv4",
        remote_address_group_id=addresses["id"],
    )
    stage.bound(network, "pod1", security_groups=[web["id"]])
    stage.reconcile()
    stage.change("address_group", addresses["id"], name="new")
    stage.reconcile()
    stage.cloud.journal.clear()
    stage.touch("address_group", addresses["id"])
    stage.reconcile()
    assert [call for call in calls(stage) if call.startswith("PUT")] == []
    assert stage.copy("pod1", "address-groups", addresses["id"])["name"] == "new"


def test_more_addresses_than_a_call_takes(
    scene: Scene, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tricircle.network.reconcile.adapters.address_group._MOST", 2)
    pairs = [{"ip_address": f"10.8.0.{last}"} for last in range(1, 6)]
    client = scene.bound("pod2", scene.clients, allowed_address_pairs=pairs)
    stage.reconcile()
    assert len(away(stage, "pod1", scene.clients) or []) == 6
    stage.change("port", client["id"], allowed_address_pairs=[])
    stage.reconcile()
    assert away(stage, "pod1", scene.clients) == [cidr(client)]


def test_a_pod_is_away_while_members_change(scene: Scene, stage: Stage) -> None:
    first, second = scene.bound("pod2", scene.clients), scene.bound("pod2", scene.clients)
    stage.reconcile()
    stage.neutron("pod1").fail(Kind.UNAVAILABLE)
    third = scene.bound("pod3", scene.clients)
    stage.delete("port", first["id"])
    stage.reconcile("pod2", "pod3")
    stage.change("port", second["id"], security_groups=[])
    for _ in range(3):
        stage.reconcile("pod1")
    assert away(stage, "pod1", scene.clients) == sorted([cidr(first), cidr(second)])

    stage.cloud.heal()
    stage.forget_claims()
    _until_healed(stage)
    assert away(stage, "pod1", scene.clients) == [cidr(third)]


def test_a_pod_without_address_groups(
    scene: Scene, stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    runtime.use(None)
    stage.neutron("pod1").aliases.discard("address-group")
    scene.bound("pod1", scene.clients)
    client = scene.bound("pod2", scene.clients)
    late = scene.bound("pod1", scene.web)
    stage.reconcile("pod1", "pod2")

    # Inside the pod all is well, and new ports are no trouble.
    (rule,) = rules(stage, "pod1", scene.web)
    assert rule["remote_group_id"] is not None
    assert late["binding:vif_type"] == "other"
    # That members elsewhere are not admitted is no secret.
    row = stage.row(group_members.KIND, scene.clients["id"], "pod1")
    assert row is not None
    assert row.last_error is not None
    for word in ("pod1", scene.clients["id"], "address-group", "members in other pods"):
        assert word in row.last_error
        assert word in caplog.text

    stage.delete("port", client["id"])
    stage.forget_claims()
    stage.reconcile()
    assert stage.row(group_members.KIND, scene.clients["id"], "pod1") is None


def test_a_pod_gets_address_groups(scene: Scene, stage: Stage) -> None:
    runtime.use(None)
    stage.neutron("pod1").aliases.discard("security-groups-remote-address-group")
    client = scene.bound("pod2", scene.clients)
    stage.reconcile("pod1", "pod2")
    assert away(stage, "pod1", scene.clients) is None

    stage.neutron("pod1").aliases.add("security-groups-remote-address-group")
    runtime.use(None)
    stage.forget_claims()
    stage.reconcile()
    assert away(stage, "pod1", scene.clients) == [cidr(client)]
    assert len(rules(stage, "pod1", scene.web)) == 2


def test_what_was_missed_is_found(
    scene: Scene, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(group_members, "joined", lambda *_: None)
        client = scene.bound("pod2", scene.clients)
    stage.reconcile(sweep=False)
    assert away(stage, "pod1", scene.clients) is None
    stage.reconcile()
    assert away(stage, "pod1", scene.clients) == [cidr(client)]


def test_a_pod_is_registered_no_more(scene: Scene, stage: Stage) -> None:
    client = scene.bound("pod2", scene.clients)
    scene.bound("pod3", scene.clients)
    stage.reconcile()
    queue = runtime.get().engine.queue
    queue.forget_pod(stage.pod_ids["pod3"])
    group_members.look_again(queue)
    stage.reconcile("pod1", "pod2")
    assert away(stage, "pod1", scene.clients) == [cidr(client)]


def _until_healed(stage: Stage) -> None:
    for _ in range(20):
        stage.forget_claims()
        stage.reconcile()
        if not any(row.next_try_at for row in stage.rows()):
            return


def _as_it_should_be(stage: Stage, scene: Scene, clients: list[Object]) -> None:
    for row in stage.rows():
        assert row.realized_revision == row.wanted_revision, row.resource_type
        assert row.claimed_by is None
        assert row.next_try_at is None
    for collection in ("ports", "security-groups", "address-groups"):
        marks = [item["description"] for item in stage.copies("pod1", collection)]
        assert len(marks) == len(set(marks)), collection
    found = rules(stage, "pod1", scene.web)
    if clients:
        assert away(stage, "pod1", scene.clients) == sorted(map(cidr, clients))
        assert len(found) == 2
    else:
        assert away(stage, "pod1", scene.clients) is None
        assert len(found) == 1


def test_members_come_and_the_worker_dies_at_each_step(
    scene: Scene, stage: Stage, killer: Killer
) -> None:
    client = scene.port(scene.clients)
    stage.realize(client, "pod2")
    stage.reconcile("pod2")
    for _ in killer.deaths(stage, lambda: stage.reconcile("pod1"), least=6):
        stage.forget_claims()
        stage.reconcile("pod1")
        _as_it_should_be(stage, scene, [client])
        stage.withdraw(client, "pod2")
        stage.reconcile()
        _as_it_should_be(stage, scene, [])


def test_members_go_and_the_worker_dies_at_each_step(
    scene: Scene, stage: Stage, killer: Killer
) -> None:
    client = scene.port(scene.clients)
    stage.realize(client, "pod2")
    stage.reconcile()
    stage.withdraw(client, "pod2")
    for _ in killer.deaths(stage, lambda: stage.reconcile("pod1"), least=6):
        stage.forget_claims()
        stage.reconcile()
        _as_it_should_be(stage, scene, [])


@pytest.mark.parametrize("kind", [Kind.CUT_AFTER, Kind.GARBAGE_AFTER])
@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/address-groups$"), ("POST", "/security-group-rules$")]
)
def test_an_answer_is_lost(scene: Scene, stage: Stage, kind: Kind, method: str, path: str) -> None:
    stage.neutron("pod1").fail(kind, method=method, path=path, times=1)
    client = scene.bound("pod2", scene.clients)
    stage.reconcile()
    _until_healed(stage)
    _as_it_should_be(stage, scene, [client])
