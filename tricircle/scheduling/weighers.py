# SPDX-License-Identifier: Apache-2.0
"""Weighers: each gives pods a weight from 0 to 1; the configured order says which counts first.

A weigher of your own is a subclass of Weigher under the entry point
``tricircle.scheduling.weighers``. Weighers run in a thread and may block.
"""

import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait

from oslo_log import log as logging

from tricircle.db import bindings
from tricircle.pods.pod import Pod
from tricircle.scheduling.capacity import free_share
from tricircle.scheduling.request import Facts, Request

LOG = logging.getLogger(__name__)
NEUTRAL = 0.5


class Weigher:
    def __init__(self, facts: Facts) -> None:
        self.facts = facts

    def weigh(self, pods: Sequence[Pod], request: Request) -> Mapping[str, float]:
        """A weight from 0 to 1 by pod id; a pod left out is taken as NEUTRAL."""
        raise NotImplementedError


class ServerGroupWeigher(Weigher):
    """Pods with fewest servers of a group that is to be spread come first; if it is to be together,
    the ones with most."""

    def weigh(self, pods: Sequence[Pod], request: Request) -> Mapping[str, float]:
        if request.group is None or not request.group.members:
            return {}
        members, most = request.group.members, max(request.group.members.values())
        share = {pod.id: members.get(pod.id, 0) / most for pod in pods}
        if request.group.policy.endswith("anti-affinity"):
            return {pod_id: 1.0 - used for pod_id, used in share.items()}
        return share


class BoundWeigher(Weigher):
    """Pods the project already uses come first."""

    def weigh(self, pods: Sequence[Pod], request: Request) -> Mapping[str, float]:
        bound = bindings.pods_of(request.project_id)
        return {pod.id: 1.0 if pod.id in bound else 0.0 for pod in pods}


class CapacityWeigher(Weigher):
    """Pods with a larger share of their memory and processors free come first.

    A pod is asked at most every ``believed`` seconds and in the time of a request for no longer
    than ``deadline``; until it has answered its weight is NEUTRAL.
    """

    believed = 10.0
    deadline = 1.5

    def __init__(self, facts: Facts) -> None:
        super().__init__(facts)
        self._known: dict[str, tuple[float, float]] = {}
        self._asking: set[str] = set()
        self._lock = threading.Lock()
        self._threads = ThreadPoolExecutor(8, thread_name_prefix="capacity")

    def weigh(self, pods: Sequence[Pod], request: Request) -> Mapping[str, float]:
        if len(pods) > 1:
            wait([self._threads.submit(self._ask, pod) for pod in pods], timeout=self.deadline)
        with self._lock:
            # Coarse steps, so that a hair of free memory does not decide against chance.
            return {
                pod.id: round(self._known[pod.id][1], 1) for pod in pods if pod.id in self._known
            }

    def _ask(self, pod: Pod) -> None:
        with self._lock:
            fresh = time.monotonic() - self._known.get(pod.id, (-self.believed, 0))[0]
            if fresh < self.believed or pod.id in self._asking:
                return
            self._asking.add(pod.id)
        try:
            share = free_share(self.facts.identity, pod, self.deadline)
        except Exception as error:
            LOG.info("How full pod %s is could not be learned: %s", pod.region_name, error)
            share = NEUTRAL
        with self._lock:
            self._asking.discard(pod.id)
            self._known[pod.id] = (time.monotonic(), share)
