# SPDX-License-Identifier: Apache-2.0
"""The whole of xjob: a ``PodWork`` for each pod, and what concerns no pod in particular."""

import asyncio
import contextlib
import threading

from oslo_log import log as logging

from tricircle.conf import CONF
from tricircle.db import definitions
from tricircle.network import agents
from tricircle.network.runtime import Runtime
from tricircle.pods.health import Prober
from tricircle.xjob.creations import Creations
from tricircle.xjob.loop import Loop
from tricircle.xjob.podwork import PodWork

LOG = logging.getLogger(__name__)

_AGENT_INTERVAL = 5.0
_HEAL_INTERVAL = 30.0
_PROBER_PATIENCE = 5.0


class Service:
    """Runs from ``start()`` to ``stop()``; any number of processes may run one."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._pods: dict[str, PodWork] = {}
        self._prober = _Prober(Prober(runtime.identity))
        self._creations = Creations(runtime.registry, runtime.identity)
        self._loops = [
            Loop("pods", self._follow_pods, lambda: max(0.5, CONF.pods.cache_seconds)),
            Loop("agents", self._report, lambda: _AGENT_INTERVAL),
            Loop("creations", self._creations.run, lambda: CONF.reconciler.creation_grace / 4),
            Loop("definitions", definitions.heal, lambda: _HEAL_INTERVAL),
        ]

    def start(self) -> None:
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
        self._prober.stop()
        ended = [work.join(patience) for work in works]
        return all(ended)

    def _follow_pods(self) -> None:
        """Have a PodWork for exactly the pods there are."""
        pods = {pod.id: pod for pod in self._runtime.registry.fresh().all()}
        for pod_id in pods.keys() - self._pods.keys():
            LOG.info("Working on pod %s", pods[pod_id].region_name)
            work = PodWork(self._runtime, pod_id, pods[pod_id].region_name)
            self._pods[pod_id] = work
            work.start()
        for pod_id in self._pods.keys() - pods.keys():
            LOG.info("Pod %s is registered no more; what was wanted there is forgotten", pod_id)
            self._pods.pop(pod_id).stop()
            self._runtime.engine.store.forget_pod(pod_id)

    def _report(self) -> None:
        pods = self._runtime.registry.fresh().all()
        for pod in pods:
            agents.report(pod)
        for region_name in agents.reported() - {pod.region_name for pod in pods}:
            agents.forget(region_name)


class _Prober:
    """The pods' prober, which lives on an event loop, in a thread."""

    def __init__(self, prober: Prober) -> None:
        self._prober = prober
        self._events = asyncio.new_event_loop()
        self._task: asyncio.Task[None] | None = None
        self._thread = threading.Thread(target=self._run, name="prober", daemon=True)

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
