# SPDX-License-Identifier: Apache-2.0
"""Open vSwitch agents of a pod, and what its Neutron does when one speaks to it over the bus.

A port is bound to a host only whose agent has been heard of, and is up when that says so.
"""

import contextlib
from collections.abc import Iterator
from typing import Any

import oslo_messaging

from tests.functional.fakes.http import new_id
from tricircle.conf import CONF

Object = dict[str, Any]
OVS = "Open vSwitch agent"


class Agents:
    """Mixed into ``Neutron``."""

    #: Whether ports are bound by agents; otherwise any host will do.
    by_agents = False

    def agent(self: Any, host: str, tunnel_ip: str | None, **configurations: Any) -> Object:
        """A host with its agent, as a pod has it."""
        found = next((a for a in self.tables["agents"].values() if a["host"] == host), None)
        agent = found or {"id": new_id(), "description": "", "project_id": "", "host": host}
        agent |= {
            "agent_type": OVS,
            "configurations": {"l2_population": True, "tunneling_ip": tunnel_ip, **configurations},
        }
        self.tables["agents"][agent["id"]] = agent
        return agent

    def _bind_by_agent(self: Any, item: Object, before: Object | None) -> None:
        host = item["binding:host_id"]
        if before and before["binding:host_id"] == host and item["binding:vif_type"] == "ovs":
            return
        known = host in {agent["host"] for agent in self.tables["agents"].values()}
        item["binding:vif_type"] = "ovs" if known else "binding_failed" if host else "unbound"
        item["status"] = "DOWN"


class AgentRpc:
    """What a pod's ``neutron-rpc-server`` answers agents; ``calls`` are the methods called."""

    target = oslo_messaging.Target(version="1.9")

    def __init__(self, neutron: Any) -> None:
        self.neutron = neutron
        self.calls: list[tuple[str, str]] = []
        #: What a method raises, once.
        self.fails: dict[str, Exception] = {}

    def report_state(self, context: Object, agent_state: Object, time: str) -> str:
        state = agent_state["agent_state"]
        self._called("report_state", state["host"])
        configurations = state["configurations"]
        self.neutron.agent(state["host"], **_renamed(configurations))
        return "alive"

    def get_device_details(self, context: Object, device: str, agent_id: str, host: str) -> Object:
        self._called("get_device_details", device)
        port = self._port(device, host)
        if port is None:
            return {"device": device}
        port["status"] = "BUILD"
        return {"device": device, "port_id": device, "network_id": port["network_id"]}

    def update_device_up(self, context: Object, device: str, agent_id: str, host: str) -> None:
        self._called("update_device_up", device)
        if (port := self._port(device, host)) is not None:
            port["status"] = "ACTIVE"

    def update_device_down(self, context: Object, device: str, agent_id: str, host: str) -> Object:
        self._called("update_device_down", device)
        if (port := self._port(device, host)) is not None:
            port["status"] = "DOWN"
        return {"device": device, "exists": port is not None}

    def _called(self, method: str, what: str) -> None:
        self.calls.append((method, what))
        if error := self.fails.pop(method, None):
            raise error

    def _port(self, device: str, host: str) -> Object | None:
        port = self.neutron.tables["ports"].get(device)
        bound = port and port["binding:host_id"] == host and port["binding:vif_type"] == "ovs"
        return port if bound else None


def _renamed(configurations: Object) -> Object:
    rest = {name: value for name, value in configurations.items() if name != "tunneling_ip"}
    return {"tunnel_ip": configurations["tunneling_ip"], **rest}


@contextlib.contextmanager
def listening(region: str, neutron: Any) -> Iterator[AgentRpc]:
    """The pod's bus, within the process; ``bus_url`` leads to it."""
    rpc = AgentRpc(neutron)
    transport = oslo_messaging.get_rpc_transport(CONF, "fake:///")
    servers = [
        oslo_messaging.get_rpc_server(
            transport,
            oslo_messaging.Target(exchange=region, topic=topic, server=region),
            [rpc],
            executor="threading",
        )
        for topic in ("q-plugin", "q-reports-plugin")
    ]
    for server in servers:
        server.start()
    try:
        yield rpc
    finally:
        for server in servers:
            server.stop()
            server.wait()


def bus_url(region: str) -> str:
    return f"fake:///?exchange={region}"
