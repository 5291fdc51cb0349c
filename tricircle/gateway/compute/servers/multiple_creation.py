# SPDX-License-Identifier: Apache-2.0
"""Several servers by one request.

Nova refuses ports for several servers at once, so each is asked for by itself, in the pod where
there is room for it.
"""

import asyncio
import contextlib
import dataclasses
from collections.abc import Awaitable, Callable, Sequence

from aiohttp import web
from oslo_log import log as logging

from tricircle.gateway.call import Call
from tricircle.gateway.compute.server_request import CreateRequest
from tricircle.gateway.compute.servers import creation, deletion, reservation_ids
from tricircle.gateway.compute.servers.creation import Plan
from tricircle.gateway.http.errors import Fault
from tricircle.gateway.upstream import lookup
from tricircle.gateway.upstream.background import at_work
from tricircle.gateway.upstream.forward import forward, reply_with
from tricircle.gateway.upstream.pod_request import PodRequest
from tricircle.pods import rights
from tricircle.pods.errors import PodError, PodUnreachable
from tricircle.scheduling.scheduler import Choice

LOG = logging.getLogger(__name__)

_AT_ONCE = 4


async def create(
    call: Call,
    wanted: CreateRequest,
    plans: Sequence[Plan],
    choose: Callable[[], Awaitable[Choice]],
) -> web.Response:
    """A server by each of ``plans``, or at least ``min_count``; fewer, and none stays.

    The answer is the first server's, or a reservation id. Members of a server group are made one
    after the other, each in the pod that is best when its turn comes. Raises as ``creation.one``
    does.
    """
    grouped = plans[0].group is not None
    async with contextlib.AsyncExitStack() as stack:
        for plan in plans[1:]:
            await stack.enter_async_context(at_work(plan.creation_id))
        try:
            # The first shows whether the request is any good before more is tried.
            made = [await creation.one(call, plans[0])]
        except BaseException:
            await asyncio.shield(creation.drop(plans[1:]))
            raise
        turns = asyncio.Semaphore(1 if grouped else _AT_ONCE)

        async def another(plan: Plan) -> creation.Made:
            async with turns:
                if grouped:
                    plan = dataclasses.replace(plan, choice=await _chosen(plan, choose))
                return await creation.one(call, plan)

        work = asyncio.gather(*(another(plan) for plan in plans[1:]), return_exceptions=True)
        # A client that hangs up does not stop it half-way.
        results = await asyncio.shield(work)
    return await _answer(call, wanted, made, results)


async def _chosen(plan: Plan, choose: Callable[[], Awaitable[Choice]]) -> Choice:
    try:
        return await choose()
    except Fault:
        await creation.drop([plan])
        raise


async def _answer(
    call: Call,
    wanted: CreateRequest,
    made: list[creation.Made],
    results: Sequence[creation.Made | BaseException],
) -> web.Response:
    trouble: Exception | None = None
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
    return reply_with(call, made[0].answer, document)


async def _undo(call: Call, made: creation.Made) -> None:
    request = PodRequest.of(call).delete(lookup.path(call, "server", made.server_id))
    try:
        await deletion.run(call, made.server_id, lambda: forward(call, made.pod, request))
    except (Fault, PodError) as error:
        LOG.warning("Server %s is one too few and could not be undone: %s", made.server_id, error)


async def _reservation(call: Call, made: Sequence[creation.Made]) -> web.Response:
    """The first server's reservation id stands for all."""
    reservation_id = await _reservation_id(call, made[0])
    if len(made) > 1:
        servers = [one.server_id for one in made]
        await reservation_ids.remember(call, reservation_id, servers, made[0].pod)
    return web.json_response({"reservation_id": reservation_id}, status=made[0].answer.status)


async def _reservation_id(call: Call, made: creation.Made) -> str:
    """Told to administrators from 2.3 on."""
    path = lookup.path(call, "server", made.server_id)
    request = PodRequest.as_service_user(rights.RESERVATION, "GET", path).at((2, 3))
    answer = await forward(call, made.pod, request)
    if not answer.ok:
        raise PodUnreachable(made.pod.region_name, f"server {made.server_id} cannot be shown.")
    return str(answer.json()["server"]["OS-EXT-SRV-ATTR:reservation_id"])
