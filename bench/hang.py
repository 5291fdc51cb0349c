# SPDX-License-Identifier: Apache-2.0
"""What a pod that takes calls and never answers does to central Neutron's other users.

``make bench-hang``. Stock Neutron with our plugins, on MariaDB, serves its users by as many threads
as uWSGI would have; ten fake pods stand behind it. 500 clients list networks, and bind ports in
their pods. They ask at a pace that leaves the threads idle for more than half of the time: it is
measured first, as this machine is no data centre. Then all pods are well and one hangs, in turn,
with the share of threads that a pod may hold and without one. Prints a table; all figures are of
one run.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import logging
import queue
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from neutron import manager
from neutron.api import extensions
from neutron.common import config as neutron_config
from neutron.db.migration.models import head  # noqa: F401  (every model)
from neutron_lib import context as n_context
from neutron_lib.api import attributes
from neutron_lib.db import api as db_api
from neutron_lib.db import model_base
from neutron_lib.plugins import directory

from bench.processes import database, folder, load
from tests.functional import gateway_harness
from tests.functional.fakes.cloud import Cloud
from tests.functional.fakes.faults import Kind
from tests.functional.fakes.http import LoopThread
from tests.functional.network.conftest import NEUTRON
from tests.functional.network.stage import Stage
from tricircle.conf import CONF
from tricircle.db import migrations
from tricircle.network.central import models as network_models  # noqa: F401  (our table)
from tricircle.network.reconcile import runtime

PODS = 10
_HANGS = "pod1"
_OTHERS = ("networks", "ports")
_BINDS = 0.2
# Part of what the threads can do that is asked for.
_PACE = 0.4
_NO_SHARE = {"request_threads_per_pod": 1000, "bind_call_deadline": 30.0}
_SHARE = {"request_threads_per_pod": 0, "bind_call_deadline": 15.0}


@dataclasses.dataclass(frozen=True, slots=True)
class Ask:
    """A client's request: when (time.monotonic()), and the pod a port is bound in, or none."""

    at: float
    region: str | None


@dataclasses.dataclass(frozen=True, slots=True)
class Served:
    """A request that was answered: of what kind, after so many seconds, for how many of them it
    had a thread, and whether what was asked for was done."""

    kind: str
    seconds: float
    held: float
    done: bool


class Central:
    """Central Neutron's threads."""

    def __init__(self, stage: Stage, threads: int) -> None:
        self.stage, self.asked = stage, queue.Queue[Ask | None]()
        self.served = list[Served]()
        self.networks = {}
        for number, region in enumerate(stage.pod_ids):
            network, _ = stage.network(f"10.{number}.0.0/16")
            stage.bound(network, region)
            self.networks[region] = network
        self.threads = [threading.Thread(target=self._work, daemon=True) for _ in range(threads)]
        for thread in self.threads:
            thread.start()

    def _work(self) -> None:
        while (ask := self.asked.get()) is not None:
            kind = "networks" if ask.region is None else "hung" if ask.region == _HANGS else "ports"
            done, began = True, time.monotonic()
            if ask.region is None:
                context = n_context.Context("user", "project", roles=["member"])
                self.stage.core.get_networks(context, fields=["id"], limit=20)
            else:
                made = self.stage.bind(self.stage.port(self.networks[ask.region]), ask.region)
                done = made["binding:vif_type"] == "other"
            ended = time.monotonic()
            self.served.append(Served(kind, ended - ask.at, ended - began, done))

    def capacity(self, seconds: float, regions: Iterator[str], dice: random.Random) -> float:
        """Requests a second that the threads can do."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if self.asked.qsize() < len(self.threads):
                self.asked.put(_next(time.monotonic(), regions, dice))
            else:
                time.sleep(0.002)
        return len(self.take()) / seconds

    def take(self) -> list[Served]:
        served, self.served = self.served, []
        return served

    def offer(
        self, seconds: float, rate: float, regions: Iterator[str], dice: random.Random
    ) -> list[Served]:
        """Ask at a rate, by chance, as many clients do who know nothing of each other."""
        self.take()
        at, number = time.monotonic(), 0
        until = at + seconds
        while at < until:
            time.sleep(max(0.0, at - time.monotonic()))
            self.asked.put(_next(at, regions, dice))
            number, at = number + 1, at + dice.expovariate(rate)
        while len(self.served) < number:
            time.sleep(0.05)
        return self.take()


def _next(at: float, regions: Iterator[str], dice: random.Random) -> Ask:
    return Ask(at, next(regions) if dice.random() < _BINDS else None)


@contextmanager
def central(place: Path, url: str, threads: int) -> Iterator[Central]:
    cloud = Cloud(LoopThread(), {f"pod{number}": f"az{number}" for number in range(1, PODS + 1)})
    # What is measured is not the pods' quotas.
    for pod in cloud.pods.values():
        pod.neutron.quota = dict.fromkeys(pod.neutron.quota, 1_000_000)
    config = place / "neutron.conf"
    gateway_harness.write_config(config, cloud, url)
    text = NEUTRON.format(folder=place).replace(
        f"connection = sqlite:///{place}/neutron.sqlite?timeout=30", f"connection = {url}"
    )
    pods = "[pods]\nbreaker_seconds = 5\n[quotas]\nquota_port = -1\nquota_network = -1\n"
    config.write_text(text + config.read_text().replace("[DEFAULT]", "") + pods)
    neutron_config.register_common_config_options()
    neutron_config.init(["--config-file", str(config)], prog="neutron-api")
    CONF(["--config-file", str(config)], project="neutron")
    CONF.set_override("bind_deadline", 45, group="reconciler")
    CONF.set_override("call_deadline", 30, group="reconciler")
    CONF.set_override("lease_seconds", 60, group="reconciler")
    CONF.set_override("breaker_seconds", 5, group="pods")
    engine = db_api.CONTEXT_WRITER.get_engine()
    model_base.BASEV2.metadata.create_all(engine)
    migrations.sync()
    manager.init()
    known = extensions.PluginAwareExtensionManager.get_instance()
    known.extend_resources("2.0", attributes.RESOURCES)
    known.get_resources()
    directory.get_plugin()
    yield Central(Stage(cloud, gateway_harness.add_pods(cloud)), threads)


def _quiet() -> None:
    """Neither Neutron's log nor ours is of use here."""
    logging.disable(logging.CRITICAL)


