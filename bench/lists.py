# SPDX-License-Identifier: Apache-2.0
"""Pages of 1,000 servers and of 1,000 volumes, out of 1,000,000 each, over 10, 30 and 100 simulated
pods.

``make bench-lists``. Each list is asked of some pods directly first, one at a time: what the
slowest takes for it is what the gateway is held to (all pods are of one kind, so some will do). A
"next" page follows one that was just asked for; a "cold" one begins at one that nobody has paged to
before. Every page is compared with the one it must be.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import dataclasses
import datetime
import itertools
import statistics
import time
from collections.abc import Iterator
from urllib.parse import urlencode

import orjson
import sqlalchemy as sa

from bench import kinds
from bench.cloud import Cloud
from bench.http import Client
from bench.kinds import Kind
from bench.pods import Pace
from bench.population import Population
from bench.processes import Program, database, folder, gateway, load
from tricircle.db import bindings, models, pods, session

_PAGE = 1000
_TIMES = 4
_ASKED = 8
#: The bar: so many times what the slowest pod takes, and so many seconds more.
_TIMES_SLOWEST, _MORE = 1.5, 0.25
_BATCH = 20_000
# Of a project in two of the pods: how many lists, and how many calls to pods each may take.
_LISTS, _CALLS = 200, 3


@dataclasses.dataclass(frozen=True, slots=True)
class Query:
    """One kind of list: after which one (its rank; None: from the top), whether only what has
    failed; ``cold`` when a client comes to it out of nowhere."""

    kind: Kind
    name: str
    after: int | None = None
    filtered: bool = False
    cold: bool = True

    def request(self, marker: str | None, token: str, below: str = "") -> bytes:
        query = {"status": self.kind.failed} if self.filtered else {}
        query |= {"limit": str(_PAGE)} | ({"marker": marker} if marker is not None else {})
        return self.kind.request("GET", f"/detail?{urlencode(query)}", token, below=below)

    def after_rank(self, rank: int) -> Query:
        return dataclasses.replace(self, after=rank)


def _queries(kind: Kind, population: Population) -> list[Query]:
    deep = population.total // 2
    return [
        Query(kind, "first page"),
        Query(kind, "deep page, next", deep, cold=False),
        Query(kind, "deep page, cold", deep),
        Query(kind, "filtered, first", filtered=True),
        Query(kind, "filtered, deep, cold", deep, filtered=True),
    ]


def _expected(population: Population, query: Query) -> list[int]:
    """Ranks of those on a page."""
    first = 0 if query.after is None else query.after + 1
    if not query.filtered:
        return list(range(first, min(first + _PAGE, population.total)))
    found = []
    for rank in range(first, population.total):
        if population.has_failed(population.place(rank)[1]):
            found.append(rank)
            if len(found) == _PAGE:
                break
    return found


async def _timed(client: Client, asked: bytes) -> tuple[float, int, bytes]:
    began = time.perf_counter()
    status, body = await client.ask(asked)
    return time.perf_counter() - began, status, body


async def _slowest_pod(ports: list[int], query: Query, population: Population, token: str) -> float:
    """What the slowest of some pods takes alone for its own page."""
    found = []
    for number, port in enumerate(ports[:_ASKED]):
        client = await Client.connect(port)
        marker = None
        if query.after is not None:
            marker = population.id(number, query.after // population.pods)
        asked = query.request(marker, token, f"/{query.kind.service}")
        found.append((await _timed(client, asked))[0])
        client.transport.close()
    return max(found)


async def _page(port: int, query: Query, population: Population, token: str) -> tuple[float, str]:
    """Seconds, and the last one's id. Ends the run when the page is not what it must be."""
    client = await Client.connect(port)
    marker = None if query.after is None else population.id(*population.place(query.after))
    seconds, status, body = await _timed(client, query.request(marker, token))
    client.transport.close()
    if status != 200:
        raise SystemExit(f"{query.name}: {status} {body[:300]!r}")
    got = [item["id"] for item in orjson.loads(body)[query.kind.many]]
    wanted = [population.id(*population.place(rank)) for rank in _expected(population, query)]
    if got != wanted:
        raise SystemExit(
            f"{query.name}: {len(got)} {query.kind.many}, not the {len(wanted)} expected"
        )
    return seconds, got[-1]


@dataclasses.dataclass(slots=True)
class Row:
    pods: int
    total: int
    query: Query
    slowest: float
    seconds: list[float]
    cpu: float
    peak: float

    def line(self) -> str:
        bar = _TIMES_SLOWEST * self.slowest + _MORE
        took = statistics.median(self.seconds)
        verdict = "holds" if took <= bar else "MISSED"
        what = f"{self.query.kind.many}, {self.query.name}"
        return (f"{self.pods:5} {self.total:9} {what:30} {self.slowest * 1000:9.0f}"
                f" {took * 1000:9.0f} {bar * 1000:9.0f} {verdict:>7} {self.cpu * 1000:8.0f}"
                f" {self.peak:8.0f}")  # fmt: skip


