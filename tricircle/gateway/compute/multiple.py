# SPDX-License-Identifier: Apache-2.0
"""Several servers by one request.

Nova refuses ports for several servers at once, so each is asked for by itself, in the pod where
there is room for it.
"""

import asyncio
from collections.abc import Sequence

import orjson
from aiohttp import web
from oslo_log import log as logging

from tricircle.gateway.call import Call
from tricircle.gateway.compute import create as creation
from tricircle.gateway.compute import deletion, reservations
from tricircle.gateway.compute.networks import PlannedNic
from tricircle.gateway.compute.request import CreateRequest
from tricircle.gateway.errors import Fault
from tricircle.gateway.forward import forward, reply
from tricircle.gateway.threads import in_thread
from tricircle.pods.errors import PodError, PodUnreachable
from tricircle.pods.pod import Pod

LOG = logging.getLogger(__name__)

_AT_ONCE = 4


async def create(
    call: Call,
    wanted: CreateRequest,
    planned: Sequence[PlannedNic],
    security_groups: Sequence[str],
    pods: Sequence[Pod],
) -> web.Response:
    """``max_count`` servers, or at least ``min_count``; fewer, and none stays.

    The answer is the first server's, or a reservation id. Raises as ``create.one`` does.
    """
    requests = [wanted.one_of_many(index) for index in range(wanted.max_count)]
    # The first shows whether the request is any good before more is tried.
    made = [await creation.one(call, requests[0], planned, security_groups, pods)]
    trouble: Exception | None = None
    turns = asyncio.Semaphore(_AT_ONCE)

    async def another(request: CreateRequest) -> creation.Made:
        async with turns:
            return await creation.one(call, request, planned, security_groups, pods)

    results = await asyncio.gather(
        *(another(request) for request in requests[1:]), return_exceptions=True
    )
    for result in results:
        if isinstance(result, creation.Made):
            made.append(result)
        elif isinstance(result, Exception):
            trouble = trouble or result
        else:
            raise result
    if trouble is not None and len(made) < wanted.min_count:
        await asyncio.gather(*(_undo(call, one) for one in made))
        raise trouble
    if wanted.wants_reservation:
        return await _reservation(call, made)
    document = made[0].answer.json()
    if "security_groups" in wanted.server:
        document["server"]["security_groups"] = wanted.server["security_groups"]
    return reply(call, made[0].answer, body=orjson.dumps(document))


async def _undo(call: Call, made: creation.Made) -> None:
    path = f"/servers/{made.server_id}"
    try:
        await deletion.run(
            call,
            made.server_id,
            lambda: forward(call, made.pod, method="DELETE", path=path, body=b"", query=""),
        )
    except (Fault, PodError) as error:
        LOG.warning("Server %s is one too few and could not be undone: %s", path, error)


async def _reservation(call: Call, made: Sequence[creation.Made]) -> web.Response:
    """The first server's reservation id stands for all."""
    reservation_id = await _reservation_id(call, made[0])
    if len(made) > 1:
        servers = [one.server_id for one in made]
        await reservations.remember(call, reservation_id, servers, made[0].pod)
    return web.json_response({"reservation_id": reservation_id}, status=made[0].answer.status)


async def _reservation_id(call: Call, made: creation.Made) -> str:
    """Told to administrators from 2.3 on."""
    answer = await call.services.client.request(
        made.pod,
        "compute",
        "GET",
        f"/servers/{made.server_id}",
        token=await in_thread(call.services.identity.token),
        request_id=call.context.upstream_id,
        version=(2, 3),
    )
    if not answer.ok:
        raise PodUnreachable(made.pod.region_name, f"server {made.server_id} cannot be shown.")
    return str(answer.json()["server"]["OS-EXT-SRV-ATTR:reservation_id"])
