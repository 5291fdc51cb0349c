# SPDX-License-Identifier: Apache-2.0
"""What all fake services share: a port, a dispatch table, the journal and the faults."""

import asyncio
import collections
import dataclasses
import datetime
import functools
import itertools
import json
import re
import socket
import threading
import uuid
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from aiohttp import web
from multidict import CIMultiDictProxy

from tests.functional.fakes import deadlines
from tests.functional.fakes.faults import AFTER, Fault, Kind
from tricircle.pods.work_look import AGENT

T = TypeVar("T")
# Of a request line or a header.
_LONGEST = 64 * 1024
# What comes of a body or a query of another shape than a handler takes it to have.
_STUMBLES = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
Handler = Callable[..., Awaitable[web.Response] | web.Response]


def new_id() -> str:
    return str(uuid.uuid4())


def utc_now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC).replace(tzinfo=None)


class LoopThread:
    """An event loop in a thread; ``run`` calls a coroutine there from any other thread.

    ``spare`` are ports whose services have ended, by name, each for the next service of its name:
    to make one takes longer than many a test.
    """

    def __init__(self) -> None:
        self.spare: dict[str, list[Port]] = collections.defaultdict(list)
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, name="fakes", daemon=True)
        self._thread.start()

    def run(self, coroutine: Coroutine[Any, Any, T], timeout: float = 20) -> T:
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(timeout)

    def close(self) -> None:
        for port in itertools.chain(*self.spare.values()):
            self.run(port.close())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(5)
        self.loop.close()


@dataclasses.dataclass
class Entry:
    """One request a fake got. ``status`` is None until it is answered (or for ever)."""

    number: int
    service: str
    method: str
    path: str
    query: list[tuple[str, str]]
    headers: CIMultiDictProxy[str]
    body: bytes
    status: int | None = None
    worked: bool = False
    """Whether the service did what was asked, answered or not."""

    @property
    def json(self) -> Any:
        return json.loads(self.body) if self.body else None

    @property
    def line(self) -> str:
        return f"{self.service} {self.method} {self.path}"

    @property
    def is_probe(self) -> bool:
        """Version documents, which clients read before the real thing, and what probers list."""
        if self.headers.get("User-Agent") == AGENT:
            return True
        return self.method == "GET" and re.fullmatch(r"(/v\d(\.\d+)?)?/?", self.path) is not None

    def __repr__(self) -> str:
        return f"<{self.number}: {self.line} {self.status}>"


class Journal:
    """Every request of every fake, in order of arrival; tests wait on it instead of sleeping."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.broken: list[BaseException] = []
        """What went wrong inside the fakes themselves: a bug in a fake, not in what is tested."""
        self.hostile = False
        """Whether requests are made to break things: what a fake stumbles over then is what a
        real service's schemas, of which the fakes have only some, refuse."""
        self._changed = threading.Condition()
        self._numbers = itertools.count(1)

    def arrived(self, service: str, request: web.Request, body: bytes) -> Entry:
        with self._changed:
            entry = Entry(
                next(self._numbers),
                service,
                request.method,
                request.path,
                list(request.query.items()),
                request.headers,
                body,
            )
            self.entries.append(entry)
            self._changed.notify_all()
        return entry

    def answered(self, entry: Entry, status: int) -> None:
        with self._changed:
            entry.status = status
            self._changed.notify_all()

    def clear(self) -> None:
        with self._changed:
            self.entries.clear()

    def find(
        self, service: str = "", method: str = "", path: str = "", probes: bool = False
    ) -> list[Entry]:
        """Entries of services beginning so, of this method, whose path matches (regex)."""
        with self._changed:
            return [
                entry
                for entry in self.entries
                if entry.service.startswith(service)
                and (not method or entry.method == method)
                and re.search(path, entry.path)
                and (probes or not entry.is_probe)
            ]

    def wait(self, condition: Callable[[], T], timeout: float = 10) -> T:
        """Block until ``condition`` gives something true; it is tried after each change."""
        with self._changed:
            if not self._changed.wait_for(condition, timeout):
                raise AssertionError(f"not within {timeout} s; calls: {self.entries}")
            return condition()

    async def until(self, condition: Callable[[], T], timeout: float = 10) -> T:
        """The same, from an event loop."""
        return await asyncio.to_thread(self.wait, condition, timeout)


class Refusal(Exception):
    """A service says no; each service puts it into its own envelope."""

    def __init__(self, status: int, message: str, kind: str = "", **headers: str) -> None:
        super().__init__(message)
        self.status, self.message, self.kind, self.headers = status, message, kind, headers


class Hangup(Exception):
    """Close the connection without a word."""


