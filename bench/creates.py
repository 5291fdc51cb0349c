# SPDX-License-Identifier: Apache-2.0
"""Servers, and volumes, created by 500 clients at once, and whether each is there exactly once.

``make bench-creates``. First all pods are well, with one project and with several; then one
refuses for its quota, one has no host, one hangs, and one dies half-way and comes back. What is
left open is settled by xjob's own code, then all there is in every pod is counted against what
clients were told. Servers have no networks: those are another matter. Each kind has a cloud and a
gateway of its own.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import contextlib
import dataclasses
import itertools
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import sqlalchemy as sa

from bench import kinds
from bench.cloud import Cloud
from bench.http import Client
from bench.kinds import HANGS, NO_HOST, QUOTA, Kind
from bench.pods import Pace
from bench.population import Population
from bench.processes import Program, database, folder, gateway, load
from tricircle.db import models, session, storage
from tricircle.pods.errors import PodError
from tricircle.pods.identity import ServiceIdentity
from tricircle.pods.registry import Registry
from tricircle.pods.rest import PodServices
from tricircle.xjob.operations import Operations
from tricircle.xjob.storage import Storage

_REFUSES, _FULL, _HANGING, _DYING = range(4)
#: Seconds: the gateway's deadline for a call, so that the run does not wait a minute for a pod.
_DEADLINE = 5
_UNKNOWN = 504
#: What nobody has looked into yet, or was set aside and came to nothing.
_OPEN = (
    sa.select(sa.func.count()).select_from(models.Operation),
    sa.select(sa.func.count())
    .select_from(models.StorageAllocation)
    .where(models.StorageAllocation.resource_id.is_(None)),
)


@dataclasses.dataclass(slots=True)
class Outcome:
    """What one client was told of one create."""

    name: str
    status: int
    new: str | None
    seconds: float
    message: str = ""


@dataclasses.dataclass(slots=True)
class Verdict:
    """How many, by what became of them."""

    told: int = 0
    lost: int = 0  # told of, and not there
    doubled: int = 0  # more than one of a name
    untold: int = 0  # there, although the client was told that there is none
    unknown: int = 0  # there, and the client was told that this is not known

    @property
    def good(self) -> bool:
        return not (self.lost or self.doubled or self.untold)


class Run:
    """So many creates by so many clients."""

    def __init__(self, kind: Kind, port: int, tokens: list[str], clients: int, prefix: str) -> None:
        self.kind, self.port, self.tokens = kind, port, tokens
        self.clients, self.prefix = clients, prefix
        self.outcomes: list[Outcome] = []
        self.seconds = 0.0

    async def run(self, number: int, half_way: Callable[[], None] | None = None) -> None:
        names = iter(range(number))
        began = time.perf_counter()
        tokens = itertools.cycle(self.tokens)

        async def client(token: str) -> None:
            connection = await Client.connect(self.port)
            for index in names:
                if index == number // 2 and half_way is not None:
                    half_way()
                self.outcomes.append(await self._create(connection, token, index))
            connection.transport.close()

        await asyncio.gather(*(client(next(tokens)) for _ in range(self.clients)))
        self.seconds = time.perf_counter() - began

    async def _create(self, connection: Client, token: str, index: int) -> Outcome:
        name = f"{self.prefix}-{index}"
        asked = self.kind.request("POST", "", token, self.kind.body(name))
        began = time.perf_counter()
        status, told = await connection.ask(asked)
        seconds = time.perf_counter() - began
        if status == 202:
            return Outcome(name, status, json.loads(told)[self.kind.one]["id"], seconds)
        return Outcome(name, status, None, seconds, told.decode())

    def latency(self, share: float) -> float:
        ordered = sorted(outcome.seconds for outcome in self.outcomes)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def judge(outcomes: list[Outcome], there: dict[str, list[str]]) -> Verdict:
    """``there`` is {name: ids of those of that name in all pods}."""
    verdict = Verdict()
    for outcome in outcomes:
        ids = there.get(outcome.name, [])
        verdict.doubled += len(ids) > 1
        if outcome.new is not None:
            verdict.told += 1
            verdict.lost += ids.count(outcome.new) != 1
        elif ids and outcome.status == _UNKNOWN:
            verdict.unknown += 1
        elif ids:
            verdict.untold += 1
    return verdict


def _settle(longest: float = 60.0) -> int:
    """Have xjob's code look into what was left open; how much stays."""
    registry, identity = Registry(), ServiceIdentity()
    registry.refresh()
    operations, used = Operations(registry, PodServices(identity)), Storage(PodServices(identity))
    until = time.monotonic() + longest
    while True:
        operations.run(older_than=0)
        storage.sweep(older_than=0)
        left = sum(_number(query) for query in _OPEN)
        for pod in registry.all():
            try:
                used.audit(pod)
            except PodError:
                left += 1
        if not left or time.monotonic() > until:
            return left
        time.sleep(1)


def _number(query: sa.Select[Any]) -> int:
    with session.read() as tx:
        return int(tx.scalar(query) or 0)


