# SPDX-License-Identifier: Apache-2.0
"""The port on which a process tells its numbers and its health, in a thread of its own."""

import http.server
import socket
import socketserver
import threading
from collections.abc import Callable
from typing import Any

from oslo_log import log as logging

from tricircle.conf import CONF
from tricircle.telemetry import metrics

LOG = logging.getLogger(__name__)

# Seconds a client has for a request, and how many may have one under way.
_PATIENCE = 5.0
_MOST = 8


class Endpoint:
    """``GET /metrics`` and ``GET /healthcheck`` on a port of [telemetry] listen, until closed.

    ``failing()`` gives what does not work, "" when all is well. Processes may share the port.
    Raises OSError when it cannot be had.
    """

    def __init__(self, port: int, failing: Callable[[], str]) -> None:
        self._failing = failing
        self._server = _Server((CONF.telemetry.listen, port), self._handler())
        self.port: int = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, name="telemetry", daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> Any:
        failing = self._failing

        class Handler(http.server.BaseHTTPRequestHandler):
            timeout = _PATIENCE
            server_version, sys_version = "tricircle", ""

            def do_GET(self) -> None:
                path = self.path.partition("?")[0]
                if path == "/metrics":
                    body = metrics.exposition()
                    self._answer(200, body, "text/plain; version=0.0.4; charset=utf-8")
                elif path == "/healthcheck":
                    wrong = failing()
                    self._answer(503 if wrong else 200, (wrong or "OK").encode())
                else:
                    self._answer(404, b"There are /metrics and /healthcheck.")

            do_HEAD = do_GET

            def _answer(self, status: int, body: bytes, kind: str = "text/plain") -> None:
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                LOG.debug("%s %s", self.address_string(), format % args)

        return Handler


class _Server(http.server.ThreadingHTTPServer):
    allow_reuse_port = True
    daemon_threads = True

    def __init__(self, address: tuple[str, int], handler: Any) -> None:
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self._room = threading.BoundedSemaphore(_MOST)
        super().__init__(address, handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        if not self._room.acquire(blocking=False):
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._room.release()

    def server_bind(self) -> None:
        # Not HTTPServer's own, which asks the DNS for this host's name.
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]

    def handle_error(self, request: Any, client_address: Any) -> None:
        LOG.debug("A request for numbers failed", exc_info=True)
