# SPDX-License-Identifier: Apache-2.0
"""Routers with a copy in each pod, joined by a bridge network."""

import pytest

from tests.functional.network.routed_networks import (
    VLAN,
    clean,
    external,
    floating,
    gateway,
    join,
    joined,
    leave,
    open_to,
    router,
    routes,
)
from tests.functional.network.stage import PROJECT, Object, Stage
from tricircle.conf import CONF
from tricircle.network.pod_api.pod_session import PodSession
from tricircle.network.routers import bridges, copies


def test_a_router_of_networks_whose_servers_make_their_addresses(stage: Stage) -> None:
    mode = {"ipv6_address_mode": "slaac", "ipv6_ra_mode": "slaac"}
    nets = [stage.network(f"10.{n}.0.0/24") for n in (1, 2)]
    six = [stage.subnet(net[0], f"fd00:{n}::/64", **mode) for n, net in enumerate(nets, 1)]
    stage.bound(nets[0][0], "pod1")
    stage.bound(nets[1][0], "pod2")
    made = router(stage, nets[0][1])
    stage.reconcile()
    for subnet in (six[0], six[1], nets[1][1]):
        join(stage, made, subnet)
    for _ in range(2):
        stage.reconcile()
        for region, number in (("pod1", 0), ("pod2", 1)):
            subnets = nets[number][1], six[number]
            assert joined(stage, region, made) == {subnet["gateway_ip"] for subnet in subnets}
            assert len(routes(stage, region, made)) == 2
        assert stage.pending() == []
        stage.touch("router", made["id"])


def test_a_router_of_a_stretched_network_whose_servers_make_their_addresses(stage: Stage) -> None:
    """What keeps a pod's address there has addresses on all subnets; only one of them counts."""
    mode = {"ipv6_address_mode": "slaac", "ipv6_ra_mode": "slaac"}
    network, four = stage.network("10.1.0.0/24", **VLAN)
    six = [stage.subnet(network, f"{prefix}:1::/64", **mode) for prefix in ("fd00", "2001")]
    made = router(stage, four, *six)
    for region in ("pod1", "pod2"):
        stage.bound(network, region)
    stage.reconcile()
    for region, same in (("pod1", True), ("pod2", False)):
        own = stage.copy(region, "subnets", four["id"])["gateway_ip"]
        assert (own == four["gateway_ip"]) is same
        assert joined(stage, region, made) == {own, *(one["gateway_ip"] for one in six)}
    assert stage.pending() == []


def test_a_router_over_two_pods_and_a_third_later(stage: Stage) -> None:
    nets = [stage.network(f"10.{n}.0.0/24") for n in (1, 2, 3)]
    ports = [stage.bound(nets[0][0], "pod1"), stage.bound(nets[1][0], "pod2")]
    made = router(stage, nets[0][1], nets[1][1])
    stage.reconcile()
    assert {gateway(stage, region, made)[0] for region in ("pod1", "pod2")} == {"east-west"}
    addresses = {region: gateway(stage, region, made)[1][0] for region in ("pod1", "pod2")}
    assert routes(stage, "pod1", made) == {("10.2.0.0/24", addresses["pod2"])}
    assert routes(stage, "pod2", made) == {("10.1.0.0/24", addresses["pod1"])}
    assert joined(stage, "pod1", made) == {"10.1.0.1"}
    # Only the router's project may use the bridge.
    for region in ("pod1", "pod2"):
        policies = stage.neutron(region).tables["rbac-policies"].values()
        assert {policy["target_tenant"] for policy in policies} == {PROJECT}

    join(stage, made, nets[2][1])
    ports.append(stage.bound(nets[2][0], "pod3"))
    stage.reconcile()
    third = gateway(stage, "pod3", made)[1][0]
    assert ("10.3.0.0/24", third) in routes(stage, "pod1", made)
    assert routes(stage, "pod3", made) == {
        ("10.1.0.0/24", addresses["pod1"]),
        ("10.2.0.0/24", addresses["pod2"]),
    }
    # A second server of the first network, in the second pod: found by its own address.
    ports.append(stage.bound(nets[0][0], "pod2"))
    stage.reconcile()
    single = ports[-1]["fixed_ips"][0]["ip_address"] + "/32"
    assert (single, addresses["pod2"]) in routes(stage, "pod1", made)
    assert (single, addresses["pod2"]) in routes(stage, "pod3", made)

    stage.delete("port", ports[2]["id"])
    stage.reconcile()
    assert stage.copies("pod3", "routers") == []
    assert not any(to == "10.3.0.0/24" for to, _ in routes(stage, "pod1", made))
    # What the user sees is what the user set.
    assert stage.l3.get_router(stage.admin, made["id"])["routes"] == []

    for port in (ports[0], ports[1], ports[3]):
        stage.delete("port", port["id"])
    for _, subnet in nets:
        leave(stage, made, subnet)
    stage.delete("router", made["id"])
    clean(stage)


