# SPDX-License-Identifier: Apache-2.0
"""Hosts and nodes that a request for a server names: only pods that have them can take it."""

import dataclasses
from typing import Any

from tricircle.gateway.call import Call, Version
from tricircle.gateway.compute.server_request import CreateRequest
from tricircle.gateway.upstream import host_names

# From here on a request may name them by themselves, not only within an availability zone.
_NAMED: Version = (2, 74)
_FIELDS = {"host": False, "hypervisor_hostname": True}

Within = tuple[tuple[str, frozenset[str]], ...]


async def resolved(call: Call, wanted: CreateRequest) -> tuple[CreateRequest, Within]:
    """The request with the names that pods have for its hosts, and (what, regions that have it).

    A host that no pod has is for a pod to refuse. Raises Fault 503 when one that may have it is
    away.
    """
    zone, server, within = wanted.zone, dict(wanted.server), []

    async def learn(name: str, node: bool) -> str:
        pods, plain = await host_names.holders(call, name, node=node)
        if pods:
            what = f"{'node' if node else 'host'} {plain}"
            within.append((what, frozenset(pod.region_name for pod in pods)))
        return plain

    if zone.host:
        zone = dataclasses.replace(zone, host=await learn(zone.host, False))
    if zone.node:
        zone = dataclasses.replace(zone, node=await learn(zone.node, True))
    for field, node in _FIELDS.items():
        name: Any = server.get(field)
        if isinstance(name, str) and name and call.at_least(_NAMED):
            server[field] = await learn(name, node)
    body = {**wanted.body, "server": server}
    return dataclasses.replace(wanted, zone=zone, body=body), tuple(within)
