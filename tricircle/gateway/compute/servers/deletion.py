# SPDX-License-Identifier: Apache-2.0
"""What follows the end of a server in its pod: its central ports and its routing go too.

An operation is written down before the pod is asked to delete, so that xjob can do all this
when the gateway dies in between. There is one for a server, of whichever request the pod said yes
to: somebody who may not delete it, and was refused, takes no other's row away.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Collection

from oslo_db import exception as db_exc
from oslo_log import log as logging

from tricircle.conf import CONF
from tricircle.db import allocations, operations, routings
from tricircle.db.operations import ServerDelete
from tricircle.gateway.call import Call
from tricircle.gateway.compute.networking import nics
from tricircle.gateway.threads import in_thread
from tricircle.gateway.transport.client import PodResponse
from tricircle.gateway.upstream import lookup
from tricircle.gateway.upstream.background import start
from tricircle.gateway.upstream.forward import forward
from tricircle.gateway.upstream.pod_request import PodRequest
from tricircle.pods import rights
from tricircle.pods.errors import PodError
from tricircle.pods.pod import Pod

LOG = logging.getLogger(__name__)

#: Nova shows a server as this for a moment when it has let go of its ports; clients wait no longer.
ENDED = "DELETED"
_SOFT_AFTER = 5
# Of so many servers that are on their way out a list looks whether they are gone.
_UNSEEN = 50
_PAUSES = (0.2, 0.3, 0.5, *[1.0] * 30, *[5.0] * 18)


async def run(call: Call, server_id: str, ask: Callable[[], Awaitable[PodResponse]]) -> PodResponse:
    """Let a pod delete a server by ``ask`` and see to what follows, in the background."""
    pod = await lookup.find(call, "server", server_id)
    mine = await _begin(call, server_id, pod)
    # An answer that does not come may still be a delete: the row stays, and xjob looks.
    answer = await ask()
    if answer.ok:
        while not mine:
            mine = await _take(call, server_id) or await _begin(call, server_id, pod)
        start(call.services, _follow(call, server_id))
    elif answer.status < 500 and not await settle(call, server_id):
        row = ServerDelete.row_id(server_id)
        await in_thread(operations.withdraw, row, call.context.request_id)
    return answer


async def _begin(call: Call, server_id: str, pod: Pod) -> bool:
    """Whether nobody else is deleting it already."""
    routing = await in_thread(routings.get, "server", server_id)
    made = list(routing.detail.get("ports", ())) if routing is not None else []
    deletion = ServerDelete(server_id, made, by=call.context.request_id)
    row, project = ServerDelete.row_id(server_id), call.context.project_id
    try:
        await in_thread(operations.begin, deletion, project, pod.id, row)
    except db_exc.DBDuplicateEntry:
        return False
    return True


async def _take(call: Call, server_id: str) -> bool:
    context = call.context
    row = ServerDelete.row_id(server_id)
    return await in_thread(operations.take, row, context.project_id, context.request_id)


async def settle(call: Call, server_id: str) -> bool:
    """If a server that was being deleted is gone, finish; whether there is nothing left to do.

    Called before a client is told that it is gone, so that they can delete its network next. A 404
    to the user proves nothing, for it may be another project's server: the pod is asked as the
    service user.
    """
    row = await in_thread(operations.get, ServerDelete.row_id(server_id))
    if row is None:
        return True
    pod = call.services.registry.get(row.pod_id or "")
    if pod is None or not await _is_gone(call, server_id, pod):
        return False
    deletion: ServerDelete = operations.of(row)
    if not await nics.release(call, server_id, deletion.deletes):
        return False
    await lookup.forget(call, "server", server_id)
    await in_thread(allocations.gone, [server_id])
    await in_thread(operations.end, row.id)
    LOG.info("Server %s is gone, with %d ports made for it", server_id, len(deletion.ports))
    return True


async def settle_unseen(call: Call, there: Collection[str]) -> None:
    """``settle`` the project's servers that a list is without, before a client takes that for their
    end. ``there`` are the ids of those it shows.
    """
    project = call.context.project_id
    rows = await in_thread(operations.of_project, ServerDelete, project, _UNSEEN)
    unseen = {operations.of(row).server_id for row in rows}.difference(there)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(CONF.gateway.list_deadline):
            told = await asyncio.gather(
                *(settle(call, server_id) for server_id in unseen), return_exceptions=True
            )
            for error in told:
                if isinstance(error, Exception):
                    LOG.warning("What is left of a server is not removed yet: %r", error)


async def vanished(call: Call, resource_type: str, server_id: str, pod: Pod) -> None:
    """A pod shows a server no more, though no delete came this way: what was made for it goes."""
    if await _is_gone(call, server_id, pod):
        await _begin(call, server_id, pod)
        await settle(call, server_id)


async def _follow(call: Call, server_id: str) -> None:
    """Wait for the server's end in its pod; xjob goes on when this takes too long."""
    for tried, pause in enumerate(_PAUSES):
        await asyncio.sleep(pause)
        if await settle(call, server_id):
            return
        if tried == _SOFT_AFTER:
            # It may be deleted so that it can be restored: then it uses nothing now.
            await in_thread(allocations.look, server_id, 0)


async def _is_gone(call: Call, server_id: str, pod: Pod) -> bool:
    try:
        path = lookup.path(call, "server", server_id)
        request = PodRequest.as_service_user(rights.SERVER_GONE, "GET", path)
        answer = await forward(call, pod, request)
        return answer.status == 404 or (answer.ok and answer.json()["server"]["status"] == ENDED)
    except PodError as error:
        LOG.info("Whether server %s is gone is not known yet: %s", server_id, error)
        return False
