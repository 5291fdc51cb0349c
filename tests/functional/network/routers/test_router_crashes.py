# SPDX-License-Identifier: Apache-2.0
"""Routers come right though a worker dies at them or a pod's answer is lost."""

import pytest

from tests.functional.fakes.faults import Kind
from tests.functional.network.crash_injection import Killer
from tests.functional.network.routed_networks import (
    external,
    floating,
    join,
    joined,
    leave,
    open_to,
    router,
    routes,
)
from tests.functional.network.stage import PROJECT, Stage
from tricircle.network.pod_api.pod_session import named


@pytest.mark.parametrize("later", ["change", "removal"])
def test_what_was_to_join_a_router_goes_too(stage: Stage, later: str) -> None:
    """The pod made the port when nobody waited for it any more."""
    network, subnet = stage.network()
    stage.bound(network, "pod1")
    made = router(stage, subnet)
    stage.reconcile()
    (copy,) = stage.copies("pod1", "routers", made["id"])
    there = stage.copy("pod1", "networks", network["id"])
    mark = stage.mark("pod1", "ports", "gone")
    loose = stage.neutron("pod1").make(
        "ports", PROJECT, name=copy["description"], description=mark, network_id=there["id"]
    )
    if later == "change":
        stage.change("router", made["id"], name="renamed")
    else:
        leave(stage, made, subnet)
        stage.delete("router", made["id"])
    stage.reconcile()
    assert loose["id"] not in stage.neutron("pod1").tables["ports"]


def test_whoever_works_on_a_router_dies(stage: Stage, killer: Killer) -> None:
    """At every nineteenth call; a full round would take minutes."""
    public = external(stage, "pod1")
    near, far = stage.network("10.1.0.0/24"), stage.network("10.2.0.0/24")
    ports = [stage.bound(near[0], "pod1"), stage.bound(far[0], "pod2")]
    made = open_to(stage, router(stage, near[1], far[1]), public)
    ip = floating(stage, public, ports[1])
    for step in killer.deaths(stage, stage.reconcile, every=19, least=57):
        stage.forget_claims()
        stage.reconcile()
        for region in ("pod1", "pod2"):
            marks = [
                item["description"]
                for name in ("networks", "subnets", "routers", "floatingips")
                for item in stage.copies(region, name)
            ]
            assert len(marks) == len(set(marks)), (step, region)
            assert len(stage.copies(region, "floatingips", ip["id"])) == 1
        assert len(joined(stage, "pod1", made)) == 3
        assert len(joined(stage, "pod2", made)) == 2
        for port in ports:
            stage.withdraw(port, "pod1")
            stage.withdraw(port, "pod2")
        stage.reconcile()
        assert stage.empty("pod1")
        assert stage.empty("pod2")


def test_whoever_joins_a_router_by_a_subnet_dies(stage: Stage, killer: Killer) -> None:
    """At every step: the pod makes the port, so that it has no marker in the making."""
    mode = {"ipv6_address_mode": "slaac", "ipv6_ra_mode": "slaac"}
    network, four = stage.network("10.1.0.0/24")
    six = stage.subnet(network, "fd00:1::/64", **mode)
    stage.bound(network, "pod1")
    made = router(stage)
    for subnet in (six, four):
        join(stage, made, subnet)
    for step in killer.deaths(stage, lambda: stage.reconcile("pod1"), least=12):
        stage.forget_claims()
        stage.reconcile("pod1")
        assert joined(stage, "pod1", made) == {six["gateway_ip"], four["gateway_ip"]}, step
        there = stage.copy("pod1", "routers", made["id"])
        ports = stage.neutron("pod1").ports(device_id=there["id"])
        assert len(ports) == len({port["description"] for port in ports}) == 2, step
        assert all(named(port) for port in ports), step
        for subnet in (six, four):
            leave(stage, made, subnet)
        stage.reconcile("pod1")
        assert stage.copies("pod1", "routers") == []
        assert not stage.neutron("pod1").ports(device_id=there["id"])


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("goes", ["router", "interface"])
def test_a_join_nobody_knows_of_goes_with_what_it_was_for(
    stage: Stage, goes: str, version: int
) -> None:
    """The pod made the port of its own and nobody heard of it, and then it was not wanted. It does
    so on every subnet of a network where ports make addresses."""
    mode = {"ipv6_address_mode": "slaac", "ipv6_ra_mode": "slaac"}
    network, four = stage.network("10.1.0.0/24")
    six = stage.subnet(network, "fd00:1::/64", **mode)
    stage.bound(network, "pod1")
    lost, other = (four, six) if version == 4 else (six, four)
    made = router(stage, other)
    stage.reconcile("pod1")
    pod = stage.neutron("pod1")
    fault = pod.fail(Kind.CUT_AFTER, method="PUT", path="add_router_interface", times=1)
    join(stage, made, lost)
    stage.work("pod1")
    assert fault.struck == 1
    leave(stage, made, lost)
    if goes == "router":
        leave(stage, made, other)
        stage.delete("router", made["id"])
    stage.reconcile("pod1")
    assert stage.pending() == []
    owners = [port["device_owner"] for port in pod.ports()]
    assert owners.count("network:router_interface") == (goes == "interface")


@pytest.mark.parametrize("goes", ["router", "subnet"])
def test_a_join_nobody_knows_of_outlives_what_made_it_so(stage: Stage, goes: str) -> None:
    """The subnet that let the pod make the port itself is gone before the port is known."""
    mode = {"ipv6_address_mode": "slaac", "ipv6_ra_mode": "slaac"}
    network, four = stage.network("10.1.0.0/24")
    six = stage.subnet(network, "fd00:1::/64", **mode)
    port = stage.bound(network, "pod1", fixed_ips=[{"subnet_id": four["id"]}])
    made = router(stage, four)
    pod = stage.neutron("pod1")
    fault = pod.fail(Kind.CUT_AFTER, method="PUT", path="add_router_interface", times=1)
    stage.work("pod1")
    assert fault.struck == 1
    stage.core.delete_subnet(stage.admin, six["id"])
    del pod.tables["subnets"][stage.copy("pod1", "subnets", six["id"])["id"]]
    stage.forget_claims()
    if goes == "router":
        leave(stage, made, four)
        stage.delete("router", made["id"])
        stage.delete("port", port["id"])
    stage.reconcile("pod1")
    assert stage.pending() == []
    if goes == "router":
        assert stage.empty("pod1")
    else:
        assert joined(stage, "pod1", made) == {four["gateway_ip"]}
        assert len(stage.copies("pod1", "ports")) == 2


@pytest.mark.parametrize("kind", [Kind.CUT_AFTER, Kind.GARBAGE_AFTER])
def test_a_pods_answer_about_a_router_is_lost(stage: Stage, kind: Kind) -> None:
    one, two = stage.network("10.1.0.0/24"), stage.network("10.2.0.0/24")
    stage.bound(one[0], "pod1")
    stage.bound(two[0], "pod2")
    made = router(stage, one[1], two[1])
    for path in ("/routers$", "/routers/[^/]+$", "/add_router_interface$"):
        stage.neutron("pod1").fail(kind, method="(POST|PUT)", path=path, times=1)
    stage.reconcile()
    stage.forget_claims()
    stage.reconcile()
    stage.forget_claims()
    stage.reconcile()
    stage.forget_claims()
    stage.reconcile()
    assert joined(stage, "pod1", made) == {"10.1.0.1"}
    assert len(stage.copies("pod1", "routers")) == 1
    assert {to for to, _ in routes(stage, "pod1", made)} == {"10.2.0.0/24"}
