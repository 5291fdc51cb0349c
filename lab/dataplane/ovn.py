# SPDX-License-Identifier: Apache-2.0
"""OVN daemons: a pod's central databases, and a controller per compute host."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from lab import process
from lab.dataplane import ovs, topology
from lab.dataplane.topology import Host
from lab.settings import Lab, Pod

SCHEMAS = {
    "nb": ovs.SCHEMAS / "ovn" / "ovn-nb.ovsschema",
    "sb": ovs.SCHEMAS / "ovn" / "ovn-sb.ovsschema",
}
CONTROLLER = "ovn-controller"


def central_up(lab: Lab, pod: Pod) -> None:
    """The pod's northbound and southbound databases (one server) and its northd."""
    socket = topology.ovn_socket(lab, pod)
    socket.parent.mkdir(parents=True, exist_ok=True)
    connection = topology.ovn_connection(lab, pod)
    files = [
        ovs.database(topology.dataplane_dir(lab) / f"{pod.key}-{name}.db", schema)
        for name, schema in SCHEMAS.items()
    ]
    server, northd = f"{pod.key}-ovn-ovsdb", f"{pod.key}-ovn-northd"
    process.start(
        lab,
        server,
        [
            *("ovsdb-server", *ovs.logging(lab, server), f"--unixctl={socket.parent}/ovsdb.ctl"),
            *(f"--remote=punix:{socket}", *files),
        ],
    )
    process.wait_for(f"{server}", lambda: process.accepts(socket), ovs.START_SECONDS, lab, server)
    process.run(["ovn-nbctl", f"--timeout={ovs.START_SECONDS}", f"--db={connection}", "init"])
    process.run(["ovn-sbctl", f"--timeout={ovs.START_SECONDS}", f"--db={connection}", "init"])
    process.start(
        lab,
        northd,
        [
            *("ovn-northd", *ovs.logging(lab, northd), f"--unixctl={socket.parent}/northd.ctl"),
            *(f"--ovnnb-db={connection}", f"--ovnsb-db={connection}"),
        ],
    )


def host_up(host: Host) -> None:
    """The host's switch and its OVN controller."""
    if ovs.host_up(host):
        # Let the controller look again at what the switch can do.
        process.stop(host.lab, [host.daemon(CONTROLLER)])
    ovs.vsctl(host, *chassis(host))
    _without_zero_snat(host)
    ovs.start(host, CONTROLLER, f"unix:{host.ovsdb_socket}")


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
    target = f"--target={host.rundir}/{ovs.SWITCH}.ctl"
    feature = ("dpif/set-dp-features", topology.INTEGRATION_BRIDGE, "ct_zero_snat", "false")
    process.run(["ovs-appctl", target, *feature])


def pod_up(lab: Lab, pod: Pod) -> None:
    """Central and all chassis; returns when every chassis is known to the southbound database."""
    central_up(lab, pod)
    hosts = topology.hosts(lab, pod)
    with ThreadPoolExecutor(len(hosts)) as pool:
        list(pool.map(host_up, hosts))
    process.wait_for(
        f"{pod.key}'s chassis",
        lambda: registered(lab, pod) >= set(pod.hosts),
        ovs.START_SECONDS,
        lab,
        hosts[0].daemon("ovn-controller"),
    )


def registered(lab: Lab, pod: Pod) -> set[str]:
    """Names of the pod's chassis that have reported themselves."""
    database = f"--db={topology.ovn_connection(lab, pod)}"
    out = process.run(["ovn-sbctl", database, "--bare", "--columns=name", "list", "Chassis"])
    return set(out.split())
