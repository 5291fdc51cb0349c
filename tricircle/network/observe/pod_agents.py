# SPDX-License-Identifier: Apache-2.0
"""Pods show as agents: ``openstack network agent list`` tells which are alive."""

import datetime

from neutron.objects import agent as agent_objects
from neutron_lib.db import api as db_api
from oslo_config import cfg

from tricircle.db import clock
from tricircle.network.central import central_neutron
from tricircle.pods.pod import Pod

AGENT_TYPE = "Tricircle pod"


def report(pod: Pod, is_down: bool) -> None:
    """Write how the pod is: a heartbeat, or when its Neutron is down, that the last is long ago."""
    context = central_neutron.admin()
    told = {
        "pod_id": pod.id,
        "state": pod.state,
        "health": pod.health,
        "dc_name": pod.dc_name,
        "last_error": pod.last_error,
    }
    if is_down and pod.region_name in reported():
        _bury(context, pod.region_name, told)
        return
    state = {
        "agent_type": AGENT_TYPE,
        "binary": "tricircle-xjob",
        "host": pod.region_name,
        "topic": "N/A",
        "availability_zone": pod.availability_zone,
        "configurations": told,
    }
    central_neutron.core().create_or_update_agent(context, state)


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
