# SPDX-License-Identifier: Apache-2.0
"""Clients that send little by little or nothing at all, do not read, or are too many."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import pytest_asyncio

from tests.functional import gateway_harness
from tests.functional.fakes.cloud import Cloud
from tests.functional.gateway_harness import Gateway
from tests.waiting import eventually
from tricircle.gateway.http import server as http_server

#: Seconds.
HEADERS, BODY, KEEPALIVE = 0.8, 0.6, 1.2
MOST = 12

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@pytest_asyncio.fixture
async def gateway(
    cloud: Cloud, tmp_path: Path, database: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Gateway]:
    """A gateway without patience."""
    gateway_harness.shorten(monkeypatch)
    async with gateway_harness.running(
        cloud, tmp_path, database, header_deadline=HEADERS, body_deadline=BODY,
        keepalive_seconds=KEEPALIVE, max_connections=MOST,
    ) as gateway:  # fmt: skip
        yield gateway


async def connect(url: str, text: str = "") -> Connection:
    where = urlsplit(url)
    reader, writer = await asyncio.open_connection(where.hostname, where.port)
    writer.write(text.replace("\n", "\r\n").encode())
    await writer.drain()
    return reader, writer


async def trickle(writer: asyncio.StreamWriter) -> None:
    """A byte now and then, as long as the other side takes it."""
    with contextlib.suppress(ConnectionError):
        while True:
            writer.write(b"a")
            await writer.drain()
            await asyncio.sleep(HEADERS / 5)


async def end_of(connection: Connection, drips: bool = True) -> bytes:
    """What comes until the other side closes, which it must within seconds."""
    reader, writer = connection
    dripping = asyncio.create_task(trickle(writer) if drips else asyncio.sleep(0))
    try:
        async with asyncio.timeout(5):
            with contextlib.suppress(ConnectionError):
                return await reader.read()
            return b""
    finally:
        dripping.cancel()
        writer.close()


@pytest.mark.parametrize("text", ["", "GET /v2.1/servers HTTP/1.1\nHost: h\nX-A: "])
async def test_headers_that_do_not_come(gateway: Gateway, text: str) -> None:
    for url in (gateway.compute, gateway.volume, gateway.admin):
        assert await end_of(await connect(url, text), drips=bool(text)) == b""


async def test_headers_that_do_not_come_after_a_request(gateway: Gateway) -> None:
    connection = await connect(
        gateway.compute, "GET /healthcheck HTTP/1.1\nHost: h\n\nGET / HTTP/1.1\nA: "
    )
    assert (await end_of(connection)).endswith(b"OK")


async def test_a_body_that_does_not_come(gateway: Gateway) -> None:
    token = gateway.token("member")
    for kind, url, path in (
        ("computeFault", gateway.compute, "/v2.1/servers"),
        ("error", gateway.admin, "/tricircle/v1.0/pods"),
    ):
        text = f"POST {path} HTTP/1.1\nHost: h\nX-Auth-Token: {token}\nContent-Length: 9999\n\n{{"
        answer = await end_of(await connect(url, text))
        head, _, body = answer.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 408 ")
        assert b"x-openstack-request-id: req-" in head.lower()
        assert json.loads(body)[kind]["code"] == 408


async def test_a_body_that_nobody_wants(gateway: Gateway) -> None:
    text = "POST /v2.1/servers HTTP/1.1\nHost: h\nContent-Length: 9999\n\n{"
    assert (await end_of(await connect(gateway.compute, text))).startswith(b"HTTP/1.1 401 ")


async def test_an_idle_connection_is_kept_for_a_while(gateway: Gateway) -> None:
    reader, writer = await connect(gateway.compute, "GET /healthcheck HTTP/1.1\nHost: h\n\n")
    began = time.monotonic()
    await reader.readuntil(b"\r\n\r\nOK")
    # Longer than the headers of its first request may take.
    await asyncio.sleep(HEADERS + 0.1)
    writer.write(b"GET /healthcheck HTTP/1.1\r\nHost: h\r\n\r\n")
    await reader.readuntil(b"\r\n\r\nOK")
    async with asyncio.timeout(5):
        assert await reader.read() == b""
    assert time.monotonic() - began >= KEEPALIVE + HEADERS
    writer.close()


async def test_too_many_connections(gateway: Gateway) -> None:
    """The next one is told so at once; those that were there are served; then there is room."""
    text = "GET /healthcheck HTTP/1.1\nHost: h\n\n"
    kept = []
    for _ in range(MOST):
        reader, writer = await connect(gateway.compute, text)
        await reader.readuntil(b"\r\n\r\nOK")
        kept.append((reader, writer))
    for url, kind in ((gateway.compute, "serviceUnavailable"), (gateway.admin, "error")):
        reader, writer = await connect(url)
        async with asyncio.timeout(5):
            answer = await reader.read()
        head, _, body = answer.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 503 ")
        assert b"retry-after: 1" in head.lower()
        assert json.loads(body)[kind]["code"] == 503
        writer.close()
    for reader, writer in kept:
        writer.write(text.replace("\n", "\r\n").encode())
        await reader.readuntil(b"\r\n\r\nOK")
        writer.close()
        await writer.wait_closed()
    await eventually("there is room", http_server._DOOR.admits, 5)
    reader, writer = await connect(gateway.compute, text)
    await reader.readuntil(b"\r\n\r\nOK")
    writer.close()


async def test_who_does_not_read_is_forgotten(gateway: Gateway, cloud: Cloud) -> None:
    """An answer larger than what kernels keep between the two."""
    for number in range(300):
        server = cloud.pods["pod1"].nova.add_server(f"{number:03}")
        server.metadata["padding"] = "x" * 60_000
    text = (
        f"GET /v2.1/servers/detail HTTP/1.1\nHost: h\nX-Auth-Token: {gateway.token('member')}\n\n"
    )
    where = urlsplit(gateway.compute)
    reader, writer = await asyncio.open_connection(where.hostname, where.port, limit=1)
    writer.write(text.replace("\n", "\r\n").encode())
    await reader.readexactly(1)
    # Nothing more is read: asyncio stops when it has twice its limit.
    await eventually("nobody is there any more", lambda: not http_server._DOOR.open)
    writer.close()
