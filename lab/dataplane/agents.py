# SPDX-License-Identifier: Apache-2.0
"""Neutron's own agents, stock, in each host's namespace: the switch's on every host, routers and
DHCP on the pod's first.

An agent makes network namespaces of its own. They are kept from all other hosts' by a private
/run/netns, and are gone when the agent and what it started are.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from lab import identity, ini, packages, process
from lab.dataplane import netns, ovs, topology
from lab.dataplane.topology import Host
from lab.services import program
from lab.settings import Lab, Pod

SWITCH_AGENT = "neutron-openvswitch-agent"
GATEWAY_AGENTS = ("neutron-l3-agent", "neutron-dhcp-agent")
#: In the environment of an agent and of all it starts, dnsmasq in its background for one.
MARK = "LAB_AGENT"
START_SECONDS = 120
_PRIVATE = (
    "mount --make-rprivate / && mount -t tmpfs netns /run/netns && "
    'mount --make-shared /run/netns && exec "$@"'
)


def of(host: Host) -> tuple[str, ...]:
    return (SWITCH_AGENT, *(GATEWAY_AGENTS if host.gateway else ()))


def host_up(host: Host) -> None:
    """The host's switch, and its way to the broker."""
    ovs.host_up(host)
    lab, link = host.lab, topology.MANAGEMENT
    netns.add_cable(host.netns, link, topology.physical_netns(lab), host.plug(link), link)
    netns.ip(host.netns, [f"addr replace {host.management_address}/24 dev {link}"])


def pod_up(lab: Lab, pod: Pod) -> None:
    hosts = topology.hosts(lab, pod)
    with ThreadPoolExecutor(len(hosts)) as pool:
        list(pool.map(host_up, hosts))


def up(lab: Lab, pod: Pod) -> None:
    """Start the agents and wait until the pod's Neutron, which must be starting, sees them all.

    The switches' first: they report again and again, so they show when Neutron listens. What the
    others ask while it does not is lost, and they wait a minute or two before they ask again.
    """
    hosts = topology.hosts(lab, pod)
    for agents in ((SWITCH_AGENT,), GATEWAY_AGENTS):
        wanted = [(host, agent) for host in hosts for agent in agents if agent in of(host)]
        for host, agent in wanted:
            _start(host, agent, configure(host))
        named = {(host.name, agent) for host, agent in wanted}
        process.wait_for(
            f"{pod.key}'s agents",
            lambda named=named: named <= _alive(lab, pod),  # type: ignore[misc]
            START_SECONDS,
        )


def _alive(lab: Lab, pod: Pod) -> set[tuple[str, str]]:
    answer = identity.session(lab).get(pod.url("network") + "/v2.0/agents", timeout=20).json()
    return {(one["host"], one["binary"]) for one in answer["agents"] if one["alive"]}


def _start(host: Host, agent: str, config: Path) -> None:
    name = host.daemon(agent)
    if process.alive(host.lab, name) is not None:
        return
    mark = f"{host.lab.home}/{name}"
    process.end(process.marked(MARK, mark))
    release = host.pod.release
    # An agent's helpers listen at sockets in there, whose paths must be short.
    temporary = host.rundir / agent
    temporary.mkdir(parents=True, exist_ok=True)
    environment = {MARK: mark, "OVS_RUNDIR": str(host.rundir), "TMPDIR": str(temporary)}
    process.start(
        host.lab,
        name,
        [
            *("unshare", "--mount", "sh", "-c", _PRIVATE, "sh"),
            *(program(release, agent), "--config-file", config),
        ],
        env=packages.environment(release) | environment,
        netns=host.netns,
    )


def _state(host: Host) -> Path:
    return topology.dataplane_dir(host.lab) / host.name


def configure(host: Host) -> Path:
    """Write the configuration all agents of a host share; its path."""
    lab, state = host.lab, _state(host)
    state.mkdir(parents=True, exist_ok=True)
    sections: ini.Sections = {
        "DEFAULT": ini.common(
            host=host.name,
            transport_url=lab.rabbit_url(host.pod.key, lab.management_address),
            state_path=state,
            interface_driver="openvswitch",
            # What serves metadata is not there.
            enable_metadata_proxy=False,
            dhcp_domain=f"{host.pod.key}.lab.",
            dnsmasq_dns_servers="",
        ),
        "oslo_concurrency": {"lock_path": state / "lock"},
        "oslo_messaging_rabbit": ini.MESSAGING,
        "OVS": {
            "ovsdb_connection": f"unix:{host.ovsdb_socket}",
            "datapath_type": "netdev",
            "integration_bridge": topology.INTEGRATION_BRIDGE,
            "bridge_mappings": host.bridge_mappings,
            "local_ip": host.tunnel_address,
        },
        "AGENT": {
            "tunnel_types": "vxlan",
            "l2_population": True,
            "arp_responder": True,
            "report_interval": 10,
        },
        "securitygroup": {"enable_security_group": True, "firewall_driver": "openvswitch"},
    }
    return ini.write(lab.etc / host.pod.key / f"{host.name}-agents.conf", sections)
