# SPDX-License-Identifier: Apache-2.0
"""What one routed ``GET`` of a server and of a volume costs, beside the pod itself and other
proxies before it.

``make bench-routed``. All take turns, many short ones, so that whatever else the machine does meets
all alike. Processor time is that of the proxy's own processes.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import dataclasses
import itertools
import time

from bench import kinds
from bench.cloud import Cloud
from bench.http import Client
from bench.kinds import Kind
from bench.peers import running
from bench.pods import Pace
from bench.population import Population
from bench.processes import Program, database, folder, gateway, load

_IDS = 200
_PEERS = ("aiohttp", "nginx", "wsgi")
#: Bars: p50 added, in ms; processor time beside the bare proxy, and of WSGI beside ours.
_ADDED, _OF_AIOHTTP, _OF_WSGI = 1.5, 2.0, 5.0


@dataclasses.dataclass(slots=True)
class Target:
    """Who is asked for what: at ``port``, below ``prefix``; what was measured so far."""

    name: str
    kind: Kind
    port: int
    prefix: str
    process: Program | None
    seconds: dict[int, list[float]] = dataclasses.field(default_factory=dict)
    took: dict[int, float] = dataclasses.field(default_factory=dict)
    cpu: dict[int, float] = dataclasses.field(default_factory=dict)

    def latency(self, clients: int, share: float) -> float:
        """The quantile ``share`` of all latencies, in ms."""
        ordered = sorted(self.seconds[clients])
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1000

    def rate(self, clients: int) -> float:
        return len(self.seconds[clients]) / self.took[clients]

    def cost(self, clients: int) -> float:
        """Processor time of one request, in µs."""
        return self.cpu[clients] / len(self.seconds[clients]) * 1e6


async def _turn(target: Target, clients: int, requests: int, token: str) -> None:
    """So many requests, by so many clients at once."""
    connections = [await Client.connect(target.port) for _ in range(clients)]
    population = itertools.cycle(range(_IDS))
    measured = target.seconds.setdefault(clients, [])

    async def client(connection: Client, count: int) -> None:
        for _ in range(count):
            path = f"/{Population.id(0, next(population))}"
            asked = target.kind.request("GET", path, token, below=target.prefix)
            began = time.perf_counter()
            status, body = await connection.ask(asked)
            measured.append(time.perf_counter() - began)
            if status != 200 or target.kind.sign not in body:
                raise SystemExit(f"{target.name} answered {status}: {body[:300]!r}")

    cpu, began = target.process.cpu() if target.process else 0.0, time.perf_counter()
    await asyncio.gather(*(client(one, requests // clients) for one in connections))
    target.took[clients] = target.took.get(clients, 0.0) + time.perf_counter() - began
    used = (target.process.cpu() if target.process else 0.0) - cpu
    target.cpu[clients] = target.cpu.get(clients, 0.0) + used
    for connection in connections:
        connection.transport.close()


async def _measure(
    targets: list[Target], clients: list[int], requests: int, rounds: int, token: str
) -> None:
    for target in targets:
        await _turn(target, 1, _IDS, token)  # tokens, routings and connections are known after it
        target.seconds, target.took, target.cpu = {}, {}, {}
    for _ in range(rounds):
        for count in clients:
            for target in targets:
                await _turn(target, count, requests, token)


def _print(targets: list[Target], clients: list[int]) -> None:
    direct = targets[0]
    for count in clients:
        print(f"\n{f'a {direct.kind.one}, {count} at once':24} {'p50 ms':>8} {'p99 ms':>8}"
              f" {'added':>8} {'added p99':>10} {'req/s':>8} {'CPU µs':>8}")  # fmt: skip
        for target in targets:
            half, most = target.latency(count, 0.5), target.latency(count, 0.99)
            added = half - direct.latency(count, 0.5), most - direct.latency(count, 0.99)
            cost = f"{target.cost(count):8.0f}" if target.process else f"{'-':>8}"
            print(f"{target.name:24} {half:8.2f} {most:8.2f} {added[0]:8.2f} {added[1]:10.2f}"
                  f" {target.rate(count):8.0f} {cost}")  # fmt: skip


def _judge(targets: list[Target], clients: list[int]) -> None:
    by_name = {target.name: target for target in targets}
    ours, low = by_name["tricircle"], clients[0]
    added = ours.latency(low, 0.5) - targets[0].latency(low, 0.5)
    what = ours.kind.one
    print(f"\n{f'p50 added to a {what}, ms':44} {added:6.2f}   bar: at most {_ADDED}")
    for count in clients:
        bare = ours.cost(count) / by_name["aiohttp"].cost(count)
        old = by_name["wsgi"].cost(count) / ours.cost(count)
        print(f"{f'CPU, of the aiohttp proxy, {what}, {count} at once':44} {bare:6.2f}   "
              f"bar: at most {_OF_AIOHTTP}")  # fmt: skip
        print(f"{f'CPU, WSGI of ours, {what}, {count} at once':44} {old:6.2f}   "
              f"bar: at least {_OF_WSGI}")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--latency", type=float, default=2.0, help="ms a pod takes")
    parser.add_argument("--jitter", type=float, default=0.2, help="a share of it, more or less")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 32])
    parser.add_argument("--requests", type=int, default=1000, help="of a turn")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--database", choices=("sqlite", "mariadb"), default="sqlite")
    kinds.add_argument(parser)
    given = parser.parse_args()
    pace = Pace(answer=given.latency / 1000, jitter=given.jitter)
    with contextlib.ExitStack() as stack:
        path = stack.enter_context(folder())
        cloud = stack.enter_context(Cloud(Population(1, 100_000), pace))
        url = stack.enter_context(database(given.database, path))
        ours, ports = stack.enter_context(gateway(cloud.facts, url, path))
        pod = cloud.facts.ports["Pod0"]
        peers = {
            name: stack.enter_context(running(name, cloud.facts, pod, url, path)) for name in _PEERS
        }
        measured = []
        for kind in kinds.chosen(given):
            below = f"/{kind.service}"
            measured.append([
                Target("the pod itself", kind, pod, below, None),
                Target("tricircle", kind, ports[kind.service], "", ours),
                *(Target(name, kind, peer[1], below, peer[0]) for name, peer in peers.items()
                  if peer is not None),
            ])  # fmt: skip
        token = cloud.facts.tokens["project0"]
        every = [target for targets in measured for target in targets]
        asyncio.run(_measure(every, given.clients, given.requests, given.rounds, token))
        print(f"GET of one by its id, a pod takes {given.latency:g} ms ± {given.jitter:.0%}; "
              f"{time.strftime('%Y-%m-%d %H:%M')}, load {load()}")  # fmt: skip
        for targets in measured:
            _print(targets, given.clients)
        for targets in measured:
            _judge(targets, given.clients)


if __name__ == "__main__":
    main()
