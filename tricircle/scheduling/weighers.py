# SPDX-License-Identifier: Apache-2.0
"""Weighers: each gives pods a weight from 0 to 1; the configured order says which counts first.

A weigher of your own is a subclass of Weigher under the entry point
``tricircle.scheduling.weighers``. Weighers run in a thread and may block.
"""

from collections.abc import Mapping, Sequence

from tricircle.db import bindings
from tricircle.pods.pod import Pod
from tricircle.scheduling.capacity import Remembered, free_share, free_storage, hosts
from tricircle.scheduling.request import Facts, Request

NEUTRAL = 0.5


class Weigher:
    def __init__(self, facts: Facts) -> None:
        self.facts = facts

    def weigh(self, pods: Sequence[Pod], request: Request) -> Mapping[str, float]:
        """A weight from 0 to 1 by pod id; a pod left out is taken as NEUTRAL."""
        raise NotImplementedError


class ServerGroupWeigher(Weigher):
    """Of a group that is to be together, pods with most of its servers come first.

    Of one that is to be spread, those with fewest, and last those whose hosts all have as many as
    they may (by the number of hosts, asked every ``believed`` seconds).
    """

    believed = 60.0
    deadline = 1.5

    def __init__(self, facts: Facts) -> None:
        super().__init__(facts)
        self._hosts = Remembered(
            "hosts",
            lambda pod: hosts(facts.identity, pod, self.deadline),
            self.believed,
            self.deadline,
        )

    def weigh(self, pods: Sequence[Pod], request: Request) -> Mapping[str, float]:
        group = request.group
        if group is None or not group.members or len(pods) < 2:
            return {}
        most = max(group.members.values())
        share = {pod.id: group.members.get(pod.id, 0) / most for pod in pods}
        if not group.policy.endswith("anti-affinity"):
            return share
        room = self._hosts.of(pods) if group.policy == "anti-affinity" else {}
        full = {
            pod_id
            for pod_id, number in room.items()
            if group.members.get(pod_id, 0) >= number * group.per_host
        }
        return {
            pod_id: (1.0 - used) / 2 + (0.0 if pod_id in full else 0.5)
            for pod_id, used in share.items()
        }


class BoundWeigher(Weigher):
    """Pods the project already uses come first."""

    def weigh(self, pods: Sequence[Pod], request: Request) -> Mapping[str, float]:
        bound = bindings.pods_of(request.project_id)
        return {pod.id: 1.0 if pod.id in bound else 0.0 for pod in pods}


class CapacityWeigher(Weigher):
    """Pods with a larger share free come first: of memory and processors, or of storage.

    A pod is asked at most every ``believed`` seconds and in the time of a request for no longer
    than ``deadline``; until it has answered its weight is NEUTRAL.
    """

    believed = 10.0
    deadline = 1.5

    def __init__(self, facts: Facts) -> None:
        super().__init__(facts)
        self._shares = Remembered(
            "free capacity",
            lambda pod: free_share(facts.identity, pod, self.deadline),
            self.believed,
            self.deadline,
            NEUTRAL,
        )
        self._storage = Remembered(
            "free storage",
            lambda pod: free_storage(facts.identity, pod, self.deadline),
            self.believed,
            self.deadline,
            NEUTRAL,
        )

    def weigh(self, pods: Sequence[Pod], request: Request) -> Mapping[str, float]:
        if len(pods) < 2:
            return {}
        shares = self._shares if request.what == "server" else self._storage
        # Coarse steps, so that a hair of free memory does not decide against chance.
        return {pod_id: round(share, 1) for pod_id, share in shares.of(pods).items()}