def test_a_bridge_keeps_clear_of_the_routers_subnets(stage: Stage) -> None:
    one, two = stage.network("100.64.0.0/24"), stage.network("10.2.0.0/24")
    stage.bound(one[0], "pod1")
    stage.bound(two[0], "pod2")
    made = router(stage, one[1], two[1])
    stage.reconcile()
    assert gateway(stage, "pod1", made)[1][0].startswith("100.64.1.")


def test_a_bridge_moves_out_of_the_way_of_a_subnet_that_comes_later(stage: Stage) -> None:
    one, two = stage.network("10.1.0.0/24"), stage.network("10.2.0.0/24")
    ports = [stage.bound(one[0], "pod1"), stage.bound(two[0], "pod2")]
    made = router(stage, one[1], two[1])
    stage.reconcile()
    assert gateway(stage, "pod1", made)[1][0].startswith("100.64.0.")
    three = stage.network("100.64.0.0/24")
    ports.append(stage.bound(three[0], "pod1"))
    join(stage, made, three[1])
    stage.reconcile()
    stage.forget_claims()
    stage.reconcile()
    (near,), (far,) = (gateway(stage, region, made)[1] for region in ("pod1", "pod2"))
    assert not near.startswith("100.64.0.")
    assert joined(stage, "pod1", made) == {"10.1.0.1", "100.64.0.1"}
    assert routes(stage, "pod2", made) == {("10.1.0.0/24", near), ("100.64.0.0/24", near)}
    assert routes(stage, "pod1", made) == {("10.2.0.0/24", far)}
    assert not [row for row in stage.rows() if row.next_try_at]
    for port in ports:
        stage.delete("port", port["id"])
    for _, subnet in (one, two, three):
        leave(stage, made, subnet)
    stage.delete("router", made["id"])
    clean(stage)


def test_a_bridge_grows_with_its_floating_ips(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bridges, "_ADDRESSES_PER_POD", 2)
    CONF.set_override("bridge_prefix_length", 29, "interconnect")
    CONF.set_override("bridge_cidrs", ["100.64.0.0/24"], "interconnect")
    try:
        public = external(stage, "pod1")
        network, subnet = stage.network("10.1.0.0/24", **VLAN)
        ports = [stage.bound(network, "pod2") for _ in range(5)]
        open_to(stage, router(stage, subnet), public)
        stage.reconcile()
        # A /29 has six addresses: the routers of two pods have one each.
        ips = [floating(stage, public, port) for port in ports]
        for _ in range(3):
            stage.reconcile()
            stage.forget_claims()
        assert not [row for row in stage.rows() if row.next_try_at]
        outer = {one["floating_ip_address"]: one for one in stage.copies("pod1", "floatingips")}
        assert set(outer) == {ip["floating_ip_address"] for ip in ips}
        inner = stage.copies("pod2", "floatingips")
        assert {one["floating_ip_address"] for one in inner} == {
            one["fixed_ip_address"] for one in outer.values()
        }
    finally:
        CONF.clear_override("bridge_prefix_length", "interconnect")
        CONF.clear_override("bridge_cidrs", "interconnect")


