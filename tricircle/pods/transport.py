# SPDX-License-Identifier: Apache-2.0
"""Blocking HTTP whose answers end: in time, and in size.

The timeout of ``requests`` is for each wait, so a peer that sends a byte now and then holds a
thread for ever. Here it is for the whole answer, its headers and all that comes before them too.
"""

import contextvars
import http.client
import io
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.request import getproxies

import requests
import urllib3
from keystoneauth1.session import TCPKeepAliveAdapter
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from tricircle.conf import CONF
from tricircle.pods import bodies

# Bytes of headers, beside those of a body. http.client has limits of its own for one answer's.
_HEADERS = 1 << 20
# What requests lets the environment name.
_AUTHORITIES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
# When the answer that this thread waits for must have ended (time.monotonic()).
_until: contextvars.ContextVar[float] = contextvars.ContextVar("until", default=float("inf"))
# Whether what flows may be as long as it likes; if so, for how long (seconds) it may as a whole,
# and how long one wait may be.
_flow: contextvars.ContextVar[tuple[float, float] | None] = contextvars.ContextVar(
    "flow", default=None
)


def bound(session: Any) -> Any:
    """The same session of keystoneauth; what it is answered ends by its timeout and has [pods]
    max_answer bytes at the most. Beyond that it raises keystoneauth's errors, as for a connection
    that broke.
    """
    for scheme, usual in list(session.session.adapters.items()):
        wanted = {name: getattr(usual, name, None) for name in ("tls_ciphers", "tls_min_version")}
        session.session.mount(scheme, _Adapter(**wanted))
    # It would look there at each call, which takes as long as half of the call.
    session.session.trust_env = _environment_matters()
    return session


def _environment_matters() -> bool:
    """Whether it names proxies or authorities of certificates. A netrc does not count: who calls
    is told by a token.
    """
    return bool(getproxies()) or any(os.environ.get(name) for name in _AUTHORITIES)


@contextmanager
def flowing(seconds: float, patience: float) -> Iterator[None]:
    """What is sent and answered in here may have any length. It may take ``seconds`` as a whole,
    whatever timeout it has, and each wait ``patience`` seconds.
    """
    before = _flow.set((seconds, patience))
    try:
        yield
    finally:
        _flow.reset(before)


class _Incoming(io.RawIOBase):
    """What comes through a socket, until it is too late or too much."""

    def __init__(self, sock: socket.socket, raw: io.RawIOBase) -> None:
        self._sock, self._raw = sock, raw
        self._until, self._flow = _until.get(), _flow.get()
        self._left = float("inf") if self._flow else CONF.pods.max_answer + _HEADERS

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        _wait(self._sock, self._until, self._flow)
        count = self._raw.readinto(buffer)
        self._left -= count or 0
        if self._left < 0:
            raise OSError(f"answered {bodies.too_long(CONF.pods.max_answer)}")
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


def _wait(sock: socket.socket, until: float, flow: tuple[float, float] | None) -> None:
    """Let what a socket does next take until then. Raises TimeoutError."""
    if until != float("inf"):
        left = until - time.monotonic()
        if left <= 0:
            raise TimeoutError("it did not end in time")
        sock.settimeout(min(left, flow[1]) if flow else left)


class _Response(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **more: Any) -> None:
        super().__init__(sock, *args, **more)
        self.fp = io.BufferedReader(_Incoming(sock, self.fp.detach()))


class _Connection(urllib3.connection.HTTPConnection):
    response_class = _Response

    def send(self, data: Any) -> None:
        if self.sock is not None:
            _wait(self.sock, _until.get(), _flow.get())
        super().send(data)


class _SecureConnection(_Connection, urllib3.connection.HTTPSConnection):
    """The same over TLS."""


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


_POOLS = {"http": _Pool, "https": _SecurePool}


class _Adapter(TCPKeepAliveAdapter):  # type: ignore[misc]
    def init_poolmanager(self, *args: Any, **more: Any) -> None:
        super().init_poolmanager(*args, **more)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, *args: Any, **more: Any) -> Any:
        manager = super().proxy_manager_for(*args, **more)
        manager.pool_classes_by_scheme = _POOLS
        return manager

    def send(self, request: requests.PreparedRequest, **more: Any) -> requests.Response:
        request.headers.update(bodies.PLAIN)
        timeout, stream = more.get("timeout"), more.pop("stream", False)
        with _within(timeout):
            answer = super().send(request, stream=True, **more)
            if (error := bodies.packed(answer.headers.get("Content-Encoding", ""))) is not None:
                answer.close()
                raise requests.exceptions.ContentDecodingError(f"answered {error}")
            if not stream:
                # Here, while it is known until when.
                try:
                    _ = answer.content
                except requests.exceptions.ConnectionError as broken:
                    if isinstance(broken.args[0], urllib3.exceptions.ReadTimeoutError):
                        raise requests.exceptions.ReadTimeout(broken) from broken
                    raise
        return answer


@contextmanager
def _within(timeout: Any) -> Iterator[None]:
    seconds = timeout if isinstance(timeout, int | float) else float("inf")
    if (flow := _flow.get()) is not None:
        seconds = flow[0]
    before = _until.set(time.monotonic() + seconds)
    try:
        yield
    finally:
        _until.reset(before)
