# SPDX-License-Identifier: Apache-2.0
"""What xjob tells of itself and of the pods it works on."""

from collections.abc import Iterable

import sqlalchemy as sa
from neutron_lib.db import api as neutron_db

from tricircle.conf import CONF
from tricircle.db import session
from tricircle.db.work_queue import Waiting, own_queue
from tricircle.network.reconcile.runtime import Runtime
from tricircle.pods import report
from tricircle.telemetry import metrics
from tricircle.telemetry.endpoint import Endpoint
from tricircle.telemetry.metrics import Labels
from tricircle.xjob.service import Service


def observe(runtime: Runtime, service: Service) -> Endpoint | None:
    """Tell the process's numbers on [telemetry] xjob_port, if there is one."""
    if not CONF.telemetry.xjob_port:
        return None
    tell(runtime, service)
    return Endpoint(CONF.telemetry.xjob_port, service.failing)


def tell(runtime: Runtime, service: Service) -> None:
    """Have the numbers of the pods this worker works on told."""
    report.tell(lambda: runtime.registry.fresh().all(), runtime.services.breakers)
    jobs = _Jobs(runtime, service)
    metrics.tell(metrics.JOBS, jobs.numbers)
    metrics.tell(metrics.OLDEST_JOB, jobs.oldest)
    metrics.tell(metrics.CAPACITY, lambda: _room(runtime, service, 0))
    metrics.tell(metrics.USAGE, lambda: _room(runtime, service, 1))
    metrics.tell(metrics.CONNECTIONS, connections)
    metrics.tell(
        metrics.SEGMENTS,
        lambda: {(pool,): float(left) for pool, left in service.segments_left().items()},
    )


def connections() -> dict[Labels, float]:
    """Those of both databases."""
    engine: sa.Engine = neutron_db.CONTEXT_WRITER.get_engine()
    return {**session.connections(), **session.pool_of("neutron", engine.pool)}


class _Jobs:
    """The jobs of a worker's pods, by region name; each look asks both databases."""

    def __init__(self, runtime: Runtime, service: Service) -> None:
        self._runtime, self._service = runtime, service

    def _waiting(self) -> dict[str, list[Waiting]]:
        found = [queue.waiting() for queue in (own_queue(), self._runtime.engine.queue)]
        return {
            region: [one[pod_id] for one in found if pod_id in one]
            for pod_id, region in _names(self._runtime, self._service.pods).items()
        }

    def numbers(self) -> dict[Labels, float]:
        told: dict[Labels, float] = {}
        for region, found in self._waiting().items():
            told[region, "pending"] = sum(one.pending for one in found)
            told[region, "failing"] = sum(one.failing for one in found)
        return told

    def oldest(self) -> dict[Labels, float]:
        return {
            (region,): max((one.oldest for one in found), default=0.0)
            for region, found in self._waiting().items()
        }


def _names(runtime: Runtime, pod_ids: Iterable[str]) -> dict[str, str]:
    found = (runtime.registry.get(pod_id) for pod_id in pod_ids)
    return {pod.id: pod.region_name for pod in found if pod is not None}


def _room(runtime: Runtime, service: Service, which: int) -> dict[Labels, float]:
    """What pods have (0) or use (1), as it was seen last."""
    told: dict[Labels, float] = {}
    for pod_id, room in service.room().items():
        if (pod := runtime.registry.get(pod_id)) is not None:
            for resource, amounts in room.items():
                told[pod.region_name, pod.availability_zone, resource] = amounts[which]
    return told
