# SPDX-License-Identifier: Apache-2.0
"""One gateway process: its APIs on their ports, and what runs beside them."""

import asyncio
import contextlib
import gc
import signal
from collections.abc import Callable
from logging import INFO, LogRecord

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.log import server_logger
from oslo_log import log as logging

from tricircle.conf import CONF
from tricircle.gateway import threads
from tricircle.gateway.app import (
    make_admin_app,
    make_compute_app,
    make_services,
    make_volume_app,
)
from tricircle.gateway.console import front
from tricircle.gateway.services import Services
from tricircle.gateway.threads import in_thread
from tricircle.pods.health import Prober

LOG = logging.getLogger(__name__)

# The largest request line and header nginx, HAProxy and Apache let through is below this.
_LONGEST_LINE = 32 * 1024
# Seconds that requests under way have to end once the process is told to stop.
_GRACE = 30.0
# Objects made, less those that went by themselves, between collections: of some 30 requests.
_GARBAGE = 10_000


async def serve(stop: asyncio.Event | None = None) -> None:
    """Serve the APIs ``CONF`` names until ``stop`` is set, or SIGTERM or SIGINT comes."""
    stop = stop or asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    services = make_services()
    await refresh(services)
    beside = [
        asyncio.create_task(_keep_refreshing(services)),
        asyncio.create_task(Prober(services.identity).run()),
    ]
    runners = [await _listen(make(services), port) for make, port in _apis() if port]
    _spare_the_garbage()
    try:
        await stop.wait()
    finally:
        LOG.info("Stopping")
        await asyncio.gather(*(runner.cleanup() for runner in runners))
        for task in beside:
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*beside, return_exceptions=True)
        await services.client.close()
        threads.shutdown()


def _spare_the_garbage() -> None:
    """What was made so far stays: a collection of garbage that looked at all of it again would
    hold up every request for as long. And most of what a request makes needs no collection.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_GARBAGE, 20, 20)


def _apis() -> list[tuple[Callable[[Services], web.Application], int]]:
    return [
        (make_compute_app, CONF.gateway.compute_port),
        (make_volume_app, CONF.gateway.volume_port),
        (make_admin_app, CONF.gateway.admin_port),
        (front.make_app, CONF.console.port if CONF.console.public_base_url else 0),
    ]


def _quote_nothing(record: LogRecord) -> bool:
    """A request that cannot be parsed is logged without the text of it: it may hold a token."""
    error = record.exc_info[1] if record.exc_info else None
    if isinstance(error, HttpProcessingError):
        record.levelno, record.levelname = INFO, "INFO"
        record.msg, record.args = "A malformed request was refused (%s)", (type(error).__name__,)
        record.exc_info = record.exc_text = None
    return True


async def _listen(app: web.Application, port: int) -> web.AppRunner:
    runner = web.AppRunner(
        app,
        access_log=None,
        handler_cancellation=False,
        shutdown_timeout=_GRACE,
        max_line_size=_LONGEST_LINE,
        max_field_size=_LONGEST_LINE,
    )
    server_logger.addFilter(_quote_nothing)
    await runner.setup()
    # The workers of one gateway, and the old and the new one during an upgrade, share the port.
    await web.TCPSite(runner, CONF.gateway.listen, port, reuse_port=True).start()
    LOG.info("Listening on %s port %d", CONF.gateway.listen, port)
    return runner


async def _keep_refreshing(services: Services) -> None:
    while True:
        await asyncio.sleep(CONF.pods.cache_seconds)
        await refresh(services)


async def refresh(services: Services) -> None:
    """Read the pods from the database; what was known stays when that fails."""
    try:
        await in_thread(services.registry.refresh)
        services.ready = True
    except Exception as error:
        LOG.error("The pods cannot be read from the database: %s", error)
