# SPDX-License-Identifier: Apache-2.0
"""Pods show as agents: ``openstack network agent list`` tells which are alive."""

import datetime
import time
from typing import Any

from neutron.objects import agent as agent_objects
from neutron_lib.db import api as db_api
from oslo_config import cfg

from tricircle.db import clock
from tricircle.network.central import central_neutron
from tricircle.pods.pod import Pod

AGENT_TYPE = "Tricircle pod"
# Of the time after which an agent is taken for dead: the most between two heartbeats.
_OFTEN = 1 / 3


class Heartbeats:
    """Tells central Neutron how pods are: what has changed at once, else as seldom as agents do.

    A heartbeat costs Neutron far more than it takes to see that nothing has changed.
    """

    def __init__(self) -> None:
        # {region name: (what was told, when)}
        self._told: dict[str, tuple[tuple[bool, dict[str, Any]], float]] = {}

    def beat(self, pod: Pod, is_down: bool) -> None:
        """Tell of a pod, whose Neutron may be down, if it is time to."""
        told, moment = (is_down, _state(pod)), time.monotonic()
        last, then = self._told.get(pod.region_name, (None, 0.0))
        if told != last or moment - then > cfg.CONF.agent_down_time * _OFTEN:
            report(pod, is_down)
            self._told[pod.region_name] = (told, moment)

    def leave(self, pod: Pod) -> None:
        """Somebody else tells of the pod now."""
        self._told.pop(pod.region_name, None)


def report(pod: Pod, is_down: bool) -> None:
    """Write how the pod is: a heartbeat, or when its Neutron is down, that the last is long ago."""
    context, state = central_neutron.admin(), _state(pod)
    if is_down and pod.region_name in reported():
        _bury(context, pod.region_name, state["configurations"])
        return
    central_neutron.core().create_or_update_agent(context, state)


def _state(pod: Pod) -> dict[str, Any]:
    return {
        "agent_type": AGENT_TYPE,
        "binary": "tricircle-xjob",
        "host": pod.region_name,
        "topic": "N/A",
        "availability_zone": pod.availability_zone,
        "configurations": {
            "pod_id": pod.id,
            "state": pod.state,
            "health": pod.health,
            "dc_name": pod.dc_name,
            "last_error": pod.last_error,
        },
    }


def forget(region_name: str) -> None:
    """The pod is registered no more."""
    context = central_neutron.admin()
    agent_objects.Agent.delete_objects(context, agent_type=AGENT_TYPE, host=region_name)


def reported() -> set[str]:
    """Region names of the pods that show as agents."""
    found = agent_objects.Agent.get_objects(central_neutron.admin(), agent_type=AGENT_TYPE)
    return {agent.host for agent in found}


def _bury(context: object, region_name: str, told: dict[str, str]) -> None:
    old = datetime.timedelta(seconds=cfg.CONF.agent_down_time + 1)
    values = {
        "heartbeat_timestamp": clock.now() - old,
        "configurations": told,
    }
    with db_api.CONTEXT_WRITER.using(context):
        agent_objects.Agent.update_objects(context, values, agent_type=AGENT_TYPE, host=region_name)
