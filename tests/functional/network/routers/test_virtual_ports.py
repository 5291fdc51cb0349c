# SPDX-License-Identifier: Apache-2.0
"""Floating IPs of addresses that servers share (keepalived, kube-vip, Octavia)."""

from typing import Any

import pytest
from neutron_lib.plugins import constants, directory

from tests.functional.network.audits import settled
from tests.functional.network.routed_networks import (
    VLAN,
    clean,
    external,
    floating,
    leave,
    open_to,
    point,
    router,
)
from tests.functional.network.stage import Object, Stage
from tricircle.network.observe import virtual_addresses
from tricircle.network.reconcile import runtime
from tricircle.pods.deadline import Deadline

VIP = "10.1.0.100"
PAIR = [{"ip_address": VIP}]


class World:
    """A network with a router to outside, an address that servers share, a floating IP on it."""

    def __init__(self, stage: Stage, *outlets: str, **kind: Any) -> None:
        self.stage = stage
        self.public = external(stage, *outlets)
        self.network, self.subnet = stage.network("10.1.0.0/24", **(kind or VLAN))
        self.router = open_to(stage, router(stage, self.subnet), self.public)
        fixed = [{"subnet_id": self.subnet["id"], "ip_address": VIP}]
        self.vip = stage.port(self.network, fixed_ips=fixed, device_owner="Octavia")

    def server(self, region: str, pairs: Any = PAIR) -> Object:
        return self.stage.bound(self.network, region, allowed_address_pairs=pairs)

    def settle(self) -> None:
        """What xjob does, looks at the pods among it, until nothing changes."""
        for _ in range(4):
            self.stage.reconcile()
            self.look()
        self.stage.reconcile()

    def look(self) -> None:
        running = runtime.get()
        for region in self.stage.pod_ids:
            pod = running.registry.fresh().by_region(region)
            assert pod is not None
            virtual_addresses.look(running.engine.session(pod, Deadline(40)))

    def answers(self, region: str, host: str = "host1") -> None:
        """A server in the pod answers for the address: the pod's Neutron tells on which host."""
        copy = self.stage.copy(region, "ports", self.vip["id"])
        copy["binding:vif_details"] = {"parent_hostname": host}
        self.settle()

    def leads_to(self, ip: Object) -> list[str]:
        """The pods with a copy of the floating IP that leads to the copy of the port."""
        found = []
        for region in self.stage.pod_ids:
            for one in self.stage.copies(region, "floatingips", ip["id"]):
                (port,) = self.stage.copies(region, "ports", self.vip["id"]) or [{"id": None}]
                if one["port_id"] == port["id"] and one["fixed_ip_address"] == VIP:
                    found.append(region)
        return found

    def status(self, ip: Object) -> str:
        return str(self.stage.l3.get_floatingip(self.stage.admin, ip["id"])["status"])


def test_it_leads_to_the_pod_whose_servers_share_the_address(stage: Stage) -> None:
    world = World(stage, "pod1")
    servers = [world.server("pod1"), world.server("pod1", [{"ip_address": "10.1.0.96/28"}])]
    ip = floating(stage, world.public, world.vip)
    world.settle()
    assert world.leads_to(ip) == ["pod1"]
    assert world.status(ip) == "ACTIVE"
    settled(stage, "pod1")
    # As long as one of them is left.
    stage.delete("port", servers[0]["id"])
    world.settle()
    assert world.leads_to(ip) == ["pod1"]
    stage.change("port", servers[1]["id"], allowed_address_pairs=[])
    world.settle()
    assert world.leads_to(ip) == []
    assert stage.copies("pod1", "ports", world.vip["id"]) == []
    assert world.status(ip) == "DOWN"
    stage.change("port", servers[1]["id"], allowed_address_pairs=PAIR)
    world.settle()
    assert (world.leads_to(ip), world.status(ip)) == (["pod1"], "ACTIVE")
    point(stage, ip, None)
    world.settle()
    assert stage.copies("pod1", "ports", world.vip["id"]) == []


