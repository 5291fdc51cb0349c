# SPDX-License-Identifier: Apache-2.0
"""Networks in a pod of which Tricircle is no administrator: what a member can make."""

import pytest

from tests.functional.fakes.cloud import MEMBERS
from tests.functional.network.access.conftest import FOREIGN
from tests.functional.network.routed_networks import VLAN, clean, router
from tests.functional.network.stage import PROJECT, Stage
from tricircle.network.reconcile import runtime


@pytest.fixture
def entered() -> str:
    return MEMBERS


@pytest.fixture
def there(stage: Stage) -> str:
    """The project that stands for ours there, by its credential."""
    keystone, running = stage.cloud.pods[FOREIGN].keystone, runtime.get()
    assert keystone is not None
    pod = running.registry.fresh().by_region(FOREIGN)
    assert pod is not None
    found: str = running.identity.accesses.of(pod).keep(  # type: ignore[attr-defined]
        PROJECT, keystone.credential("tenant")
    )
    return found


def test_what_a_member_can_make(stage: Stage, there: str) -> None:
    network, subnet = stage.network()
    group = stage.make("security_group", name="g", description="")
    port = stage.bound(network, FOREIGN, security_groups=[group["id"]])
    made = router(stage, subnet)
    stage.reconcile(FOREIGN)
    for collection, one in (
        ("networks", network),
        ("subnets", subnet),
        ("security-groups", group),
        ("ports", port),
        ("routers", made),
    ):
        assert stage.copy(FOREIGN, collection, one["id"])["project_id"] == there, collection
    keystone = stage.cloud.pods[FOREIGN].keystone
    assert keystone is not None
    assert not [token for token in keystone.tokens.values() if token.is_admin]
    stage.change("network", network["id"], name="other")
    stage.reconcile(FOREIGN)
    assert stage.copy(FOREIGN, "networks", network["id"])["name"] == "other"
    plugin = stage.l3
    plugin.remove_router_interface(stage.admin, made["id"], {"subnet_id": subnet["id"]})
    stage.delete("router", made["id"])
    stage.delete("port", port["id"])
    stage.delete("network", network["id"])
    stage.delete("security_group", group["id"])
    clean(stage)
    assert stage.empty(FOREIGN)


def test_what_only_an_administrator_could_make(stage: Stage, there: str) -> None:
    network, _ = stage.network(**VLAN)
    port = stage.bind(stage.port(network), FOREIGN)
    assert port["binding:vif_type"] == "binding_failed"
    assert stage.neutron(FOREIGN).tables["networks"] == {}
