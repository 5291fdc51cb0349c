# SPDX-License-Identifier: Apache-2.0
"""The whole of xjob: a ``PodLoops`` for each pod, and what concerns no pod in particular."""

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable

from oslo_log import log as logging

from tricircle.conf import CONF
from tricircle.db import allocations, bindings, definitions, storage
from tricircle.db.work_queue import own_queue
from tricircle.network.observe import pod_agents
from tricircle.network.observe.segment_watch import SegmentWatch
from tricircle.network.reconcile import forgotten_pods, stand_ins
from tricircle.network.reconcile.runtime import Runtime
from tricircle.network.routers import bridges
from tricircle.network.wanted import group_members, needs, tunnel_endpoints
from tricircle.pods.health import Prober
from tricircle.scheduling import capacity
from tricircle.xjob.loop import Loop
from tricircle.xjob.operations import Operations
from tricircle.xjob.pod_loops import NETWORK, OWN, USAGE, PodLoops
from tricircle.xjob.ring import Ring

LOG = logging.getLogger(__name__)

_AGENT_INTERVAL = 5.0
_HEAL_INTERVAL = 30.0
_BRIDGE_INTERVAL = 10.0
_BINDINGS_INTERVAL = 30.0
_STAND_IN_INTERVAL = 1.0
_SEGMENTS_INTERVAL = 60.0
# So many bindings are looked at each time.
_BINDINGS = 500
_PROBER_PATIENCE = 5.0
_RING_PATIENCE = 5.0


