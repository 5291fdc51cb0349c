# SPDX-License-Identifier: Apache-2.0
"""The central ports of a server, for actions on its addresses."""

from typing import Any

from tricircle.gateway.call import Call
from tricircle.gateway.compute.networking.neutron import central, user
from tricircle.gateway.upstream import lookup
from tricircle.gateway.upstream.pod_request import PodRequest

Port = dict[str, Any]


async def of_server(call: Call, server_id: str, **filters: Any) -> list[Port]:
    """The ports as the caller may see them. Raises Refused when they have no such server."""
    request = PodRequest.of(call).get(lookup.path(call, "server", server_id))
    (await lookup.ask(call, "server", server_id, request)).raise_for_status()
    return await central(call).list("ports", device_id=server_id, **filters, **user(call))
