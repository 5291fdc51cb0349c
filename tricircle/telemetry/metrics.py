# SPDX-License-Identifier: Apache-2.0
"""Every number that a process tells Prometheus: this table, and how its values are kept.

Labels have few values each: pods, services, outcomes; never a project, an id or a path. Several
processes that serve one port keep their numbers in files of one folder (``share``); whichever is
asked adds them up. Counting never fails and never waits.
"""

import dataclasses
import functools
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import prometheus_client
from oslo_log import log as logging
from prometheus_client import CollectorRegistry, multiprocess, values
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

LOG = logging.getLogger(__name__)

#: Who tells a number.
GATEWAY, XJOB, NEUTRON = "gateway", "xjob", "central Neutron"
EVERYONE = (GATEWAY, XJOB, NEUTRON)

_SECONDS = (0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0, 60.0)
_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
Labels = tuple[str, ...]


@dataclasses.dataclass(eq=False)
class Metric:
    """One row: ``kind`` is counter, histogram, gauge or fact.

    A gauge is each process's own, and added up. A fact is read when somebody asks: it is the same
    whichever process of several answers.
    """

    name: str
    kind: str
    labels: Labels
    who: Labels
    text: str

    @functools.cached_property
    def _made(self) -> Any:
        more: dict[str, Any] = {}
        if self.kind == "gauge":
            more["multiprocess_mode"] = "livesum"
        elif self.kind == "histogram":
            more["buckets"] = _SECONDS
        kind = getattr(prometheus_client, self.kind.capitalize())
        return kind(self.name, self.text, self.labels, registry=_REGISTRY, **more)

    @functools.cached_property
    def _children(self) -> dict[Labels, Any]:
        return {}

    def _of(self, labels: Labels) -> Any:
        # Twice as fast as the library's own look.
        found = self._children.get(labels)
        if found is None:
            found = self._made.labels(*labels) if self.labels else self._made
            self._children[labels] = found
        return found

    def inc(self, *labels: str, by: float = 1) -> None:
        self._of(labels).inc(by)

    def observe(self, amount: float, *labels: str) -> None:
        self._of(labels).observe(amount)

    def set(self, amount: float, *labels: str) -> None:
        self._of(labels).set(amount)


_REGISTRY = CollectorRegistry()
_lock = threading.Lock()
_facts: dict[str, Callable[[], Mapping[Labels, float]]] = {}
_samplers: dict[str, Callable[[], Mapping[Labels, float]]] = {}

REQUESTS = Metric(
    "tricircle_requests_total", "counter", ("service", "way", "status"), (GATEWAY,),
    "Requests answered, by API, by how the route is served (none: no route was reached), and by "
    "HTTP status.",
)  # fmt: skip
REQUEST_SECONDS = Metric(
    "tricircle_request_seconds", "histogram", ("service", "way"), (GATEWAY,),
    "Seconds until a request was answered.",
)  # fmt: skip
POD_CALLS = Metric(
    "tricircle_pod_calls_total", "counter", ("pod", "service", "outcome"), EVERYONE,
    "Calls to services of pods, and to central Neutron. The outcome is the class of the HTTP "
    "status (2xx, 4xx, 5xx), timeout, unreachable, broken (no answer that can be read), left_alone "
    "(not sent: the breaker is open) or cancelled.",
)  # fmt: skip
POD_CALL_SECONDS = Metric(
    "tricircle_pod_call_seconds", "histogram", ("pod", "service"), EVERYONE,
    "Seconds that calls to a service of a pod took, whatever the outcome; those that were not "
    "sent do not count.",
)  # fmt: skip
POD_UP = Metric(
    "tricircle_pod_up", "fact", ("pod", "service"), (GATEWAY, XJOB),
    "1 while a service of a pod is up, 0 while it is down. A service of which nothing is known is "
    "not told.",
)  # fmt: skip
POD_STATE = Metric(
    "tricircle_pod_state", "fact", ("pod", "zone", "state"), (GATEWAY, XJOB),
    "1 for the state an operator has put a pod in: enabled, draining or maintenance.",
)  # fmt: skip
BREAKER_OPEN = Metric(
    "tricircle_breaker_open", "gauge", ("pod", "service"), (GATEWAY, XJOB),
    "How many processes leave a service of a pod alone because calls to it failed again and again.",
)  # fmt: skip
JOBS = Metric(
    "tricircle_jobs", "fact", ("pod", "state"), (XJOB,),
    "Jobs of a pod: pending, or failing when the last try failed. Each worker tells of the pods it "
    "works on.",
)  # fmt: skip
OLDEST_JOB = Metric(
    "tricircle_oldest_job_seconds", "fact", ("pod",), (XJOB,),
    "Seconds for which the oldest job of a pod has been due or failing; 0 when there is none.",
)  # fmt: skip
REPAIRS = Metric(
    "tricircle_repairs_total", "counter", ("pod", "resource_type"), (XJOB,),
    "What was put right in a pod though nothing had changed here.",
)  # fmt: skip
REFUSALS = Metric(
    "tricircle_scheduling_refusals_total", "counter", ("what", "reason"), (GATEWAY,),
    "Servers, volumes and so on for which no pod was left, once for each filter that left one out "
    "(unknown_zone: no pod is in the zone asked for).",
)  # fmt: skip
CAPACITY = Metric(
    "tricircle_pod_capacity", "fact", ("pod", "zone", "resource"), (XJOB,),
    "What all hosts and pools of a pod have: vcpus and memory_mb without overcommitment, and "
    "storage_gb of the pools that tell.",
)  # fmt: skip
USAGE = Metric(
    "tricircle_pod_usage", "fact", ("pod", "zone", "resource"), (XJOB,),
    "What of it is used.",
)  # fmt: skip
SEGMENTS = Metric(
    "tricircle_segments_left", "fact", ("pool",), (XJOB,),
    "Free segments of central Neutron, of network types (and physical networks) that have fewer "
    "than [interconnect] few_segments.",
)  # fmt: skip
TOKENS = Metric(
    "tricircle_tokens_total", "counter", ("outcome",), (GATEWAY,),
    "Tokens that requests came with: known (validated a moment ago), validated now by Keystone, "
    "refused, or unanswered because Keystone was away or slow.",
)  # fmt: skip
CONNECTIONS = Metric(
    "tricircle_database_connections", "gauge", ("database", "state"), (GATEWAY, XJOB),
    "Connections to the Tricircle database (tricircle) and to central Neutron's (neutron): in use, "
    "idle, and limit, the most there may be.",
)  # fmt: skip

