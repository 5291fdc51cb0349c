# SPDX-License-Identifier: Apache-2.0
"""Open vSwitch and OVN daemons: a pod's central databases, and a chassis per compute host.

A test machine's kernel has no openvswitch module: the switches run their userspace datapath.
"""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from lab import process
from lab.dataplane import netns, topology
from lab.dataplane.topology import Host
from lab.settings import Lab, Pod

SCHEMAS = Path("/usr/share")
OVS_SCHEMA = SCHEMAS / "openvswitch" / "vswitch.ovsschema"
OVN_SCHEMAS = {
    "nb": SCHEMAS / "ovn" / "ovn-nb.ovsschema",
    "sb": SCHEMAS / "ovn" / "ovn-sb.ovsschema",
}
START_SECONDS = 20
SWITCH = "ovs-vswitchd"
CONTROLLER = "ovn-controller"


def _logging(lab: Lab, name: str) -> list[str]:
    return [f"--log-file={lab.log / name}.log", "-vconsole:off", "-vsyslog:off"]


def _database(path: Path, schema: Path) -> Path:
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        process.run(["ovsdb-tool", "create", path, schema])
    return path


# -- OVN central -----------------------------------------------------------------------------------


def central_up(lab: Lab, pod: Pod) -> None:
    """The pod's northbound and southbound databases (one server) and its northd."""
    socket = topology.ovn_socket(lab, pod)
    socket.parent.mkdir(parents=True, exist_ok=True)
    connection = topology.ovn_connection(lab, pod)
    files = [
        _database(topology.dataplane_dir(lab) / f"{pod.key}-{name}.db", schema)
        for name, schema in OVN_SCHEMAS.items()
    ]
    server, northd = f"{pod.key}-ovn-ovsdb", f"{pod.key}-ovn-northd"
    process.start(
        lab,
        server,
        [
            *("ovsdb-server", *_logging(lab, server), f"--unixctl={socket.parent}/ovsdb.ctl"),
            *(f"--remote=punix:{socket}", *files),
        ],
    )
    process.wait_for(f"{server}", lambda: process.accepts(socket), START_SECONDS, lab, server)
    process.run(["ovn-nbctl", f"--timeout={START_SECONDS}", f"--db={connection}", "init"])
    process.run(["ovn-sbctl", f"--timeout={START_SECONDS}", f"--db={connection}", "init"])
    process.start(
        lab,
        northd,
        [
            *("ovn-northd", *_logging(lab, northd), f"--unixctl={socket.parent}/northd.ctl"),
            *(f"--ovnnb-db={connection}", f"--ovnsb-db={connection}"),
        ],
    )


# -- a chassis -------------------------------------------------------------------------------------


def vsctl(host: Host, *arguments: str) -> str:
    """ovs-vsctl against the host's own database; waits until the switch has done it."""
    return process.run(
        ["ovs-vsctl", f"--db=unix:{host.ovsdb_socket}", f"--timeout={START_SECONDS}", *arguments]
    )


def _start(host: Host, program: str, *arguments: str) -> None:
    name = host.daemon(program)
    process.start(
        host.lab,
        name,
        [program, *_logging(host.lab, name), *arguments],
        env={"OVS_RUNDIR": str(host.rundir), "OVN_RUNDIR": str(host.rundir)},
        netns=host.netns,
    )


def host_up(host: Host) -> None:
    """The host's namespace, its cables, its switch and its OVN controller."""
    new = netns.add(host.netns)
    if new:  # what is left is of a switch that went with its namespace
        for left in (host.ovsdb_file, *host.lab.log.glob(f"{host.name}-ov*.log")):
            left.unlink(missing_ok=True)
    netns.without_ipv6(host.netns)
    for switch in host.switches:
        netns.add_cable(
            host.netns, switch, topology.physical_netns(host.lab), host.plug(switch), switch
        )
    host.rundir.mkdir(parents=True, exist_ok=True)
    _database(host.ovsdb_file, OVS_SCHEMA)
    _start(host, "ovsdb-server", f"--remote=punix:{host.ovsdb_socket}", str(host.ovsdb_file))
    process.wait_for(
        f"{host.name}'s OVS database",
        lambda: process.accepts(host.ovsdb_socket),
        START_SECONDS,
        host.lab,
        host.daemon("ovsdb-server"),
    )
    vsctl(host, "--no-wait", "init")
    if process.alive(host.lab, host.daemon(SWITCH)) is None:
        # What the last switch could do is not what this one will: let its controller look again.
        process.stop(host.lab, [host.daemon(CONTROLLER)])
        vsctl(host, "--no-wait", "clear", "Open_vSwitch", ".", "datapaths")
    # --monitor restarts a crashed switch at once; `check` reports the crash all the same.
    control = f"--unixctl={host.rundir}/{SWITCH}.ctl"
    _start(host, SWITCH, "--monitor", control, f"unix:{host.ovsdb_socket}")
    vsctl(host, *bridges(host), *chassis(host))
    netns.ip(
        host.netns,
        [
            f"addr replace {host.tunnel_address}/16 dev br-{topology.TUNNEL}",
            *(f"link set br-{switch} up" for switch in host.switches),
        ],
    )
    _without_zero_snat(host)
    _start(host, CONTROLLER, f"unix:{host.ovsdb_socket}")
    _write_settings(host)


