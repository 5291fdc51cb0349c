# SPDX-License-Identifier: Apache-2.0
"""The central ports of a server, for actions on its addresses."""

from typing import Any
from urllib.parse import quote

from tricircle.gateway.call import Call
from tricircle.gateway.compute.networking.neutron import central, user
from tricircle.gateway.http.errors import Fault
from tricircle.gateway.upstream import lookup

Port = dict[str, Any]


async def of_server(call: Call, server_id: str, **filters: Any) -> list[Port]:
    """The ports as the caller may see them. Raises Fault 404 when they have no such server."""
    path = f"/servers/{quote(server_id, safe='')}"
    answer = await lookup.ask(call, "server", server_id, method="GET", path=path, body=b"")
    if not answer.ok:
        raise Fault(answer.status, answer.message())
    return await central(call).list("ports", device_id=server_id, **filters, **user(call))
