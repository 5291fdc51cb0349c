# SPDX-License-Identifier: Apache-2.0
"""Watch the pods: is each there, how fast, and what does it offer by now."""

import asyncio
import collections
import dataclasses
import datetime
import functools
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

import aiohttp
from oslo_db import exception as db_exc
from oslo_log import log as logging

from tricircle.conf import CONF
from tricircle.db import models, pods
from tricircle.pods import availability, discovery, work_look
from tricircle.pods.availability import Availability, Health
from tricircle.pods.breaker import Breakers
from tricircle.pods.errors import PodTimeout, PodUnreachable
from tricircle.pods.identity import KeystoneFailed, ServiceIdentity
from tricircle.pods.pod import DOWN, UP, Pod
from tricircle.pods.versions import CHOSEN, Range, common

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

    def __init__(self, identity: ServiceIdentity, breakers: Breakers | None = None) -> None:
        """``breakers`` are those of the process's other calls to pods: they tell who answers."""
        self._identity = identity
        self._availability = Availability(breakers or Breakers())
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
        """Probe a pod's services now and write what was found."""
        given = pod.given_endpoints
        known = self._catalogue.get(pod.region_name) if given is None else given
        catalogue = dict(pod.endpoints if known is None else known)
        began = models.now()
        others = self._offered.but(pod)
        told = await discovery.survey(http, pod.region_name, catalogue, others=others)
        told = {
            name: one
            for name, one in told.items()
            if isinstance(one, discovery.Seen) or discovery.SERVICES[name].watched
        }
        told |= await self._at_work(http, pod, catalogue, told)
        look = _Look(began, models.now(), catalogue, told, self._last_answers(pod))
        if look.failures:
            self._silent.add(pod.region_name)
        else:
            self._silent.discard(pod.region_name)
        await asyncio.to_thread(pods.write_probe, pod.id, look.columns)

    async def _at_work(
        self,
        http: aiohttp.ClientSession,
        pod: Pod,
        catalogue: dict[str, str],
        told: Mapping[str, discovery.Seen | PodUnreachable],
    ) -> dict[str, PodTimeout]:
        """Those services that answered the probe and do no work. What has answered somebody since
        the probe before is not asked for more: it has work enough.
        """
        recent = models.now() - datetime.timedelta(seconds=CONF.pods.probe_interval)
        busy = {name for name, at in self._last_answers(pod).items() if at > recent}
        seen = [name for name, one in told.items() if isinstance(one, discovery.Seen)]
        idle = [name for name in seen if name not in busy]
        urls = discovery.endpoints(catalogue)
        return await work_look.look(http, self._identity, pod, idle, urls)

    def _last_answers(self, pod: Pod) -> dict[str, datetime.datetime]:
        """When each service of a pod answered anything at all in this process."""
        answers = {name: self._availability.last_answer(pod, name) for name in discovery.SERVICES}
        return {name: moment for name, moment in answers.items() if moment is not None}

    async def _tell_of_life(self, pod: Pod) -> None:
        """Tell the other processes that services which seem silent have answered this one."""
        answers = self._last_answers(pod)
        before = {name: Health.read(pod.services.get(name)) for name in answers}
        if all(availability.heard(before[name], answers[name]) is before[name] for name in answers):
            return

        def columns(row: models.Pod) -> dict[str, Any]:
            known = _known(row)
            for name in answers:
                known[name] = availability.heard(known.get(name, Health()), answers[name])
            return _columns(row, known)

        await asyncio.to_thread(pods.write_probe, pod.id, columns)

    async def _probe_if_due(self, http: aiohttp.ClientSession, pod: Pod) -> None:
        now = models.now()
        recent = now - datetime.timedelta(seconds=CONF.pods.probe_interval * _RECENT)
        try:
            await self._tell_of_life(pod)
            # As it was read just now: mostly another process has probed it, and nothing is written.
            if pod.probed_at is not None and pod.probed_at >= recent:
                return
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
        known = [Pod.from_row(row) for row in await asyncio.to_thread(pods.list_all)]
        self._silent &= {pod.region_name for pod in known}
        known = [pod for pod in known if pod.given_endpoints is None]
        found: dict[str, dict[str, str]] = {}
        for pod in known:
            if pod.is_shared:
                # What the first has Keystone asked for holds for all.
                fresh = not found
                told = await asyncio.to_thread(self._identity.pod_endpoints, pod, fresh)
                found[pod.region_name] = told
        others = [pod for pod in known if not pod.is_shared]
        # Nobody waits for a Keystone that is a pod's own.
        self._catalogue = {**self._catalogue, **found}
        found |= await self._own_catalogues(others)
        self._catalogue, self._read_at = found, time.monotonic()

    async def _own_catalogues(self, found: list[Pod]) -> dict[str, dict[str, str]]:
        """What pods with a Keystone of their own tell, side by side; of one that does not answer
        what it told before is left as it is.
        """

        async def read(pod: Pod) -> tuple[str, dict[str, str]] | None:
            try:
                told = await asyncio.to_thread(self._identity.pod_endpoints, pod, True)
            except (PodUnreachable, KeystoneFailed) as error:
                LOG.warning("%s", error)
                kept = self._catalogue.get(pod.region_name)
                return None if kept is None else (pod.region_name, kept)
            return pod.region_name, told

        return dict(filter(None, await asyncio.gather(*map(read, found))))

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
            if pod.in_use and (offered := pod.offers(service)) is not None:
                counts[offered] += number

    def but(self, pod: Pod) -> dict[str, Range]:
        """What all pods but this one have in common."""
        self._add(pod, -1)
        try:
            ranges = {service: common(+counts) for service, counts in self._counts.items()}
        finally:
            self._add(pod, 1)
        return {service: found for service, found in ranges.items() if found is not None}


