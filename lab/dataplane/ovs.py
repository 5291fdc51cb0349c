# SPDX-License-Identifier: Apache-2.0
"""Open vSwitch: each compute host's own switch, whatever controls it.

A test machine's kernel has no openvswitch module: the switches run their userspace datapath.
"""

from __future__ import annotations

import json
from pathlib import Path

from lab import process
from lab.dataplane import netns, topology
from lab.dataplane.topology import Host
from lab.settings import Lab

SCHEMAS = Path("/usr/share")
SCHEMA = SCHEMAS / "openvswitch" / "vswitch.ovsschema"
START_SECONDS = 20
SWITCH = "ovs-vswitchd"


def logging(lab: Lab, name: str) -> list[str]:
    return [f"--log-file={lab.log / name}.log", "-vconsole:off", "-vsyslog:off"]


def database(path: Path, schema: Path) -> Path:
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        process.run(["ovsdb-tool", "create", path, schema])
    return path


def vsctl(host: Host, *arguments: str) -> str:
    """ovs-vsctl against the host's own database; waits until the switch has done it."""
    return process.run(
        ["ovs-vsctl", f"--db=unix:{host.ovsdb_socket}", f"--timeout={START_SECONDS}", *arguments]
    )


def start(host: Host, program: str, *arguments: str) -> None:
    name = host.daemon(program)
    process.start(
        host.lab,
        name,
        [program, *logging(host.lab, name), *arguments],
        env={"OVS_RUNDIR": str(host.rundir), "OVN_RUNDIR": str(host.rundir)},
        netns=host.netns,
    )


def host_up(host: Host) -> bool:
    """The host's namespace, its cables and its switch; whether the switch was started now."""
    new = netns.add(host.netns)
    if new:  # what is left is of a switch that went with its namespace
        for left in (host.ovsdb_file, *host.lab.log.glob(f"{host.name}-ov*.log")):
            left.unlink(missing_ok=True)
    netns.without_ipv6(host.netns)
    physical = topology.physical_netns(host.lab)
    for switch in host.switches:
        netns.add_cable(host.netns, switch, physical, host.plug(switch), switch)
    host.rundir.mkdir(parents=True, exist_ok=True)
    database(host.ovsdb_file, SCHEMA)
    start(host, "ovsdb-server", f"--remote=punix:{host.ovsdb_socket}", str(host.ovsdb_file))
    process.wait_for(
        f"{host.name}'s OVS database",
        lambda: process.accepts(host.ovsdb_socket),
        START_SECONDS,
        host.lab,
        host.daemon("ovsdb-server"),
    )
    vsctl(host, "--no-wait", "init")
    started = process.alive(host.lab, host.daemon(SWITCH)) is None
    if started:
        # What the last switch could do is not what this one will.
        vsctl(host, "--no-wait", "clear", "Open_vSwitch", ".", "datapaths")
    # --monitor restarts a crashed switch at once; `check` reports the crash all the same.
    control = f"--unixctl={host.rundir}/{SWITCH}.ctl"
    start(host, SWITCH, "--monitor", control, f"unix:{host.ovsdb_socket}")
    vsctl(host, *bridges(host))
    netns.ip(
        host.netns,
        [
            f"addr replace {host.tunnel_address}/16 dev br-{topology.TUNNEL}",
            *(f"link set br-{switch} up" for switch in host.switches),
        ],
    )
    _write_settings(host)
    return started


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
