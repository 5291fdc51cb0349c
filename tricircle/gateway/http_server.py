# SPDX-License-Identifier: Apache-2.0
"""A port's HTTP server: aiohttp's, whose answers are the service's own even to what is no HTTP."""

import asyncio
from typing import Any, Protocol

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http_exceptions import LineTooLong
from aiohttp.http_parser import RawRequestMessage
from aiohttp.streams import StreamReader
from oslo_log import log as logging

from tricircle.conf import CONF
from tricircle.gateway import bounds

LOG = logging.getLogger(__name__)

# Seconds that requests under way have to end once the process is told to stop.
GRACE = 30.0


class Served(Protocol):
    """What a port serves.

    ``refuse`` answers what never became a request; ``stop`` ends what would go on for ever,
    before requests under way are waited for; ``close`` is called after these.
    """

    async def respond(self, request: web.BaseRequest, /) -> web.StreamResponse: ...
    def refuse(self, status: int, message: str, /) -> web.Response: ...
    async def stop(self) -> None: ...
    async def close(self) -> None: ...


class _Connection(web.RequestHandler):
    """One client's connection."""

    __slots__ = ("_served",)

    def __init__(self, served: Served, manager: web.Server, **kwargs: Any) -> None:
        super().__init__(manager, **kwargs)
        self._served = served

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

    async def cleanup(self) -> None:
        await super().cleanup()
        await self._served.close()
