# SPDX-License-Identifier: Apache-2.0
"""External networks and floating IPs: out by the own pod or through another."""

import pytest

from tests.functional.network.audits import audit, settled
from tests.functional.network.routed_networks import (
    EXTERN,
    VLAN,
    clean,
    external,
    floating,
    gateway,
    joined,
    leave,
    open_to,
    point,
    router,
    routes,
)
from tests.functional.network.stage import Object, Stage
from tricircle.network.routers import east_west


@pytest.mark.parametrize("kind", [{}, VLAN], ids=["local", "vlan"])
def test_out_through_another_pod(stage: Stage, kind: Object) -> None:
    public = external(stage, "pod1")
    near, far = stage.network("10.1.0.0/24", **kind), stage.network("10.2.0.0/24", **kind)
    ports = [stage.bound(near[0], "pod1"), stage.bound(far[0], "pod2")]
    made = router(stage, near[1], far[1])
    stage.reconcile()
    made = open_to(stage, made, public)
    stage.reconcile()
    (shown,) = made["external_gateway_info"]["external_fixed_ips"]
    assert gateway(stage, "pod1", made) == ("public", [shown["ip_address"]])
    name, (address,) = gateway(stage, "pod2", made)
    assert name == "north-south"
    outward = {by for to, by in routes(stage, "pod2", made) if to in ("0.0.0.0/1", "128.0.0.0/1")}
    assert len(outward) == 1
    assert outward < joined(stage, "pod1", made)
    assert address not in outward
    # East-west goes on, as an interface now.
    assert {to for to, _ in routes(stage, "pod1", made)} == {"10.2.0.0/24"}
    assert not stage.copies("pod3", "networks")

    # A floating IP in two steps.
    ip = floating(stage, public, ports[1])
    assert ip["status"] == "DOWN"
    stage.reconcile()
    outer, inner = (
        stage.copy("pod1", "floatingips", ip["id"]),
        stage.copy("pod2", "floatingips", ip["id"]),
    )
    assert outer["floating_ip_address"] == ip["floating_ip_address"]
    assert outer["fixed_ip_address"] == inner["floating_ip_address"]
    assert inner["fixed_ip_address"] == ports[1]["fixed_ips"][0]["ip_address"]
    assert stage.neutron("pod1").tables["ports"][outer["port_id"]]["device_owner"] == (
        "network:floatingip"
    )
    assert stage.l3.get_floatingip(stage.admin, ip["id"])["status"] == "ACTIVE"

    # It moves to a server in the pod with the external network: one step.
    point(stage, ip, ports[0])
    stage.reconcile()
    assert stage.copies("pod2", "floatingips") == []
    outer = stage.copy("pod1", "floatingips", ip["id"])
    assert outer["fixed_ip_address"] == ports[0]["fixed_ips"][0]["ip_address"]
    point(stage, ip, None)
    stage.reconcile()
    assert stage.copies("pod1", "floatingips") == []
    assert stage.l3.get_floatingip(stage.admin, ip["id"])["status"] == "DOWN"
    point(stage, ip, ports[1])
    stage.reconcile()
    assert stage.copies("pod2", "floatingips")

    stage.l3.delete_floatingip(stage.admin, ip["id"])
    stage.l3.update_router(stage.admin, made["id"], {"router": {"external_gateway_info": {}}})
    stage.reconcile()
    assert gateway(stage, "pod2", made)[0] == "east-west"
    for port in ports:
        stage.delete("port", port["id"])
    for _, subnet in (near, far):
        leave(stage, made, subnet)
    stage.delete("router", made["id"])
    clean(stage)


