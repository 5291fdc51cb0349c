# SPDX-License-Identifier: Apache-2.0
"""Network namespaces and links, by iproute2. Everything here may be repeated."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterable
from pathlib import Path

from lab.process import run
from lab.settings import LabError

DIRECTORY = Path("/run/netns")


def names(prefix: str) -> list[str]:
    """Namespaces whose name begins so."""
    with contextlib.suppress(FileNotFoundError):
        return sorted(entry.name for entry in DIRECTORY.iterdir() if entry.name.startswith(prefix))
    return []


def exists(name: str) -> bool:
    """False also for a leftover name whose namespace has gone."""
    return _nsfs(DIRECTORY / name)


def _nsfs(path: Path) -> bool:
    with contextlib.suppress(FileNotFoundError):
        # A live name is a mount of its own; a dead one is an empty file on /run's file system.
        return os.stat(path).st_dev != os.stat(DIRECTORY.parent).st_dev
    return False


def add(name: str) -> bool:
    """Make a namespace with its loopback up; returns whether it was made now."""
    if exists(name):
        return False
    (DIRECTORY / name).unlink(missing_ok=True)
    run(["ip", "netns", "add", name])
    run(["ip", "-n", name, "link", "set", "lo", "up"])
    return True


def delete(name: str) -> None:
    """End every process inside, then remove the namespace and the links in it."""
    if exists(name):
        for pid in run(["ip", "netns", "pids", name]).split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
        # A link may outlive the name for as long as something holds the namespace: take it first.
        for link in links(name):
            with contextlib.suppress(LabError):
                run(["ip", "-n", name, "link", "delete", link])
        run(["ip", "netns", "delete", name])
    (DIRECTORY / name).unlink(missing_ok=True)


def links(name: str) -> list[str]:
    """Links in a namespace that can be deleted (not its loopback)."""
    lines = run(["ip", "-n", name, "-o", "link", "show"]).splitlines()
    found = [line.split(": ", 2)[1].partition("@")[0] for line in lines]
    return [link for link in found if link != "lo"]


def has_link(name: str, link: str) -> bool:
    done = subprocess.run(
        ["ip", "-n", name, "link", "show", "dev", link], capture_output=True, check=False
    )
    return done.returncode == 0


def ip(name: str, commands: Iterable[str]) -> None:
    """Several `ip` commands in one namespace, in one go."""
    run(["ip", "-n", name, "-batch", "-"], stdin="\n".join(commands) + "\n")


def without_offload(name: str, links: Iterable[str]) -> None:
    """Make veth ends fill in checksums: a userspace switch passes frames on as they are."""
    for link in links:
        run(["ip", "netns", "exec", name, "ethtool", "-K", link, "tx", "off"])


def without_ipv6(name: str) -> None:
    """Keep a namespace of switches silent on the networks it carries."""
    run(
        ["ip", "netns", "exec", name, "sysctl", "-q", "-w"]
        + [f"net.ipv6.conf.{which}.disable_ipv6=1" for which in ("all", "default")]
    )


def add_switch(name: str, switch: str) -> None:
    """A plain bridge: learns addresses, passes tagged frames, needs no time to forward."""
    if has_link(name, switch):
        return
    ip(
        name,
        [
            f"link add {switch} type bridge stp_state 0 forward_delay 0 mcast_snooping 0",
            f"link set {switch} up",
        ],
    )


def add_cable(name: str, link: str, switch_netns: str, plug: str, switch: str) -> None:
    """Connect ``link`` in one namespace to a switch in another."""
    if has_link(name, link):
        return
    ip(name, [f"link add {link} type veth peer name {plug} netns {switch_netns}"])
    ip(switch_netns, [f"link set {plug} master {switch} up"])
    ip(name, [f"link set {link} up"])
    without_offload(name, [link])
    without_offload(switch_netns, [plug])


def add_own_cable(link: str, address: str, switch_netns: str, plug: str, switch: str) -> None:
    """Connect ``link`` in the namespace of the caller to a switch in another. It goes with it."""
    if not has_link(switch_netns, plug):
        own = f"peer name {link} netns {os.getpid()}"
        ip(switch_netns, [f"link add {plug} type veth {own}"])
        without_offload(switch_netns, [plug])
        run(["ethtool", "-K", link, "tx", "off"])
    ip(switch_netns, [f"link set {plug} master {switch} up"])
    run(["ip", "link", "set", link, "up"])
    run(["ip", "addr", "replace", address, "dev", link])