def bridges(host: Host) -> list[str]:
    """ovs-vsctl arguments: the integration bridge and one bridge per cable."""
    wanted = [topology.INTEGRATION_BRIDGE, *(f"br-{switch}" for switch in host.switches)]
    arguments: list[str] = []
    for bridge in wanted:
        mode = "secure" if bridge == topology.INTEGRATION_BRIDGE else "standalone"
        arguments += ["--", "--may-exist", "add-br", bridge]
        arguments += ["--", "set", "Bridge", bridge, "datapath_type=netdev", f"fail_mode={mode}"]
    for switch in host.switches:
        arguments += ["--", "--may-exist", "add-port", f"br-{switch}", switch]
    return arguments


def chassis(host: Host) -> list[str]:
    """ovs-vsctl arguments: what ovn-controller reads."""
    ids = {
        "system-id": host.name,
        "hostname": host.name,
        "ovn-remote": topology.ovn_connection(host.lab, host.pod),
        "ovn-encap-type": "geneve",
        "ovn-encap-ip": host.tunnel_address,
        "ovn-bridge": topology.INTEGRATION_BRIDGE,
        "ovn-bridge-datapath-type": "netdev",
        "ovn-bridge-mappings": host.bridge_mappings,
        "ovn-monitor-all": "true",
        "ovn-cms-options": "enable-chassis-as-gw" if host.gateway else "",
        "rundir": str(host.rundir),
    }
    return ["--", "set", "Open_vSwitch", "."] + [
        f'external_ids:{key}="{value}"' for key, value in ids.items()
    ]


def _without_zero_snat(host: Host) -> None:
    """Keep OVN from using "all-zero SNAT"; call it before the controller looks at the datapath.

    Debian 12's OVS 3.1.0 aborts (conntrack.c: conn->conn_type == CT_CONN_TYPE_DEFAULT) when a
    connection committed that way is tried again after it timed out, as a TCP connection to a silent
    address is. Without the feature OVN commits connections plainly and the faulty code is never
    reached.
    """
    target = f"--target={host.rundir}/{SWITCH}.ctl"
    feature = ("dpif/set-dp-features", topology.INTEGRATION_BRIDGE, "ct_zero_snat", "false")
    process.run(["ovs-appctl", target, *feature])


def _write_settings(host: Host) -> None:
    host.servers_dir.mkdir(parents=True, exist_ok=True)
    host.settings_file.parent.mkdir(parents=True, exist_ok=True)
    host.settings_file.write_text(
        json.dumps(
            {
                "netns": host.netns,
                "ovsdb": f"unix:{host.ovsdb_socket}",
                "server_prefix": topology.server_prefix(host.lab, host.name),
                "servers": str(host.servers_dir),
            },
            indent=2,
        )
        + "\n"
    )


def pod_up(lab: Lab, pod: Pod) -> None:
    """Central and all chassis; returns when every chassis is known to the southbound database."""
    central_up(lab, pod)
    hosts = topology.hosts(lab, pod)
    with ThreadPoolExecutor(len(hosts)) as pool:
        list(pool.map(host_up, hosts))
    process.wait_for(
        f"{pod.key}'s chassis",
        lambda: registered(lab, pod) >= set(pod.hosts),
        START_SECONDS,
        lab,
        hosts[0].daemon("ovn-controller"),
    )


def registered(lab: Lab, pod: Pod) -> set[str]:
    """Names of the pod's chassis that have reported themselves."""
    database = f"--db={topology.ovn_connection(lab, pod)}"
    out = process.run(["ovn-sbctl", database, "--bare", "--columns=name", "list", "Chassis"])
    return set(out.split())
