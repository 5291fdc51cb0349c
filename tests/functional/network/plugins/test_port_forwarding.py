# SPDX-License-Identifier: Apache-2.0
"""A floating IP's port forwardings are in the pods where it is."""

from typing import Any

import pytest
from neutron_lib import exceptions as n_exc
from neutron_lib.plugins import constants, directory

from tests.functional.fakes.neutron_port_forwarding import ALIAS
from tests.functional.network.stage import Object, Stage
from tricircle.network.plugins import availability_zones


class World:
    """A network with a router to an external network, a floating IP; two servers' ports."""

    def __init__(self, stage: Stage, outlet: str) -> None:
        self.stage = stage
        availability_zones.install(stage.core)
        self.plugin = directory.get_plugin(constants.PORTFORWARDING)
        self.network, subnet = stage.network()
        self.outside = self._external(outlet)
        self.router = stage.make("router", name="r")
        stage.l3.add_router_interface(stage.context, self.router["id"], {"subnet_id": subnet["id"]})
        gateway = {"network_id": self.outside["id"]}
        stage.l3.update_router(
            stage.admin, self.router["id"], {"router": {"external_gateway_info": gateway}}
        )
        self.ip = stage.make("floatingip", floating_network_id=self.outside["id"], description="")
        self.one, self.two = stage.port(self.network), stage.port(self.network)

    def _external(self, outlet: str) -> Object:
        body = {
            "name": "public",
            "tenant_id": "",
            "project_id": "",
            "admin_state_up": True,
            "shared": False,
            "router:external": True,
            "availability_zone_hints": [outlet],
            "port_security_enabled": True,
        }
        core, admin = self.stage.core, self.stage.admin
        network: Object = core.create_network(admin, {"network": body})
        self.stage.subnet(network, "203.0.113.0/24", enable_dhcp=False)
        return network

    def forward(self, port: Object, external: int, internal: int = 22) -> Object:
        body = {
            "protocol": "tcp",
            "external_port": external,
            "internal_port": internal,
            "internal_port_id": port["id"],
            "internal_ip_address": port["fixed_ips"][0]["ip_address"],
        }
        made: Object = self.plugin.create_floatingip_port_forwarding(
            self.stage.context, self.ip["id"], {"port_forwarding": body}
        )
        return made

    def unforward(self, made: Object) -> None:
        self.plugin.delete_floatingip_port_forwarding(self.stage.context, made["id"], self.ip["id"])

    def copy(self, region: str) -> Object:
        return self.stage.copy(region, "floatingips", self.ip["id"])

    def forwarded(self, region: str) -> set[tuple[Any, ...]]:
        names = ("external_port", "internal_port", "internal_ip_address", "internal_port_id")
        return {tuple(one[name] for name in names) for one in self.copy(region)["port_forwardings"]}

    def expected(self, region: str, *wanted: tuple[Object, int, int]) -> set[tuple[Any, ...]]:
        return {
            (
                external,
                internal,
                port["fixed_ips"][0]["ip_address"],
                self.stage.copy(region, "ports", port["id"])["id"],
            )
            for port, external, internal in wanted
        }


@pytest.fixture
def world(stage: Stage) -> World:
    return World(stage, "pod1")


def test_ports_are_forwarded_where_the_server_is(stage: Stage, world: World) -> None:
    stage.bind(world.one, "pod1")
    first = world.forward(world.one, 2222)
    # Its server comes later.
    world.forward(world.two, 8080, 80)
    stage.reconcile()
    copy = world.copy("pod1")
    assert copy["floating_ip_address"] == world.ip["floating_ip_address"]
    assert copy["port_id"] is None
    assert world.forwarded("pod1") == world.expected("pod1", (world.one, 2222, 22))
    assert stage.copies("pod1", "ports", world.two["id"]) == []

    stage.bind(world.two, "pod1")
    stage.reconcile()
    both = ((world.one, 2222, 22), (world.two, 8080, 80))
    assert world.forwarded("pod1") == world.expected("pod1", *both)

    world.unforward(first)
    stage.reconcile()
    assert world.forwarded("pod1") == world.expected("pod1", (world.two, 8080, 80))

    stage.delete("port", world.two["id"])
    stage.reconcile()
    assert stage.copies("pod1", "floatingips") == []


def test_a_changed_forwarding(stage: Stage, world: World) -> None:
    stage.bind(world.one, "pod1")
    made = world.forward(world.one, 2222)
    stage.reconcile()
    world.plugin.update_floatingip_port_forwarding(
        stage.context, made["id"], world.ip["id"], {"port_forwarding": {"external_port": 2200}}
    )
    stage.reconcile()
    assert world.forwarded("pod1") == world.expected("pod1", (world.one, 2200, 22))


def test_a_forwarding_gives_way_to_an_association(stage: Stage, world: World) -> None:
    stage.bind(world.one, "pod1")
    made = world.forward(world.one, 2222)
    stage.reconcile()
    world.unforward(made)
    stage.change("floatingip", world.ip["id"], port_id=world.one["id"])
    stage.reconcile()
    copy = world.copy("pod1")
    assert copy["port_forwardings"] == []
    assert copy["port_id"] == stage.copy("pod1", "ports", world.one["id"])["id"]


def test_a_pod_without_the_extension_refuses(stage: Stage, world: World) -> None:
    stage.neutron("pod1").aliases.discard(ALIAS)
    with pytest.raises(n_exc.BadRequest, match=f"pod1.*{ALIAS}"):
        world.forward(world.one, 2222)
    assert world.plugin.get_floatingip_port_forwardings(stage.admin, world.ip["id"]) == []
    stage.bind(world.one, "pod1")
    with pytest.raises(n_exc.BadRequest, match=f"pod1.*{ALIAS}"):
        world.forward(world.one, 2222)


def test_one_floating_ip_leads_to_one_pod(stage: Stage, world: World) -> None:
    stage.bind(world.one, "pod1")
    world.forward(world.one, 2222)
    stage.bind(world.two, "pod2")
    with pytest.raises(n_exc.BadRequest, match=r"pod1.*pod2"):
        world.forward(world.two, 8080)
