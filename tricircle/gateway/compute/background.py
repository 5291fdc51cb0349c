# SPDX-License-Identifier: Apache-2.0
"""Work that goes on after the client has its answer. Whatever it does, xjob can do as well."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from oslo_log import log as logging

from tricircle.gateway.services import Services

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
