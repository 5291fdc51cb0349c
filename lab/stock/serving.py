# SPDX-License-Identifier: Apache-2.0
"""WSGI applications in threads of the process."""

import sys
import threading

import waitress

ADDRESS = "127.0.0.1"


def _on_eventlet():
    patcher = sys.modules.get("eventlet.patcher")
    return bool(patcher) and patcher.is_monkey_patched("thread")


def serve(application, port, threads=8):
    """Serve until the process ends."""
    if _on_eventlet():
        import eventlet.wsgi

        listener = eventlet.listen((ADDRESS, port), backlog=128)
        eventlet.wsgi.server(listener, application, max_size=64, log_output=False)
        return
    waitress.serve(
        application,
        host=ADDRESS,
        port=port,
        threads=threads,
        connection_limit=400,
        clear_untrusted_proxy_headers=False,
        ident=None,
    )


def serve_in_background(application, port, threads=8):
    threading.Thread(
        target=serve, args=(application, port, threads), name=f"api-{port}", daemon=True
    ).start()
