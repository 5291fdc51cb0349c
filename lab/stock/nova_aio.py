# SPDX-License-Identifier: Apache-2.0
"""All of a pod's Nova, and its Placement, in one process: what talks over RPC does so in memory.

Usage: nova_aio.py --config FILE --port PORT --placement-port PORT [--vnc-port PORT
--serial-port PORT --pages FOLDER] HOST...
"""

import argparse
import contextlib
import inspect
import os
import sys
import threading
import time


def main():
    begun = time.monotonic()
    parser = argparse.ArgumentParser()
    parser.add_argument("--config", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--placement-port", type=int, required=True)
    parser.add_argument("--vnc-port", type=int)
    parser.add_argument("--serial-port", type=int)
    parser.add_argument("--pages", default="", help="folder of what the VNC proxy serves")
    parser.add_argument("hosts", nargs="+")
    options = parser.parse_args()
    sys.argv[:] = ["nova", "--config-file", options.config]

    from nova import monkey_patch

    if hasattr(monkey_patch, "patch"):
        monkey_patch.patch(backend="threading")
    # Until 2025.1 importing it was all, and made the process run on eventlet.

    import nova.conf
    import nova_virt_path  # noqa: F401
    import os_brick
    import os_vif
    from nova import context, objects, service
    from nova.api.openstack import wsgi_app
    from nova.compute import rpcapi as compute_rpc
    from nova.conductor import rpcapi as conductor_rpc
    from nova.objects import host_mapping
    from nova.scheduler import rpcapi as scheduler_rpc
    from placement import wsgi as placement_wsgi
    from serving import serve_in_background

    serve_in_background(placement_wsgi.init_application(), options.placement_port, 6)
    objects.register_all()
    names = ("osapi_compute", "nova-api-os-compute")
    wanted = len(inspect.signature(wsgi_app.init_application).parameters)
    api = wsgi_app.init_application(*names[:wanted])
    with contextlib.suppress(ImportError):  # earlier releases register them by themselves
        from oslo_service import opts as service_opts

        service_opts.register_service_opts(nova.conf.CONF)
    os_brick.setup(nova.conf.CONF)
    os_vif.initialize()
    objects.Service.enable_min_version_cache()
    serve_in_background(api, options.port)

    running = []

    def start(binary, **kwargs):
        started = service.Service.create(binary=binary, **kwargs)
        started.start()
        running.append(started)

    start("nova-conductor", topic=conductor_rpc.RPC_TOPIC)
    start("nova-scheduler", topic=scheduler_rpc.RPC_TOPIC)
    alternative = getattr(compute_rpc, "RPC_TOPIC_ALT", None)  # since 2026
    topics = {"topic_alt": alternative} if alternative else {}
    for host in options.hosts:
        # The driver and the resource tracker ask the configuration for the host's name.
        nova.conf.CONF.set_override("host", host)
        start("nova-compute", host=host, topic=compute_rpc.RPC_TOPIC, **topics)
    if options.vnc_port:
        from nova.virt import nova_console

        nova_console.serve_proxy(options.vnc_port, options.pages)
        nova_console.serve_proxy(options.serial_port)
    host_mapping.discover_hosts(context.get_admin_context())
    print(f"nova is up after {time.monotonic() - begun:.1f} s", flush=True)
    threading.Event().wait()


try:
    main()
except Exception:
    # The threads that were started would go on, as half a Nova that nobody can ask why.
    sys.excepthook(*sys.exc_info())
    os._exit(1)
