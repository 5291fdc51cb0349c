# SPDX-License-Identifier: Apache-2.0
"""All the work on one pod, in loops with threads of their own: a slow pod delays no other."""

import concurrent.futures
import functools
import random
import threading
import time
from collections.abc import Collection

from oslo_log import log as logging

from tricircle.conf import CONF
from tricircle.db.work_queue import own_queue
from tricircle.network.observe import status, virtual_addresses
from tricircle.network.observe.endpoint_watch import EndpointWatch
from tricircle.network.reconcile import shadow_agents
from tricircle.network.reconcile.adapters import ADAPTERS
from tricircle.network.reconcile.runtime import Runtime
from tricircle.network.wanted import needs
from tricircle.pods.deadline import Deadline, DeadlinePassed
from tricircle.pods.errors import PodError
from tricircle.pods.identity import KeystoneFailed
from tricircle.pods.pod import Pod
from tricircle.pods.reconciler import Worker
from tricircle.xjob.adoptions import Adoptions
from tricircle.xjob.audit import Audit
from tricircle.xjob.backup_copies import BackupCopies
from tricircle.xjob.definitions import Definitions
from tricircle.xjob.hosts import Hosts
from tricircle.xjob.image_loop import ImageLoop
from tricircle.xjob.loop import BellLoop, Loop
from tricircle.xjob.moves import Moves
from tricircle.xjob.room import Room
from tricircle.xjob.server_groups import ServerGroups
from tricircle.xjob.storage import Storage
from tricircle.xjob.usage import Usage

LOG = logging.getLogger(__name__)

# Seconds an audit may take; the lists of a large pod are long.
_AUDIT_DEADLINE = 300.0
#: What wakes loops: rows that are due in Neutron's database, in Tricircle's own, and servers and
#: storage whose use is to be looked at.
NETWORK, OWN, USAGE = "network", "own", "usage"
# So often what is due is worked on at one look: a step of a move makes the next one due.
_MOST_STEPS = 10


