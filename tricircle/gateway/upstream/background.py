# SPDX-License-Identifier: Apache-2.0
"""Work beside a request, or after the client has its answer.

Whatever it leaves undone, xjob does.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import Any

from oslo_db import exception as db_exc
from oslo_log import log as logging

from tricircle.conf import CONF
from tricircle.db import operations
from tricircle.db.errors import NotFound
from tricircle.gateway.services import Services
from tricircle.gateway.threads import in_thread

LOG = logging.getLogger(__name__)

# Seconds between two tries to write down what was made, and in which they are made.
_PAUSE, _REMEMBERED = 1.0, 3600.0


def start(services: Services, work: Coroutine[Any, Any, None]) -> None:
    """Run ``work`` on its own; an error ends in the log."""
    task = asyncio.ensure_future(work)
    services.tasks.add(task)
    task.add_done_callback(lambda done: _ended(services, done))


def _ended(services: Services, task: asyncio.Task[None]) -> None:
    services.tasks.discard(task)
    if not task.cancelled() and (error := task.exception()) is not None:
        LOG.error("Work in the background failed", exc_info=error)


async def written(services: Services, what: str, work: Callable[[], Awaitable[None]]) -> None:
    """Write down what exists already; while the database is away, behind the client's back.

    ``work`` may be done twice. Only if this process ends before the database is back is it left
    to xjob and to lookups.
    """
    try:
        await work()
    except NotFound as error:
        LOG.warning("%s is not written down: %s", what, error)
    except db_exc.DBError as error:
        LOG.warning("%s is not written down yet: %s", what, error)
        start(services, _until_written(what, work))


async def _until_written(what: str, work: Callable[[], Awaitable[None]]) -> None:
    until = time.monotonic() + _REMEMBERED
    while time.monotonic() < until:
        await asyncio.sleep(_PAUSE)
        with contextlib.suppress(db_exc.DBError):
            await work()
            LOG.info("%s is written down now", what)
            return
    LOG.error("%s was not written down: the database was away for too long", what)


@contextlib.asynccontextmanager
async def at_work(operation_id: str) -> AsyncIterator[None]:
    """Keep xjob off an operation while we work on it, however long a slow pod makes that."""
    beats = asyncio.ensure_future(_beat(operation_id))
    try:
        yield
    finally:
        beats.cancel()


async def _beat(operation_id: str) -> None:
    while True:
        await asyncio.sleep(CONF.reconciler.creation_grace / 4)
        try:
            await in_thread(operations.touch, operation_id)
        except db_exc.DBError as error:
            LOG.warning("Operation %s could not be kept fresh: %s", operation_id, error)