@dataclasses.dataclass
class Exchange:
    """A request inside a fake: what handlers get."""

    http: web.Request
    path: str
    raw: bytes
    entry: Entry
    token: Any = None
    version: tuple[int, int] = (0, 0)
    #: who may do this, and whether that was looked at (see rights.py)
    right: Any = None
    judged: bool = False
    #: a service's own id of the request, whatever the caller calls it
    request_id: str = dataclasses.field(default_factory=lambda: f"req-{new_id()}")

    @property
    def query(self) -> Any:
        return self.http.query

    def json(self, key: str | None = None) -> Any:
        """The decoded body, or the value of its one ``key``; 400 when it is not there."""
        try:
            body = json.loads(self.raw)
        except ValueError:
            raise Refusal(400, "Malformed request body") from None
        if key is None:
            return body
        if not isinstance(body, dict) or not isinstance(body.get(key), dict):
            raise Refusal(400, f"Unable to find '{key}' in request body")
        return body[key]


def route(method: str, pattern: str) -> Callable[[Handler], Handler]:
    """Mark a method of a FakeService as the handler of ``pattern``, like /servers/{id}."""

    def mark(handler: Handler) -> Handler:
        regex = re.compile(re.sub(r"{(\w+)}", r"(?P<\1>[^/]+)", pattern) + "$")
        routes = getattr(handler, "routes", [])
        handler.routes = [*routes, (method, regex)]  # type: ignore[attr-defined]
        return handler

    return mark


def checks_first(handler: Handler) -> Handler:
    """Mark a handler that looks at the body before it asks the policy, as Nova's schemas are."""
    handler.checks_first = True  # type: ignore[attr-defined]
    return handler


