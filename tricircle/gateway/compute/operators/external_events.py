# SPDX-License-Identifier: Apache-2.0
"""What other services tell of servers: each event goes to the pod that has the server."""

import asyncio
from typing import Any

from aiohttp import web

from tricircle.gateway.call import Call
from tricircle.gateway.http.errors import Fault
from tricircle.gateway.transport.client import PodResponse
from tricircle.gateway.upstream import lookup
from tricircle.gateway.upstream.forward import ask_any, forward, reply, reply_with
from tricircle.gateway.upstream.pod_request import PodRequest
from tricircle.pods.pod import Pod

# The id of a server that no pod has.
_NOBODYS = "00000000-0000-0000-0000-000000000000"


async def create(call: Call) -> web.Response:
    """POST /os-server-external-events.

    A pod first judges the events as if they were of a server that nobody has: whoever may not tell
    has us look for nothing. Nothing is delivered while it is not known where a server is: whoever
    tells will tell again.
    """
    body = call.json()
    events = body.get("events") if isinstance(body, dict) else None
    servers = [_server(event) for event in events] if isinstance(events, list) else []
    if not isinstance(events, list) or not events or None in servers:
        return reply(call, await ask_any(call))
    unknown = [{**event, "server_uuid": _NOBODYS} for event in events]
    (await _tell(call, None, unknown)).raise_for_status()
    known = await _places(call, {server for server in servers if server is not None})
    parts: dict[Pod | None, list[int]] = {}
    for index, server in enumerate(servers):
        parts.setdefault(known[server or ""], []).append(index)
    answers = await asyncio.gather(
        *(_tell(call, pod, [events[index] for index in part]) for pod, part in parts.items())
    )
    for answer in answers:
        answer.raise_for_status()
    told: list[Any] = [None] * len(events)
    for part, answer in zip(parts.values(), answers, strict=True):
        for index, event in zip(part, answer.json()["events"], strict=True):
            told[index] = event
    response = reply_with(call, answers[0], {"events": told})
    # 207 where not every event could be delivered, 200 where all could.
    response.set_status(max(answer.status for answer in answers))
    return response


def _server(event: Any) -> str | None:
    server = event.get("server_uuid") if isinstance(event, dict) else None
    return server if isinstance(server, str) else None


async def _places(call: Call, servers: set[str]) -> dict[str, Pod | None]:
    """The pod of each server, None for one that is nowhere. Raises Fault 503."""
    ordered = sorted(servers)
    found = await asyncio.gather(*(_place(call, server) for server in ordered))
    return dict(zip(ordered, found, strict=True))


async def _place(call: Call, server: str) -> Pod | None:
    try:
        return await lookup.find(call, "server", server)
    except Fault as fault:
        if fault.status == 404:
            return None
        raise


async def _tell(call: Call, pod: Pod | None, events: list[Any]) -> PodResponse:
    request = PodRequest.of(call).with_body({"events": events})
    # Any pod says of a server that it does not know it.
    return await (ask_any(call, request) if pod is None else forward(call, pod, request))