class Service:
    """Runs from ``start()`` to ``stop()``; any number of processes may run one.

    They share the pods, and what concerns no pod, by a ``Ring``. ``member`` is this one's name.
    """

    def __init__(self, runtime: Runtime, member: str | None = None) -> None:
        self._runtime = runtime
        self._changes = needs.Changes(runtime.engine.queue)
        self._pods: dict[str, PodLoops] = {}
        self._prober = _Prober(Prober(runtime.identity, runtime.services.breakers))
        self._heartbeats = pod_agents.Heartbeats()
        operations = Operations(runtime.registry, runtime.services)
        follow = Loop("pods", self._follow_pods, lambda: max(0.5, CONF.pods.cache_seconds))
        self._follow = follow
        self._bindings_seen = ""
        self._segments = SegmentWatch(runtime.engine.queue)
        self._stand_ins = stand_ins.StandIns(runtime.engine.queue)
        self.ring = Ring(follow.wake, member)
        self._loops = [
            follow,
            Loop("agents", self._report, lambda: _AGENT_INTERVAL),
            Loop("due", self._find_due, self._poll),
            Loop("due-mirrored", self._find_due_to_mirror, self._poll),
            Loop("due-usage", self._find_due_usage, lambda: CONF.reconciler.status_interval),
            self._one_workers("operations", operations.run, CONF.reconciler.creation_grace / 4),
            self._one_workers("definitions", definitions.heal, _HEAL_INTERVAL),
            self._one_workers("forgetting", self._forget_pods, _HEAL_INTERVAL),
            self._one_workers("bridges", self._sweep_bridges, _BRIDGE_INTERVAL),
            self._one_workers("stand-ins", self._stand_in, _STAND_IN_INTERVAL),
            self._one_workers("segments", self._segments.look, _SEGMENTS_INTERVAL),
            self._one_workers("bindings", self._fade_bindings, _BINDINGS_INTERVAL),
        ]

    @property
    def pods(self) -> set[str]:
        """Ids of the pods this one works on."""
        return set(self._pods)

    def segments_left(self) -> dict[str, int]:
        """Of pools that run low, as they were seen last; told by the worker that looks."""
        return self._segments.seen if self.ring.mine("segments") else {}

    def room(self) -> dict[str, capacity.Room]:
        """What each of these pods has and uses, as it was seen last."""
        return {pod_id: work.room.seen for pod_id, work in list(self._pods.items())}

    def failing(self) -> str:
        """What does not work, "" when all is well. Neither pods nor Keystone count."""
        silent = time.monotonic() - self._follow.worked_at
        if silent > CONF.reconciler.unhealthy_after + max(0.5, CONF.pods.cache_seconds):
            return f"The pods were read from the database last {silent:.0f} seconds ago"
        return "" if self._prober.lives else "Nobody probes the pods any more"

    def start(self) -> None:
        self.ring.start()
        for loop in self._loops:
            loop.start()
        self._prober.start()

    def stop(self, patience: float) -> bool:
        """End all; whether everything that was begun is finished after ``patience`` seconds."""
        for loop in self._loops:
            loop.stop()
        works = list(self._pods.values())
        for work in works:
            work.stop()
        self.ring.stop(_RING_PATIENCE)
        self._prober.stop()
        ended = [work.join(patience) for work in works]
        return all(ended)

    def _follow_pods(self) -> None:
        """Have a PodLoops for exactly the pods that are this worker's."""
        found = self._runtime.registry.fresh().all()
        mine = {pod.id: pod.region_name for pod in found if self.ring.mine(pod.id)}
        for pod_id in mine.keys() - self._pods.keys():
            LOG.info("Working on pod %s", mine[pod_id])
            work = PodLoops(self._runtime, pod_id, mine[pod_id], self._changes)
            self._pods[pod_id] = work
            work.start()
        for pod_id in self._pods.keys() - mine.keys():
            LOG.info("Working on pod %s no more", pod_id)
            self._pods.pop(pod_id).stop()

    @staticmethod
    def _poll() -> float:
        return float(CONF.reconciler.poll_interval)

    def _find_due(self) -> None:
        self._wake(NETWORK, self._runtime.engine.queue.pods_due(self.pods))

    def _find_due_to_mirror(self) -> None:
        self._wake(OWN, own_queue().pods_due(self.pods))

    def _find_due_usage(self) -> None:
        self._wake(USAGE, allocations.pods_due() | storage.pods_due())

    def _wake(self, what: str, due: set[str]) -> None:
        """One look for all pods says which have work."""
        for pod_id, work in list(self._pods.items()):
            if pod_id in due:
                work.wake(what)

    def _forget_pods(self) -> None:
        """Forget what was wanted in pods that are registered no more."""
        queue = self._runtime.engine.queue
        # In this order: a row is written only where there is a pod.
        known = queue.pod_ids()
        self._runtime.registry.refresh()
        registered = {pod.id for pod in self._runtime.registry.all()}
        # With no pod at all it is likelier that this is the wrong database.
        for pod_id in known - registered if registered else ():
            LOG.info("Pod %s is registered no more; what was wanted there is forgotten", pod_id)
            forgotten_pods.let_go(queue, pod_id)
            queue.forget_pod(pod_id)
            tunnel_endpoints.forget_pod(queue, pod_id)
            group_members.look_again(queue)

    def _sweep_bridges(self) -> None:
        bridges.sweep(self._runtime.engine.queue)

    def _stand_in(self) -> None:
        pods, availability = self._runtime.registry.fresh().all(), self._runtime.availability
        down = (pod.id for pod in pods if stand_ins.is_down(pod, availability))
        self._stand_ins.look(pods, frozenset(down))

    def _fade_bindings(self) -> None:
        older_than = CONF.scheduling.forget_unused_after
        self._bindings_seen = bindings.fade(older_than, self._bindings_seen, _BINDINGS)

    def _report(self) -> None:
        pods = self._runtime.registry.fresh().all()
        for pod in pods:
            if self.ring.mine(pod.id):
                self._heartbeats.beat(pod, self._runtime.availability.is_down(pod, "network"))
            else:
                self._heartbeats.leave(pod)
        if self.ring.mine("agents"):
            for region_name in pod_agents.reported() - {pod.region_name for pod in pods}:
                pod_agents.forget(region_name)

    def _one_workers(self, name: str, work: Callable[[], object], interval: float) -> Loop:
        """A loop whose work one of the workers does for all."""

        def if_mine() -> None:
            if self.ring.mine(name):
                work()

        return Loop(name, if_mine, lambda: interval)


class _Prober:
    """The pods' prober, which lives on an event loop, in a thread."""

    def __init__(self, prober: Prober) -> None:
        self._prober = prober
        self._events = asyncio.new_event_loop()
        self._task: asyncio.Task[None] | None = None
        self._thread = threading.Thread(target=self._run, name="prober", daemon=True)

    @property
    def lives(self) -> bool:
        return self._thread.is_alive()

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        def cancel() -> None:
            if self._task is not None:
                self._task.cancel()

        if self._thread.is_alive():
            self._events.call_soon_threadsafe(cancel)
            self._thread.join(_PROBER_PATIENCE)

    def _run(self) -> None:
        runner = asyncio.Runner(loop_factory=lambda: self._events)
        with contextlib.suppress(asyncio.CancelledError), runner:
            runner.run(self._probe())

    async def _probe(self) -> None:
        self._task = asyncio.current_task()
        while True:
            try:
                await self._prober.run()
            except Exception:
                LOG.exception("Probing the pods failed, will go on")
                await asyncio.sleep(_PROBER_PATIENCE)
