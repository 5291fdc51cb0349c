# SPDX-License-Identifier: Apache-2.0
"""The lab's data plane: real packets between servers, on one machine.

Order: ``physical_up``, ``pod_up`` per pod, then the pod's Neutron and Nova with the options given
here, then ``agents_up`` per pod. All may be repeated; ``down`` removes everything, whatever state
a crash left.
"""

from __future__ import annotations

import re
import shutil

from lab.dataplane import agents, netns, ovn, topology
from lab.dataplane.options import neutron_options, nova_options
from lab.dataplane.servers import ping, server_exec
from lab.settings import Lab, Pod

DAEMONS = ("-ovs-vswitchd", "-ovsdb-server", "-ovn-controller", "-ovn-northd", "-ovn-ovsdb")
#: A failed assertion, and the monitor's word on a daemon that died of whatever.
CRASH = re.compile(r"\|EMER\||\(monitor\).* died, killed")

__all__ = [
    "agents_up",
    "check",
    "down",
    "neutron_options",
    "nova_options",
    "physical_up",
    "ping",
    "pod_up",
    "server_exec",
]


def physical_up(lab: Lab) -> None:
    """What all pods have in common: the switches, and the world outside."""
    physical, outside = topology.physical_netns(lab), topology.outside_netns(lab)
    netns.add(physical)
    netns.without_ipv6(physical)
    for switch in topology.SWITCHES:
        netns.add_switch(physical, switch)
    netns.add(outside)
    netns.add_cable(outside, "eth0", physical, "outside", topology.EXTERN)
    length, length6 = (
        cidr.partition("/")[2] for cidr in (topology.EXTERNAL_CIDR, topology.EXTERNAL_CIDR_V6)
    )
    netns.ip(
        outside,
        [
            f"addr replace {topology.EXTERNAL_GATEWAY}/{length} dev eth0",
            f"addr replace {topology.EXTERNAL_GATEWAY_V6}/{length6} dev eth0 nodad",
            f"addr replace {topology.OUTSIDE_HOST}/32 dev lo",
        ],
    )

    if lab.agents:
        netns.add_switch(physical, topology.MANAGEMENT)
        link, address = topology.management_link(lab), f"{lab.management_address}/24"
        netns.add_own_cable(link, address, physical, "root", topology.MANAGEMENT)


def pod_up(lab: Lab, pod: Pod) -> None:
    """The pod's hosts with their switches, and its OVN if it has one."""
    (agents if lab.agents else ovn).pod_up(lab, pod)


def agents_up(lab: Lab, pod: Pod) -> None:
    """The agents on the pod's hosts, if it has agents: when its Neutron is starting."""
    if lab.agents:
        agents.up(lab, pod)


def down(lab: Lab) -> None:
    """Remove all namespaces, the processes in them, and state. Stop the lab's daemons first."""
    for name in netns.names(lab.netns_prefix):
        netns.delete(name)
    for folder in (
        topology.dataplane_dir(lab),
        lab.var / "servers",
        topology.host_settings_dir(lab),
    ):
        shutil.rmtree(folder, ignore_errors=True)
    for pod in lab.pods:
        for name in (pod.key, *pod.hosts):
            shutil.rmtree(lab.sockets / name, ignore_errors=True)


def check(lab: Lab) -> list[str]:
    """Crashes of switches and OVN daemons: the lines of their logs that say so."""
    found = []
    for path in sorted(lab.log.glob("*.log")):
        if not path.stem.endswith(DAEMONS):
            continue
        with open(path, errors="replace") as lines:
            found += [f"{path.name}: {line.rstrip()}" for line in lines if CRASH.search(line)]
    return found
