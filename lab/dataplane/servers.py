# SPDX-License-Identifier: Apache-2.0
"""Commands inside a server: a server is a network namespace named after its host and id."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

from lab.dataplane import netns, topology
from lab.settings import Lab, LabError


def find(lab: Lab, server_id: str) -> str:
    """The server's namespace. While a server moves between hosts it has two: the one that has
    addresses is meant.

    Raises LabError when there is none.
    """
    wanted = [
        topology.server_prefix(lab, host) + server_id for pod in lab.pods for host in pod.hosts
    ]
    found = [name for name in netns.names(lab.netns_prefix) if name in wanted]
    if not found:
        raise LabError(f"no server {server_id!r} runs on a host of lab {lab.name!r} (give its id)")
    running = [name for name in found if _running(name)]
    return (running or found)[0]


def _running(name: str) -> bool:
    done = subprocess.run(
        ["ip", "-n", name, "-4", "-o", "addr", "show", "scope", "global", "up"],
        capture_output=True,
        check=False,
    )
    return bool(done.stdout.strip())


def server_exec(
    lab: Lab, server_id: str, argv: Sequence[str], *, timeout: float = 60
) -> subprocess.CompletedProcess[str]:
    """Run a command in the server's network; returns its exit code and output.

    Raises LabError when there is no such server or the command does not end.
    """
    return _exec(find(lab, server_id), argv, timeout)


def outside_exec(
    lab: Lab, argv: Sequence[str], *, timeout: float = 60
) -> subprocess.CompletedProcess[str]:
    """Run a command in the world beyond the external network."""
    return _exec(topology.outside_netns(lab), argv, timeout)


def _exec(name: str, argv: Sequence[str], timeout: float) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            ["ip", "netns", "exec", name, *argv],
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired:
        raise LabError(f"no end after {timeout:.0f} s: {' '.join(argv)}") from None


def ping(lab: Lab, server_id: str, address: str, *, count: int = 3, tries: int = 10) -> bool:
    """Whether ``count`` pings in a row from the server are answered.

    A new path may lose its first packets (address resolution), so single pings are tried first, one
    a second, ``tries`` of them at most.
    """
    name = find(lab, server_id)
    for _ in range(tries):
        if _exec(name, ["ping", "-n", "-c", "1", "-W", "1", address], 10).returncode == 0:
            break
    else:
        return False
    argv = ["ping", "-n", "-c", str(count), "-i", "0.2", "-W", "1", address]
    return f" {count} received" in _exec(name, argv, 10 + 2 * count).stdout
