# SPDX-License-Identifier: Apache-2.0
"""How full a pod is, asked of its Placement, else of its Nova."""

from typing import Any

from keystoneauth1 import exceptions

from tricircle.pods.errors import PodUnreachable
from tricircle.pods.identity import ServiceIdentity
from tricircle.pods.pod import Pod

# One small server: every provider that could take it comes back with its capacity and use.
_PROBE = "resources=VCPU:1,MEMORY_MB:1&limit=1000"


def free_share(identity: ServiceIdentity, pod: Pod, deadline: float) -> float:
    """The share (0 to 1) of the pod's memory or processors that is free, whichever is less.

    Raises keystoneauth's and pod errors when neither service tells.
    """
    try:
        answer = identity.adapter(pod, "placement").get(
            f"/allocation_candidates?{_PROBE}",
            headers={"OpenStack-API-Version": "placement 1.17"},
            timeout=deadline,
        )
        return _of_placement(answer.json())
    except (PodUnreachable, exceptions.ClientException):
        answer = identity.adapter(pod, "compute").get(
            "/os-hypervisors/statistics",
            headers={"OpenStack-API-Version": "compute 2.53"},
            timeout=deadline,
        )
        return _of_statistics(answer.json())


def _of_placement(document: dict[str, Any]) -> float:
    capacity = {"VCPU": 0, "MEMORY_MB": 0}
    used = {"VCPU": 0, "MEMORY_MB": 0}
    for provider in document["provider_summaries"].values():
        for resource in capacity:
            amount = provider["resources"].get(resource, {"capacity": 0, "used": 0})
            capacity[resource] += amount["capacity"]
            used[resource] += amount["used"]
    return min(_share(capacity[resource], used[resource]) for resource in capacity)


def _of_statistics(document: dict[str, Any]) -> float:
    total = document["hypervisor_statistics"]
    return min(
        _share(total["memory_mb"], total["memory_mb_used"]),
        _share(total["vcpus"], total["vcpus_used"]),
    )


def _share(capacity: int, used: int) -> float:
    return max(0.0, (capacity - used) / capacity) if capacity else 0.0
