# SPDX-License-Identifier: Apache-2.0
"""All of a pod's Cinder (API, scheduler, volume, backup) in one process, on native threads
where the release can.

Usage: cinder_aio.py --config FILE --port PORT
"""

import argparse
import os
import shlex
import sys
import threading
import time


def without_thread_pool():
    """Cinder hands blocking work to eventlet's thread pool, which hangs without eventlet's hub;
    on native threads a plain call is what is meant."""
    from eventlet import tpool

    tpool.execute = lambda function, *args, **kwargs: function(*args, **kwargs)
    tpool.Proxy = lambda wrapped, *args, **kwargs: wrapped


def main():
    begun = time.monotonic()
    parser = argparse.ArgumentParser()
    parser.add_argument("--config", required=True)
    parser.add_argument("--port", type=int, required=True)
    options = parser.parse_args()
    os.environ["OS_CINDER_DISABLE_EVENTLET_PATCHING"] = "true"
    sys.argv[:] = ["cinder", "--config-file", options.config]

    try:
        from cinder import monkey_patch
    except ImportError:
        # Until 2025.1 Cinder's services know eventlet only.
        import eventlet

        eventlet.monkey_patch()
    else:
        monkey_patch.patch()
        without_thread_pool()

    from cinder.wsgi import wsgi

    api = wsgi.initialize_application()

    import os_brick
    from cinder import service, utils
    from cinder.cmd import backup  # noqa: F401  (registers options)
    from cinder.common import constants
    from oslo_config import cfg
    from oslo_privsep import priv_context
    from serving import serve_in_background

    conf = cfg.CONF
    priv_context.init(root_helper=shlex.split(utils.get_root_helper()))
    os_brick.setup(conf)
    serve_in_background(api, options.port)

    running = []

    def start(**kwargs):
        started = service.Service.create(**kwargs)
        started.start()
        running.append(started)

    start(binary=constants.SCHEDULER_BINARY)
    for backend in conf.enabled_backends:
        start(
            binary=constants.VOLUME_BINARY,
            host=f"{conf.host}@{backend}",
            service_name=backend,
            coordination=False,
        )
    start(
        binary=constants.BACKUP_BINARY,
        service_name="backup",
        process_number=1,
        semaphore=threading.Semaphore(10),
    )
    print(f"cinder is up after {time.monotonic() - begun:.1f} s", flush=True)
    threading.Event().wait()


main()
