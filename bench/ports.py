# SPDX-License-Identifier: Apache-2.0
"""What 1,000 ports in 10 simulated pods take: calls toward the pods, time, memory.

``make bench-ports`` on a lab that is up, with Tricircle. Prints a table; all figures are of one
run.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import os
import time
from typing import Any

from bench.simulated import Calls, SimulatedPods
from lab import process, settings, tricircle
from lab.settings import Lab

PODS = 10
CLIENTS = 8
_BULK = 100


def memory(lab: Lab) -> dict[str, float]:
    """{process: MB} that are its own and nobody else's, of Tricircle's processes."""
    found = {}
    for name in (tricircle.CENTRAL, tricircle.XJOB):
        pid = process.alive(lab, name)
        own = [int(pid)] if pid else []
        total = 0
        for one in (*own, *_children(own)):
            with open(f"/proc/{one}/smaps_rollup") as file:
                total += sum(int(line.split()[1]) for line in file if line.startswith("Private_"))
        found[name] = total / 1024
    return found


def _children(pids: list[int]) -> list[int]:
    found = []
    for pid in pids:
        with open(f"/proc/{pid}/task/{pid}/children") as file:
            found += [int(one) for one in file.read().split()]
    return found + _children(found) if found else []


def _settled(lab: Lab) -> None:
    """Wait until nothing is left to do in any pod."""
    session = tricircle.connect(lab).session
    url = f"{lab.url('admin')}/tricircle/v1.0/jobs"
    while session.get(url).json()["jobs"]:
        time.sleep(0.5)


def _print_calls(calls: Calls, ports: int) -> None:
    total = sum(calls.values())
    print(f"calls toward pods: {total}, {total / ports:.2f} a port")
    by_kind: dict[tuple[str, str], int] = {}
    for (_, method, collection), number in calls.items():
        by_kind[method, collection] = by_kind.get((method, collection), 0) + number
    for (method, collection), number in sorted(by_kind.items(), key=lambda item: -item[1]):
        print(f"  {method:6} {collection:24} {number:6} {number / ports:8.3f}")


def run(lab: Lab, ports: int) -> None:
    admin = tricircle.connect(lab)
    project = admin.current_project_id
    admin.network.update_quota(project, networks=-1, subnets=-1, ports=-1)
    before = memory(lab)
    with SimulatedPods(lab, PODS) as pods, concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
        networks, made = {}, []
        begun = time.monotonic()
        for region in pods.regions:
            network = admin.network.create_network(name="bench", provider_network_type="local")
            admin.network.create_subnet(network_id=network.id, ip_version=4, cidr="10.240.0.0/22")
            networks[region] = network
            for _ in range(0, ports // PODS, _BULK):
                made += [
                    (port, region)
                    for port in admin.network.create_ports(
                        [{"network_id": network.id, "name": "bench"}] * _BULK
                    )
                ]
        created = time.monotonic() - begun
        pods.calls()

        def bind(one: tuple[Any, str]) -> str:
            port, region = one
            done = admin.network.update_port(port, binding_host_id=region)
            return str(done.binding_vif_type)

        # As many tenants' servers are born: all pods at once.
        made = [made[index :: ports // PODS] for index in range(ports // PODS)]
        begun = time.monotonic()
        types = list(pool.map(bind, [one for row in made for one in row]))
        bound = time.monotonic() - begun
        _settled(lab)
        calls, held = pods.calls(), memory(lab)
        with open("/proc/loadavg") as file:
            load = file.read().split()[0]
        print(f"\n{len(types)} ports in {PODS} pods, {CLIENTS} clients (load {load})")
        print(f"{types.count('other')} bound, {len(types) - types.count('other')} not")
        print(
            f"created in bulk: {created:.1f} s, bound: {bound:.1f} s, {bound / ports * 1000:.0f} ms"
        )
        _print_calls(calls, ports)
        for name, megabytes in held.items():
            print(f"{name}: {megabytes:.0f} MB ({megabytes - before[name]:+.0f})")
        begun = time.monotonic()
        list(pool.map(lambda one: admin.network.delete_port(one[0]), [p for r in made for p in r]))
        for network in networks.values():
            admin.network.delete_network(network)
        _settled(lab)
        calls = pods.calls()
        print(f"\ndeleted, and gone from the pods: {time.monotonic() - begun:.1f} s")
        _print_calls(calls, ports)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--name", default=os.environ.get("LAB_NAME", settings.DEFAULT_NAME))
    parser.add_argument("--ports", type=int, default=1000)
    options = parser.parse_args()
    run(settings.load(options.name), options.ports)


if __name__ == "__main__":
    main()
