# SPDX-License-Identifier: Apache-2.0
"""Looks at the ports that pods have on tunnelled networks, again and again."""

import time
from collections.abc import Iterable, Iterator

from neutron_lib import constants
from oslo_log import log

from tricircle.network.pod_api.pod_session import PodSession
from tricircle.network.wanted import tunnel_endpoints
from tricircle.network.wanted.tunnel_endpoints import Object

LOG = log.getLogger(__name__)

# Each pod has its own; another's would answer with its own pod's gateway.
_NOT_TOLD = (constants.DEVICE_OWNER_DHCP, constants.DEVICE_OWNER_DISTRIBUTED)
_FIELDS = (
    "id",
    "network_id",
    "mac_address",
    "fixed_ips",
    "device_owner",
    "description",
    "project_id",
    "binding:host_id",
)
# Networks named in one call: addresses of requests must not become too long.
_CHUNK = 50
# Seconds what is known of a pod's hosts is believed.
_HOSTS_BELIEVED = 30.0


class EndpointWatch:
    """Keeps the table of endpoints right for one pod, again and again."""

    def __init__(self) -> None:
        self._hosts: dict[str, str] = {}
        self._read_at = float("-inf")

    def look(self, session: PodSession) -> int:
        """Look at the pod's ports on tunnelled networks; how many have changed. Raises PodError."""
        pod_id, queue = session.pod.id, session.queue
        networks, subnets, known = queue.transact(lambda tx: tunnel_endpoints.known(tx, pod_id))
        if not networks and not known:
            return 0
        found = {}
        for port in self._ports(session, networks):
            host = port.get("binding:host_id")
            if (
                not host
                or port.get("device_owner") in _NOT_TOLD
                or tunnel_endpoints.is_shadow(session, port)
            ):
                continue
            if (tunnel_ip := self._tunnel_ip(session, host)) is None:
                LOG.debug("Host %s of pod %s ends no tunnels", host, session.pod.region_name)
                continue
            found[port["id"]] = {
                "pod_id": pod_id,
                "network_id": networks[port["network_id"]],
                "mac_address": port["mac_address"],
                "fixed_ips": _addresses(port, subnets),
                # Another pod may have a host of that name; one whose tunnel ends elsewhere is
                # another host.
                "host": f"{session.pod.region_name}/{host}/{tunnel_ip}",
                "tunnel_ip": tunnel_ip,
            }
        if found == known:
            return 0
        changed: int = queue.transact(lambda tx: tunnel_endpoints.write(tx, pod_id, found))
        return changed

    def _ports(self, session: PodSession, networks: dict[str, str]) -> Iterator[Object]:
        ids = sorted(networks)
        for start in range(0, len(ids), _CHUNK):
            some = ids[start : start + _CHUNK]
            yield from session.neutron.list("ports", network_id=some, fields=list(_FIELDS))

    def _tunnel_ip(self, session: PodSession, host: str) -> str | None:
        """Where tunnels to a host end, as its Open vSwitch agent says."""
        age = time.monotonic() - self._read_at
        if age > _HOSTS_BELIEVED or (host not in self._hosts and age > 1):
            agents = session.neutron.list("agents", agent_type=constants.AGENT_TYPE_OVS)
            self._hosts = dict(_tunnels(agents))
            self._read_at = time.monotonic()
        return self._hosts.get(host)


def _tunnels(agents: Iterable[Object]) -> Iterator[tuple[str, str]]:
    for agent in agents:
        told = agent.get("configurations") or {}
        if told.get("tunneling_ip") and told.get("l2_population"):
            yield agent["host"], told["tunneling_ip"]


def _addresses(port: Object, subnets: dict[str, str]) -> list[dict[str, str]]:
    """A port's addresses, by central subnets. Of routers no IPv6: their copies have the same."""
    routers = str(port.get("device_owner")).startswith("network:")
    addresses = [
        {"subnet_id": subnets[ip["subnet_id"]], "ip_address": ip["ip_address"]}
        for ip in port["fixed_ips"]
        if ip["subnet_id"] in subnets and not (routers and ":" in ip["ip_address"])
    ]
    return sorted(addresses, key=lambda ip: (ip["subnet_id"], ip["ip_address"]))
