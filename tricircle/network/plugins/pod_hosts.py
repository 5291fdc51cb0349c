# SPDX-License-Identifier: Apache-2.0
"""In which pod a port is to be bound: its host is a pod's region name, or names a host of a pod.

The latter is for what no Nova plugs: load balancers' health managers, appliances. Two pods may
have a host of one name: ``name@Region`` tells which. What a port's host is called in its pod says
``reconcile/adapters/port.py``.
"""

import concurrent.futures

from tricircle.conf import CONF
from tricircle.db import hosts
from tricircle.network.reconcile import runtime
from tricircle.pods.deadline import Deadline, DeadlinePassed
from tricircle.pods.errors import PodError
from tricircle.pods.pod import Pod

# Pods that are asked for a host at the same time.
_AT_ONCE = 8


class Unplaced(Exception):
    """No pod, or no single one, is what a port's host names."""


def known(host: str) -> Pod | None:
    """The pod that a host's name tells by itself, without a look at any pod."""
    registry = runtime.get().registry.fresh()
    region = host.rpartition("@")[2]
    return registry.by_region(host) or registry.by_region(region)


def find(host: str) -> Pod:
    """The pod; those it may be in are asked. Blocks; no transaction is open. Raises Unplaced."""
    if (pod := known(host)) is not None:
        return pod
    registry = runtime.get().registry
    # A pod's compute hosts are known; others, network nodes for example, only its Neutron tells.
    having = [pod for pod_id in hosts.pods_with(host) if (pod := registry.get(pod_id)) is not None]
    having, silent = (having, []) if having else _asked(host)
    regions = sorted(pod.region_name for pod in having)
    if len(having) > 1:
        raise Unplaced(
            f"Host {host} is in several pods ({', '.join(regions)}): name it {host}@{regions[0]} "
            "to say which"
        )
    if not having:
        raise Unplaced(
            f"No pod is called {host}, and none has a compute host or an agent of that name"
            + (f"; {', '.join(silent)} did not answer" if silent else "")
        )
    return having[0]


def _asked(host: str) -> tuple[list[Pod], list[str]]:
    """The pods whose Neutron has an agent on a host, and the region names of those that tell none.

    It is a rare question: a few are asked at a time, and all together have the time of one call.
    """
    deadline = Deadline(CONF.reconciler.bind_call_deadline)
    pods = runtime.get().registry.all()
    with concurrent.futures.ThreadPoolExecutor(_AT_ONCE, "host") as threads:
        told = list(threads.map(lambda pod: _has_agent_on(pod, host, deadline), pods))
    having = [pod for pod, has in zip(pods, told, strict=True) if has]
    silent = [pod.region_name for pod, has in zip(pods, told, strict=True) if has is None]
    return having, silent


def _has_agent_on(pod: Pod, host: str, deadline: Deadline) -> bool | None:
    """Whether a pod's Neutron has an agent on a host; None when it does not tell."""
    running = runtime.get()
    if not pod.in_use or running.availability.is_down(pod, "network"):
        return None
    session = running.engine.session(pod, deadline)
    try:
        with running.bulkhead(pod).place():
            return bool(session.neutron.list("agents", host=host, fields=["id"]))
    except (PodError, DeadlinePassed):
        return None
