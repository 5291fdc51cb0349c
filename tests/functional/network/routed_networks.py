# SPDX-License-Identifier: Apache-2.0
"""What tests of networks and routers over several pods say and ask often."""

from typing import Any

from tests.functional.network.stage import PROJECT, Object, Stage
from tricircle.network.reconcile import runtime
from tricircle.network.routers import bridges

VLAN = {"provider:network_type": "vlan"}
EXTERN = {"provider:network_type": "flat", "provider:physical_network": "extern"}


def router(stage: Stage, *subnets: Object, **more: Any) -> Object:
    made = stage.make("router", name="r", **more)
    for subnet in subnets:
        join(stage, made, subnet)
    return made


def join(stage: Stage, router: Object, subnet: Object) -> None:
    stage.l3.add_router_interface(stage.admin, router["id"], {"subnet_id": subnet["id"]})


def leave(stage: Stage, router: Object, subnet: Object) -> None:
    stage.l3.remove_router_interface(stage.admin, router["id"], {"subnet_id": subnet["id"]})


def external(stage: Stage, *regions: str) -> Object:
    network = stage.make(
        "network",
        name="public",
        availability_zone_hints=list(regions),
        **EXTERN,
        **{"router:external": True},
    )
    stage.subnet(network, "203.0.113.0/24", enable_dhcp=False)
    return network


def open_to(stage: Stage, router: Object, network: Object, **more: Any) -> Object:
    info = {"network_id": network["id"], **more}
    changed: Object = stage.l3.update_router(
        stage.admin, router["id"], {"router": {"external_gateway_info": info}}
    )
    return changed


def floating(stage: Stage, network: Object, port: Object, **more: Any) -> Object:
    body = {
        "floating_network_id": network["id"],
        "port_id": port["id"],
        "project_id": PROJECT,
        "tenant_id": PROJECT,
        **more,
    }
    made: Object = stage.l3.create_floatingip(stage.admin, {"floatingip": body})
    return made


def point(stage: Stage, floating_ip: Object, port: Object | None) -> None:
    body = {"floatingip": {"port_id": port["id"] if port else None}}
    stage.l3.update_floatingip(stage.admin, floating_ip["id"], body)


def routes(stage: Stage, region: str, router: Object) -> set[tuple[str, str]]:
    there = stage.copy(region, "routers", router["id"])
    return {(route["destination"], route["nexthop"]) for route in there["routes"]}


def gateway(stage: Stage, region: str, router: Object) -> tuple[str, list[str]]:
    """The network a copy is open to, and its addresses there."""
    info = stage.copy(region, "routers", router["id"])["external_gateway_info"]
    network = stage.neutron(region).tables["networks"][info["network_id"]]
    return network["name"].split()[0], [ip["ip_address"] for ip in info["external_fixed_ips"]]


def joined(stage: Stage, region: str, router: Object) -> set[str]:
    """Addresses of a copy's interfaces."""
    there = stage.copy(region, "routers", router["id"])
    ports = stage.neutron(region).ports(
        device_id=there["id"], device_owner="network:router_interface"
    )
    return {ip["ip_address"] for port in ports for ip in port["fixed_ips"]}


def clean(stage: Stage) -> None:
    """Nothing of ours is left anywhere."""
    stage.reconcile()
    bridges.sweep(runtime.get().engine.queue)
    for region in stage.pod_ids:
        assert stage.empty(region), region
    assert stage.rows() == []
    networks = stage.core.get_networks(stage.admin)
    assert not [network for network in networks if bridges.is_bridge(network)]