#: Every number there is.
TABLE = tuple(one for one in vars().copy().values() if isinstance(one, Metric))


def share(folder: Path) -> None:
    """Keep the numbers of this process, and of those it forks, in a folder: before any counts."""
    os.environ[_FOLDER] = str(folder)
    values.ValueClass = values.MultiProcessValue()  # type: ignore[no-untyped-call]


def ended(pid: int) -> None:
    """A process of those that share a folder has ended: what it had open does not count."""
    if folder := os.environ.get(_FOLDER):
        multiprocess.mark_process_dead(pid, folder)  # type: ignore[no-untyped-call]


def tell(metric: Metric, read: Callable[[], Mapping[Labels, float]]) -> None:
    """Have ``read`` tell a fact, {labels: value}, when somebody asks, or sample a gauge.

    The last who says so is asked.
    """
    (_facts if metric.kind == "fact" else _samplers)[metric.name] = read


def sample() -> None:
    """Look at what this process has open now. Processes that share a folder do so regularly."""
    for metric in TABLE:
        if (read := _samplers.get(metric.name)) is not None:
            for labels, amount in _tried(metric.name, read).items():
                metric.set(amount, *labels)


def exposition() -> bytes:
    """All numbers, as Prometheus reads them. Facts may be read from the database."""
    with _lock:
        sample()
        registry = _REGISTRY
        if os.environ.get(_FOLDER) and values.ValueClass is not values.MutexValue:
            registry = CollectorRegistry()
            multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        facts = CollectorRegistry()
        facts.register(_Facts())
        return prometheus_client.generate_latest(registry) + prometheus_client.generate_latest(
            facts
        )


class _Facts(Collector):
    def collect(self) -> Iterator[GaugeMetricFamily]:
        for metric in TABLE:
            if (read := _facts.get(metric.name)) is None:
                continue
            family = GaugeMetricFamily(metric.name, metric.text, labels=metric.labels)
            for labels, amount in _tried(metric.name, read).items():
                family.add_metric(labels, amount)
            yield family

    def describe(self) -> list[GaugeMetricFamily]:
        """Nothing: to be asked before anybody wants to know would read the database."""
        return []


def _tried(name: str, read: Callable[[], Mapping[Labels, float]]) -> Mapping[Labels, float]:
    try:
        return read()
    except Exception as error:
        # The others are told all the same: that one is missing can be seen.
        LOG.warning("%s cannot be told: %s", name, str(error).partition("\n")[0])
        return {}