class Port:
    """A port of 127.0.0.1 that stays the same over stop and start, and what listens on it.

    ``serve`` answers requests.
    """

    def __init__(self) -> None:
        self.serve: Callable[[web.Request], Awaitable[web.StreamResponse]]
        self._listener: asyncio.Server | None = None
        self._runner: web.AppRunner | None = None
        # While nobody listens nobody else gets the port.
        self._reserved = socket.socket()
        self._reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        self._reserved.bind(("127.0.0.1", 0))
        self.number: int = self._reserved.getsockname()[1]

    async def start(self) -> None:
        if self._runner is None:
            app = web.Application(client_max_size=64 << 20)
            app.router.add_route("*", r"/{path:[\s\S]*}", self._serve)
            self._runner = web.AppRunner(
                app, access_log=None, handler_cancellation=True, shutdown_timeout=0,
                max_line_size=_LONGEST, max_field_size=_LONGEST,
            )  # fmt: skip
            await self._runner.setup()
        if self._listener is None:
            assert self._runner.server is not None
            self._listener = await asyncio.get_running_loop().create_server(
                self._runner.server, "127.0.0.1", self.number, reuse_port=True
            )

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        return await self.serve(request)

    def stop(self) -> None:
        """Refuse connections from now on and cut those that are open."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        self.cut()

    def cut(self) -> None:
        server = self._runner.server if self._runner else None
        for connection in list(server.connections) if server else []:
            if connection.transport is not None:
                connection.transport.abort()

    async def close(self) -> None:
        self.stop()
        if self._runner is not None:
            await self._runner.cleanup()
        self._reserved.close()


@functools.cache
def _routes_of(service: type["FakeService"]) -> list[tuple[str, re.Pattern[str], str]]:
    """(method, path, name of the handler) of what is marked with ``route``."""
    routes = [
        (verb, regex, name)
        for name in dir(service)
        for verb, regex in getattr(getattr(service, name), "routes", ())
    ]
    # A pattern that names more of its path is looked at first.
    return sorted(routes, key=lambda found: found[1].groups)


class FakeService:
    """One HTTP service on a port of its own."""

    def __init__(self, thread: LoopThread, name: str, journal: Journal) -> None:
        self.thread, self.name, self.journal = thread, name, journal
        self.faults: list[Fault] = []
        self._own_port: Port | None = None
        self._released = asyncio.Event()
        self._late: list[asyncio.Task[None]] = []

    # -- the port ----------------------------------------------------------------------------

    @property
    def port(self) -> int:
        return self._own_port.number if self._own_port else 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        self.thread.run(self._start())

    async def _start(self) -> None:
        if self._own_port is None:
            spare = self.thread.spare[self.name]
            self._own_port = spare.pop() if spare else Port()
            self._own_port.serve = self._serve
        await self._own_port.start()

    def stop(self) -> None:
        """Refuse connections from now on and cut those that are open."""
        self.thread.run(self._stop())

    async def _stop(self) -> None:
        assert self._own_port is not None
        self._own_port.stop()
        self.release()

    def close(self) -> None:
        """Cut what is open; the port is another's."""

        async def close() -> None:
            assert self._own_port is not None
            self._own_port.cut()
            self.release()
            self.thread.spare[self.name].append(self._own_port)

        self.thread.run(close())

    # -- faults ------------------------------------------------------------------------------

    def fail(self, kind: Kind, method: str = "", path: str = "", **more: Any) -> Fault:
        """Misbehave from now on; see ``Fault`` for what may be narrowed."""
        fault = Fault(kind, method, path, **more)
        self.faults.append(fault)
        return fault

    def heal(self) -> None:
        """Behave well again; requests that hang are cut."""
        self.faults.clear()
        self.release()

    def release(self) -> None:
        def let_go() -> None:
            self._released.set()
            self._released = asyncio.Event()

        self.thread.loop.call_soon_threadsafe(let_go)

    # -- serving -----------------------------------------------------------------------------

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        entry = self.journal.arrived(self.name, request, body)
        fault = next((fault for fault in self.faults if fault.strikes(entry)), None)
        try:
            if fault is not None and fault.kind is Kind.LATE:
                self._late.append(asyncio.create_task(self._work_late(fault, request, body, entry)))
                raise Hangup
            if fault is not None and fault.kind not in AFTER:
                early = await self._misbehave(fault, request)
                if early is not None:
                    self.journal.answered(entry, early.status)
                    return early
            response = await self._answer(Exchange(request, request.path, body, entry))
            entry.worked = response.status < 400
            if fault is not None and fault.kind in AFTER:
                response = await self._misbehave(fault, request) or altered(fault, entry, response)
        except Hangup:
            if request.transport is not None:
                request.transport.abort()
            return web.Response()
        except Exception as error:
            self.journal.broken.append(error)
            raise
        self.journal.answered(entry, response.status)
        return response

    async def _work_late(
        self, fault: Fault, request: web.Request, body: bytes, entry: Entry
    ) -> None:
        await _told(fault)
        response = await self._answer(Exchange(request, request.path, body, entry))
        entry.worked = response.status < 400

    async def _misbehave(self, fault: Fault, request: web.Request) -> web.Response | None:
        match fault.kind:
            case Kind.HANG | Kind.HANG_AFTER:
                deadlines.passes(request.headers)
                await self._released.wait()
                raise Hangup
            case Kind.CUT | Kind.CUT_AFTER:
                raise Hangup
            case Kind.SLOW:
                await asyncio.sleep(fault.seconds)
                return None
            case Kind.HELD:
                await _told(fault)
                return None
            case Kind.GARBAGE | Kind.GARBAGE_AFTER:
                return web.Response(
                    body=fault.body,
                    status=200 if request.method == "GET" else 202,
                    content_type="application/json",
                )
            case Kind.TRUNCATED | Kind.TRUNCATED_AFTER:
                assert request.transport is not None
                request.transport.write(
                    b"HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\n"
                    b'Content-Length: 4000\r\n\r\n{"server": {"id": "'
                )
                await asyncio.sleep(0)
                request.transport.close()
                raise Hangup
            case Kind.REDIRECT:
                return web.Response(status=307, headers={"Location": fault.location})
            case Kind.ALTERED:
                return None
            case Kind.QUOTA:
                return self.refuse(Refusal(403, "Quota exceeded", "OverQuota"))
            case Kind.ERROR:
                return self.refuse(Refusal(500, "Unexpected API Error. <class 'Kaboom'>"))
            case Kind.UNAVAILABLE:
                return self.refuse(Refusal(503, "The service is not available"))
            case _:
                raise AssertionError(fault.kind)

    async def _answer(self, exchange: Exchange) -> web.Response:
        try:
            return await self.answer(exchange)
        except Refusal as refusal:
            return self.refuse(refusal)
        except _STUMBLES as error:
            if not self.journal.hostile:
                raise
            return self.refuse(Refusal(400, f"Invalid input. {type(error).__name__}"))

    async def answer(self, exchange: Exchange) -> web.Response:
        """Serve one request by the table; services override this to authenticate first."""
        return await self.dispatch(exchange)

    def before(self, exchange: Exchange, checks_first: bool) -> None:
        """Refuse what the caller may not do; later, by itself, a handler that checks first."""

    async def dispatch(self, exchange: Exchange) -> web.Response:
        known = False
        for method, regex, name in _routes_of(type(self)):
            found = regex.match(exchange.path)
            if found is None:
                continue
            known = True
            if method in (exchange.http.method, "*"):
                handler = getattr(self, name)
                self.before(exchange, checks_first=hasattr(handler, "checks_first"))
                answer = handler(exchange, **found.groupdict())
                return await answer if isinstance(answer, Awaitable) else answer
        raise Refusal(405 if known else 404, "The resource could not be found.")

    def refuse(self, refusal: Refusal) -> web.Response:
        raise NotImplementedError


def altered(fault: Fault, entry: Entry, response: web.Response) -> web.Response:
    """The answer with what the fault makes of its document."""
    body = response.body
    if fault.kind is not Kind.ALTERED or response.status >= 300 or not isinstance(body, bytes):
        return response
    if body and response.content_type == "application/json":
        response.body = json.dumps(fault.alter(entry, json.loads(body))).encode()
    return response


def reply(body: Any = None, status: int = 200, **headers: str) -> web.Response:
    """A JSON answer; keyword names become header names with dashes."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    if body is None:
        return web.Response(status=status, headers=named)
    return web.json_response(body, status=status, headers=named)


async def _told(fault: Fault) -> None:
    """Wait until a fault is told to go on."""
    while not fault.go.is_set():  # noqa: ASYNC110 - it is told by another thread
        await asyncio.sleep(0.01)
