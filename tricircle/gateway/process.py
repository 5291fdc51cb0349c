# SPDX-License-Identifier: Apache-2.0
"""One gateway process: its APIs on their ports, and what runs beside them."""

import asyncio
import contextlib
import gc
import signal
import time

from aiohttp import web
from oslo_log import log as logging

from tricircle.conf import CONF
from tricircle.gateway import healthcheck, threads
from tricircle.gateway.app import (
    admin_api,
    compute_api,
    make_services,
    placement_api,
    volume_api,
)
from tricircle.gateway.console.front import Front
from tricircle.gateway.http.server import Runner, Served
from tricircle.gateway.pipeline import Pipeline
from tricircle.gateway.services import Services
from tricircle.gateway.threads import in_thread
from tricircle.pods import report
from tricircle.pods.health import Prober
from tricircle.telemetry import metrics, systemd, tracing
from tricircle.telemetry.endpoint import Endpoint
from tricircle.telemetry.reload import reload

LOG = logging.getLogger(__name__)

# Objects made, less those that went by themselves, between collections: of some 30 requests.
_GARBAGE = 10_000


async def serve(stop: asyncio.Event | None = None) -> None:
    """Serve the APIs ``CONF`` names until ``stop`` is set, or SIGTERM or SIGINT comes."""
    stop = stop or asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    loop.add_signal_handler(signal.SIGHUP, reload)
    tracing.setup("tricircle-gateway", CONF.telemetry.traces_endpoint)
    services = make_services()
    await refresh(services)
    beside = [
        asyncio.create_task(keep_refreshing(services)),
        asyncio.create_task(Prober(services.identity, services.breakers).run()),
    ]
    runners = [await listen(served, port) for served, port in _ports(services) if port]
    endpoint = observe(services)
    _spare_the_garbage()
    systemd.notify(systemd.READY)
    try:
        await stop.wait()
    finally:
        LOG.info("Stopping")
        systemd.notify(systemd.STOPPING)
        await asyncio.gather(*(runner.cleanup() for runner in runners))
        for task in beside:
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*beside, return_exceptions=True)
        await services.client.close()
        threads.shutdown()
        if endpoint is not None:
            endpoint.close()


def observe(services: Services) -> Endpoint | None:
    """Tell the process's numbers on [telemetry] gateway_port, if there is one."""
    report.tell(services.registry.all, services.breakers)
    port = CONF.telemetry.gateway_port
    return Endpoint(port, lambda: healthcheck.failing(services)) if port else None


def _spare_the_garbage() -> None:
    """What was made so far stays: a collection of garbage that looked at all of it again would
    hold up every request for as long. And most of what a request makes needs no collection.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_GARBAGE, 20, 20)


def _ports(services: Services) -> list[tuple[Served, int]]:
    return [
        (Pipeline(compute_api(), services), CONF.gateway.compute_port),
        (Pipeline(volume_api(), services), CONF.gateway.volume_port),
        (Pipeline(admin_api(), services), CONF.gateway.admin_port),
        (Pipeline(placement_api(), services), CONF.gateway.placement_port),
        (Front(services), CONF.console.port if CONF.console.public_base_url else 0),
    ]


async def listen(served: Served, port: int) -> Runner:
    """Serve on ``port`` of the configured address until the runner is cleaned up."""
    runner = Runner(served)
    await runner.setup()
    # The workers of one gateway, and the old and the new one during an upgrade, share the port.
    await web.TCPSite(runner, CONF.gateway.listen, port, reuse_port=True).start()
    LOG.info("Listening on %s port %d", CONF.gateway.listen, port)
    return runner


async def keep_refreshing(services: Services) -> None:
    while True:
        await asyncio.sleep(CONF.pods.cache_seconds)
        await refresh(services)
        metrics.sample()


async def refresh(services: Services) -> None:
    """Read the pods from the database; what was known stays when that fails."""
    try:
        await in_thread(services.registry.refresh)
        services.database_read_at = time.monotonic()
    except Exception as error:
        LOG.error("The pods cannot be read from the database: %s", error)
