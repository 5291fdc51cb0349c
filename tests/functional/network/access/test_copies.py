# SPDX-License-Identifier: Apache-2.0
"""Networks over a pod with a Keystone of its own: the projects there are those that stand for ours,
nothing of ours is told, and what is there is known again.
"""

from tests.functional.network.access.conftest import FOREIGN
from tests.functional.network.audits import settled
from tests.functional.network.reconcile.test_sharing import SHARED, friends_port, share, told
from tests.functional.network.routed_networks import (
    VLAN,
    clean,
    external,
    floating,
    open_to,
    router,
)
from tests.functional.network.stage import PROJECT, Stage
from tricircle.network.reconcile import runtime
from tricircle.pods.access.own_keystone import digest

OTHER = "e" * 32


def _there(stage: Stage, project_id: str = PROJECT) -> str:
    """The project that stands for one in the pod."""
    keystone = stage.cloud.pods[FOREIGN].keystone
    assert keystone is not None
    tag = f"tricircle:{digest(FOREIGN, 'project', project_id)}"
    (found,) = [project for project in keystone.projects.values() if tag in project.tags]
    return found.id


def _sent(stage: Stage) -> str:
    """All that reached the pod."""
    return "\n".join(
        f"{entry.path} {entry.query} {dict(entry.headers)} {entry.body.decode()}"
        for entry in stage.cloud.journal.find(FOREIGN, probes=True)
    )


def test_a_port_and_what_it_needs(stage: Stage) -> None:
    network, subnet = stage.network(**VLAN)
    group = stage.make("security_group", name="g", description="")
    port = stage.bound(network, FOREIGN, security_groups=[group["id"]])
    stage.reconcile()
    there = _there(stage)
    for collection, made in (
        ("networks", network),
        ("subnets", subnet),
        ("security-groups", group),
        ("ports", port),
    ):
        assert stage.copy(FOREIGN, collection, made["id"])["project_id"] == there
    sent = _sent(stage)
    ours = stage.cloud.keystone
    assert PROJECT not in sent
    assert runtime.get().identity.project_id() not in sent
    assert not [token for token in ours.tokens if token in sent]
    settled(stage, FOREIGN)
    stage.change("network", network["id"], name="other")
    stage.reconcile()
    assert stage.copy(FOREIGN, "networks", network["id"])["name"] == "other"
    stage.delete("port", port["id"])
    stage.delete("network", network["id"])
    stage.delete("security_group", group["id"])
    clean(stage)
    assert stage.empty(FOREIGN)


def test_routers_and_floating_ips(stage: Stage) -> None:
    public = external(stage, FOREIGN)
    network, subnet = stage.network()
    made = router(stage, subnet)
    open_to(stage, made, public)
    here, port = stage.bound(network, "pod1"), stage.bound(network, FOREIGN)
    address = floating(stage, public, port)
    stage.reconcile()
    there = _there(stage)
    assert stage.copy(FOREIGN, "routers", made["id"])["project_id"] == there
    assert stage.copy(FOREIGN, "floatingips", address["id"])["project_id"] == there
    assert PROJECT not in _sent(stage)
    # What is made for no project is our own account's there.
    own = {item["project_id"] for item in stage.copies(FOREIGN, "networks")} - {there, PROJECT}
    keystone = stage.cloud.pods[FOREIGN].keystone
    assert keystone is not None
    assert own <= {keystone.projects["service there"].id}
    settled(stage, FOREIGN)
    settled(stage, "pod1")
    for one in (here, port):
        assert stage.row("port", one["id"], "pod1") or stage.row("port", one["id"], FOREIGN)


def test_projects_are_kept_apart(stage: Stage) -> None:
    network, _ = stage.network()
    mine = stage.bound(network, FOREIGN)
    theirs = stage.bound(network, FOREIGN, project_id=OTHER, tenant_id=OTHER)
    stage.reconcile()
    assert _there(stage) != _there(stage, OTHER)
    assert stage.copy(FOREIGN, "ports", theirs["id"])["project_id"] == _there(stage, OTHER)
    assert stage.copy(FOREIGN, "ports", mine["id"])["project_id"] == _there(stage)
    settled(stage, FOREIGN)


def test_nothing_is_shared_with_a_project_that_has_nothing_there(stage: Stage) -> None:
    network, _ = stage.network()
    share(stage, "network", network, OTHER)
    stage.bound(network, FOREIGN)
    stage.reconcile()
    assert stage.neutron(FOREIGN).tables["rbac-policies"] == {}
    keystone = stage.cloud.pods[FOREIGN].keystone
    assert keystone is not None
    tag = f"tricircle:{digest(FOREIGN, 'project', OTHER)}"
    assert not [project for project in keystone.projects.values() if tag in project.tags]
    # Once it is there (a gateway sees to that before it has a port bound), it is told.
    running = runtime.get()
    pod = running.registry.fresh().by_region(FOREIGN)
    assert pod is not None
    running.identity.accesses.of(pod).project(OTHER)
    friends_port(stage, network, FOREIGN, OTHER)
    stage.forget_claims()
    stage.reconcile()
    assert told(stage, FOREIGN, "networks", network) == {(SHARED, _there(stage, OTHER))}
