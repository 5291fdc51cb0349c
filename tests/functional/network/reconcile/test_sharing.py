# SPDX-License-Identifier: Apache-2.0
"""What is shared with a project (RBAC policies) is shared with it in the pods, too."""

from typing import Any

from tests.functional.network.audits import audit, settled, writes
from tests.functional.network.crash_injection import Killer
from tests.functional.network.routed_networks import VLAN, clean, external, open_to, router
from tests.functional.network.stage import PROJECT, Object, Stage
from tricircle.network.reconcile import runtime
from tricircle.network.wanted import sharing

FRIEND, OTHER = "f" * 32, "e" * 32
SHARED, EXTERNAL = "access_as_shared", "access_as_external"


def share(
    stage: Stage, kind: str, shared: Object, project: str = FRIEND, action: str = SHARED
) -> Object:
    body = {
        "object_type": kind,
        "object_id": shared["id"],
        "target_tenant": project,
        "action": action,
        "project_id": PROJECT,
    }
    made: Object = stage.core.create_rbac_policy(stage.admin, {"rbac_policy": body})
    return made


def friends_port(
    stage: Stage, network: Object, region: str, project: str = FRIEND, **more: Any
) -> Object:
    port = stage.make(
        "port", network_id=network["id"], name="p", project_id=project, tenant_id=project, **more
    )
    bound = stage.bind(port, region)
    assert bound["binding:vif_type"] == "other", bound["binding:vif_details"]
    return bound


def told(stage: Stage, region: str, collection: str, shared: Object) -> set[tuple[str, str]]:
    """{(action, project)} of a copy's policies."""
    there = stage.copy(region, collection, shared["id"])["id"]
    policies = stage.neutron(region).tables["rbac-policies"].values()
    return {
        (policy["action"], policy["target_tenant"])
        for policy in policies
        if policy["object_id"] == there
    }


def unshare(stage: Stage, policy: Object) -> None:
    stage.core.delete_rbac_policy(stage.admin, policy["id"])


def test_a_network_is_shared_before_a_port_of_the_project_is_there(stage: Stage) -> None:
    network, _ = stage.network(**VLAN)
    policy = share(stage, "network", network)
    port = friends_port(stage, network, "pod1")
    assert told(stage, "pod1", "networks", network) == {(SHARED, FRIEND)}
    stage.reconcile()
    settled(stage, "pod1")

    stage.core.update_rbac_policy(
        stage.admin, share(stage, "network", network, OTHER)["id"],
        {"rbac_policy": {"target_tenant": "d" * 32}},
    )  # fmt: skip
    stage.reconcile()
    assert told(stage, "pod1", "networks", network) == {(SHARED, FRIEND), (SHARED, "d" * 32)}
    # Both in one breath: the pod still has the port when it hears that the policy is to go.
    stage.delete("port", port["id"])
    unshare(stage, policy)
    kept = stage.bound(network, "pod1")
    stage.reconcile()
    assert told(stage, "pod1", "networks", network) == {(SHARED, "d" * 32)}
    stage.delete("port", kept["id"])
    clean(stage)


def test_a_network_shared_later_is_shared_where_it_is(stage: Stage) -> None:
    network, _ = stage.network(**VLAN)
    stage.bound(network, "pod1")
    stage.bound(network, "pod2")
    stage.reconcile()
    share(stage, "network", network)
    stage.reconcile(sweep=False)
    for region in ("pod1", "pod2"):
        assert told(stage, region, "networks", network) == {(SHARED, FRIEND)}
    assert stage.copies("pod3", "networks") == []


def test_a_network_shared_with_all_is_so_by_its_own_word(stage: Stage) -> None:
    network, _ = stage.network(**VLAN)
    stage.bound(network, "pod1")
    stage.reconcile()
    everybody = share(stage, "network", network, "*")
    stage.reconcile()
    assert stage.copy("pod1", "networks", network["id"])["shared"]
    port = friends_port(stage, network, "pod1")
    # From all to one: who has a port there keeps it.
    share(stage, "network", network)
    unshare(stage, everybody)
    stage.reconcile()
    stage.forget_claims()
    stage.reconcile()
    assert not stage.copy("pod1", "networks", network["id"])["shared"]
    assert told(stage, "pod1", "networks", network) == {(SHARED, FRIEND)}
    assert stage.copy("pod1", "ports", port["id"])["project_id"] == FRIEND
    settled(stage, "pod1")


def test_groups_policies_and_address_groups_are_shared(stage: Stage) -> None:
    network, _ = stage.network(**VLAN)
    gold = stage.make("policy", name="gold", description="")
    addresses = stage.make("address_group", name="office", addresses=["198.51.100.0/24"])
    group = stage.make("security_group", name="web")
    stage.make(
        "security_group_rule", security_group_id=group["id"], direction="ingress",
        ethertype="IPv4", remote_address_group_id=addresses["id"],
    )  # fmt: skip
    shared = [
        ("network", "networks", network),
        ("qos_policy", "policies", gold),
        ("security_group", "security-groups", group),
        ("address_group", "address-groups", addresses),
    ]
    policies = [share(stage, kind, one) for kind, _, one in shared]
    friends_port(stage, network, "pod1", security_groups=[group["id"]], qos_policy_id=gold["id"])
    stage.bound(network, "pod1", security_groups=[group["id"]], qos_policy_id=gold["id"])
    stage.reconcile()
    for _, collection, one in shared:
        assert told(stage, "pod1", collection, one) == {(SHARED, FRIEND)}, collection
    settled(stage, "pod1")
    share(stage, "security_group", group, "*")
    share(stage, "qos_policy", gold, "*")
    unshare(stage, policies[3])
    stage.reconcile()
    assert told(stage, "pod1", "security-groups", group) == {(SHARED, FRIEND), (SHARED, "*")}
    assert told(stage, "pod1", "policies", gold) == {(SHARED, FRIEND)}
    assert stage.copy("pod1", "policies", gold["id"])["shared"]
    assert told(stage, "pod1", "address-groups", addresses) == set()


