# SPDX-License-Identifier: Apache-2.0
"""What stands between us and a database, and loses the answer to a COMMIT when told to."""

import contextlib
import socket
import threading

_COMMIT = b"\x03COMMIT"  # MySQL's "query" packet, after the four bytes of its length and number


class Between:
    """A proxy on a port of its own. While ``commits_to_lose`` is not zero, the next COMMITs are
    handed on, and their connections closed in place of an answer."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self.commits_to_lose = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listening.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                server = socket.create_connection(("127.0.0.1", self._to))
                pair = _Pair(self, client, server)
                threading.Thread(target=pair.ask, daemon=True).start()
                threading.Thread(target=pair.answer, daemon=True).start()


class _Pair:
    def __init__(self, between: Between, client: socket.socket, server: socket.socket) -> None:
        self._between, self._client, self._server = between, client, server
        self._losing = False

    def ask(self) -> None:
        with contextlib.suppress(OSError):
            while data := self._client.recv(65536):
                if data[4:].startswith(_COMMIT) and self._between.commits_to_lose:
                    self._between.commits_to_lose -= 1
                    self._losing = True
                self._server.sendall(data)
        self._close()

    def answer(self) -> None:
        with contextlib.suppress(OSError):
            while data := self._server.recv(65536):
                if self._losing:
                    break
                self._client.sendall(data)
        self._close()

    def _close(self) -> None:
        for one in (self._client, self._server):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
