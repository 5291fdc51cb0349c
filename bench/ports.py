# SPDX-License-Identifier: Apache-2.0
"""What 1,000 ports in 10 simulated pods take: calls toward the pods, time, memory.

``make bench-ports`` on a lab that is up, with Tricircle. Prints a table; all figures are of one
run. ``--away``: the ports are bound while no pod answers, and made when all are back.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import contextlib
import os
import signal
import time
from typing import Any

from bench.simulated import Calls, SimulatedPods
from lab import process, settings, tricircle
from lab.settings import Lab

PODS = 10
CLIENTS = 8
NAME = "bench"
_BULK = 100
_PATIENCE = 600.0
# Seconds; as long as it is between two audits in a lab.
_REST = 60.0


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
    url, until = f"{lab.url('admin')}/tricircle/v1.0/jobs", time.monotonic() + _PATIENCE
    while jobs := session.get(url).json()["jobs"]:
        if time.monotonic() > until:
            raise SystemExit(f"{len(jobs)} jobs are not done, the first is {jobs[0]}")
        time.sleep(0.5)


def _clear(admin: Any) -> None:
    """Remove what a run left that was killed."""
    for port in list(admin.network.ports(name=NAME)):
        admin.network.delete_port(port)
    for network in list(admin.network.networks(name=NAME)):
        admin.network.delete_network(network)


def _create(admin: Any, regions: list[str], ports: int) -> tuple[list[Any], list[list[Any]]]:
    """A network for each region, and as many ports on each, in bulk: (networks, their ports)."""
    networks, made = [], []
    for _ in regions:
        network = admin.network.create_network(name=NAME, provider_network_type="local")
        admin.network.create_subnet(network_id=network.id, ip_version=4, cidr="10.240.0.0/22")
        networks.append(network)
        of_network: list[Any] = []
        while missing := min(_BULK, ports - len(of_network)):
            body = {"network_id": network.id, "name": NAME}
            of_network += admin.network.create_ports([body] * missing)
        made.append(of_network)
    return networks, made


def _by_kind(calls: Calls) -> dict[tuple[str, str], int]:
    found: dict[tuple[str, str], int] = {}
    for (_, method, collection), number in calls.items():
        found[method, collection] = found.get((method, collection), 0) + number
    return found


def _print_calls(calls: Calls, ports: int, seconds: float, rest: Calls) -> None:
    """``rest`` are the calls of _REST seconds in which nothing is asked for: the pods' health, the
    status of ports, audits. They come as time passes, however many ports there are."""
    usual = {kind: number * seconds / _REST for kind, number in _by_kind(rest).items()}
    by_kind = _by_kind(calls)
    more = {kind: max(0.0, number - usual.get(kind, 0.0)) for kind, number in by_kind.items()}
    print(
        f"calls toward pods: {sum(by_kind.values())}, without those at rest "
        f"({sum(rest.values()) / _REST:.1f} a second) {sum(more.values()) / ports:.2f} a port"
    )
    print(f"  {'':31} {'all':>6} {'a port':>8}")
    for (method, collection), number in sorted(by_kind.items(), key=lambda item: -item[1]):
        what = "(is it up?)" if collection == "/" else collection
        print(f"  {method:6} {what:24} {number:6} {more[method, collection] / ports:8.3f}")


def run(lab: Lab, ports: int, away: bool) -> None:
    admin = tricircle.connect(lab)
    admin.network.update_quota(
        admin.current_project_id, networks=-1, subnets=-1, ports=-1, security_groups=-1
    )
    _clear(admin)
    before = memory(lab)
    with SimulatedPods(lab, PODS) as pods, contextlib.ExitStack() as ending:
        pool = concurrent.futures.ThreadPoolExecutor(CLIENTS)
        ending.callback(pool.shutdown, cancel_futures=True)
        begun = time.monotonic()
        networks, made = _create(admin, pods.regions, ports // PODS)
        created = time.monotonic() - begun
        # As many tenants' servers are born: all pods at once.
        work = [(port, region) for row in zip(*made, strict=True)
                for port, region in zip(row, pods.regions, strict=True)]  # fmt: skip
        pods.calls()

        def bind(one: tuple[Any, str]) -> str:
            port, region = one
            done = admin.network.update_port(port, binding_host_id=region)
            return str(done.binding_vif_type)

        if away:
            pods.away()
        begun = time.monotonic()
        types = list(pool.map(bind, work))
        bound = time.monotonic() - begun
        if away:
            pods.back()
            begun = time.monotonic()
        _settled(lab)
        settled = time.monotonic() - begun
        calls, held = pods.calls(), memory(lab)
        time.sleep(_REST)
        rest = pods.calls()
        with open("/proc/loadavg") as file:
            load = file.read().split()[0]
        print(f"\n{len(types)} ports in {PODS} pods, {CLIENTS} clients (load {load})")
        print(f"{types.count('other')} bound, {len(types) - types.count('other')} not")
        print(
            f"created in bulk: {created:.1f} s; bound: {bound:.1f} s, "
            f"{bound / len(types) * 1000:.0f} ms a port; nothing left to do: {settled:.1f} s"
        )
        _print_calls(calls, len(types), settled, rest)
        for name, megabytes in held.items():
            print(f"{name}: {megabytes:.0f} MB ({megabytes - before[name]:+.0f})")
        begun = time.monotonic()
        list(pool.map(lambda one: admin.network.delete_port(one[0]), work))
        for network in networks:
            admin.network.delete_network(network)
        _settled(lab)
        seconds, calls = time.monotonic() - begun, pods.calls()
        print(f"\ndeleted, and gone from the pods: {seconds:.1f} s")
        _print_calls(calls, len(types), seconds, rest)


def _ended(*_: object) -> None:
    """What a run made goes also when it is ended."""
    raise SystemExit("ended")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--name", default=os.environ.get("LAB_NAME", settings.DEFAULT_NAME))
    parser.add_argument("--ports", type=int, default=1000)
    parser.add_argument("--away", action="store_true")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, _ended)
    run(settings.load(options.name), options.ports, options.away)


if __name__ == "__main__":
    main()
