# SPDX-License-Identifier: Apache-2.0
"""What a process that realizes things in pods has one of: made at the first use."""

import dataclasses
import threading

from tricircle.conf import CONF
from tricircle.network.central.models import work_queue
from tricircle.network.pod_api import pod_registry
from tricircle.network.pod_api.bulkhead import Bulkhead, Bulkheads
from tricircle.network.pod_api.neutron_client import PodNeutrons
from tricircle.network.reconcile.adapters import ADAPTERS
from tricircle.network.reconcile.engine import Engine
from tricircle.pods.availability import Availability
from tricircle.pods.deadline import Deadline
from tricircle.pods.identity import ServiceIdentity
from tricircle.pods.pod import Pod
from tricircle.pods.reconciler import Worker
from tricircle.pods.registry import Registry
from tricircle.pods.rest import PodServices


@dataclasses.dataclass(frozen=True)
class Runtime:
    registry: Registry
    services: PodServices
    engine: Engine
    bulkheads: Bulkheads = dataclasses.field(default_factory=Bulkheads)

    @property
    def identity(self) -> ServiceIdentity:
        return self.services.identity

    @property
    def worker(self) -> Worker:
        """What works on due rows."""
        return Worker(self.engine.queue, (self.engine,))

    @property
    def availability(self) -> Availability:
        return Availability(self.services.breakers)

    def bulkhead(self, pod: Pod) -> Bulkhead:
        """What a thread passes that serves a user and is to wait for a pod's Neutron."""
        self.availability.take_up(pod, "network")
        return self.bulkheads.of(pod.id, lambda: self._make_bulkhead(pod))

    def _make_bulkhead(self, pod: Pod) -> Bulkhead:
        pod_id = pod.id

        def look() -> None:
            """A call that costs the pod little, and takes a token and its database as all do."""
            now = self.registry.get(pod_id)
            if now is not None:
                deadline = Deadline(CONF.reconciler.bind_call_deadline)
                self.engine.session(now, deadline).neutron.get("/networks", limit=1, fields="id")

        return Bulkhead(pod.region_name, self.services.breakers[pod_id, "network"], look)


_lock = threading.Lock()
_runtime: Runtime | None = None


def get() -> Runtime:
    global _runtime
    with _lock:
        if _runtime is None:
            services = PodServices(ServiceIdentity())
            engine = Engine(work_queue(), PodNeutrons(services), ADAPTERS)
            _runtime = Runtime(pod_registry.get(), services, engine)
        return _runtime


def use(runtime: Runtime | None) -> None:
    """Take this one from now on (None: make one at the next use); for tests."""
    global _runtime
    with _lock:
        pod_registry.use(runtime.registry if runtime else Registry())
        _runtime = runtime
