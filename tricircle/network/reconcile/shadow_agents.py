# SPDX-License-Identifier: Apache-2.0
"""The hosts of other pods, as a pod knows them: Open vSwitch agents that we keep alive there.

A pod's Neutron binds shadow ports only to hosts whose agent gives signs of life.
"""

from neutron_lib import constants

from tricircle.network.pod_api import message_bus
from tricircle.network.pod_api.pod_session import PodSession
from tricircle.network.wanted import tunnel_endpoints


def keep(session: PodSession) -> int:
    """Give a sign of life for each host that shadow ports are to be on, and remove the agents of
    those that nothing is on any more; how many were removed. Raises PodError, DeadlinePassed."""
    if not message_bus.has(session.pod):
        return 0
    for host, tunnel_ip in sorted(tunnel_endpoints.hosts(session.queue, session.pod.id).items()):
        message_bus.of(session.pod).report(session.deadline, host, tunnel_ip)
    agents = session.neutron.list("agents", agent_type=constants.AGENT_TYPE_OVS)
    ours = {
        one["host"]: one["id"]
        for one in agents
        if message_bus.MARK in (one["configurations"] or {})
    }
    # What has come since is needed, too.
    surplus = ours.keys() - tunnel_endpoints.hosts(session.queue, session.pod.id).keys()
    free = [host for host in sorted(surplus) if not _ports_on(session, host)]
    for host in free:
        message_bus.of(session.pod).forget(host)
        session.neutron.delete(f"/agents/{ours[host]}")
    return len(free)


def _ports_on(session: PodSession, host: str) -> bool:
    """Whether ports are on a host: l2population needs its agent to say where they were."""
    return bool(session.neutron.list("ports", **{"binding:host_id": host}, fields=["id"], limit=1))
