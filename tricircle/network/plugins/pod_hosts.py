# SPDX-License-Identifier: Apache-2.0
"""In which pod a port is to be bound: its host is a pod's region name, or names a host of a pod.

The latter is for what no Nova plugs: load balancers' health managers, appliances. Two pods may
have a host of one name: ``name@Region`` tells which. What a port's host is called in its pod says
``reconcile/adapters/port.py``.
"""

from tricircle.conf import CONF
from tricircle.db import hosts
from tricircle.network.reconcile import runtime
from tricircle.pods.deadline import Deadline, DeadlinePassed
from tricircle.pods.errors import PodError
from tricircle.pods.pod import Pod


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

    All together have the time of one call: it is a rare question.
    """
    running, deadline = runtime.get(), Deadline(CONF.reconciler.call_deadline)
    having, silent = [], []
    for pod in running.registry.all():
        if not pod.in_use or running.availability.is_down(pod, "network"):
            silent.append(pod.region_name)
            continue
        try:
            session = running.engine.session(pod, deadline)
            if session.neutron.list("agents", host=host, fields=["id"]):
                having.append(pod)
        except (PodError, DeadlinePassed):
            silent.append(pod.region_name)
    return having, silent
