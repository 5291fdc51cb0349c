# SPDX-License-Identifier: Apache-2.0
"""One WSGI API behind a web server, which tells it by SCGI what its modules know of who asks.

Usage: scgi_api.py MODULE PORT [ARGUMENT...]   (the arguments are for the service itself)
"""

import importlib
import socketserver
import sys
from urllib.parse import unquote_to_bytes
from wsgiref.handlers import BaseCGIHandler

ADDRESS = "127.0.0.1"


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128


class _Handler(BaseCGIHandler):
    def setup_environ(self):
        # What is in the environment of this process is nothing that a web server said.
        self.os_environ = {}
        super().setup_environ()


def _environ(stream):
    """What the web server says: a netstring of names and values."""
    length = b""
    while (byte := stream.read(1)) != b":":
        if not byte.isdigit():
            raise ValueError("no netstring")
        length += byte
    words = stream.read(int(length)).decode("latin-1").split("\0")
    stream.read(1)  # a comma
    found = dict(zip(words[::2], words[1::2], strict=False))
    path = found.get("REQUEST_URI", "/").partition("?")[0]
    return found | {"SCRIPT_NAME": "", "PATH_INFO": unquote_to_bytes(path).decode("latin-1")}


def main():
    module, port, *arguments = sys.argv[1:]
    sys.argv[:] = [module, *arguments]
    application = importlib.import_module(module).application

    class Request(socketserver.StreamRequestHandler):
        def handle(self):
            try:
                environ = _environ(self.rfile)
            except ValueError:
                return  # somebody who only looks whether we listen
            handler = _Handler(self.rfile, self.wfile, sys.stderr, environ, True, False)
            handler.run(application)

    with _Server((ADDRESS, int(port)), Request) as server:
        server.serve_forever()


main()
