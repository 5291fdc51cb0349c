# SPDX-License-Identifier: Apache-2.0
"""HTTP/1.1 with as little as possible between socket and answer, for servers and clients that
must not be what is measured."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable, Mapping

_END = b"\r\n\r\n"
_REASONS = {200: b"OK", 202: b"Accepted", 300: b"Multiple Choices"}


@dataclasses.dataclass(slots=True)
class Request:
    """``path`` is without the query; header names are lower case."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes


@dataclasses.dataclass(slots=True)
class Answer:
    """What to say after ``delay`` seconds."""

    body: bytes
    status: int = 200
    delay: float = 0.0
    headers: tuple[str, ...] = ()

    def written(self) -> bytes:
        head = [b"HTTP/1.1 %d %s" % (self.status, _REASONS.get(self.status, b"-"))]
        head += [line.encode() for line in self.headers]
        head.append(b"Content-Type: application/json")
        head.append(b"Content-Length: %d" % len(self.body))
        return b"\r\n".join(head) + _END + self.body


#: Gives the answer, or None to say nothing for ever.
Handler = Callable[[Request], Answer | None]


class Server(asyncio.Protocol):
    """One connection; requests on it come one after the other."""

    def __init__(self, handle: Handler, opened: set[Server]) -> None:
        self._handle, self._opened = handle, opened
        self._got = b""
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._opened.add(self)

    def connection_lost(self, error: Exception | None) -> None:
        self._opened.discard(self)

    def data_received(self, data: bytes) -> None:
        self._got += data
        head, found, rest = self._got.partition(_END)
        if not found:
            return
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {}
        for line in lines:
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        length = int(headers.get("content-length", 0))
        if len(rest) < length:
            return
        self._got = rest[length:]
        method, target, _ = first.split(" ")
        path, _, query = target.partition("?")
        answer = self._handle(Request(method, path, query, headers, rest[:length]))
        if answer is None:
            return
        if answer.delay > 0:
            asyncio.get_running_loop().call_later(answer.delay, self._write, answer.written())
        else:
            self.transport.write(answer.written())

    def _write(self, data: bytes) -> None:
        if not self.transport.is_closing():
            self.transport.write(data)


class Listener:
    """One port; it may be shut, with all its connections, and opened again."""

    def __init__(self, handle: Handler, port: int = 0) -> None:
        self._handle, self.port = handle, port
        self._opened: set[Server] = set()
        self._server: asyncio.Server | None = None

    async def open(self) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: Server(self._handle, self._opened), "127.0.0.1", self.port, backlog=1024
        )
        self.port = self._server.sockets[0].getsockname()[1]

    def shut(self) -> None:
        """As when the machine goes: nobody is told anything any more."""
        if self._server is not None:
            self._server.close()
        for connection in list(self._opened):
            connection.transport.abort()


class Client(asyncio.Protocol):
    """A connection that asks one thing after the other."""

    def __init__(self) -> None:
        self._got = bytearray()
        self._waiting: asyncio.Future[tuple[int, bytes]] | None = None
        self._body_at = self._length = -1
        self.transport: asyncio.Transport

    @classmethod
    async def connect(cls, port: int) -> Client:
        _, client = await asyncio.get_running_loop().create_connection(cls, "127.0.0.1", port)
        return client

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def connection_lost(self, error: Exception | None) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(ConnectionResetError("the connection was closed"))

    def data_received(self, data: bytes) -> None:
        self._got += data
        if self._length < 0:
            end = self._got.find(_END)
            if end < 0:
                return
            head = bytes(self._got[:end]).lower()
            at = head.index(b"\r\ncontent-length:") + 17
            line_end = head.find(b"\r", at)
            self._length = int(head[at : line_end if line_end > 0 else len(head)])
            self._body_at = end + len(_END)
        if len(self._got) >= self._body_at + self._length:
            status = int(self._got[9:12])
            body = bytes(self._got[self._body_at : self._body_at + self._length])
            self._got.clear()
            self._length = -1
            if self._waiting is not None and not self._waiting.done():
                self._waiting.set_result((status, body))

    async def ask(self, request: bytes) -> tuple[int, bytes]:
        """(status, body). Raises ConnectionResetError."""
        if self.transport.is_closing():
            raise ConnectionResetError("the connection was closed")
        self._waiting = asyncio.get_running_loop().create_future()
        self.transport.write(request)
        return await self._waiting


def request(method: str, path: str, token: str, body: bytes, version: Mapping[str, str]) -> bytes:
    """A request as an OpenStack client writes it; ``version`` are the headers that ask for one."""
    lines = [
        f"{method} {path} HTTP/1.1",
        "Host: 127.0.0.1",
        "User-Agent: openstacksdk/4.0 keystoneauth1/5.8 python-requests/2.32 CPython/3.11",
        "Accept-Encoding: gzip, deflate",
        "Accept: application/json",
        "Connection: keep-alive",
        *(f"{name}: {value}" for name, value in version.items()),
        f"X-Auth-Token: {token}",
    ]
    if body:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join(lines).encode() + _END + body
