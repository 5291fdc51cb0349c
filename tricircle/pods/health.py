# SPDX-License-Identifier: Apache-2.0
"""Watch the pods: is each there, how fast, and what does it offer by now."""

import asyncio
import collections
import datetime
import functools
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

import aiohttp
from oslo_db import exception as db_exc
from oslo_log import log as logging

from tricircle.conf import CONF
from tricircle.db import models, pods
from tricircle.pods import discovery
from tricircle.pods.errors import PodTimeout, PodUnreachable
from tricircle.pods.identity import KeystoneFailed, ServiceIdentity
from tricircle.pods.pod import DOWN, MAINTENANCE, UP, Pod
from tricircle.pods.versions import CHOSEN, Range, common

_Value = TypeVar("_Value")
LOG = logging.getLogger(__name__)

# A pod probed by another process less than this part of an interval ago is left to that one.
_RECENT = 0.8
# Seconds until Keystone is asked again after it failed, or while a pod does not answer.
_KEYSTONE_RETRY = 10.0


class Prober:
    """Probes every pod each [pods] probe_interval and writes what it found to the database.

    Any number of processes may run one: each probe is done by the one that claims it. Pods are
    probed side by side, so a slow one delays no other. ``await run()`` never returns; cancel it.
    Without an event loop: ``threading.Thread(target=lambda: asyncio.run(prober.run()))``.
    """

    def __init__(self, identity: ServiceIdentity) -> None:
        self._identity = identity
        self._catalogue: dict[str, dict[str, str]] = {}
        self._read_at = float("-inf")
        self._silent: set[str] = set()
        self._probes: dict[str, asyncio.Task[None]] = {}
        self._offered = Offered(())

    async def run(self) -> None:
        async with discovery.client() as http:
            try:
                await self._run(http)
            finally:
                probes = list(self._probes.values())
                for probe in probes:
                    probe.cancel()
                await asyncio.gather(*probes, return_exceptions=True)

    async def _run(self, http: aiohttp.ClientSession) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._every(self._read_catalogue, self._catalogue_interval))
            group.create_task(
                self._every(lambda: self.start_probes(http), lambda _: CONF.pods.probe_interval)
            )

    async def start_probes(self, http: aiohttp.ClientSession) -> None:
        """Begin a probe of each pod that is not being probed still."""
        found = [Pod.from_row(row) for row in await asyncio.to_thread(pods.list_all)]
        self._offered = Offered(found)
        for pod in found:
            if pod.id not in self._probes:
                task = asyncio.create_task(self._probe_if_due(http, pod))
                self._probes[pod.id] = task
                task.add_done_callback(functools.partial(self._ended, pod.id))

    def _ended(self, pod_id: str, _: asyncio.Task[None]) -> None:
        del self._probes[pod_id]

    async def probe(self, http: aiohttp.ClientSession, pod: Pod) -> None:
        """Probe a pod now and write what was found."""
        catalogue = self._catalogue.get(pod.region_name, pod.endpoints)
        found = await _look(http, pod, catalogue, self._offered.but(pod))
        if isinstance(found, PodUnreachable):
            self._silent.add(pod.region_name)
            if pod.health != DOWN:
                LOG.warning("Pod %s: %s", pod.region_name, found.detail)
            await asyncio.to_thread(
                pods.write_probe,
                pod.id,
                health=DOWN,
                last_error=found.detail,
                latency_ms=None,
                was=pod.health,
            )
            return
        self._silent.discard(pod.region_name)
        if pod.health != UP:
            LOG.info("Pod %s is up", pod.region_name)
        if found.trouble and found.trouble != pod.last_error:
            LOG.warning("Pod %s: %s", pod.region_name, found.trouble)
        await asyncio.to_thread(
            pods.write_probe,
            pod.id,
            health=UP,
            last_error=found.trouble,
            latency_ms=found.latency_ms,
            endpoints=_if_new(found.endpoints, pod.endpoints),
            # A service that is not required may be away just now: what it offered is kept.
            versions=_if_new({**pod.versions, **found.versions}, pod.versions),
        )

    async def _probe_if_due(self, http: aiohttp.ClientSession, pod: Pod) -> None:
        now = models.now()
        recent = now - datetime.timedelta(seconds=CONF.pods.probe_interval * _RECENT)
        try:
            if await asyncio.to_thread(pods.claim_probe, pod.id, now, recent):
                await self.probe(http, pod)
        except db_exc.DBError as error:
            reason = str(error).splitlines()[0]
            LOG.warning("Pod %s could not be probed: %s", pod.region_name, reason)
        except Exception:
            LOG.exception("Pod %s could not be probed", pod.region_name)

    async def _read_catalogue(self) -> None:
        """Read where the pods are: now and then, often while one does not answer. It may have
        moved."""
        age = time.monotonic() - self._read_at
        if not self._silent and age < CONF.tricircle_identity.catalog_cache_seconds:
            return
        regions = [row.region_name for row in await asyncio.to_thread(pods.list_all)]
        self._silent &= set(regions)
        found: dict[str, dict[str, str]] = {}
        for region in regions:
            # What the first has Keystone asked for holds for all.
            fresh = not found
            found[region] = await asyncio.to_thread(self._identity.endpoints, region, fresh)
        self._catalogue, self._read_at = found, time.monotonic()

    def _catalogue_interval(self, failure: Exception | None) -> float:
        return float(min(CONF.tricircle_identity.catalog_cache_seconds, _KEYSTONE_RETRY))

    async def _every(
        self, work: Callable[[], Awaitable[None]], seconds: Callable[[Exception | None], float]
    ) -> None:
        """Do ``work`` again and again, whatever becomes of it."""
        while True:
            failure: Exception | None = None
            try:
                await work()
            except KeystoneFailed as error:
                LOG.warning("%s", error)
                failure = error
            except db_exc.DBError as error:
                LOG.warning("The pods cannot be watched: %s", str(error).splitlines()[0])
                failure = error
            except Exception as error:
                LOG.exception("Watching the pods failed; it is tried again")
                failure = error
            await asyncio.sleep(seconds(failure))


class Offered:
    """The versions that pods in use offer, by service, each range once with how many have it."""

    def __init__(self, pods: Iterable[Pod]) -> None:
        self._counts: dict[str, collections.Counter[Range]] = {
            service: collections.Counter() for service in CHOSEN
        }
        for pod in pods:
            self._add(pod, 1)

    def _add(self, pod: Pod, number: int) -> None:
        for service, counts in self._counts.items():
            if pod.state != MAINTENANCE and (offered := pod.offers(service)) is not None:
                counts[offered] += number

    def but(self, pod: Pod) -> dict[str, Range]:
        """What all pods but this one have in common."""
        self._add(pod, -1)
        try:
            ranges = {service: common(+counts) for service, counts in self._counts.items()}
        finally:
            self._add(pod, 1)
        return {service: found for service, found in ranges.items() if found is not None}


async def _look(
    http: aiohttp.ClientSession, pod: Pod, catalogue: dict[str, str], others: dict[str, Range]
) -> discovery.Found | PodUnreachable:
    """What discovery finds, or why it found nothing.

    One answer that is late says little about a busy pod: if it was up, a second one decides.
    """
    try:
        return await discovery.discover(http, pod.region_name, catalogue, others=others)
    except PodTimeout as error:
        if pod.health == DOWN:
            return error
    except PodUnreachable as error:
        return error
    try:
        return await discovery.discover(http, pod.region_name, catalogue, others=others)
    except PodUnreachable as error:
        return error


def _if_new(found: dict[str, _Value], known: dict[str, _Value]) -> dict[str, _Value] | None:
    return found if found != known else None
