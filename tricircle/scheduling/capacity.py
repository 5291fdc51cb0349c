# SPDX-License-Identifier: Apache-2.0
"""How full a pod is, asked of its Placement, else of its Nova, or of its Cinder."""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any

from keystoneauth1 import exceptions
from oslo_log import log as logging

from tricircle.pods import rights
from tricircle.pods.errors import PodUnreachable
from tricircle.pods.identity import ServiceIdentity
from tricircle.pods.pod import Pod

LOG = logging.getLogger(__name__)

# One small server: every provider that could take it comes back with its capacity and use.
_PROBE = "resources=VCPU:1,MEMORY_MB:1&limit=1000"

Room = dict[str, tuple[float, float]]


class Remembered:
    """A number that each pod is asked for at most every ``believed`` seconds, all at once.

    A caller waits no longer than ``deadline`` seconds; a pod that has not answered by then is
    left out, one that failed is ``unknown`` until it is asked again (None: left out too).
    """

    def __init__(
        self,
        what: str,
        ask: Callable[[Pod], float],
        believed: float,
        deadline: float,
        unknown: float | None = None,
    ) -> None:
        self._what, self._ask_pod, self._unknown = what, ask, unknown
        self._believed, self._deadline = believed, deadline
        self._known: dict[str, tuple[float, float | None]] = {}
        self._asking: set[str] = set()
        self._lock = threading.Lock()
        self._threads = ThreadPoolExecutor(8, thread_name_prefix=what.replace(" ", "-"))

    def of(self, pods: Sequence[Pod]) -> dict[str, float]:
        """{pod id: the number}."""
        if due := [pod for pod in pods if self._is_due(pod)]:
            wait([self._threads.submit(self._ask, pod) for pod in due], timeout=self._deadline)
        with self._lock:
            told = {pod.id: self._known.get(pod.id, (0.0, None))[1] for pod in pods}
        return {pod_id: number for pod_id, number in told.items() if number is not None}

    def _is_due(self, pod: Pod) -> bool:
        asked = self._known.get(pod.id, (-self._believed, None))[0]
        return time.monotonic() - asked >= self._believed

    def _ask(self, pod: Pod) -> None:
        with self._lock:
            if not self._is_due(pod) or pod.id in self._asking:
                return
            self._asking.add(pod.id)
        number = self._unknown
        try:
            number = self._ask_pod(pod)
        except Exception as error:
            LOG.info(
                "The %s of pod %s could not be learned: %s", self._what, pod.region_name, error
            )
        with self._lock:
            self._asking.discard(pod.id)
            self._known[pod.id] = (time.monotonic(), number)


class Free:
    """Which share (0 to 1) of each pod is free: of memory and processors, or of storage.

    A pod is asked at most every ``believed`` seconds and in the time of a request for no longer
    than ``deadline``. One that has not answered yet is left out, one that failed is in the middle.
    """

    believed = 10.0
    deadline = 1.5
    _unknown = 0.5

    def __init__(self, identity: ServiceIdentity) -> None:
        def remembered(
            what: str, share: Callable[[ServiceIdentity, Pod, float], float]
        ) -> Remembered:
            deadline = self.deadline
            return Remembered(
                what,
                lambda pod: share(identity, pod, deadline),
                self.believed,
                deadline,
                self._unknown,
            )

        self._servers = remembered("free capacity", free_share)
        self._storage = remembered("free storage", free_storage)

    def of(self, pods: Sequence[Pod], what: str) -> dict[str, float]:
        """{pod id: the share}, for ``what`` is to be made there."""
        return (self._servers if what == "server" else self._storage).of(pods)


def hosts(identity: ServiceIdentity, pod: Pod, deadline: float) -> int:
    """How many compute hosts the pod has. Raises keystoneauth's and pod errors."""
    return int(_statistics(identity, pod, deadline)["count"])


