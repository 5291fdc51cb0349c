# SPDX-License-Identifier: Apache-2.0
"""A server as a network namespace.

Its NICs are veth pairs, one end (eth0, eth1, …) in the server's namespace, the other in its host's,
where the host's switch has it as a port. Its operating system is a DHCP client per NIC. Power state
and console are files, so that they outlive nova-compute.

Standard library only; no Nova here.
"""

import contextlib
import dataclasses
import json
import os
import pathlib
import shutil
import signal
import subprocess
import time

SCRIPT = pathlib.Path(__file__).with_name("nova_netns_dhcp.sh")
SCRIPT6 = pathlib.Path(__file__).with_name("nova_netns_dhcp6.sh")
NETNS = pathlib.Path("/run/netns")
RUNNING, PAUSED, SHUTDOWN, SUSPENDED = 1, 3, 4, 7  # as nova.compute.power_state counts


@dataclasses.dataclass(frozen=True)
class HostSettings:
    """What the lab tells about a compute host."""

    netns: str
    ovsdb: str
    server_prefix: str
    servers: str

    @classmethod
    def load(cls, folder, host):
        return cls(**json.loads(pathlib.Path(folder, f"{host}.json").read_text()))


def run(*argv, stdin=None):
    """Returns the output. Raises subprocess.CalledProcessError."""
    return subprocess.run(
        argv, input=stdin, check=True, capture_output=True, text=True, timeout=60
    ).stdout


def ip(netns, *commands):
    run("ip", "-n", netns, "-batch", "-", stdin="\n".join(commands) + "\n")


