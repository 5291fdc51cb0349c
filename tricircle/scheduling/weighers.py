# SPDX-License-Identifier: Apache-2.0
"""Weighers: each gives pods a weight from 0 to 1; the configured order says which counts first.

A weigher of your own is a subclass of Weigher under the entry point
``tricircle.scheduling.weighers``. Weighers run in a thread and may block.
"""

from collections.abc import Mapping, Sequence

from tricircle.conf import CONF
from tricircle.db import bindings, image_copies
from tricircle.pods.pod import Pod
from tricircle.scheduling.capacity import Remembered, hosts
from tricircle.scheduling.request import Facts, Request

NEUTRAL = 0.5


class Weigher:
    def __init__(self, facts: Facts) -> None:
        self.facts = facts

    def weigh(self, pods: Sequence[Pod], request: Request) -> Mapping[str, float]:
        """A weight from 0 to 1 by pod id; a pod left out is taken as NEUTRAL."""
        raise NotImplementedError

    def settle(
        self, ordered: Sequence[Pod], request: Request, weights: Mapping[str, float]
    ) -> Sequence[Pod]:
        """The order that stands, of the one all weighers came to: requests at once may agree.

        ``weights`` are those that this one gave.
        """
        return ordered


class ServerGroupWeigher(Weigher):
    """Of a group that is to be together, pods with most of its servers come first.

    One that is to be spread goes where all else of its project goes, as far as there are hosts:
    volumes are attached in their own pod only. Pods whose hosts all have as many as they may come
    last, before them those of which nobody knows how many hosts they have (asked every ``believed``
    seconds), each with the fewest of the group's servers first. A wish to be spread is its pod's to
    see to.
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
        if group.policy == "soft-anti-affinity":
            return {}
        if group.policy != "anti-affinity":
            return share
        room = self._hosts.of(pods)
        weights = {}
        for pod_id, used in share.items():
            taken = group.members.get(pod_id, 0)
            if pod_id not in room:
                weights[pod_id] = 1.0 - used / 2
            elif taken < room[pod_id] * group.per_host:
                weights[pod_id] = 1.0
            else:
                weights[pod_id] = (1.0 - used) / 2
        return weights


class BoundWeigher(Weigher):
    """The pod where what a project makes belongs comes first, then others that it uses.

    One that is full, by [scheduling] full_share, is no better than one that it does not use. The
    first pod of a project is written down before it is asked, so that what is asked for at the
    same time goes there too: a volume can be attached in its own pod only.
    """

    def weigh(self, pods: Sequence[Pod], request: Request) -> Mapping[str, float]:
        known = {pod.id for pod in pods}
        bound = [pod_id for pod_id in bindings.in_order(request.project_id) if pod_id in known]
        if not bound:
            return {}
        full = self._full(pods, request)
        weights = {pod_id: 1.0 - rank / len(bound) for rank, pod_id in enumerate(bound)}
        return {
            pod.id: 0.0 if pod.id in full else round(weights.get(pod.id, 0.0), 2) for pod in pods
        }

    def _full(self, pods: Sequence[Pod], request: Request) -> set[str]:
        if len(pods) < 2:
            return set()
        shares = self.facts.free.of(pods, request.what)
        return {pod_id for pod_id, share in shares.items() if share < CONF.scheduling.full_share}

    def settle(
        self, ordered: Sequence[Pod], request: Request, weights: Mapping[str, float]
    ) -> Sequence[Pod]:
        if weights or len(ordered) < 2 or not request.project_id:
            return ordered
        known = {pod.id: pod for pod in ordered}
        first = known[bindings.settle(request.project_id, known.keys(), ordered[0].id)]
        return [first, *(pod for pod in ordered if pod.id != first.id)]


class ImageWeigher(Weigher):
    """Pods in which the images are already come before those to which they must be copied first.

    A pod without a Glance of its own uses the region's.
    """

    def weigh(self, pods: Sequence[Pod], request: Request) -> Mapping[str, float]:
        own = [pod.id for pod in pods if pod.has_own_images]
        if not request.images or not own or len(pods) < 2:
            return {}
        ready = image_copies.pods_with_all(request.images, own)
        return {pod.id: float(pod.id not in own or pod.id in ready) for pod in pods}


class CapacityWeigher(Weigher):
    """Pods with a larger share free come first: of memory and processors, or of storage.

    Until a pod has answered its weight is NEUTRAL.
    """

    def weigh(self, pods: Sequence[Pod], request: Request) -> Mapping[str, float]:
        if len(pods) < 2:
            return {}
        shares = self.facts.free.of(pods, request.what)
        # Coarse steps, so that a hair of free memory does not decide against chance.
        return {pod_id: round(share, 1) for pod_id, share in shares.items()}