def free_share(identity: ServiceIdentity, pod: Pod, deadline: float) -> float:
    """The share (0 to 1) of the pod's memory or processors that is free, whichever is less.

    Raises keystoneauth's and pod errors when neither service tells.
    """
    try:
        answer = identity.adapter(pod, rights.FREE_PLACEMENT).get(
            f"/allocation_candidates?{_PROBE}",
            headers={"OpenStack-API-Version": "placement 1.17"},
            timeout=deadline,
        )
        room = _of_placement(answer.json())
    except (PodUnreachable, exceptions.ClientException):
        room = server_room(identity, pod, deadline)
    return min(_share(capacity, used) for capacity, used in room.values())


def server_room(identity: ServiceIdentity, pod: Pod, deadline: float) -> Room:
    """{resource: (what all hosts have, what of it is used)}: vcpus and memory_mb, without
    overcommitment. Raises keystoneauth's and pod errors.
    """
    total = _statistics(identity, pod, deadline)
    return {name: (total[name], total[f"{name}_used"]) for name in ("vcpus", "memory_mb")}


def storage_room(identity: ServiceIdentity, pod: Pod, deadline: float) -> Room:
    """The same of storage_gb; nothing where no pool tells. Raises as ``free_storage``."""
    known = [
        (float(one["total_capacity_gb"]), float(one["free_capacity_gb"]))
        for one in _pools(identity, pod, deadline)
        if _tells(one)
    ]
    if not known:
        return {}
    total = sum(capacity for capacity, _ in known)
    return {"storage_gb": (total, total - sum(free for _, free in known))}


def _tells(capabilities: dict[str, Any]) -> bool:
    """Whether a pool has an end and knows it."""
    told = (capabilities.get("total_capacity_gb"), capabilities.get("free_capacity_gb"))
    return all(isinstance(one, int | float) for one in told)


def free_storage(identity: ServiceIdentity, pod: Pod, deadline: float) -> float:
    """The share (0 to 1) of the pod's storage pools that is free.

    A pool that does not know, or has no end, counts as free. Raises keystoneauth's and pod errors.
    """
    shares = [_of_pool(capabilities) for capabilities in _pools(identity, pod, deadline)]
    return max(shares, default=0.0)


def _pools(identity: ServiceIdentity, pod: Pod, deadline: float) -> list[dict[str, Any]]:
    answer = identity.adapter(pod, rights.FREE_STORAGE).get(
        "/scheduler-stats/get_pools?detail=true",
        headers={"OpenStack-API-Version": "volume 3.0"},
        timeout=deadline,
    )
    return [pool["capabilities"] for pool in answer.json()["pools"]]


def _of_pool(capabilities: dict[str, Any]) -> float:
    total, free = (capabilities.get(f"{name}_capacity_gb") for name in ("total", "free"))
    if isinstance(total, str) or isinstance(free, str) or total is None or free is None:
        return 1.0
    return min(1.0, max(0.0, free / total)) if total else 0.0


def _statistics(identity: ServiceIdentity, pod: Pod, deadline: float) -> dict[str, Any]:
    answer = identity.adapter(pod, rights.FREE_COMPUTE).get(
        "/os-hypervisors/statistics",
        headers={"OpenStack-API-Version": "compute 2.53"},
        timeout=deadline,
    )
    total: dict[str, Any] = answer.json()["hypervisor_statistics"]
    return total


def _of_placement(document: dict[str, Any]) -> Room:
    names = {"VCPU": "vcpus", "MEMORY_MB": "memory_mb"}
    capacity, used = dict.fromkeys(names, 0), dict.fromkeys(names, 0)
    for provider in document["provider_summaries"].values():
        for resource in names:
            amount = provider["resources"].get(resource, {"capacity": 0, "used": 0})
            capacity[resource] += amount["capacity"]
            used[resource] += amount["used"]
    return {name: (capacity[resource], used[resource]) for resource, name in names.items()}


def _share(capacity: float, used: float) -> float:
    return max(0.0, (capacity - used) / capacity) if capacity else 0.0