class Bench:
    """One size: so many pods with so many of each kind together."""

    def __init__(
        self, population: Population, pace: Pace, database_kind: str, measured: list[Kind]
    ) -> None:
        self.population, self.pace, self.measured = population, pace, measured
        self.database_kind = database_kind

    def run(self) -> Iterator[Row]:
        with contextlib.ExitStack() as stack:
            path = stack.enter_context(folder())
            cloud = stack.enter_context(Cloud(self.population, self.pace))
            url = stack.enter_context(database(self.database_kind, path))
            process, ports = stack.enter_context(gateway(cloud.facts, url, path))
            project = cloud.facts.projects["project0"]
            for kind in self.measured:
                _write_routings(kind, self.population, project)
            for kind in self.measured:
                for query in _queries(kind, self.population):
                    yield asyncio.run(self._row(cloud, process, ports[kind.service], query))

    async def _row(self, cloud: Cloud, process: Program, port: int, query: Query) -> Row:
        token = cloud.facts.tokens["project0"]
        ports = list(cloud.facts.ports.values())
        slowest = await _slowest_pod(ports, query, self.population, token)
        await self._warm(query.kind, port, token)
        seconds, cpu, peak = [], [], 0.0
        asked = query
        for number in range(_TIMES):
            if query.after is not None:
                asked = query.after_rank(query.after + number * (_PAGE + 1))
            if not query.cold:
                _, last = await _page(port, asked, self.population, token)
                asked = query.after_rank(self._rank(last))
            process.forget_peak()
            before = process.cpu()
            took, _ = await _page(port, asked, self.population, token)
            seconds.append(took)
            cpu.append(process.cpu() - before)
            peak = max(peak, process.peak())
        one = self.population
        used = statistics.median(cpu)
        return Row(one.pods, one.total, query, slowest, seconds, used, peak)

    async def _warm(self, kind: Kind, port: int, token: str) -> None:
        """The token is known, and a connection to each pod is open."""
        client = await Client.connect(port)
        await client.ask(kind.request("GET", "?limit=1", token))
        client.transport.close()

    def _rank(self, given: str) -> int:
        return self.population.rank(int(given[:8], 16), int(given[-12:], 16))


def _write_routings(kind: Kind, population: Population, project: str) -> None:
    """What the gateway would have written when they were made through it."""
    ids = {row.region_name: row.id for row in pods.list_all()}
    table = models.Routing.__table__
    every = (
        {
            "resource_type": kind.one,
            "resource_id": population.id(pod, index),
            "pod_id": ids[f"Pod{pod}"],
            "project_id": project,
            "detail": {},
            # A moment after the pod made it.
            "created_at": _moment(population.created(pod, index) + 0.5),
        }
        for pod in range(population.pods)
        for index in range(population.each)
    )
    while batch := list(itertools.islice(every, _BATCH)):
        with session.write() as tx:
            tx.execute(sa.insert(table), batch)


def _moment(seconds: float) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).replace(tzinfo=None)


def of_a_project(kind: Kind, number: int, pace: Pace, database_kind: str) -> str:
    """What the lists of a project take that has things in two of many pods."""
    with contextlib.ExitStack() as stack:
        path = stack.enter_context(folder())
        cloud = stack.enter_context(Cloud(Population(number, 0), pace))
        url = stack.enter_context(database(database_kind, path))
        _, ports = stack.enter_context(gateway(cloud.facts, url, path))
        for row in pods.list_all()[:2]:
            bindings.ensure(cloud.facts.projects["project0"], row.id)
        asked = kind.request("GET", "/detail", cloud.facts.tokens["project0"])
        before = cloud.tell("lists")

        async def ask() -> list[float]:
            client = await Client.connect(ports[kind.service])
            return [(await _timed(client, asked))[0] for _ in range(_LISTS)]

        seconds = asyncio.run(ask())
        calls = (cloud.tell("lists") - before) / _LISTS
    verdict = "holds" if calls <= _CALLS else "MISSED"
    return (
        f"{number:5} pods, a project in two: {kind.many}, {calls:.2f} pod calls a list of {_LISTS} "
        f"({_CALLS} at most: {verdict}), {statistics.median(seconds) * 1000:.0f} ms"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pods", type=int, nargs="+", default=[10, 30, 100])
    parser.add_argument("--total", type=int, default=1_000_000)
    parser.add_argument("--smaller", type=int, default=100_000, help="to compare memory with")
    parser.add_argument("--project", action="store_true", help="only lists of one project")
    parser.add_argument("--blocks", action="store_true", help="the newest all in one pod")
    parser.add_argument("--latency", type=float, default=20.0, help="ms a pod takes")
    parser.add_argument("--each", type=float, default=0.5, help="ms more for each listed")
    parser.add_argument("--jitter", type=float, default=0.2, help="a share of it, more or less")
    parser.add_argument("--database", choices=("sqlite", "mariadb"), default="sqlite")
    kinds.add_argument(parser)
    given = parser.parse_args()
    pace = Pace(given.latency / 1000, given.each / 1000, jitter=given.jitter)
    print(f"pages of {_PAGE}; a pod takes {given.latency:g} ms and {given.each:g} ms for each, "
          f"± {given.jitter:.0%}; {time.strftime('%Y-%m-%d %H:%M')}, load {load()}")  # fmt: skip
    print(f"{'pods':>5} {'of each':>9} {'':30} {'slowest':>9} {'ours ms':>9} {'bar ms':>9}"
          f" {'':7} {'CPU ms':>8} {'peak MB':>8}")  # fmt: skip
    totals = () if given.project else (given.smaller, given.total)
    sizes = [(number, total) for number in given.pods for total in totals]
    for number, total in sizes:
        population = Population(number, total, given.blocks)
        for row in Bench(population, pace, given.database, kinds.chosen(given)).run():
            print(row.line(), flush=True)
    for kind in kinds.chosen(given):
        print(of_a_project(kind, max(given.pods), pace, given.database), flush=True)
    print(f"load {load()}")


if __name__ == "__main__":
    main()