class Guest:
    def __init__(self, host, uuid):
        self.host = host
        self.uuid = uuid
        self.netns = host.server_prefix + uuid
        self.folder = pathlib.Path(host.servers, uuid)
        self.console = self.folder / "console.log"

    # -- existence ---------------------------------------------------------------------------------

    @property
    def exists(self):
        return (NETNS / self.netns).exists() and (self.folder / "state.json").exists()

    def create(self, name):
        """An empty server, switched off."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if not (NETNS / self.netns).exists():
            run("ip", "netns", "add", self.netns)
        ip(self.netns, "link set lo up")
        # Neutron sees to it that addresses are unique; looking for duplicates costs a second.
        settings = [f"net.ipv6.conf.{which}.accept_dad=0" for which in ("all", "default")]
        run("ip", "netns", "exec", self.netns, "sysctl", "-q", "-w", *settings)
        self.save({"name": name, "state": SHUTDOWN, "nics": {}})

    def destroy(self):
        """Leaves nothing, whatever there was."""
        if (NETNS / self.netns).exists():
            self._kill()
            with contextlib.suppress(subprocess.CalledProcessError):
                run("ip", "netns", "delete", self.netns)
        shutil.rmtree(self.folder, ignore_errors=True)

    def load(self):
        return json.loads((self.folder / "state.json").read_text())

    def save(self, state):
        partial = self.folder / "state.json.new"
        partial.write_text(json.dumps(state))
        partial.replace(self.folder / "state.json")

    def set_state(self, power):
        self.save(self.load() | {"state": power})

    @property
    def taps(self):
        return [nic["tap"] for nic in self.load()["nics"].values()] if self.exists else []

    # -- NICs --------------------------------------------------------------------------------------

    def add_nic(self, port, tap, mac, mtu, dhcp=True, dhcp6=False):
        """The veth pair; its guest end stays down until the server runs. May be repeated."""
        state = self.load()
        if port in state["nics"]:
            return
        used = {nic["eth"] for nic in state["nics"].values()}
        eth = next(f"eth{n}" for n in range(len(used) + 1) if f"eth{n}" not in used)
        with contextlib.suppress(subprocess.CalledProcessError):
            run("ip", "-n", self.host.netns, "link", "delete", tap)  # a leftover
        peer = f"peer name {tap} mtu {mtu} netns {self.host.netns}"
        ip(self.netns, f"link add {eth} address {mac} mtu {mtu} type veth {peer}")
        # The userspace switch passes frames on as they are: checksums must be right in them.
        for netns, link in ((self.netns, eth), (self.host.netns, tap)):
            run("ip", "netns", "exec", netns, "ethtool", "-K", link, "tx", "off")
        ip(self.host.netns, f"link set {tap} up")
        state["nics"][port] = {"eth": eth, "tap": tap, "mac": mac, "mtu": mtu}
        state["nics"][port] |= {"dhcp": dhcp, "dhcp6": dhcp6}
        self.save(state)
        if state["state"] == RUNNING:
            self._log(f"{eth}: new NIC {mac}")

    def start_nic(self, port):
        self._start_nic(self.load()["nics"][port])

    def remove_nic(self, port):
        state = self.load()
        nic = state["nics"].pop(port, None)
        if nic:
            self._kill(nic["eth"])
            with contextlib.suppress(subprocess.CalledProcessError):
                run("ip", "-n", self.netns, "link", "delete", nic["eth"])
            self.save(state)
            self._log(f"{nic['eth']}: NIC {nic['mac']} removed")

    # -- power -------------------------------------------------------------------------------------

    def boot(self, *banner):
        """Switch on: NICs up, addresses by DHCP and router advertisements, in the background."""
        state = self.load()
        for line in banner:
            self._log(line)
        self._carrier(True)
        for nic in state["nics"].values():
            self._start_nic(nic)
        self.set_state(RUNNING)

    def shutdown(self):
        """Switch off: no process, no address, no carrier."""
        self._log("power down")
        self._kill()
        for nic in self.load()["nics"].values():
            ip(self.netns, f"link set {nic['eth']} down", f"address flush dev {nic['eth']}")
        self._carrier(False)
        self.set_state(SHUTDOWN)

    def freeze(self, power):
        """Paused or suspended: keeps its addresses but answers nothing."""
        self._carrier(False)
        self.set_state(power)

    def thaw(self):
        self._carrier(True)
        self.set_state(RUNNING)

    def _carrier(self, on):
        """Seen from inside the server: the cable in or out. Addresses and routes stay."""
        word = "up" if on else "down"
        taps = self.taps
        if taps:
            ip(self.host.netns, *(f"link set {tap} {word}" for tap in taps))

    def _start_nic(self, nic):
        eth = nic["eth"]
        self._kill(eth)
        ip(self.netns, f"link set {eth} up")
        self._log(f"{eth}: {nic['mac']} up")
        if nic["dhcp"]:
            # Stays to renew the lease. Until there is one: ten tries a second apart, and again.
            options = ["-t", "10", "-T", "1", "-A", "5", "-O", "mtu", "-O", "staticroutes"]
            name = f"hostname:{self.load()['name'][:60]}"
            self._daemon("busybox", "udhcpc", "-f", "-i", eth, *options, "-x", name, "-s", SCRIPT)
        if nic["dhcp6"]:
            files = ["-lf", self.folder / f"{eth}.leases6", "-pf", self.folder / f"{eth}.pid6"]
            # It gives up while the link-local address is not there yet.
            again = 'until dhclient -6 -d -q "$@"; do sleep 0.2; done'
            self._daemon("sh", "-c", again, "dhclient", "-sf", SCRIPT6, *files, eth)

    def _daemon(self, *argv):
        with open(self.console, "ab") as output:
            subprocess.Popen(
                ("ip", "netns", "exec", self.netns, *argv),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                cwd="/",
            )

    def _kill(self, eth=None):
        """End the processes inside, or only those that serve one NIC."""
        for pid in map(int, run("ip", "netns", "pids", self.netns).split()):
            with contextlib.suppress(OSError):
                words = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
                if eth is None or eth.encode() in words:
                    os.kill(pid, signal.SIGKILL)

    # -- console -----------------------------------------------------------------------------------

    def _log(self, line):
        with open(self.console, "a") as output:
            output.write(f"[{time.monotonic():12.3f}] {line}\n")

    def read_console(self):
        with contextlib.suppress(FileNotFoundError):
            return self.console.read_text(errors="replace")
        return ""


def guests(host):
    """All servers of a host that are still there; what is left of others is removed."""
    for folder in pathlib.Path(host.servers).glob("*"):
        guest = Guest(host, folder.name)
        if guest.exists:
            yield guest
        else:
            guest.destroy()
