# SPDX-License-Identifier: Apache-2.0
"""tricircle-gateway: the Compute API and the Admin API in front of all pods."""

import asyncio
import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from oslo_log import log as logging

from tricircle import conf
from tricircle.conf import CONF
from tricircle.gateway import process
from tricircle.pods import markers
from tricircle.telemetry import metrics

LOG = logging.getLogger(__name__)

# A worker that dies at once is not started again faster than this (seconds).
_RESTART_PAUSE = 1.0
# Letters that seal what the console front may lead to.
_SECRET = 16


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until told to stop; with [gateway] workers above 1, in as many processes."""
    conf.setup(sys.argv[1:] if argv is None else argv, prog="tricircle-gateway")
    if CONF.console.public_base_url and len(CONF.console.secret or "") < _SECRET:
        LOG.error("[console] public_base_url needs a [console] secret of %d letters", _SECRET)
        return 1
    markers.check()
    if CONF.gateway.workers == 1:
        _work()
        return 0
    with tempfile.TemporaryDirectory(prefix="tricircle-gateway-") as folder:
        if CONF.telemetry.gateway_port:
            metrics.share(Path(folder))
        return _supervise(CONF.gateway.workers)


def _work() -> None:
    asyncio.run(process.serve())


def _supervise(count: int) -> int:
    """Keep ``count`` workers running; SIGTERM and SIGINT end them all, gracefully. SIGHUP is
    passed on."""
    workers: set[int] = set()
    stopping = False
    # Nobody writes to it. A reader finds its end when this process ends, however that comes.
    life, held = os.pipe()

    def stop(number: int, _: object) -> None:
        nonlocal stopping
        stopping = True
        for pid in workers:
            os.kill(pid, signal.SIGTERM)

    def pass_on(number: int, _: object) -> None:
        for pid in workers:
            os.kill(pid, number)

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGHUP, pass_on)
    while workers or not stopping:
        while len(workers) < count and not stopping:
            workers.add(_fork(life, held))
        pid, status = os.wait()
        workers.discard(pid)
        metrics.ended(pid)
        if not stopping:
            LOG.error("Worker %d ended (%d); another is started", pid, status)
            time.sleep(_RESTART_PAUSE)
    return 0


def _fork(life: int, held: int) -> int:
    pid = os.fork()
    if pid:
        return pid
    os.close(held)
    threading.Thread(target=_end_after, args=(life,), daemon=True).start()
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    # Until the worker listens to it: it is to end nobody.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    status = 1
    try:
        _work()
        status = 0
    finally:
        os._exit(status)


def _end_after(life: int) -> None:
    """End this worker when who supervises it has ended: nobody else would tell it to."""
    os.read(life, 1)
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main())
