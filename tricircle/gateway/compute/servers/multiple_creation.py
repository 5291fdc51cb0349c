# SPDX-License-Identifier: Apache-2.0
"""Several servers by one request.

Nova refuses ports for several servers at once, so each is asked for by itself, in the pod where
there is room for it. Their ports are made by one call all the same, in the pod that took the first.
"""

import asyncio
import contextlib
import dataclasses
from collections.abc import Awaitable, Callable, Sequence

from aiohttp import web
from oslo_log import log as logging

from tricircle.gateway.call import Call
from tricircle.gateway.compute.networking import nics
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
from tricircle.pods.pod import Pod
from tricircle.scheduling.scheduler import Choice

LOG = logging.getLogger(__name__)

# Servers asked for at once.
_AT_ONCE = 10
# Ports made by one call, and such calls at once: central Neutron takes about a tenth of a second
# for each port, and a busy pod more than one. A pod that takes longer than [reconciler]
# call_deadline for a call is asked for each port by itself after it.
_TOGETHER, _CALLS = 10, 2


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
    async with contextlib.AsyncExitStack() as stack:
        for plan in plans[1:]:
            await stack.enter_async_context(at_work(plan.creation_id))
        try:
            # The first shows whether the request is any good before more is tried.
            made = [await creation.one(call, plans[0])]
        except BaseException:
            await asyncio.shield(creation.drop(plans[1:]))
            raise
        if plans[0].group is not None:
            work = _in_turn(call, plans[1:], choose)
        else:
            work = _at_once(call, plans[1:], made[0].pod, wanted.min_count - len(made))
        # A client that hangs up does not stop it half-way.
        results = await asyncio.shield(work)
    return await _answer(call, wanted, made, results)


async def _in_turn(
    call: Call, plans: Sequence[Plan], choose: Callable[[], Awaitable[Choice]]
) -> list[creation.Made | BaseException]:
    async def another(plan: Plan) -> creation.Made:
        return await creation.one(
            call, dataclasses.replace(plan, choice=await _chosen(plan, choose))
        )

    results: list[creation.Made | BaseException] = []
    for plan in plans:
        results += await asyncio.gather(another(plan), return_exceptions=True)
    return results


async def _at_once(
    call: Call, plans: Sequence[Plan], pod: Pod, least: int
) -> list[creation.Made | BaseException]:
    """Servers by all plans, each first in the pod that took one like it.

    A pod that builds servers makes ports slowly, so all their ports come first. Where that leaves
    fewer than ``least``, none is asked for.
    """
    plans = [dataclasses.replace(plan, choice=_first(plan.choice, pod)) for plan in plans]
    each = max(1, _TOGETHER // max(1, len(plans[0].nics))) if plans else 1
    parts = [plans[start : start + each] for start in range(0, len(plans), each)]
    calls, servers = asyncio.Semaphore(_CALLS), asyncio.Semaphore(_AT_ONCE)
    found = await asyncio.gather(
        *(_ports(call, part, pod, calls) for part in parts), return_exceptions=True
    )
    ports: dict[str, list[nics.Nic]] = {}
    unmade: dict[str, BaseException] = {}
    for part, told in zip(parts, found, strict=True):
        if isinstance(told, BaseException):
            unmade |= {plan.creation_id: told for plan in part}
        else:
            ports |= told
    why = next(iter(unmade.values()), None) if len(plans) - len(unmade) < least else None

    async def one(plan: Plan) -> creation.Made:
        if (error := unmade.get(plan.creation_id)) is not None:
            await creation.undo(call, plan, error)
            raise error
        if why is not None:
            await creation.undo(call, plan)
            raise why
        async with servers:
            return await creation.one(call, plan, ports.get(plan.creation_id))

    return await asyncio.gather(*(one(plan) for plan in plans), return_exceptions=True)


def _first(choice: Choice, pod: Pod) -> Choice:
    others = [one for one in choice.pods if one.id != pod.id]
    return dataclasses.replace(choice, pods=[pod, *others])


async def _ports(
    call: Call, plans: Sequence[Plan], pod: Pod, calls: asyncio.Semaphore
) -> dict[str, list[nics.Nic]]:
    """Their ports, by creation, made by one call; none where each makes its own."""
    wanted = {plan.creation_id: plan.nics for plan in plans}
    like = plans[0]
    if not like.nics or len(plans) == 1:
        return {}
    owner = like.request.zone.device_owner
    async with calls:
        return await nics.make_bound(call, wanted, like.security_groups, owner, pod)


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