def _recorded(kind: Kind, ids: list[str]) -> tuple[int, int]:
    """How many have a routing, and an allocation."""
    routing = models.Routing
    with session.read() as tx:
        routed = set(tx.scalars(sa.select(routing.resource_id).filter_by(resource_type=kind.one)))
        counted = set(tx.scalars(kind.allocated()))
    return len(routed.intersection(ids)), len(counted.intersection(ids))


def _line(what: str, run: Run, cpu: float) -> str:
    good = sum(outcome.new is not None for outcome in run.outcomes)
    number = len(run.outcomes)
    failed = (number - good) / number
    return (f"{what:34} {number:6} {good / run.seconds:8.0f} {failed:8.2%} {run.latency(0.5):8.2f}"
            f" {run.latency(0.99):8.2f} {cpu / number * 1000:8.1f}")  # fmt: skip


def _told(run: Run) -> Iterator[str]:
    """The refusals by status, with one message of each."""
    by_status: dict[int, list[Outcome]] = collections.defaultdict(list)
    for outcome in run.outcomes:
        if outcome.new is None:
            by_status[outcome.status].append(outcome)
    for status, some in sorted(by_status.items()):
        yield f"  {status}: {len(some)}, e.g. {some[0].message[:300]}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pods", type=int, default=10)
    parser.add_argument("--clients", type=int, default=500)
    parser.add_argument("--creates", type=int, default=2000, help="of a kind, a run")
    parser.add_argument("--projects", type=int, default=10)
    parser.add_argument("--latency", type=float, default=20.0, help="ms a pod takes")
    parser.add_argument("--create", type=float, default=200.0, help="ms a pod takes to create")
    parser.add_argument("--jitter", type=float, default=0.5, help="a share of it, more or less")
    parser.add_argument("--workers", type=int, default=1, help="of the gateway")
    parser.add_argument("--database", choices=("sqlite", "mariadb"), default="mariadb")
    kinds.add_argument(parser)
    given = parser.parse_args()
    print(f"{given.clients} clients, {given.pods} pods that take {given.create:g} ms ± "
          f"{given.jitter:.0%}, {given.database}; {time.strftime('%Y-%m-%d %H:%M')}, "
          f"load {load()}")  # fmt: skip
    print(f"{'':34} {'asked':>6} {'made/s':>8} {'failed':>8} {'p50 s':>8} {'p99 s':>8}"
          f" {'CPU ms':>8}")  # fmt: skip
    for kind in kinds.chosen(given):
        _bench(given, kind)


def _bench(given: argparse.Namespace, kind: Kind) -> None:
    pace = Pace(given.latency / 1000, create=given.create / 1000, jitter=given.jitter)
    with contextlib.ExitStack() as stack:
        path = stack.enter_context(folder())
        cloud = stack.enter_context(Cloud(Population(given.pods, 0), pace, given.projects))
        url = stack.enter_context(database(given.database, path))
        options = {"request_deadline": _DEADLINE, "workers": given.workers}
        process, ports = stack.enter_context(gateway(cloud.facts, url, path, **options))
        tokens = list(cloud.facts.tokens.values())

        def run(some: list[str], prefix: str) -> Run:
            return Run(kind, ports[kind.service], some, given.clients, prefix)

        runs = [
            _run(cloud, process, run(tokens[:1], "one"), given.creates,
                 f"{kind.many}, all well, one project"),
            _run(cloud, process, run(tokens, "many"), given.creates,
                 f"{kind.many}, all well, {given.projects} projects"),
        ]  # fmt: skip
        for number, trouble in ((_REFUSES, QUOTA), (_FULL, NO_HOST), (_HANGING, HANGS)):
            cloud.tell("trouble", number, trouble)
        ill = run(tokens, "ill")
        runs.append(
            _run(cloud, process, ill, given.creates, f"{kind.many}, four pods ill",
                 lambda: cloud.tell("shut", _DYING))
        )  # fmt: skip
        print(*_told(ill), sep="\n")
        for number in (_REFUSES, _FULL, _HANGING):
            cloud.tell("trouble", number, "")
        cloud.tell("open_again", _DYING)
        left = _settle()
        _print(kind, cloud, [outcome for run in runs for outcome in run.outcomes], left)


def _run(
    cloud: Cloud,
    process: Program,
    run: Run,
    number: int,
    what: str,
    half_way: Callable[[], None] | None = None,
) -> Run:
    cpu = process.cpu()
    asyncio.run(run.run(number, half_way))
    print(_line(what, run, process.cpu() - cpu), flush=True)
    return run


def _print(kind: Kind, cloud: Cloud, outcomes: list[Outcome], left: int) -> None:
    there: dict[str, list[str]] = collections.defaultdict(list)
    for new, name in cloud.tell("created", kind.service):
        there[name].append(new)
    verdict = judge(outcomes, there)
    ids = [one for some in there.values() for one in some]
    routed, counted = _recorded(kind, ids)
    print(f"{kind.many} in all pods {len(ids)}, clients were told of {verdict.told}")
    print(f"lost {verdict.lost}, doubled {verdict.doubled}, "
          f"there though the client was told otherwise {verdict.untold}, "
          f"there and the client was told it is not known {verdict.unknown}")  # fmt: skip
    print(f"with a routing {routed}, counted in a quota {counted}, left open {left}")
    print("holds" if verdict.good and not left else "MISSED", f"(load {load()})")


if __name__ == "__main__":
    main()
