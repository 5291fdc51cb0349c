# SPDX-License-Identifier: Apache-2.0
"""QoS policies of floating IPs and of routers' gateways."""

import pytest
from neutron_lib.exceptions import qos as qos_exc

from tests.functional.network.audits import audit, settled
from tests.functional.network.routed_networks import (
    VLAN,
    clean,
    external,
    floating,
    open_to,
    point,
    router,
)
from tests.functional.network.stage import Object, Stage


def policy(stage: Stage) -> Object:
    return stage.make("policy", name="gold", description="")


def limited(stage: Stage, floating_ip: Object, policy: Object | None) -> None:
    body = {"floatingip": {"qos_policy_id": policy and policy["id"]}}
    stage.l3.update_floatingip(stage.admin, floating_ip["id"], body)


def of_floating_ip(stage: Stage, region: str, floating_ip: Object) -> str | None:
    """The central id of the policy of a copy."""
    return _central(stage, region, stage.copy(region, "floatingips", floating_ip["id"]))


def of_gateway(stage: Stage, region: str, router: Object) -> str | None:
    copy = stage.copy(region, "routers", router["id"])
    return _central(stage, region, copy["external_gateway_info"])


def _central(stage: Stage, region: str, document: Object) -> str | None:
    if not (policy_id := document.get("qos_policy_id")):
        return None
    there = {one["id"]: one for one in stage.copies(region, "policies")}
    return str(there[policy_id]["description"].split("/")[1])


def test_a_floating_ips_policy(stage: Stage) -> None:
    public = external(stage, "pod1")
    networks = [stage.network("10.1.0.0/24", **VLAN), stage.network("10.2.0.0/24", **VLAN)]
    near, far = stage.bound(networks[0][0], "pod1"), stage.bound(networks[1][0], "pod2")
    made = router(stage, networks[0][1], networks[1][1])
    open_to(stage, made, public)
    gold, silver = policy(stage), policy(stage)
    ip = floating(stage, public, near, qos_policy_id=gold["id"])
    assert ip["qos_policy_id"] == gold["id"]
    stage.reconcile()
    assert of_floating_ip(stage, "pod1", ip) == gold["id"]

    limited(stage, ip, silver)
    stage.reconcile()
    assert of_floating_ip(stage, "pod1", ip) == silver["id"]
    assert len(stage.copies("pod1", "policies")) == 1

    # Of two steps, the one outside has it: what is limited twice would be slower.
    point(stage, ip, far)
    stage.reconcile()
    assert of_floating_ip(stage, "pod1", ip) == silver["id"]
    assert of_floating_ip(stage, "pod2", ip) is None
    assert stage.copies("pod2", "policies") == []

    with pytest.raises(qos_exc.QosPolicyInUse):
        stage.delete("policy", silver["id"])
    limited(stage, ip, None)
    stage.reconcile()
    assert of_floating_ip(stage, "pod1", ip) is None
    assert stage.copies("pod1", "policies") == []


def test_a_gateways_policy(stage: Stage) -> None:
    public = external(stage, "pod1", "pod2")
    network, subnet = stage.network(**VLAN)
    ports = [stage.bound(network, pod) for pod in ("pod1", "pod2", "pod3")]
    made = router(stage, subnet)
    gold, silver = policy(stage), policy(stage)
    made = open_to(stage, made, public, qos_policy_id=gold["id"])
    assert made["external_gateway_info"]["qos_policy_id"] == gold["id"]
    ip = floating(stage, public, ports[0])
    stage.reconcile()
    # Where the router leads out: what pod3's servers send is limited on its way through another.
    assert of_gateway(stage, "pod1", made) == of_gateway(stage, "pod2", made) == gold["id"]
    assert of_gateway(stage, "pod3", made) is None
    assert stage.copies("pod3", "policies") == []
    settled(stage, "pod1")

    # The addresses are as they were: floating IPs hold the gateway where it is.
    before = stage.copy("pod1", "routers", made["id"])["external_gateway_info"]
    open_to(stage, made, public, qos_policy_id=silver["id"])
    stage.reconcile()
    after = stage.copy("pod1", "routers", made["id"])["external_gateway_info"]
    assert after["external_fixed_ips"] == before["external_fixed_ips"]
    assert of_gateway(stage, "pod1", made) == of_gateway(stage, "pod2", made) == silver["id"]
    assert len(stage.copies("pod1", "policies")) == 1

    # A change of something else leaves it.
    open_to(stage, made, public, enable_snat=False)
    stage.reconcile()
    assert of_gateway(stage, "pod1", made) == silver["id"]

    # What somebody changes in the pod is put back.
    stage.copy("pod1", "routers", made["id"])["external_gateway_info"].pop("qos_policy_id")
    audit(stage, "pod1")
    stage.reconcile("pod1")
    assert of_gateway(stage, "pod1", made) == silver["id"]

    open_to(stage, made, public, qos_policy_id=None)
    stage.reconcile()
    assert of_gateway(stage, "pod1", made) is None
    assert stage.copies("pod1", "policies") == []
    stage.l3.delete_floatingip(stage.admin, ip["id"])
    for port in ports:
        stage.delete("port", port["id"])
    clean(stage)


def test_pods_that_lack_the_extensions(stage: Stage) -> None:
    stage.neutron("pod1").aliases -= {"qos-fip", "qos-gateway-ip"}
    public = external(stage, "pod1")
    network, subnet = stage.network(**VLAN)
    port = stage.bound(network, "pod1")
    made = router(stage, subnet)
    gold = policy(stage)
    open_to(stage, made, public)
    ip = floating(stage, public, port)
    stage.reconcile()
    assert stage.copy("pod1", "floatingips", ip["id"])

    limited(stage, ip, gold)
    open_to(stage, made, public, qos_policy_id=gold["id"])
    stage.reconcile()
    for kind, one, extension in (
        ("floating_ip", ip["id"], "qos-fip"),
        ("router", made["id"], "qos-gateway-ip"),
    ):
        row = stage.row(kind, one, "pod1")
        assert row is not None
        assert f"pod1: its Neutron lacks the extension {extension}" in str(row.last_error)
        assert gold["id"] in str(row.last_error)
