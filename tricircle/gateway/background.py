# SPDX-License-Identifier: Apache-2.0
"""Work beside a request, or after the client has its answer.

Whatever it leaves undone, xjob does.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine
from typing import Any

from oslo_db import exception as db_exc
from oslo_log import log as logging

from tricircle.conf import CONF
from tricircle.db import creations
from tricircle.gateway.services import Services
from tricircle.gateway.threads import in_thread

LOG = logging.getLogger(__name__)


def start(services: Services, work: Coroutine[Any, Any, None]) -> None:
    """Run ``work`` on its own; an error ends in the log."""
    task = asyncio.ensure_future(work)
    services.tasks.add(task)
    task.add_done_callback(lambda done: _ended(services, done))


def _ended(services: Services, task: asyncio.Task[None]) -> None:
    services.tasks.discard(task)
    if not task.cancelled() and (error := task.exception()) is not None:
        LOG.error("Work in the background failed", exc_info=error)


@contextlib.asynccontextmanager
async def at_work(creation_id: str) -> AsyncIterator[None]:
    """Keep xjob off a creation while we work on it, however long a slow pod makes that."""
    beats = asyncio.ensure_future(_beat(creation_id))
    try:
        yield
    finally:
        beats.cancel()


async def _beat(creation_id: str) -> None:
    while True:
        await asyncio.sleep(CONF.reconciler.creation_grace / 4)
        try:
            await in_thread(creations.touch, creation_id)
        except db_exc.DBError as error:
            LOG.warning("Creation %s could not be kept fresh: %s", creation_id, error)