def test_an_external_network_of_single_projects(stage: Stage) -> None:
    """Opened to a project it is external; closed to the last it is so no more."""
    network, subnet = stage.network("10.1.0.0/24", **VLAN)
    public, _ = stage.network("203.0.113.0/24", **VLAN)
    stage.bound(network, "pod1")
    first = share(stage, "network", public, PROJECT, EXTERNAL)
    made = open_to(stage, router(stage, subnet), public)
    stage.reconcile()
    stage.forget_claims()
    stage.reconcile()
    assert told(stage, "pod1", "networks", public) == {(EXTERNAL, PROJECT)}
    second = share(stage, "network", public, "*", EXTERNAL)
    stage.reconcile()
    assert told(stage, "pod1", "networks", public) == {(EXTERNAL, PROJECT), (EXTERNAL, "*")}
    unshare(stage, first)
    stage.reconcile()
    assert told(stage, "pod1", "networks", public) == {(EXTERNAL, "*")}
    stage.l3.update_router(stage.admin, made["id"], {"router": {"external_gateway_info": {}}})
    port = stage.bound(public, "pod1")
    unshare(stage, second)
    stage.reconcile()
    assert not stage.copy("pod1", "networks", public["id"])["router:external"]
    assert told(stage, "pod1", "networks", public) == set()
    stage.delete("port", port["id"])


def test_a_network_that_was_there_before_us_is_left_as_it_is(stage: Stage) -> None:
    there = stage.neutron("pod1")
    extern = {"provider:network_type": "flat", "provider:physical_network": "extern"}
    before = there.network("operators", "ext", "203.0.113.0/24", **extern, **{"router:external": 1})
    before["router:external"] = True
    public = external(stage, "pod1")
    share(stage, "network", public)
    port = stage.make("port", network_id=public["id"], project_id=FRIEND, tenant_id=FRIEND)
    refused = stage.bind(port, "pod1")
    assert "is not shared with project" in refused["binding:vif_details"]["reason"]
    there.make(
        "rbac-policies", "operators", object_id=before["id"], action=SHARED, target_tenant=FRIEND
    )
    assert stage.bind(port, "pod1")["binding:vif_type"] == "other"
    stage.delete("port", port["id"])
    stage.reconcile()
    kept = [one["target_tenant"] for one in there.tables["rbac-policies"].values()]
    assert sorted(kept) == ["*", FRIEND]


def test_a_policy_removed_behind_our_back_comes_again(stage: Stage) -> None:
    network, _ = stage.network(**VLAN)
    share(stage, "network", network)
    friends_port(stage, network, "pod1")
    stage.reconcile()
    stage.neutron("pod1").tables["rbac-policies"].clear()
    assert [key.resource_type for key in audit(stage, "pod1").gone] == [sharing.KIND]
    stage.reconcile()
    assert told(stage, "pod1", "networks", network) == {(SHARED, FRIEND)}


def test_a_policy_survives_a_death_at_every_step(stage: Stage, killer: Killer) -> None:
    stage.neutron("pod1").quota["rbac_policy"] = 1000
    for step in range(200):
        network, _ = stage.network(**VLAN)
        share(stage, "network", network)
        port = stage.make("port", network_id=network["id"], project_id=FRIEND, tenant_id=FRIEND)
        stage.want(port, "pod1")
        died = killer.dies(step, lambda: stage.realize(port, "pod1"))  # noqa: B023
        stage.forget_claims()
        stage.reconcile("pod1")
        assert told(stage, "pod1", "networks", network) == {(SHARED, FRIEND)}, step
        if not died:
            return


def test_what_is_shared_with_nobody_costs_no_call(stage: Stage) -> None:
    network, _ = stage.network(**VLAN)
    stage.cloud.journal.clear()
    stage.bound(network, "pod1")
    stage.reconcile()
    assert not [line for line in writes(stage, "pod1") if "rbac" in line]
    calls = stage.cloud.journal.find("pod1/network")
    assert not [call.line for call in calls if "rbac" in call.line]
    assert not [row for row in stage.rows() if row.resource_type == sharing.KIND]


def test_a_pod_that_cannot_share(stage: Stage) -> None:
    stage.neutron("pod1").aliases.discard("rbac-policies")
    runtime.use(None)
    network, _ = stage.network(**VLAN)
    share(stage, "network", network)
    port = stage.make("port", network_id=network["id"], project_id=FRIEND, tenant_id=FRIEND)
    refused = stage.bind(port, "pod1")
    assert "lacks the extension rbac-policies" in refused["binding:vif_details"]["reason"]
