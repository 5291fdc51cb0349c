# SPDX-License-Identifier: Apache-2.0
"""QoS policies are in the pods where a port or network has them, with their rules."""

from typing import Any

import pytest
from neutron.objects.qos import rule as rule_objects
from neutron_lib.exceptions import qos as qos_exc

from tests.functional.network.audits import audit, settled
from tests.functional.network.crash_injection import Killer
from tests.functional.network.stage import Object, Stage

CLASSES = {
    "bandwidth_limit": rule_objects.QosBandwidthLimitRule,
    "dscp_marking": rule_objects.QosDscpMarkingRule,
    "minimum_bandwidth": rule_objects.QosMinimumBandwidthRule,
    "packet_rate_limit": rule_objects.QosPacketRateLimitRule,
}


def policy(stage: Stage, **rules: Object) -> Object:
    made = stage.make("policy", name="gold", description="")
    for kind, values in rules.items():
        add(stage, made, kind, **values)
    return made


def add(stage: Stage, policy: Object, kind: str, **values: Any) -> Object:
    plugin = stage.plugin("policy")
    body = {f"{kind}_rule": values}
    made: Object = plugin.create_policy_rule(stage.admin, CLASSES[kind], policy["id"], body)
    return made


def change(stage: Stage, policy: Object, kind: str, rule: Object, **values: Any) -> None:
    stage.plugin("policy").update_policy_rule(
        stage.admin, CLASSES[kind], rule["id"], policy["id"], {f"{kind}_rule": values}
    )


def remove(stage: Stage, policy: Object, kind: str, rule: Object) -> None:
    stage.plugin("policy").delete_policy_rule(stage.admin, CLASSES[kind], rule["id"], policy["id"])


def rules(stage: Stage, region: str, policy: Object) -> set[tuple[Any, ...]]:
    there = stage.copy(region, "policies", policy["id"])["rules"]
    names = ("type", "direction", "max_kbps", "max_burst_kbps", "min_kbps", "dscp_mark", "max_kpps")
    return {tuple(rule[name] for name in names if rule.get(name) is not None) for rule in there}


def limit(kbps: int, direction: str = "egress", burst: int = 0) -> Object:
    return {"max_kbps": kbps, "max_burst_kbps": burst, "direction": direction}


def test_a_port_brings_its_policy(stage: Stage) -> None:
    network, _ = stage.network()
    gold = policy(stage, bandwidth_limit=limit(1000, burst=80), dscp_marking={"dscp_mark": 26})
    add(stage, gold, "bandwidth_limit", **limit(2000, "ingress"))
    port = stage.bound(network, "pod1", qos_policy_id=gold["id"])

    there = stage.copy("pod1", "policies", gold["id"])
    assert (there["name"], there["project_id"]) == ("gold", gold["project_id"])
    assert stage.copy("pod1", "ports", port["id"])["qos_policy_id"] == there["id"]
    assert rules(stage, "pod1", gold) == {
        ("bandwidth_limit", "egress", 1000, 80),
        ("bandwidth_limit", "ingress", 2000, 0),
        ("dscp_marking", 26),
    }
    assert stage.empty("pod2")
    stage.delete("port", port["id"])
    stage.reconcile()
    assert stage.empty("pod1")
    assert stage.rows() == []


def test_a_network_brings_its_policy(stage: Stage) -> None:
    gold = policy(stage, bandwidth_limit=limit(1000))
    network, _ = stage.network(qos_policy_id=gold["id"])
    port = stage.bound(network, "pod1")
    there = stage.copy("pod1", "policies", gold["id"])
    assert stage.copy("pod1", "networks", network["id"])["qos_policy_id"] == there["id"]
    assert stage.copy("pod1", "ports", port["id"])["qos_policy_id"] is None

    stage.change("network", network["id"], qos_policy_id=None)
    stage.reconcile()
    assert stage.copy("pod1", "networks", network["id"])["qos_policy_id"] is None
    assert stage.copies("pod1", "policies") == []

    stage.change("network", network["id"], qos_policy_id=gold["id"])
    stage.reconcile()
    there = stage.copy("pod1", "policies", gold["id"])
    assert stage.copy("pod1", "networks", network["id"])["qos_policy_id"] == there["id"]


def test_a_projects_default_policy_is_no_default_in_a_pod(stage: Stage) -> None:
    gold = stage.make("policy", name="gold", description="", is_default=True)
    network, _ = stage.network()
    assert network["qos_policy_id"] == gold["id"]
    stage.bound(network, "pod1")
    there = stage.copy("pod1", "policies", gold["id"])
    assert there["is_default"] is False
    assert stage.copy("pod1", "networks", network["id"])["qos_policy_id"] == there["id"]


