# SPDX-License-Identifier: Apache-2.0
"""Pods allow a router a few routes and a subnet a few host routes; by default 30 and 20."""

from collections.abc import Iterator

import pytest
from neutron_lib import exceptions as n_exc

from tests.functional.network.routed_networks import VLAN, join, router
from tests.functional.network.stage import Object, Stage
from tricircle.conf import CONF

LOCAL = {"provider:network_type": "local"}


@pytest.fixture
def few_routes(stage: Stage) -> Iterator[None]:
    """As many in pods as Tricircle knows of."""
    CONF.set_override("routes_per_router", 6, group="interconnect")
    CONF.set_override("host_routes_per_subnet", 5, group="interconnect")
    for pod in stage.cloud.pods.values():
        pod.neutron.max_routes, pod.neutron.max_host_routes = 6, 5
    yield
    CONF.clear_override("routes_per_router", group="interconnect")
    CONF.clear_override("host_routes_per_subnet", group="interconnect")


def at(stage: Stage, network: Object, subnet: Object, number: int, region: str) -> Object:
    address = subnet["cidr"].replace("0/24", str(number))
    fixed = [{"subnet_id": subnet["id"], "ip_address": address}]
    return stage.bind(stage.port(network, fixed_ips=fixed), region)


def test_a_server_too_far_apart_is_refused_and_the_router_works_on(
    stage: Stage, few_routes: None
) -> None:
    network, subnet = stage.network(**LOCAL)
    made = router(stage, subnet)
    at(stage, network, subnet, 9, "pod1")
    for number in (20, 30, 40, 50):
        assert at(stage, network, subnet, number, "pod2")["binding:vif_type"] == "other"
    refused = at(stage, network, subnet, 60, "pod2")
    reason = str(refused["binding:vif_details"])
    assert refused["binding:vif_type"] == "binding_failed"
    assert f"Router {made['id']} would need up to 7 routes in a pod" in reason
    assert "routes_per_router" in reason
    stage.delete("port", refused["id"])
    # Side by side with another it needs none of its own.
    assert at(stage, network, subnet, 21, "pod2")["binding:vif_type"] == "other"
    stage.reconcile()
    there = stage.copy("pod1", "routers", made["id"])["routes"]
    assert {route["destination"] for route in there} == {
        "10.0.0.20/31", "10.0.0.30/32", "10.0.0.40/32", "10.0.0.50/32",
    }  # fmt: skip
    assert stage.pending() == []


def test_a_network_too_many_is_refused_when_it_is_to_be_joined(
    stage: Stage, few_routes: None
) -> None:
    here, first = stage.network("10.1.0.0/24", **VLAN)
    made = router(stage, first)
    stage.bound(here, "pod1")
    for number in range(2, 10, 2):
        network, subnet = stage.network(f"10.{number}.0.0/24", **VLAN)
        join(stage, made, subnet)
        stage.bound(network, "pod2")
    network, subnet = stage.network("10.20.0.0/24", **VLAN)
    stage.bound(network, "pod2")
    with pytest.raises(n_exc.Conflict, match="would need up to 7 routes"):
        join(stage, made, subnet)
    beside, subnet = stage.network("10.9.0.0/24", **VLAN)
    stage.bound(beside, "pod2")
    with pytest.raises(n_exc.Conflict, match="would need up to 7 routes"):
        join(stage, made, subnet)


def test_many_subnets_are_told_to_servers_in_few_host_routes(
    stage: Stage, few_routes: None
) -> None:
    network, subnet = stage.network("10.200.0.0/24", gateway_ip=None, **VLAN)
    stage.bound(network, "pod1")
    made = router(stage)
    port = stage.port(network)
    stage.l3.add_router_interface(stage.admin, made["id"], {"port_id": port["id"]})
    many, _ = stage.network("10.200.1.0/24", **VLAN)
    for number in (*range(2, 16), 100, 110):
        join(stage, made, stage.subnet(many, f"10.200.{number}.0/24"))
    with pytest.raises(n_exc.Conflict, match="would have to be told 6 host routes"):
        join(stage, made, stage.subnet(many, "10.200.140.0/24"))
    stage.reconcile()
    told = stage.copy("pod1", "subnets", subnet["id"])["host_routes"]
    assert {one["destination"] for one in told} == {
        "10.200.2.0/23", "10.200.4.0/22", "10.200.8.0/21", "10.200.100.0/24", "10.200.110.0/24",
    }  # fmt: skip
    assert stage.pending() == []
