# SPDX-License-Identifier: Apache-2.0
"""A pod joins with networks, ports and security groups in it: they become the region's."""

import copy

import pytest

from tests.functional.network.adoption.before import Before, adopt, by_id, changed, plain, release
from tests.functional.network.audits import settled, writes
from tests.functional.network.stage import PROJECT, Stage
from tricircle.network.pod_api.pod_session import named


@pytest.fixture
def before(stage: Stage) -> Before:
    return Before(stage, "pod1")


def test_a_server_s_network_becomes_the_region_s(stage: Stage, before: Before) -> None:
    there = copy.deepcopy(before.neutron.tables)
    plan = adopt(stage, "pod1", dry_run=True)
    assert {one["action"] for one in plan} == {"adopt"}
    assert writes(stage, "pod1") == []
    assert stage.core.get_networks(stage.admin) == []

    adopt(stage, "pod1")

    port = stage.core.get_port(stage.admin, before.port["id"])
    assert port["binding:host_id"] == "pod1"
    assert port["binding:vif_details"]["pod_port_id"] == before.port["id"]
    assert port["device_id"] == "a server"
    for name in ("mac_address", "fixed_ips", "security_groups", "project_id"):
        assert port[name] == before.port[name]
    group = stage.core.get_security_group(stage.admin, before.group["id"])
    assert "22" in {str(rule["port_range_min"]) for rule in group["security_group_rules"]}
    assert stage.core.get_subnet(stage.admin, before.subnet["id"])["cidr"] == "10.5.0.0/24"
    # Nothing came or went, and nothing but marks and the pod's own addresses has changed.
    now = before.neutron.tables
    for collection in ("networks", "subnets", "ports", "security-groups", "security-group-rules"):
        assert now[collection].keys() == there[collection].keys()
    changed = {line.split()[1] for line in writes(stage, "pod1")}
    assert changed == {"PUT"}
    assert all(
        named(one) for one in (now["networks"][before.network["id"]], now["ports"][port["id"]])
    )
    settled(stage, "pod1")


def test_what_was_taken_over_is_served(stage: Stage, before: Before) -> None:
    adopt(stage, "pod1")
    network = stage.core.get_network(stage.admin, before.network["id"])
    new = stage.bound(network, "pod1", security_groups=[before.group["id"]])
    stage.reconcile()
    there = stage.copy("pod1", "ports", new["id"])
    assert there["network_id"] == before.network["id"]
    taken = {ip["ip_address"] for one in before.neutron.ports() for ip in one["fixed_ips"]}
    assert len(taken) == len(before.neutron.ports())
    stage.make(
        "security_group_rule",
        security_group_id=before.group["id"],
        direction="ingress",
        ethertype="IPv4",
        protocol="tcp",
        port_range_min=443,
        port_range_max=443,
    )
    stage.reconcile()
    rules = before.neutron.tables["security-groups"][before.group["id"]]["security_group_rules"]
    assert 443 in {rule["port_range_min"] for rule in rules}
    settled(stage, "pod1")


def test_twice_is_harmless(stage: Stage, before: Before) -> None:
    adopt(stage, "pod1")
    stage.cloud.journal.clear()
    assert adopt(stage, "pod1") == []
    assert writes(stage, "pod1") == []


def test_it_is_given_back_as_it_was(stage: Stage, before: Before) -> None:
    there = plain(before)
    adopt(stage, "pod1")
    told = release(stage, "pod1")
    assert {one["action"] for one in told} == {"release"}
    assert changed(there, plain(before)) == []
    assert stage.core.get_networks(stage.admin) == []
    assert stage.core.get_ports(stage.admin) == []
    assert stage.rows() == []
    stage.reconcile()
    settled(stage, "pod1")
    assert changed(there, plain(before)) == []
    # And taken over once more.
    assert {one["action"] for one in adopt(stage, "pod1")} <= {"adopt", "match"}
    settled(stage, "pod1")


def test_what_the_region_uses_is_not_given_back(stage: Stage, before: Before) -> None:
    adopt(stage, "pod1")
    new = stage.bound(stage.core.get_network(stage.admin, before.network["id"]), "pod2")
    told = by_id(release(stage, "pod1"))
    assert told[before.network["id"]]["action"] == "keep"
    assert new["id"] in told[before.network["id"]]["reason"]
    assert stage.core.get_port(stage.admin, before.port["id"])["binding:host_id"] == "pod1"


def test_other_projects_are_left_alone(stage: Stage, before: Before) -> None:
    other = before.neutron.network("f" * 32, "theirs", "10.9.0.0/24")
    told = by_id(adopt(stage, "pod1"))
    assert other["id"] not in told
    assert before.network["project_id"] == PROJECT
