# SPDX-License-Identifier: Apache-2.0
"""The gateway that the API shows is answered for by the router in one pod, and by no other."""

from tests.functional.network.routed_networks import VLAN, clean, joined, router
from tests.functional.network.stage import Object, Stage
from tricircle.network.central import address_reservations
from tricircle.network.routers.router_addresses import ROUTER


def told(stage: Stage, region: str, subnet: Object) -> str:
    """The gateway of servers in a pod."""
    return str(stage.copy(region, "subnets", subnet["id"])["gateway_ip"])


def test_the_first_pod_has_it_for_as_long_as_it_has_the_subnet(stage: Stage) -> None:
    network, subnet = stage.network(**VLAN)
    ports = {region: stage.bound(network, region) for region in ("pod2", "pod1")}
    shown = subnet["gateway_ip"]
    assert told(stage, "pod2", subnet) == shown
    other = told(stage, "pod1", subnet)
    assert other != shown
    # So it was before there was a router, and so it stays.
    made = router(stage, subnet)
    stage.reconcile()
    assert joined(stage, "pod2", made) == {shown}
    assert joined(stage, "pod1", made) == {other}

    stage.delete("port", ports.pop("pod2")["id"])
    stage.reconcile()
    assert stage.empty("pod2")
    # Servers are not to learn of another gateway: who comes next has it.
    assert (told(stage, "pod1", subnet), joined(stage, "pod1", made)) == (other, {other})
    for region in ("pod3", "pod2"):
        ports[region] = stage.bound(network, region)
    stage.reconcile()
    assert joined(stage, "pod3", made) == {shown} == {told(stage, "pod3", subnet)}
    assert shown != told(stage, "pod2", subnet) != other
    for port in ports.values():
        stage.delete("port", port["id"])
    stage.l3.remove_router_interface(stage.admin, made["id"], {"subnet_id": subnet["id"]})
    stage.delete("router", made["id"])
    clean(stage)
    stage.delete("network", network["id"])


def test_pods_that_had_addresses_of_their_own_keep_them(stage: Stage) -> None:
    """As in a region where no pod had the gateway address yet."""
    network, subnet = stage.network(**VLAN)
    known = stage.core.get_subnet(stage.admin, subnet["id"])
    own = address_reservations.address(known, stage.pod_ids["pod1"], ROUTER)
    stage.bound(network, "pod1")
    stage.bound(network, "pod2")
    made = router(stage, subnet)
    stage.reconcile()
    assert told(stage, "pod1", subnet) == own
    assert joined(stage, "pod1", made) == {own}
    assert joined(stage, "pod2", made) == {subnet["gateway_ip"]}