def test_changes_reach_every_pod(stage: Stage) -> None:
    network, _ = stage.network()
    gold = policy(stage, dscp_marking={"dscp_mark": 26})
    high = add(stage, gold, "bandwidth_limit", **limit(1000))
    low = add(stage, gold, "minimum_bandwidth", min_kbps=500, direction="egress")
    ports = [stage.bound(network, pod, qos_policy_id=gold["id"]) for pod in ("pod1", "pod2")]

    # Were the guarantee raised first, or the limit lowered first, the pod would refuse.
    change(stage, gold, "bandwidth_limit", high, max_kbps=4000, max_burst_kbps=0)
    change(stage, gold, "minimum_bandwidth", low, min_kbps=3000)
    stage.change("policy", gold["id"], name="platinum", shared=True)
    stage.reconcile()
    for pod in ("pod1", "pod2"):
        there = stage.copy(pod, "policies", gold["id"])
        assert (there["name"], there["shared"]) == ("platinum", True)
        assert {("bandwidth_limit", "egress", 4000, 0), ("minimum_bandwidth", "egress", 3000)} < (
            rules(stage, pod, gold)
        )

    change(stage, gold, "minimum_bandwidth", low, min_kbps=10)
    change(stage, gold, "bandwidth_limit", high, max_kbps=20)
    stage.reconcile()
    remove(stage, gold, "bandwidth_limit", high)
    add(stage, gold, "bandwidth_limit", **limit(7, "ingress"))
    stage.reconcile()
    for pod in ("pod1", "pod2"):
        assert rules(stage, pod, gold) == {
            ("dscp_marking", 26),
            ("minimum_bandwidth", "egress", 10),
            ("bandwidth_limit", "ingress", 7, 0),
        }

    silver = policy(stage, bandwidth_limit=limit(5))
    stage.change("port", ports[0]["id"], qos_policy_id=silver["id"])
    stage.reconcile()
    copy = stage.copy("pod1", "ports", ports[0]["id"])
    assert copy["qos_policy_id"] == stage.copy("pod1", "policies", silver["id"])["id"]
    assert [there["name"] for there in stage.copies("pod1", "policies")] == ["gold"]
    assert [there["name"] for there in stage.copies("pod2", "policies")] == ["platinum"]


def test_an_unchanged_policy_costs_no_write(stage: Stage) -> None:
    network, _ = stage.network()
    gold = policy(stage, bandwidth_limit=limit(1000), dscp_marking={"dscp_mark": 26})
    stage.bound(network, "pod1", qos_policy_id=gold["id"])
    stage.touch("qos_policy", gold["id"])
    stage.cloud.journal.clear()
    stage.reconcile()
    calls = stage.cloud.journal.find("pod1/network")
    assert calls
    assert {call.method for call in calls} == {"GET"}


def test_a_pod_without_the_extension_refuses_the_port(stage: Stage) -> None:
    stage.neutron("pod1").aliases.discard("qos")
    network, _ = stage.network()
    gold = policy(stage, bandwidth_limit=limit(1000))
    refused = stage.bind(stage.port(network, qos_policy_id=gold["id"]), "pod1")
    assert refused["binding:vif_type"] == "binding_failed"
    reason = refused["binding:vif_details"]["reason"]
    assert "pod1" in reason
    assert "extension qos" in reason
    assert gold["id"] in reason
    # What needs no policy goes on.
    stage.bound(network, "pod1")

    # By the network it is no other.
    other, _ = stage.network("10.1.0.0/24", qos_policy_id=gold["id"])
    refused = stage.bind(stage.port(other), "pod1")
    assert "extension qos" in refused["binding:vif_details"]["reason"]


def test_a_later_policy_is_an_error_in_the_pod_that_cannot(stage: Stage) -> None:
    stage.neutron("pod1").aliases.discard("qos")
    network, _ = stage.network()
    port = stage.bound(network, "pod1")
    stage.bound(network, "pod2")
    gold = policy(stage, bandwidth_limit=limit(1000))
    stage.change("network", network["id"], qos_policy_id=gold["id"])
    stage.reconcile()
    row = stage.row("network", network["id"], "pod1")
    assert row is not None
    assert "pod1" in str(row.last_error)
    assert "extension qos" in str(row.last_error)
    assert stage.copy("pod2", "networks", network["id"])["qos_policy_id"]

    # No other port gets there as if nothing were wrong.
    refused = stage.bind(stage.port(network), "pod1")
    assert "extension qos" in refused["binding:vif_details"]["reason"]

    stage.change("network", network["id"], qos_policy_id=None)
    stage.forget_claims()
    stage.reconcile()
    assert [row.last_error for row in stage.rows()] == [None] * len(stage.rows())
    assert stage.copy("pod1", "ports", port["id"])


