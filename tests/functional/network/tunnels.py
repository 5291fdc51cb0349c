# SPDX-License-Identifier: Apache-2.0
"""Pods joined by VXLAN, and what they have of each other."""

import contextlib
from collections.abc import Iterator

from tests.functional.fakes.neutron_agents import AgentRpc, bus_url, listening
from tests.functional.network.routed_networks import clean
from tests.functional.network.stage import Object, Stage
from tricircle.conf import CONF
from tricircle.network.observe import endpoint_watch
from tricircle.network.pod_api import message_bus
from tricircle.network.pod_api.pod_session import PodSession
from tricircle.network.reconcile import runtime, shadow_agents
from tricircle.network.wanted import tunnel_endpoints
from tricircle.pods.deadline import Deadline

VXLAN = {"provider:network_type": "vxlan"}


class Tunnels:
    """Pods with agents, joined by VXLAN, each with a bus of its own."""

    def __init__(self, stage: Stage, buses: dict[str, AgentRpc]) -> None:
        self.stage, self.buses = stage, buses
        self.looks = {region: endpoint_watch.EndpointWatch() for region in stage.pod_ids}
        for number, region in enumerate(stage.pod_ids, 1):
            neutron = stage.neutron(region)
            neutron.by_agents = True
            for host in (1, 2):
                neutron.agent(f"host{host}", f"172.31.{number}.{host}")

    def session(self, region: str) -> PodSession:
        running = runtime.get()
        pod = running.registry.fresh().by_region(region)
        assert pod is not None
        return running.engine.session(pod, Deadline(40))

    def look(self, *regions: str) -> int:
        """What xjob sees of the pods' ports."""
        return sum(self.looks[one].look(self.session(one)) for one in regions or self.looks)

    def settle(self) -> None:
        """Until every pod knows what the others have."""
        for _ in range(5):
            self.stage.reconcile()
            if not self.look() and not self.stage.pending():
                return
        raise AssertionError("the pods do not come to rest")

    def boot(self, network: Object, region: str, host: str = "host1") -> Object:
        """A server with a port on the network: the pod's Nova binds it to a host."""
        port = self.stage.bound(network, region)
        self.move(port, region, host)
        return port

    def move(self, port: Object, region: str, host: str) -> None:
        there = self.stage.copy(region, "ports", port["id"])
        there |= {
            "binding:host_id": host,
            "binding:vif_type": "ovs",
            "device_owner": "compute:nova",
            "device_id": "server",
            "status": "ACTIVE",
        }

    def shadows(self, region: str) -> list[Object]:
        ports = self.stage.neutron(region).ports()
        return [port for port in ports if tunnel_endpoints.named_shadow(port)]

    def shadow(self, region: str, port: Object) -> Object:
        """The shadow a central port has in a pod."""
        (found,) = [
            one for one in self.shadows(region) if one["mac_address"] == port["mac_address"]
        ]
        return found

    def agents(self, region: str) -> set[str]:
        """Hosts of other pods that a pod knows."""
        agents = self.stage.neutron(region).tables["agents"].values()
        return {agent["host"] for agent in agents if "tricircle" in agent["configurations"]}

    def clean(self) -> None:
        """Nothing of ours is left anywhere."""
        self.settle()
        clean(self.stage)
        for region in self.looks:
            shadow_agents.keep(self.session(region))
            assert self.agents(region) == set()
            assert self.shadows(region) == []


@contextlib.contextmanager
def joined_by_vxlan(stage: Stage) -> Iterator[Tunnels]:
    """The three pods are so joined while in here."""
    urls = [f"{region}:{bus_url(region)}" for region in stage.pod_ids]
    values = {
        "joined_by": {"*/*": "vxlan"},
        "message_buses": urls,
        "rpc_deadline": 2,
        "agent_report_interval": 20,
    }
    message_bus._bus.cache_clear()
    with contextlib.ExitStack() as stack:
        for name, value in values.items():
            CONF.set_override(name, value, group="interconnect")
            stack.callback(CONF.clear_override, name, group="interconnect")
        buses = {
            region: stack.enter_context(listening(region, stage.neutron(region)))
            for region in stage.pod_ids
        }
        yield Tunnels(stage, buses)
