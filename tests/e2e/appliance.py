# SPDX-License-Identifier: Apache-2.0
"""A device that an operator plugs into a host by hand, as Octavia's health manager is."""

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

from lab.dataplane import netns, ovs, topology
from lab.settings import Lab


@contextmanager
def plugged(lab: Lab, host_name: str, port: Any) -> Iterator[SimpleNamespace]:
    """Something with the MAC and address of a port that is bound to a host of a pod.

    It stands beside the servers of the host, with the port's id for its own.
    """
    pod = next(pod for pod in lab.pods if host_name in pod.hosts)
    host = topology.Host(lab, pod, host_name)
    inside = port.binding_vif_details["pod_port_id"]
    name, tap = topology.server_prefix(lab, host_name) + port.id, f"tap{inside[:11]}"
    address = port.fixed_ips[0]["ip_address"]
    netns.add(name)
    try:
        peer = f"type veth peer name {tap} netns {host.netns}"
        netns.ip(name, [f"link add eth0 address {port.mac_address} {peer}"])
        netns.ip(name, ["link set eth0 up", f"addr add {address}/24 dev eth0"])
        netns.ip(host.netns, [f"link set {tap} up"])
        netns.without_offload(name, ["eth0"])
        ids = f"external_ids:iface-id={inside}"
        ovs.vsctl(
            host, "add-port", topology.INTEGRATION_BRIDGE, tap, "--", "set", "Interface", tap, ids
        )
        yield SimpleNamespace(id=port.id, name=f"the appliance on {host_name}", ip=address)
    finally:
        ovs.vsctl(host, "--if-exists", "del-port", topology.INTEGRATION_BRIDGE, tap)
        netns.delete(name)