class PodLoops:
    """Reconciles, mirrors and watches a pod from ``start()`` until ``stop()``."""

    def __init__(self, runtime: Runtime, pod_id: str, name: str, changes: needs.Changes) -> None:
        self.pod_id = pod_id
        self._runtime = runtime
        self._definitions = Definitions(runtime.services)
        self._own = Worker(
            own_queue(),
            (
                self._definitions,
                Moves(runtime.services, runtime.registry),
                BackupCopies(runtime.services),
                ServerGroups(runtime.services),
            ),
        )
        self._images = ImageLoop(name, runtime.services, self._in_use)
        self._adoptions = Worker(own_queue(), (Adoptions(runtime.engine),))
        self._neutron = runtime.worker
        self._storage = Storage(runtime.services)
        self._usage = Usage(runtime.services, self._storage)
        self._hosts = Hosts(runtime.services)
        self.room = Room(runtime.identity)
        self._audit = Audit(runtime.engine.queue, ADAPTERS)
        self._endpoints = EndpointWatch()
        self._needs = needs.Sweeper(runtime.engine.queue, pod_id, changes)
        self._was_away = False
        self._silent: set[str] = set()  # services whose definitions wait for them
        self._at_work: set[str] = set()
        self._room = CONF.reconciler.threads_per_pod * 4
        self._more = False
        self._lock = threading.Lock()
        self._workers = concurrent.futures.ThreadPoolExecutor(
            CONF.reconciler.threads_per_pod, f"{name}-worker"
        )
        poll, watch = self._poll_interval, self._status_interval
        self._bells = {
            NETWORK: [BellLoop(f"{name}-network", self._reconcile, poll)],
            OWN: [
                BellLoop(f"{name}-definitions", self._mirror, poll),
                BellLoop(f"{name}-images", self._look_at_images, poll),
                BellLoop(f"{name}-taking-over", self._take_over, watch),
            ],
            USAGE: [BellLoop(f"{name}-usage", self._look_at_usage, watch)],
        }
        # At a time of its own, lest all pods are audited at once after a start.
        first = CONF.reconciler.audit_interval * random.random()  # noqa: S311
        self._audits = Loop(f"{name}-audit", self._compare, self._audit_interval, first)
        self._usage_audits = Loop(f"{name}-usage-audit", self._audit_usage, self._usage_interval)
        self._loops = [
            *(loop for some in self._bells.values() for loop in some),
            self._audits,
            self._usage_audits,
            Loop(f"{name}-image-watch", self._images.watch, self._images_interval),
            Loop(f"{name}-adoption", self._adopt, self._audit_interval),
            Loop(f"{name}-room", self._look_at_room, self._room_interval),
            Loop(f"{name}-needs", self._sweep, watch),
            Loop(f"{name}-status", self._watch, watch),
            Loop(f"{name}-endpoints", self._look, watch),
            Loop(f"{name}-shadow-agents", self._keep_agents, self._agent_interval),
        ]

    def start(self) -> None:
        for loop in self._loops:
            loop.start()

    def wake(self, what: str) -> None:
        """There is work; until this is called nobody looks for it."""
        for loop in self._bells[what]:
            loop.ring()

    def stop(self) -> None:
        for loop in self._loops:
            loop.stop()
        self._workers.shutdown(wait=False, cancel_futures=True)
        self._images.stop()

    def join(self, seconds: float) -> bool:
        """Wait until what was begun is ended; whether it is."""
        until = time.monotonic() + seconds
        ended = [loop.join(max(0.0, until - time.monotonic())) for loop in self._loops]
        while self._at_work and time.monotonic() < until:
            time.sleep(0.05)
        return all(ended) and not self._at_work

    @staticmethod
    def _poll_interval() -> float:
        return float(CONF.reconciler.poll_interval)

    @staticmethod
    def _status_interval() -> float:
        return float(CONF.reconciler.status_interval)

    @staticmethod
    def _audit_interval() -> float:
        return float(CONF.reconciler.audit_interval)

    @staticmethod
    def _agent_interval() -> float:
        return float(CONF.interconnect.agent_report_interval)

    @staticmethod
    def _usage_interval() -> float:
        return float(CONF.quota.audit_interval)

    @staticmethod
    def _images_interval() -> float:
        return float(CONF.images.look_interval)

    @staticmethod
    def _room_interval() -> float:
        return float(CONF.telemetry.capacity_interval)

    def _pod(self, service: str = "network") -> Pod | None:
        """The pod, if a service of it is to be worked on now."""
        pod = self._runtime.registry.fresh().get(self.pod_id)
        if pod is None or not pod.in_use or self._runtime.availability.is_down(pod, service):
            return None
        return pod

    def _in_use(self) -> Pod | None:
        pod = self._runtime.registry.fresh().get(self.pod_id)
        return pod if pod is not None and pod.in_use else None

    def _reconcile(self, told: bool = True) -> None:
        """Hand due rows to the workers; each comes back here when it is done."""
        pod = self._pod()
        if pod is None:
            self._was_away = True
            return
        engine = self._runtime.engine
        if not told and not self._was_away:
            return
        if self._was_away:
            self._was_away = False
            engine.queue.requeue_now(pod.id)
            self._audits.wake()
            # What it made and could not tell anybody of is counted at once.
            self._usage_audits.wake()
        rows = self._neutron.due(pod, self._room)
        self._more = len(rows) == self._room
        for row in sorted(rows, key=engine.order):
            with self._lock:
                if row.id in self._at_work or len(self._at_work) >= self._room:
                    continue
                self._at_work.add(row.id)
            try:
                one = self._workers.submit(self._one, pod, row.id)
            except RuntimeError:  # stopped meanwhile
                with self._lock:
                    self._at_work.discard(row.id)
                return
            # Also when it is not begun any more.
            one.add_done_callback(functools.partial(self._ended, row.id))

    def _one(self, pod: Pod, row_id: str) -> None:
        try:
            self._neutron.work_on(pod, row_id)
        except Exception:
            LOG.exception("A realization in pod %s could not be worked on", pod.region_name)

    def _ended(self, row_id: str, _: object) -> None:
        with self._lock:
            self._at_work.discard(row_id)
            low = len(self._at_work) <= self._room // 2
        # Not without a backlog: what changes all the time is written once a look, not each time.
        if low and self._more:
            self.wake(NETWORK)

    def _mirror(self, told: bool = True) -> None:
        """What is due in the services that answer, by one look for all: mostly there is nothing."""
        answering = []
        for service in ("compute", "volume"):
            pod = self._pod(service)
            if pod is None:
                self._silent.add(service)
                continue
            answering.append(service)
            if service in self._silent:
                self._silent.discard(service)
                told = True
                self._own.queue.requeue_now(pod.id)
                self._usage_audits.wake()
        if told and (pod := self._runtime.registry.get(self.pod_id)):
            self._work_on(pod, answering)

    def _work_on(self, pod: Pod, services: Collection[str]) -> None:
        """What is due now; a server may be waiting for a volume: what need not wait does not."""
        for _ in range(_MOST_STEPS if services else 0):
            if not self._own.run(pod, services):
                break

    def _look_at_images(self, told: bool) -> None:
        if told:
            self._images.look()

    def _adopt(self) -> None:
        if (pod := self._pod("volume")) is None:
            return
        try:
            self._definitions.adopt(pod)
        except (PodError, KeystoneFailed) as error:
            LOG.warning("What pod %s defines is not known: %s", pod.region_name, error)

    def _take_over(self, told: bool) -> None:
        """What operators want to become of what was in the pod before; apart, for it takes long."""
        if told and (pod := self._pod()) is not None:
            self._adoptions.run(pod)

    def _look_at_usage(self, told: bool) -> None:
        if not told:
            return
        if (pod := self._pod("compute")) is not None:
            self._usage.run(pod)
        if (pod := self._pod("volume")) is not None:
            self._storage.run(pod)

    def _look_at_room(self) -> None:
        """For who reads the numbers of this process, if anybody can."""
        if CONF.telemetry.xjob_port:
            for service in ("compute", "volume"):
                self.room.look(self._pod(service), service)

    def _audit_usage(self) -> None:
        for service, what, audit in (
            ("compute", "What servers use", self._usage.audit),
            ("volume", "What storage uses", self._storage.audit),
            ("compute", "Which hosts there are", self._hosts.audit),
        ):
            # It is told administrators alone.
            if (pod := self._pod(service)) is None or not pod.is_privileged:
                continue
            try:
                audit(pod)
            except (PodError, KeystoneFailed, DeadlinePassed) as error:
                LOG.warning("%s in pod %s is not known: %s", what, pod.region_name, error)

    def _sweep(self) -> None:
        if self._needs.look():
            self.wake(NETWORK)

    def _compare(self) -> None:
        if (pod := self._pod()) is None:
            return
        try:
            found = self._audit.run(self._runtime.engine.session(pod, Deadline(_AUDIT_DEADLINE)))
        except (PodError, DeadlinePassed) as error:
            LOG.warning("Pod %s could not be audited: %s", pod.region_name, error)
        else:
            if found.work:
                self.wake(NETWORK)

    def _watch(self) -> None:
        pod = self._pod()
        if pod is None:
            return
        try:
            session = self._runtime.engine.session(pod, Deadline(CONF.reconciler.call_deadline))
            status.bring_back(session)
            virtual_addresses.look(session)
        except PodError as error:
            LOG.info("The port status of %s is not known: %s", pod.region_name, error)

    def _look(self) -> None:
        """See which ports the pod has that others are to be told of."""
        if (pod := self._pod()) is None:
            return
        try:
            deadline = Deadline(CONF.reconciler.call_deadline)
            self._endpoints.look(self._runtime.engine.session(pod, deadline))
        except (PodError, DeadlinePassed) as error:
            LOG.info("Other pods cannot be told of the ports of %s: %s", pod.region_name, error)

    def _keep_agents(self) -> None:
        if (pod := self._pod()) is None:
            return
        try:
            deadline = Deadline(CONF.reconciler.call_deadline)
            shadow_agents.keep(self._runtime.engine.session(pod, deadline))
        except (PodError, DeadlinePassed) as error:
            LOG.warning("The hosts of other pods may seem dead to %s: %s", pod.region_name, error)