def p99(seconds: list[float]) -> float:
    ordered = sorted(seconds)
    return ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))] if ordered else 0.0


def run(place: Path, url: str, options: argparse.Namespace) -> None:
    _quiet()
    dice = random.Random(options.seed)
    with central(place, url, options.threads) as served:
        pod = served.stage.cloud.pods[_HANGS].neutron
        regions = itertools.cycle(served.stage.pod_ids)
        served.capacity(5, regions, dice)  # All is loaded then.
        capacity = served.capacity(options.seconds / 2, regions, dice)
        if not capacity:
            raise SystemExit("the threads serve nothing")
        rate = capacity * _PACE
        print(
            f"{options.threads} threads serve {capacity:.0f} requests a second; {options.clients} "
            f"clients ask each {options.clients / rate:.1f} s"
        )
        found: dict[str, list[Served]] = {}

        def measure(name: str) -> None:
            found.setdefault(name, []).extend(served.offer(options.seconds, rate, regions, dice))

        def hanging(name: str, options: dict[str, Any]) -> None:
            for option, value in options.items():
                CONF.set_override(option, value, group="reconciler")
            runtime.get().bulkheads._known.clear()
            pod.fail(Kind.HANG)
            measure(name)
            pod.heal()
            runtime.get().services.breakers[served.stage.pod_ids[_HANGS], "network"].success()

        steps: list[Callable[[], None]] = [
            lambda: measure("all pods are well"),
            lambda: hanging("one hangs", _SHARE),
        ]
        for _ in range(options.rounds):
            for step in steps:
                step()
        if options.without:
            hanging("one hangs, no share", _NO_SHARE)
    tell(found, options)


def tell(found: dict[str, list[Served]], options: argparse.Namespace) -> None:
    print(f"\n{'':22} {'p99, seconds':>22} {'threads of the':>15} {'not':>6}"
          f"   ({time.strftime('%Y-%m-%d %H:%M')}, load {load()})")  # fmt: skip
    print(f"{'':22} {'networks':>11} {'ports':>10} {'silent, mean':>15} {'bound':>6}")
    worst = {}
    for name, served in found.items():
        worst[name] = [p99([one.seconds for one in served if one.kind == kind]) for kind in _OTHERS]
        seconds = options.seconds * (1 if name.endswith("no share") else options.rounds)
        held = sum(one.held for one in served if one.kind == "hung") / seconds
        lost = sum(not one.done for one in served if one.kind != "hung")
        networks, ports = worst[name]
        print(f"{name:22} {networks:11.2f} {ports:10.2f} {held:15.2f} {lost:6}")
    well = worst.pop(next(iter(worst)))
    for name, figures in worst.items():
        networks, ports = (figure / usual for figure, usual in zip(figures, well, strict=True))
        print(f"{name + ' / well':22} {networks:11.2f} {ports:10.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=8)
    parser.add_argument("--clients", type=int, default=500)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--without", action="store_true", help="also without the share of threads")
    options = parser.parse_args()
    with folder() as place, database("mariadb", place) as url:
        run(place, url, options)


if __name__ == "__main__":
    main()
