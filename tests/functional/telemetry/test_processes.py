# SPDX-License-Identifier: Apache-2.0
"""What is told beside the APIs: to systemd, and by central Neutron's processes."""

import asyncio
import socket
import subprocess
import sys
from pathlib import Path

from tests.functional.fakes.cloud import Cloud
from tests.functional.processes import Process, free_ports

# Two processes that share a folder, of which only the first has the port.
_NEUTRON = """
import os, sys, urllib.request
from tricircle.conf import CONF
from tricircle.network.plugins import report
from tricircle.telemetry.metrics import POD_CALLS

folder, port = sys.argv[1:]
CONF([], project="test")
CONF.set_override("neutron_port", int(port), "telemetry")
CONF.set_override("neutron_folder", folder, "telemetry")
endpoint = report.observe()
POD_CALLS.inc("pod1", "network", "2xx")
child = os.fork()
if not child:
    POD_CALLS.inc("pod1", "network", "2xx", by=2)
    os._exit(0)
os.waitpid(child, 0)
print(urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics").read().decode())
"""


async def test_systemd_is_told_when_a_gateway_serves_and_when_it_stops(
    cloud: Cloud, tmp_path: Path, prepared: str
) -> None:
    address = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(address))
        systemd.settimeout(30)
        process = Process(cloud, tmp_path, prepared, environment={"NOTIFY_SOCKET": str(address)})
        await process.start()
        try:
            assert await asyncio.to_thread(systemd.recv, 100) == b"READY=1"
            assert await process.stop() == 0
            assert await asyncio.to_thread(systemd.recv, 100) == b"STOPPING=1"
        finally:
            await process.kill()


def test_processes_of_neutron_are_added_up(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    command = [sys.executable, "-W", "ignore", "-c", _NEUTRON, str(tmp_path), str(port)]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    wanted = 'tricircle_pod_calls_total{outcome="2xx",pod="pod1",service="network"} 3.0'
    assert wanted in told.splitlines()
