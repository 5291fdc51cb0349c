# SPDX-License-Identifier: Apache-2.0
"""The hosts of other pods, as a pod knows them: Open vSwitch agents that we keep alive there.

A pod's Neutron binds shadow ports only to hosts whose agent gives signs of life.
"""

from neutron_lib import constants

from tricircle.network.pod_api import message_bus
from tricircle.network.pod_api.site import Site
from tricircle.network.wanted import tunnel_endpoints


def keep(site: Site) -> int:
    """Give a sign of life for each host that shadow ports are to be on, and remove the agents of
    those that nothing is on any more; how many were removed. Raises PodError, DeadlinePassed."""
    if not message_bus.has(site.pod):
        return 0
    for host, tunnel_ip in sorted(tunnel_endpoints.hosts(site.queue, site.pod.id).items()):
        message_bus.of(site.pod).report(site.deadline, host, tunnel_ip)
    agents = site.neutron.list("agents", agent_type=constants.AGENT_TYPE_OVS)
    ours = {
        one["host"]: one["id"]
        for one in agents
        if message_bus.MARK in (one["configurations"] or {})
    }
    # What has come since is needed, too.
    surplus = ours.keys() - tunnel_endpoints.hosts(site.queue, site.pod.id).keys()
    free = [host for host in sorted(surplus) if not _ports_on(site, host)]
    for host in free:
        message_bus.of(site.pod).forget(host)
        site.neutron.delete(f"/agents/{ours[host]}")
    return len(free)


def _ports_on(site: Site, host: str) -> bool:
    """Whether ports are on a host: l2population needs its agent to say where they were."""
    return bool(site.neutron.list("ports", **{"binding:host_id": host}, fields=["id"], limit=1))