@dataclasses.dataclass(frozen=True, slots=True)
class _Look:
    """One probe of a pod: from when to when, where its services were sought, what they told, and
    when they answered anything else in this process.
    """

    began: datetime.datetime
    ended: datetime.datetime
    catalogue: dict[str, str]
    told: dict[str, discovery.Seen | PodUnreachable]
    last_answers: dict[str, datetime.datetime]

    @property
    def failures(self) -> dict[str, PodUnreachable]:
        return {name: one for name, one in self.told.items() if isinstance(one, PodUnreachable)}

    @property
    def seen(self) -> dict[str, discovery.Seen]:
        return {name: one for name, one in self.told.items() if isinstance(one, discovery.Seen)}

    def columns(self, row: models.Pod) -> dict[str, Any]:
        """What the probe changes in a pod's row."""
        endpoints = discovery.endpoints(self.catalogue)
        for name in self.failures:
            # Where it was seen last, if ever: what answers elsewhere only is not moved to.
            endpoints[name] = row.endpoints.get(name, endpoints.get(name, ""))
        endpoints = {name: url for name, url in endpoints.items() if url}
        # A service may be away just now: what it offered is kept.
        versions = {**row.versions, **{name: one.versions for name, one in self.seen.items()}}
        columns = _columns(row, self._health(row))
        if endpoints != row.endpoints:
            columns["endpoints"] = endpoints
        if versions != row.versions:
            columns["versions"] = versions
        return columns

    def _health(self, row: models.Pod) -> dict[str, Health]:
        known = _known(row)
        found = {}
        for name, one in self.told.items():
            if not discovery.SERVICES[name].watched:
                continue
            before = known.get(name, Health())
            if isinstance(one, discovery.Seen):
                found[name] = availability.answered(self.ended, one.latency_ms)
            else:
                last = self.last_answers.get(name)
                found[name] = availability.failed(before, one, self.began, self.ended, last)
        return found


def _known(row: models.Pod) -> dict[str, Health]:
    return {name: Health.read(stored) for name, stored in (row.services or {}).items()}


def _columns(row: models.Pod, found: dict[str, Health]) -> dict[str, Any]:
    """The columns of what was found of a pod's services."""
    before = _known(row)
    for name, health in found.items():
        _tell(row.region_name, name, before.get(name, Health()), health)
    services = {name: health.stored() for name, health in found.items() if health.found_at}
    columns = {"services": services, **availability.summary(found)}
    if columns["health"] == UP:
        columns["seen_at"] = models.now()
    return columns


def _tell(region: str, service: str, before: Health, health: Health) -> None:
    """Tell operators what has changed."""
    if health.state == UP and before.state != UP:
        LOG.info("Pod %s: its %s service is up", region, service)
    elif health.state == DOWN and before.state != DOWN:
        LOG.warning("Pod %s: its %s service is down: %s", region, service, health.error)
    elif health.error and health.error != before.error:
        LOG.warning("Pod %s: %s", region, health.error)