def test_a_kind_of_rule_that_a_pod_cannot_enforce(stage: Stage) -> None:
    stage.neutron("pod1").rule_types = frozenset({"bandwidth_limit"})
    network, _ = stage.network()
    packets = {"max_kpps": 10, "max_burst_kpps": 0, "direction": "egress"}
    gold = policy(stage, packet_rate_limit=packets)
    refused = stage.bind(stage.port(network, qos_policy_id=gold["id"]), "pod1")
    reason = refused["binding:vif_details"]["reason"]
    assert "pod1" in reason
    assert "packet_rate_limit is not supported" in reason

    silver = policy(stage, bandwidth_limit=limit(5))
    stage.bound(network, "pod1", qos_policy_id=silver["id"])
    stage.bound(network, "pod2", qos_policy_id=silver["id"])
    add(stage, silver, "packet_rate_limit", max_kpps=10, max_burst_kpps=0, direction="egress")
    stage.reconcile()
    row = stage.row("qos_policy", silver["id"], "pod1")
    assert row is not None
    assert "packet_rate_limit is not supported" in str(row.last_error)
    assert ("packet_rate_limit", "egress", 10) in rules(stage, "pod2", silver)


def test_what_was_changed_behind_our_back_is_changed_back(stage: Stage) -> None:
    network, _ = stage.network()
    gold = policy(stage, bandwidth_limit=limit(1000), dscp_marking={"dscp_mark": 26})
    port = stage.bound(network, "pod1", qos_policy_id=gold["id"])
    settled(stage, "pod1")
    there = stage.copy("pod1", "policies", gold["id"])
    (limiting,) = [rule for rule in there["rules"] if rule["type"] == "bandwidth_limit"]
    limiting["max_kbps"] = 1
    there["rules"].append({"id": "x", "type": "packet_rate_limit", "max_kpps": 1})
    stage.copy("pod1", "ports", port["id"])["qos_policy_id"] = None
    assert len(audit(stage, "pod1").changed) == 2
    stage.reconcile("pod1")
    assert rules(stage, "pod1", gold) == {
        ("bandwidth_limit", "egress", 1000, 0),
        ("dscp_marking", 26),
    }
    assert stage.copy("pod1", "ports", port["id"])["qos_policy_id"] == there["id"]
    settled(stage, "pod1")


def test_a_pod_is_away_during_a_change(stage: Stage) -> None:
    network, _ = stage.network()
    gold = policy(stage)
    rule = add(stage, gold, "bandwidth_limit", **limit(1000))
    stage.bound(network, "pod1", qos_policy_id=gold["id"])
    stage.cloud.pods["pod1"].stop()
    change(stage, gold, "bandwidth_limit", rule, max_kbps=5)
    stage.reconcile("pod1")
    stage.start("pod1")
    stage.forget_claims()
    stage.reconcile("pod1")
    assert rules(stage, "pod1", gold) == {("bandwidth_limit", "egress", 5, 0)}


def test_a_policy_in_use_cannot_be_deleted(stage: Stage) -> None:
    network, _ = stage.network()
    gold = policy(stage)
    port = stage.bound(network, "pod1", qos_policy_id=gold["id"])
    with pytest.raises(qos_exc.QosPolicyInUse):
        stage.delete("policy", gold["id"])
    stage.change("port", port["id"], qos_policy_id=None)
    stage.delete("policy", gold["id"])
    stage.reconcile()
    assert stage.copies("pod1", "policies") == []
    assert stage.copy("pod1", "ports", port["id"])["qos_policy_id"] is None


def test_it_dies_at_each_step(stage: Stage, killer: Killer) -> None:
    network, _ = stage.network()
    gold = policy(stage, bandwidth_limit=limit(1000), dscp_marking={"dscp_mark": 26})
    port = stage.port(network, qos_policy_id=gold["id"])
    for _ in killer.deaths(stage, lambda: stage.realize(port, "pod1"), every=3, least=18):
        stage.forget_claims()
        stage.reconcile("pod1")
        there = stage.copy("pod1", "policies", gold["id"])
        assert stage.copy("pod1", "ports", port["id"])["qos_policy_id"] == there["id"]
        assert len(there["rules"]) == 2
        assert rules(stage, "pod1", gold) == {
            ("bandwidth_limit", "egress", 1000, 0),
            ("dscp_marking", 26),
        }
        stage.withdraw(port, "pod1")
        stage.reconcile("pod1")
        assert stage.empty("pod1")
        assert stage.rows() == []

    stage.realize(port, "pod1")
    stage.withdraw(port, "pod1")
    for _ in killer.deaths(stage, lambda: stage.reconcile("pod1"), every=3, least=9):
        stage.forget_claims()
        stage.reconcile("pod1")
        assert stage.empty("pod1")
        assert stage.rows() == []