def test_a_gateway_that_is_given_to_a_router_is_the_routers_at_once(stage: Stage) -> None:
    network = stage.make("network", name="net", **VLAN)
    pools = [{"start": "10.0.0.10", "end": "10.0.0.200"}]
    subnet = stage.subnet(network, "10.0.0.0/24", gateway_ip=None, allocation_pools=pools)
    stage.bound(network, "pod1")
    made = stage.make("router", name="r")
    port = stage.port(network, fixed_ips=[{"subnet_id": subnet["id"], "ip_address": "10.0.0.5"}])
    stage.l3.add_router_interface(stage.admin, made["id"], {"port_id": port["id"]})
    stage.reconcile()
    stage.change("subnet", subnet["id"], gateway_ip="10.0.0.5")
    stage.reconcile()
    told = stage.copy("pod1", "subnets", subnet["id"])["gateway_ip"]
    assert joined(stage, "pod1", made) == {told}


def test_no_range_is_left_for_a_bridge(stage: Stage) -> None:
    CONF.set_override("bridge_cidrs", ["10.1.0.0/16"], "interconnect")
    one, two = stage.network("10.1.0.0/16"), stage.network("10.2.0.0/24")
    stage.bound(one[0], "pod1")
    stage.bound(two[0], "pod2")
    made = router(stage, one[1], two[1])
    stage.reconcile()
    row = stage.row("router", made["id"], "pod1")
    CONF.clear_override("bridge_cidrs", "interconnect")
    assert row is not None
    assert "name another range" in (row.last_error or "")


def test_a_router_held_to_a_pod_and_the_way_to_it(stage: Stage) -> None:
    wide, side = stage.network("10.1.0.0/24", **VLAN), stage.network("10.2.0.0/24")
    made = router(stage, side[1], availability_zone_hints=["pod1"])
    port = stage.make(
        "port",
        network_id=wide[0]["id"],
        fixed_ips=[{"subnet_id": wide[1]["id"], "ip_address": "10.1.0.200"}],
        name="",
    )
    stage.l3.add_router_interface(stage.admin, made["id"], {"port_id": port["id"]})
    stage.bound(side[0], "pod1")
    stage.bound(wide[0], "pod2")
    stage.reconcile()
    assert stage.copies("pod2", "routers") == []
    assert joined(stage, "pod1", made) == {"10.1.0.200", "10.2.0.1"}
    told = stage.copy("pod2", "subnets", wide[1]["id"])["host_routes"]
    assert told == [{"destination": "10.2.0.0/24", "nexthop": "10.1.0.200"}]


def test_the_users_routes_stay_the_users(stage: Stage) -> None:
    one, two = stage.network("10.1.0.0/24"), stage.network("10.2.0.0/24")
    stage.bound(one[0], "pod1")
    stage.bound(two[0], "pod2")
    made = router(stage, one[1], two[1])
    extra = [{"destination": "192.0.2.0/24", "nexthop": "10.1.0.9"}]
    stage.l3.update_router(stage.admin, made["id"], {"router": {"routes": extra}})
    stage.reconcile()
    assert ("192.0.2.0/24", "10.1.0.9") in routes(stage, "pod1", made)
    assert ("192.0.2.0/24", gateway(stage, "pod1", made)[1][0]) in routes(stage, "pod2", made)
    assert stage.l3.get_router(stage.admin, made["id"])["routes"] == extra
    stage.l3.update_router(stage.admin, made["id"], {"router": {"routes": []}})
    stage.reconcile()
    for region in ("pod1", "pod2"):
        assert not any(to == "192.0.2.0/24" for to, _ in routes(stage, region, made))


def test_what_a_router_must_be_is_worked_out_once(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    network, subnet = stage.network()
    stage.bound(network, "pod1")
    made = router(stage, subnet)
    stage.reconcile()
    asked, copy = [], copies.copy

    def counted(session: PodSession, central: Object) -> copies.Copy:
        asked.append(central["id"])
        return copy(session, central)

    monkeypatch.setattr(copies, "copy", counted)
    stage.change("router", made["id"], name="new")
    assert stage.work("pod1") == 1
    assert asked == [made["id"]]
    assert stage.copy("pod1", "routers", made["id"])["name"] == "new"
