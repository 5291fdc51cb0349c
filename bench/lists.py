# SPDX-License-Identifier: Apache-2.0
"""Pages of 1,000 servers out of 1,000,000, over 10, 30 and 100 simulated pods.

``make bench-lists``. Each list is asked of some pods directly first, one at a time: what the
slowest takes for it is what the gateway is held to (all pods are of one kind, so some will do). A
"next" page follows one that was just asked for; a "cold" one begins at a server nobody has paged to
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

from bench.cloud import Cloud
from bench.http import Client, request
from bench.pods import Pace
from bench.population import ERRORS_EVERY, NEWEST, Population
from bench.processes import Program, database, folder, gateway, load
from tricircle.db import models, pods, session

_PAGE = 1000
_TIMES = 4
_ASKED = 8
#: The bar: so many times what the slowest pod takes, and so many seconds more.
_TIMES_SLOWEST, _MORE = 1.5, 0.25
_BATCH = 20_000


@dataclasses.dataclass(frozen=True, slots=True)
class Query:
    """One kind of list: after which server (its rank; None: from the top), by what filters;
    ``cold`` when a client comes to it out of nowhere."""

    name: str
    after: int | None = None
    filters: tuple[tuple[str, str], ...] = ()
    cold: bool = True

    def path(self, marker: str | None) -> str:
        query = [*self.filters, ("limit", str(_PAGE))]
        if marker is not None:
            query.append(("marker", marker))
        return f"/v2.1/servers/detail?{urlencode(query)}"

    def after_rank(self, rank: int) -> Query:
        return dataclasses.replace(self, after=rank)


def _queries(population: Population) -> list[Query]:
    deep = population.total // 2
    errors = (("status", "ERROR"),)
    return [
        Query("first page"),
        Query("deep page, next", deep, cold=False),
        Query("deep page, cold", deep),
        Query("filtered, first", filters=errors),
        Query("filtered, deep, cold", deep, errors),
    ]


def _expected(population: Population, query: Query) -> list[int]:
    """Ranks of the servers on a page."""
    first = 0 if query.after is None else query.after + 1
    if not query.filters:
        return list(range(first, min(first + _PAGE, population.total)))
    found = []
    for rank in range(first, population.total):
        if population.place(rank)[1] % ERRORS_EVERY == 0:
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
        asked = request("GET", "/compute" + query.path(marker), token)
        found.append((await _timed(client, asked))[0])
        client.transport.close()
    return max(found)


async def _page(port: int, query: Query, population: Population, token: str) -> tuple[float, str]:
    """Seconds, and the last server's id. Ends the run when the page is not what it must be."""
    client = await Client.connect(port)
    marker = None if query.after is None else population.id(*population.place(query.after))
    seconds, status, body = await _timed(client, request("GET", query.path(marker), token))
    client.transport.close()
    if status != 200:
        raise SystemExit(f"{query.name}: {status} {body[:300]!r}")
    got = [server["id"] for server in orjson.loads(body)["servers"]]
    wanted = [population.id(*population.place(rank)) for rank in _expected(population, query)]
    if got != wanted:
        raise SystemExit(f"{query.name}: {len(got)} servers, not the {len(wanted)} expected")
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
        return (f"{self.pods:5} {self.total:9} {self.query.name:24} {self.slowest * 1000:9.0f}"
                f" {took * 1000:9.0f} {bar * 1000:9.0f} {verdict:>7} {self.cpu * 1000:8.0f}"
                f" {self.peak:8.0f}")  # fmt: skip


class Bench:
    """One size: so many pods with so many servers together."""

    def __init__(self, population: Population, pace: Pace, database_kind: str) -> None:
        self.population, self.pace, self.kind = population, pace, database_kind

    def run(self) -> Iterator[Row]:
        with contextlib.ExitStack() as stack:
            path = stack.enter_context(folder())
            cloud = stack.enter_context(Cloud(self.population, self.pace))
            url = stack.enter_context(database(self.kind, path))
            process, port = stack.enter_context(gateway(cloud.facts, url, path))
            _write_routings(self.population, cloud.facts.projects["project0"])
            for query in _queries(self.population):
                yield asyncio.run(self._row(cloud, process, port, query))

    async def _row(self, cloud: Cloud, process: Program, port: int, query: Query) -> Row:
        token = cloud.facts.tokens["project0"]
        ports = list(cloud.facts.ports.values())
        slowest = await _slowest_pod(ports, query, self.population, token)
        await self._warm(port, token)
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

    async def _warm(self, port: int, token: str) -> None:
        """The token is known, and a connection to each pod is open."""
        client = await Client.connect(port)
        await client.ask(request("GET", "/v2.1/servers?limit=1", token))
        client.transport.close()

    def _rank(self, server_id: str) -> int:
        return self.population.rank(int(server_id[:8], 16), int(server_id[-12:], 16))


def _write_routings(population: Population, project: str) -> None:
    """What the gateway would have written when the servers were made through it; once."""
    with session.read() as tx:
        if tx.scalar(sa.select(models.Routing.resource_id).limit(1)) is not None:
            return
    ids = {row.region_name: row.id for row in pods.list_all()}
    table = models.Routing.__table__
    every = (
        {
            "resource_type": "server",
            "resource_id": population.id(pod, index),
            "pod_id": ids[f"Pod{pod}"],
            "project_id": project,
            "detail": {},
            # A moment after the pod made it.
            "created_at": _moment(NEWEST - population.rank(pod, index) + 0.5),
        }
        for pod in range(population.pods)
        for index in range(population.each)
    )
    while batch := list(itertools.islice(every, _BATCH)):
        with session.write() as tx:
            tx.execute(sa.insert(table), batch)


def _moment(seconds: float) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).replace(tzinfo=None)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pods", type=int, nargs="+", default=[10, 30, 100])
    parser.add_argument("--total", type=int, default=1_000_000)
    parser.add_argument("--smaller", type=int, default=100_000, help="to compare memory with")
    parser.add_argument("--blocks", action="store_true", help="the newest all in one pod")
    parser.add_argument("--latency", type=float, default=20.0, help="ms a pod takes")
    parser.add_argument("--each", type=float, default=0.5, help="ms more for each server listed")
    parser.add_argument("--jitter", type=float, default=0.2, help="a share of it, more or less")
    parser.add_argument("--database", choices=("sqlite", "mariadb"), default="sqlite")
    given = parser.parse_args()
    pace = Pace(given.latency / 1000, given.each / 1000, jitter=given.jitter)
    print(f"pages of {_PAGE}; a pod takes {given.latency:g} ms and {given.each:g} ms a server, "
          f"± {given.jitter:.0%}; {time.strftime('%Y-%m-%d %H:%M')}, load {load()}")  # fmt: skip
    print(f"{'pods':>5} {'servers':>9} {'':24} {'slowest':>9} {'ours ms':>9} {'bar ms':>9}"
          f" {'':7} {'CPU ms':>8} {'peak MB':>8}")  # fmt: skip
    sizes = [(number, total) for number in given.pods for total in (given.smaller, given.total)]
    for number, total in sizes:
        population = Population(number, total, given.blocks)
        for row in Bench(population, pace, given.database).run():
            print(row.line(), flush=True)
    print(f"load {load()}")


if __name__ == "__main__":
    main()
