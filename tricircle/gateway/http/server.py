# SPDX-License-Identifier: Apache-2.0
"""A port's HTTP server: aiohttp's, whose answers are the service's own even to what is no HTTP,
and which waits for no client for ever.
"""

import asyncio
import contextlib
import ctypes
import os
import resource
import socket
import struct
from typing import Any, Protocol, cast

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http_exceptions import LineTooLong
from aiohttp.http_parser import RawRequestMessage
from aiohttp.streams import StreamReader
from oslo_log import log as logging

from tricircle.conf import CONF
from tricircle.gateway.http import bounds

LOG = logging.getLogger(__name__)

# Seconds that requests under way have to end once the process is told to stop.
GRACE = 30.0
# Seconds in which those are let in who connected before the stop, and how many times as long they
# have to send a request.
_KNOCKING, _LAST_WORDS = 0.05, 100
# A filter of linux/filter.h, (code, true, false, value) each: drops what has TCP's flag SYN alone.
_NO_SYN = ((0x30, 0, 0, 13), (0x54, 0, 0, 0x12), (0x15, 0, 1, 0x02), (0x06, 0, 0, 0),
           (0x06, 0, 0, 0xFFFFFFFF))  # fmt: skip
_ATTACH_FILTER = 26
# Seconds in which the rest of a body that nobody wants is read.
_LINGERING = 10.0
# Of the files a process may have open, those that are left to the pods, the database and the rest.
_OTHER_FILES = 0.25


class Served(Protocol):
    """What a port serves.

    ``refuse`` answers what never became a request; ``stop`` ends what would go on for ever,
    before requests under way are waited for; ``close`` is called after these.
    """

    async def respond(self, request: web.BaseRequest, /) -> web.StreamResponse: ...
    def refuse(self, status: int, message: str, /) -> web.Response: ...
    async def stop(self) -> None: ...
    async def close(self) -> None: ...


class _Door:
    """Lets in as many connections as a process may have, whatever ports they come by."""

    def __init__(self) -> None:
        self.open = 0

    def admits(self) -> bool:
        most = CONF.gateway.max_connections
        files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        if files != resource.RLIM_INFINITY:
            most = min(most, int(files * (1 - _OTHER_FILES)))
        return self.open < most


_DOOR = _Door()


class _Connection(web.RequestHandler):
    """One client's connection.

    aiohttp closes one that is idle after a request; until the first one this is done here.
    """

    __slots__ = ("_admitted", "_due", "_served")

    def __init__(self, served: Served, manager: web.Server, **kwargs: Any) -> None:
        super().__init__(manager, **kwargs)
        self._served = served
        self._admitted = False
        self._due: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        if not _DOOR.admits():
            self._turn_away(transport)
            return
        self._admitted = True
        _DOOR.open += 1
        super().connection_made(transport)
        self._due = self._loop.call_later(CONF.gateway.header_deadline, self._expect_request)
        _forget_who_does_not_read(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        if self._due is not None:
            self._due.cancel()
        if self._admitted:
            _DOOR.open -= 1
        super().connection_lost(exc)

    def close(self) -> None:
        """The process is to stop. Who has come and not asked yet may do so."""
        if not self.awaited:
            super().close()

    @property
    def awaited(self) -> bool:
        """Whether the first request has yet to come."""
        return self._request_count == 0

    def _expect_request(self) -> None:
        if self._request_count == 0:
            self.force_close()

    def _turn_away(self, transport: asyncio.Transport) -> None:
        self._force_close = True
        response = self._served.refuse(503, "The gateway has too many connections. Try again soon.")
        assert isinstance(response.body, bytes)
        told = {
            **response.headers,
            "Content-Length": str(len(response.body)),
            "Retry-After": "1",
            "Connection": "close",
        }
        lines = "".join(f"{name}: {value}\r\n" for name, value in told.items())
        transport.write(f"HTTP/1.1 503 Service Unavailable\r\n{lines}\r\n".encode())
        transport.write(response.body)
        transport.close()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """The answer to what cannot be parsed. It quotes nothing: there may be a token in it."""
        LOG.info("A malformed request was refused (%s)", type(exc).__name__)
        if request.writer.output_size > 0:
            raise ConnectionError("Half an answer was sent already")
        if isinstance(exc, LineTooLong):
            response = self._served.refuse(400, "The request line or a header is too long.")
        else:
            response = self._served.refuse(400, "The request is malformed.")
        response.force_close()
        return response


def _forget_who_does_not_read(transport: asyncio.Transport) -> None:
    """Let the kernel end a connection whose client takes nothing of an answer any more."""
    with contextlib.suppress(OSError):
        transport.get_extra_info("socket").setsockopt(
            socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(CONF.gateway.body_deadline * 1000)
        )


class _Server(web.Server):
    """Makes connections and requests."""

    def __init__(self, served: Served) -> None:
        super().__init__(
            served.respond,
            request_factory=self._request,
            access_log=None,
            max_line_size=bounds.LONGEST_LINE,
            max_field_size=bounds.LONGEST_LINE,
            # Nova and Cinder know no coded bodies; what is small coded may be huge when it is not.
            auto_decompress=False,
            keepalive_timeout=CONF.gateway.keepalive_seconds,
            lingering_time=min(_LINGERING, CONF.gateway.body_deadline),
        )
        self._served = served

    def __call__(self) -> _Connection:
        return _Connection(self._served, self, loop=self._loop, **self._kwargs)

    def _request(
        self,
        message: RawRequestMessage,
        payload: StreamReader,
        protocol: web.RequestHandler,
        writer: AbstractStreamWriter,
        task: "asyncio.Task[None]",
    ) -> web.BaseRequest:
        size = CONF.gateway.max_request_body_size
        return web.BaseRequest(
            message, payload, protocol, writer, task, self._loop, client_max_size=size
        )


class Runner(web.ServerRunner):
    """A server's life."""

    def __init__(self, served: Served) -> None:
        super().__init__(_Server(served), shutdown_timeout=GRACE)
        self._served = served

    async def shutdown(self) -> None:
        await self._served.stop()
        assert self.server is not None
        for _ in range(_LAST_WORDS):
            connections = cast("list[_Connection]", self.server.connections)
            if not any(one.awaited for one in connections):
                break
            await asyncio.sleep(_KNOCKING)

    async def cleanup(self) -> None:
        await self._let_in()
        await super().cleanup()
        await self._served.close()

    async def _let_in(self) -> None:
        """Accept who has connected: the kernel would cut them off once nobody listens."""
        for site in self._sites:
            for listening in getattr(site._server, "sockets", ()):
                _let_nobody_begin(listening.fileno())
        await asyncio.sleep(_KNOCKING)


def _let_nobody_begin(listening: int) -> None:
    """Have the kernel drop what begins a connection; whoever sent it sends it again, to another
    process or to nobody. So nobody connects between the last look and the end of listening.
    """
    program = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *one) for one in _NO_SYN))
    value = struct.pack("HP", len(_NO_SYN), ctypes.addressof(program))
    with socket.socket(fileno=os.dup(listening)) as same, contextlib.suppress(OSError):
        same.setsockopt(socket.SOL_SOCKET, _ATTACH_FILTER, value)