def test_the_servers_come_after_the_floating_ip(stage: Stage) -> None:
    world = World(stage, "pod1")
    ip = floating(stage, world.public, world.vip)
    server = world.server("pod2")
    world.settle()
    # In two steps: by the pod with the way in.
    assert world.leads_to(ip) == ["pod2"]
    assert stage.copy("pod1", "floatingips", ip["id"])["fixed_ip_address"] != VIP
    assert world.status(ip) == "ACTIVE"
    # A change of the port that nobody has bound takes nothing away.
    stage.change("port", world.vip["id"], name="vip")
    world.settle()
    assert stage.copy("pod2", "ports", world.vip["id"])["name"] == "vip"
    # It moves to where the server moves.
    stage.bind(server, "pod1")
    world.settle()
    assert world.leads_to(ip) == ["pod1"]
    stage.delete("floatingip", ip["id"])
    stage.delete("port", server["id"])
    stage.delete("port", world.vip["id"])
    stage.l3.update_router(
        stage.admin, world.router["id"], {"router": {"external_gateway_info": {}}}
    )
    leave(stage, world.router, world.subnet)
    stage.delete("router", world.router["id"])
    world.look()
    clean(stage)


@pytest.mark.parametrize("outlets", [["pod1"], ["pod1", "pod2"]], ids=["one way out", "two"])
def test_it_follows_a_failover_to_another_pod_and_back(stage: Stage, outlets: list[str]) -> None:
    world = World(stage, *outlets)
    for region in ("pod1", "pod2"):
        world.server(region)
    ip = floating(stage, world.public, world.vip)
    world.settle()
    assert world.leads_to(ip) == ["pod1"]
    for turn in ("pod1", "pod2", "pod1", "pod2"):
        world.answers(turn)
        assert world.leads_to(ip) == [turn]
        assert world.status(ip) == "ACTIVE"
    # The copy that was left stands ready, and tells of no host any more.
    assert not stage.copy("pod1", "ports", world.vip["id"])["binding:vif_details"]
    settled(stage, "pod1")
    settled(stage, "pod2")


def test_it_leaves_a_pod_whose_servers_are_down(stage: Stage) -> None:
    """Where a pod's Neutron tells nothing of who answers."""
    world = World(stage, "pod1")
    servers = {region: world.server(region) for region in ("pod1", "pod2")}
    ip = floating(stage, world.public, world.vip)
    world.settle()
    assert world.leads_to(ip) == ["pod1"]
    context = stage.admin
    stage.core.update_port_status(context, servers["pod2"]["id"], "ACTIVE", "pod2")
    world.settle()
    assert world.leads_to(ip) == ["pod2"]
    stage.delete("port", servers["pod2"]["id"])
    world.settle()
    assert world.leads_to(ip) == ["pod1"]


def test_on_networks_that_are_no_one_domain_it_stays_in_a_pod(stage: Stage) -> None:
    world = World(stage, "pod1", **{"provider:network_type": "local"})
    for region in ("pod2", "pod1"):
        world.server(region)
    ip = floating(stage, world.public, world.vip)
    world.settle()
    where = world.leads_to(ip)
    assert len(where) == 1
    copies = [r for r in stage.pod_ids if stage.copies(r, "ports", world.vip["id"])]
    assert copies == where


def test_ports_are_forwarded_to_it(stage: Stage) -> None:
    world = World(stage, "pod1")
    for region in ("pod1", "pod2"):
        world.server(region)
    ip = stage.make("floatingip", floating_network_id=world.public["id"], description="")
    plugin = directory.get_plugin(constants.PORTFORWARDING)
    body = {
        "protocol": "tcp",
        "external_port": 80,
        "internal_port": 80,
        "internal_port_id": world.vip["id"],
        "internal_ip_address": VIP,
    }
    plugin.create_floatingip_port_forwarding(stage.context, ip["id"], {"port_forwarding": body})
    world.settle()
    copy = stage.copy("pod1", "ports", world.vip["id"])
    (there,) = stage.copies("pod1", "floatingips", ip["id"])
    (forwarding,) = there["port_forwardings"]
    assert forwarding["internal_port_id"] == copy["id"]
    assert world.status(ip) == "ACTIVE"


def test_a_port_that_a_server_takes_is_that_servers(stage: Stage) -> None:
    world = World(stage, "pod1")
    world.server("pod2")
    ip = floating(stage, world.public, world.vip)
    world.settle()
    assert world.leads_to(ip) == ["pod2"]
    assert stage.bind(world.vip, "pod1")["binding:vif_type"] == "other"
    world.settle()
    assert world.leads_to(ip) == ["pod1"]
    assert stage.copies("pod2", "ports", world.vip["id"]) == []
    stage.bind(world.vip, "")
    world.settle()
    assert world.leads_to(ip) == ["pod2"]