def test_what_is_for_other_pods_has_a_router_of_its_own(stage: Stage) -> None:
    """Where the copy leaves the cloud and servers are on networks in no VLAN."""
    public = external(stage, "pod1")
    near, far = stage.network("10.1.0.0/24"), stage.network("10.2.0.0/24")
    wide = stage.network("10.3.0.0/24", **VLAN)
    ports = [stage.bound(net, pod) for (net, _), pod in ((near, "pod1"), (far, "pod2"))]
    ports += [stage.bound(wide[0], "pod3")]
    made = router(stage, near[1], far[1], wide[1])
    stage.reconcile()
    for region in stage.pod_ids:
        assert len(stage.copies(region, "routers")) == 1, region
        assert gateway(stage, region, made)[0] == "east-west"
    made = open_to(stage, made, public)
    stage.reconcile()
    assert len(stage.copies("pod3", "routers")) == 1
    across = {}
    for region, other in (("pod1", "10.2.0.0/24"), ("pod2", "10.1.0.0/24")):
        assert len(stage.copies(region, "routers")) == 2, region
        own = {"id": east_west.key(made["id"]).resource_id}
        there = stage.copy(region, "routers", own["id"])
        assert there["external_gateway_info"]["enable_snat"] is False
        assert there["project_id"] == made["project_id"]
        name, (across[region],) = gateway(stage, region, own)
        assert name == "east-west"
        # Both lead to each other over the transit network.
        (transit,) = joined(stage, region, own)
        ways = {to: by for to, by in routes(stage, region, made) if not to.endswith("/1")}
        assert ways == {other: transit, "10.3.0.0/24": transit}
        back = dict(routes(stage, region, own))[
            "10.1.0.0/24" if region == "pod1" else "10.2.0.0/24"
        ]
        assert back in joined(stage, region, made)
    assert dict(routes(stage, "pod1", own))["10.2.0.0/24"] == across["pod2"]
    to_locals = {("10.1.0.0/24", across["pod1"]), ("10.2.0.0/24", across["pod2"])}
    assert to_locals <= routes(stage, "pod3", made)

    # It is repaired like all else.
    stage.copy("pod1", "routers", own["id"])["routes"] = []
    lost = stage.copy("pod2", "routers", own["id"])["id"]
    for port in stage.neutron("pod2").ports(device_id=lost):
        del stage.neutron("pod2").tables["ports"][port["id"]]
    del stage.neutron("pod2").tables["routers"][lost]
    for region in ("pod1", "pod2"):
        audit(stage, region)
        stage.reconcile(region)
        assert dict(routes(stage, region, own))["10.3.0.0/24"]
        settled(stage, region)

    # A server on another pod's network, and the last on a local one going.
    stage.delete("port", ports[1]["id"])
    ports[1] = stage.bound(wide[0], "pod2")
    stage.reconcile()
    assert len(stage.copies("pod2", "routers")) == 1
    assert len(stage.copies("pod1", "routers")) == 2
    assert ("10.3.0.0/24", across["pod2"]) not in routes(stage, "pod1", own)
    stage.l3.update_router(stage.admin, made["id"], {"router": {"external_gateway_info": {}}})
    stage.reconcile()
    for region in stage.pod_ids:
        assert len(stage.copies(region, "routers")) == 1, region
        assert not [one for one in stage.copies(region, "networks") if "transit" in one["name"]]
    for port in ports:
        stage.delete("port", port["id"])
    for _, subnet in (near, far, wide):
        leave(stage, made, subnet)
    stage.delete("router", made["id"])
    clean(stage)


def test_out_by_a_pod_that_has_no_server(stage: Stage) -> None:
    public = external(stage, "pod3")
    network, subnet = stage.network()
    port = stage.bound(network, "pod1")
    made = open_to(stage, router(stage, subnet), public)
    stage.reconcile()
    assert gateway(stage, "pod3", made)[0] == "public"
    assert gateway(stage, "pod1", made)[0] == "north-south"
    assert {to for to, _ in routes(stage, "pod3", made)} == {"10.0.0.0/24"}
    stage.delete("port", port["id"])
    stage.reconcile()
    assert all(stage.empty(region) for region in stage.pod_ids)


def test_every_pod_with_the_external_network_goes_out_itself(stage: Stage) -> None:
    public = external(stage, "pod1", "pod2")
    one, two = stage.network("10.1.0.0/24"), stage.network("10.2.0.0/24")
    ports = [stage.bound(one[0], "pod1"), stage.bound(two[0], "pod2")]
    made = open_to(stage, router(stage, one[1], two[1]), public)
    ip = floating(stage, public, ports[1])
    stage.reconcile()
    addresses = [gateway(stage, region, made)[1][0] for region in ("pod1", "pod2")]
    (shown,) = [one["ip_address"] for one in made["external_gateway_info"]["external_fixed_ips"]]
    assert addresses.count(shown) == 1
    assert len({*addresses, ip["floating_ip_address"]}) == 3
    assert stage.copies("pod1", "floatingips") == []
    there = stage.copy("pod2", "floatingips", ip["id"])
    assert there["floating_ip_address"] == ip["floating_ip_address"]


def test_an_external_network_of_the_pods_own_is_used_and_left_alone(stage: Stage) -> None:
    own = stage.neutron("pod1").make(
        "networks", "operator", name="the-pods-own", **EXTERN, **{"router:external": True}
    )
    stage.neutron("pod1").make(
        "subnets", "operator", network_id=own["id"], cidr="203.0.113.0/24", enable_dhcp=False
    )
    public = external(stage, "pod1")
    network, subnet = stage.network()
    port = stage.bound(network, "pod1")
    made = open_to(stage, router(stage, subnet), public)
    stage.reconcile()
    info = stage.copy("pod1", "routers", made["id"])["external_gateway_info"]
    assert info["network_id"] == own["id"]
    stage.change("network", public["id"], name="renamed")
    stage.reconcile()
    assert own["name"] == "the-pods-own"
    stage.delete("port", port["id"])
    stage.reconcile()
    assert stage.empty("pod1")
    assert own["id"] in stage.neutron("pod1").tables["networks"]
