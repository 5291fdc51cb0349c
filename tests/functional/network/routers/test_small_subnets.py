# SPDX-License-Identifier: Apache-2.0
"""What pods take of subnets with few addresses, or with none to give."""

from typing import Any

import pytest
from neutron_lib import exceptions as n_exc

from tests.functional.network.audits import settled
from tests.functional.network.routed_networks import VLAN, join, joined, router
from tests.functional.network.stage import Object, Stage
from tricircle.network.central import address_reservations

FLAT = {"provider:network_type": "flat", "provider:physical_network": "physnet1"}


def subnet(stage: Stage, cidr: str, kind: Object = VLAN, **more: Any) -> tuple[Object, Object]:
    network = stage.make("network", name="net", **kind)
    return network, stage.subnet(network, cidr, **more)


def at(subnet: Object, address: str) -> list[Object]:
    return [{"subnet_id": subnet["id"], "ip_address": address}]


def set_aside(stage: Stage, subnet: Object) -> list[str]:
    """The addresses of a subnet that are set aside for pods."""
    return sorted(
        ip["ip_address"]
        for port in stage.core.get_ports(stage.admin)
        if address_reservations.is_reservation(port)
        for ip in port["fixed_ips"]
        if ip["subnet_id"] == subnet["id"]
    )


def reason(stage: Stage, network: Object, region: str, **more: Any) -> str:
    """Why a port cannot be bound; empty when it can."""
    bound = stage.bind(stage.port(network, **more), region)
    return str(bound["binding:vif_details"].get("reason", ""))


@pytest.mark.parametrize(
    ("cidr", "ends"), [("10.7.0.0/30", ["10.7.0.1", "10.7.0.2"]), ("10.7.0.0/31", ["10.7.0.1"])]
)
def test_a_subnet_for_two(stage: Stage, cidr: str, ends: list[str]) -> None:
    """Without DHCP and gateway, all addresses are the users', in one pod or over two."""
    network, inside = subnet(stage, cidr, enable_dhcp=False, gateway_ip=None)
    for region, address in zip(("pod1", "pod2"), ends, strict=False):
        stage.bound(network, region, fixed_ips=at(inside, address))
    assert set_aside(stage, inside) == []
    stage.reconcile()
    assert stage.copy("pod1", "subnets", inside["id"])["allocation_pools"] == []
    settled(stage, "pod1")


def test_a_subnet_without_a_pool(stage: Stage) -> None:
    """Somebody else gives out the addresses."""
    network, inside = subnet(stage, "10.7.0.0/24", enable_dhcp=False)
    stage.change("subnet", inside["id"], allocation_pools=[])
    for region, number in (("pod1", 10), ("pod2", 11)):
        assert reason(stage, network, region, fixed_ips=at(inside, f"10.7.0.{number}")) == ""
        assert stage.copy(region, "subnets", inside["id"])["gateway_ip"] == "10.7.0.1"
    assert set_aside(stage, inside) == []


def test_a_subnet_without_a_pool_and_with_dhcp(stage: Stage) -> None:
    network, inside = subnet(stage, "10.7.0.0/24")
    stage.change("subnet", inside["id"], allocation_pools=[])
    told = reason(stage, network, "pod1", fixed_ips=at(inside, "10.7.0.10"))
    assert "no free address left for the DHCP of pod pod1: each pod needs one" in told
    stage.change("subnet", inside["id"], enable_dhcp=False)
    assert reason(stage, network, "pod1", fixed_ips=at(inside, "10.7.0.11")) == ""


@pytest.mark.parametrize("kind", [VLAN, FLAT], ids=["vlan", "flat"])
def test_no_pod_gives_out_what_central_does(stage: Stage, kind: Object) -> None:
    """/29: five addresses. Each pod takes one, the others are for servers; then it is said."""
    network, inside = subnet(stage, "10.7.0.0/29", kind)
    last = stage.port(network)
    for region in ("pod1", "pod2"):
        stage.bound(network, region)
    stage.reconcile()
    own = [stage.copy(region, "subnets", inside["id"])["allocation_pools"] for region in
           ("pod1", "pod2")]  # fmt: skip
    assert sorted(pool["start"] for pools in own for pool in pools) == set_aside(stage, inside)
    assert len(set_aside(stage, inside)) == 2
    told = stage.bind(last, "pod3")["binding:vif_details"]["reason"]
    assert "10.7.0.0/29" in told
    assert "each pod needs one" in told
    assert stage.copies("pod3", "subnets", inside["id"]) == []
    stage.delete("port", last["id"])
    stage.bound(network, "pod2")


def test_an_address_comes_back_when_dhcp_is_turned_off(stage: Stage) -> None:
    network, inside = subnet(stage, "10.7.0.0/29")
    stage.bound(network, "pod1")
    assert len(set_aside(stage, inside)) == 1
    stage.change("subnet", inside["id"], enable_dhcp=False)
    stage.reconcile()
    assert set_aside(stage, inside) == []
    stage.change("subnet", inside["id"], enable_dhcp=True)
    stage.reconcile()
    assert len(set_aside(stage, inside)) == 1
    settled(stage, "pod1")


def test_a_router_joins_a_small_subnet_if_there_is_room(stage: Stage) -> None:
    network, inside = subnet(stage, "10.7.0.0/29")
    ports = [stage.bound(network, region) for region in ("pod1", "pod2", "pod1")]
    made = router(stage)
    with pytest.raises(n_exc.BadRequest, match="has 0 free addresses, a router needs 1 there"):
        join(stage, made, inside)
    stage.delete("port", ports[2]["id"])
    join(stage, made, inside)
    stage.reconcile()
    for region in ("pod1", "pod2"):
        (address,) = joined(stage, region, made)
        assert stage.copy(region, "subnets", inside["id"])["gateway_ip"] == address


def test_a_larger_subnet_is_ready_for_a_router(stage: Stage) -> None:
    network, inside = subnet(stage, "10.7.0.0/28")
    for region in ("pod2", "pod1"):
        stage.bound(network, region)
    first, told = (
        stage.copy(region, "subnets", inside["id"])["gateway_ip"] for region in ("pod2", "pod1")
    )
    assert first == inside["gateway_ip"]
    assert told in set_aside(stage, inside)
    join(stage, router(stage), inside)
    stage.reconcile()
    assert stage.copy("pod2", "subnets", inside["id"])["gateway_ip"] == first
    assert stage.copy("pod1", "subnets", inside["id"])["gateway_ip"] == told


def test_what_is_free_is_counted(stage: Stage) -> None:
    pools = [{"start": "10.7.0.10", "end": "10.7.0.12"}, {"start": "10.7.0.20", "end": "10.7.0.20"}]
    network, inside = subnet(stage, "10.7.0.0/24", allocation_pools=pools)
    stage.port(network)
    stage.port(network, fixed_ips=at(inside, "10.7.0.99"))
    found = stage.core.get_subnet(stage.admin, inside["id"])
    assert (address_reservations.size(found), address_reservations.free(found)) == (4, 3)
