# SPDX-License-Identifier: Apache-2.0
"""Names and addresses of the data plane: all of them follow from the lab, none is kept anywhere.

One namespace, *physical*, holds the switches that a data centre has in common (plain Linux
bridges). Each compute host is a namespace cabled to them, with an Open vSwitch of its own. One more
namespace, *outside*, is the world beyond the external network. Each server is a namespace too.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

from lab.settings import Lab, Pod

#: Switches of the physical namespace: the pods' VLANs, the external network, the hosts' tunnels.
PHYSNET = "physnet1"
EXTERN = "extern"
TUNNEL = "tunnel"
SWITCHES = (PHYSNET, EXTERN, TUNNEL)
#: One more where hosts have agents: their way to the broker, outside all namespaces.
MANAGEMENT = "manage"

VLAN_RANGE = (100, 399)
#: What a pod with agents gives its own projects; networks between pods have others.
VNI_RANGE = (1, 9999)
INTEGRATION_BRIDGE = "br-int"

#: The external network as Neutron is to describe it (flat, physical network EXTERN).
EXTERNAL_CIDR = "203.0.113.0/24"
EXTERNAL_GATEWAY = "203.0.113.1"
EXTERNAL_CIDR_V6 = "2001:db8:ffff::/64"
EXTERNAL_GATEWAY_V6 = "2001:db8:ffff::1"
#: A host farther out, behind the gateway of the external network.
OUTSIDE_HOST = "198.51.100.1"


def physical_netns(lab: Lab) -> str:
    return f"{lab.netns_prefix}physical"


def outside_netns(lab: Lab) -> str:
    return f"{lab.netns_prefix}outside"


def management_link(lab: Lab) -> str:
    """Outside all namespaces, the end of the cable to the management switch."""
    return f"{lab.name}-manage"


def host_netns(lab: Lab, host: str) -> str:
    return f"{lab.netns_prefix}{host}"


def server_prefix(lab: Lab, host: str) -> str:
    """A server's namespace is this and its id."""
    return f"{host_netns(lab, host)}."


@dataclasses.dataclass(frozen=True)
class Host:
    """A compute host with its switch."""

    lab: Lab
    pod: Pod
    name: str

    @property
    def number(self) -> int:
        """Counted from 1 within the pod; below 10, so that interface names stay short."""
        return self.pod.hosts.index(self.name) + 1

    @property
    def netns(self) -> str:
        return host_netns(self.lab, self.name)

    @property
    def tunnel_address(self) -> str:
        return f"172.31.{self.pod.index}.{self.number}"

    @property
    def management_address(self) -> str:
        return f"{self.lab.management_prefix}.{16 * self.pod.index + self.number}"

    @property
    def switches(self) -> tuple[str, ...]:
        """What the host is cabled to."""
        return SWITCHES if self.pod.external else (PHYSNET, TUNNEL)

    @property
    def gateway(self) -> bool:
        """Routers of the pod reach provider networks through this host."""
        return self.number == 1

    @property
    def bridge_mappings(self) -> str:
        return ",".join(f"{net}:br-{net}" for net in self.switches if net != TUNNEL)

    def plug(self, switch: str) -> str:
        """The other end of the cable, in the physical namespace (at most 15 bytes)."""
        return f"p{self.pod.index}h{self.number}-{switch}"

    # -- files and daemons ---------------------------------------------------------------------

    @property
    def rundir(self) -> Path:
        return self.lab.sockets / self.name

    @property
    def ovsdb_socket(self) -> Path:
        return self.rundir / "db.sock"

    @property
    def ovsdb_file(self) -> Path:
        return dataplane_dir(self.lab) / f"{self.name}.conf.db"

    @property
    def settings_file(self) -> Path:
        """What the virt driver must know of this host."""
        return host_settings_dir(self.lab) / f"{self.name}.json"

    @property
    def servers_dir(self) -> Path:
        """One folder per server: its power state and console."""
        return self.lab.var / "servers" / self.name

    def daemon(self, program: str) -> str:
        return f"{self.name}-{program}"


def hosts(lab: Lab, pod: Pod) -> list[Host]:
    return [Host(lab, pod, name) for name in pod.hosts]


def dataplane_dir(lab: Lab) -> Path:
    return lab.var / "dataplane"


def host_settings_dir(lab: Lab) -> Path:
    return lab.etc / "hosts"


# -- OVN central ---------------------------------------------------------------------------------


def ovn_socket(lab: Lab, pod: Pod) -> Path:
    """One ovsdb-server holds both the northbound and the southbound database."""
    return lab.sockets / pod.key / "ovn.sock"


def ovn_connection(lab: Lab, pod: Pod) -> str:
    return f"unix:{ovn_socket(lab, pod)}"
