# SPDX-License-Identifier: Apache-2.0
"""What is no request, or hardly one: every API answers it in its envelope, as all else."""

import asyncio
import json
import logging
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import pytest
from multidict import CIMultiDict

from tests.functional.fakes.cloud import Cloud
from tests.functional.gateway_harness import Gateway
from tricircle.conf import CONF
from tricircle.gateway import process
from tricircle.gateway.app import compute_api
from tricircle.gateway.console.front import Front
from tricircle.gateway.http.server import Runner
from tricircle.gateway.pipeline import Pipeline

MARK = "Zq7Secret"
TOKEN = b"@token@"
GET, POST = b"GET / HTTP/1.1\r\nHost: h\r\n", b"POST / HTTP/1.1\r\nHost: h\r\n"
#: (what is sent, the status that must come)
MALFORMED: dict[str, tuple[bytes, int]] = {
    "no HTTP": (b"hello Zq7Secret\r\n\r\n", 400),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03Zq7Secret\r\n\r\n", 400),
    "a made-up method": (b"ZQ7SECRET /v2.1/servers HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    "CONNECT to a host": (b"CONNECT Zq7Secret:1 HTTP/1.1\r\nHost: h\r\n\r\nabc", 400),
    "no path": (b"OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    "bytes in a path": (b"GET /Zq7Secret\xff HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    "bytes in a query": (b"GET /?Zq7Secret=\xfe HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    "a long line": (b"GET /Zq7Secret" + b"x" * 40000 + b" HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    "a long header": (GET + b"X: Zq7Secret" + b"x" * 40000 + b"\r\n\r\n", 400),
    "many headers": (GET + b"X-Zq7Secret: y\r\n" * 500 + b"\r\n", 400),
    "NUL": (b"GET /Zq7Secret\x00 HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    "HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
    "HTTP/3": (b"GET /Zq7Secret HTTP/3.0\r\nHost: h\r\n\r\n", 400),
    "no host": (b"GET /Zq7Secret HTTP/1.1\r\n\r\n", 400),
    "a host that is no text": (b"GET / HTTP/1.1\r\nHost: Zq7Secret\xff\r\n\r\n", 400),
    "a length that is none": (POST + b"Content-Length: Zq7Secret\r\n\r\n", 400),
    "a length below 0": (POST + b"Content-Length: -1\r\n\r\n", 400),
    "a huge length": (POST + b"Content-Length: " + b"9" * 30 + b"\r\n\r\n", 400),
    "a coding of the transfer": (
        POST + b"Transfer-Encoding: gzip\r\n\r\nZq7Secret", 400,
    ),
    "chunks that are none": (
        b"POST /@root@ HTTP/1.1\r\nHost: h\r\n@token@Transfer-Encoding: chunked\r\n\r\nzz\r\n", 400,
    ),
    "a chunk with too much in it": (
        b"POST /@root@ HTTP/1.1\r\nHost: h\r\n@token@Transfer-Encoding: chunked\r\n\r\n"
        b"5\r\nabcdefgh\r\n0\r\n\r\n", 400,
    ),
    "a coded body": (
        b"POST /@root@ HTTP/1.1\r\nHost: h\r\n@token@Content-Encoding: gzip\r\n"
        b"Content-Length: 4\r\n\r\nabcd", 415,
    ),
    "a newline in a path": (b"GET /@below@a%0d%0aX:%20y HTTP/1.1\r\nHost: h\r\n@token@\r\n", 404),
    "CR and LF in a path": (b"GET /@below@%0a HTTP/1.1\r\nHost: h\r\n@token@\r\n", 404),
    "a token that is no text": (GET + b"X-Auth-Token: \xff\r\n\r\n", 400),
    "a token in no alphabet of Keystone's": (
        b"GET /@root@ HTTP/1.1\r\nHost: h\r\nX-Auth-Token: \xe2\x82\xac\r\n\r\n", 401,
    ),
    "a version too long for a number": (
        b"GET /@root@ HTTP/1.1\r\nHost: h\r\n@token@X-OpenStack-Nova-API-Version: "
        + b"9" * 4400 + b".1\r\n\r\n", 400,
    ),
}  # fmt: skip
#: What each API's paths begin with, and a route with a body.
APIS = {
    "compute": ("v2.1/", "v2.1/servers"),
    "volume": ("v3/", "v3/volumes"),
    "admin": ("tricircle/v1.0/", "tricircle/v1.0/pods"),
}


async def exchange(url: str, sent: bytes) -> tuple[int, CIMultiDict[str], bytes]:
    """Bytes sent as they are; status, headers and body of the one answer that comes."""
    where = urlsplit(url)
    reader, writer = await asyncio.open_connection(where.hostname, where.port)
    try:
        writer.write(sent)
        await writer.drain()
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
        line, _, rest = head.decode().partition("\r\n")
        pairs = (one.split(": ", 1) for one in rest.splitlines() if one)
        headers = CIMultiDict((name, value) for name, value in pairs)
        body = await asyncio.wait_for(reader.readexactly(int(headers["Content-Length"])), 5)
        return int(line.split()[1]), headers, body
    finally:
        writer.close()


def in_envelope(service: str, status: int, headers: Mapping[str, str], body: bytes) -> Any:
    """The error told, in the words of the service it is of."""
    assert headers["Content-Type"] == "application/json"
    assert headers["X-OpenStack-Request-ID"].startswith("req-")
    if service != "admin":
        assert headers["X-Compute-Request-ID"] == headers["X-OpenStack-Request-ID"]
    ((key, error),) = json.loads(body).items()
    assert (key == "error") == (service == "admin" or status == 401)
    assert error["code"] == status
    assert error["message"]
    return error


@pytest.mark.parametrize("service", APIS)
async def test_what_is_no_request(
    gateway: Gateway, cloud: Cloud, service: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    url = {"compute": gateway.compute, "volume": gateway.volume, "admin": gateway.admin}[service]
    below, root = APIS[service]
    token = f"X-Auth-Token: {gateway.token('admin')}\r\n"
    for name, (text, status) in MALFORMED.items():
        if service != "compute" and b"Nova" in text:
            text = text.replace(
                b"X-OpenStack-Nova-API-Version: ", b"OpenStack-API-Version: volume "
            )
            if service == "admin":
                continue
        for mark, value in ((TOKEN, token), (b"@root@", root), (b"@below@", below)):
            text = text.replace(mark, value.encode())
        caplog.clear()
        got, headers, body = await exchange(url, text)
        assert got == status, (name, got, body)
        in_envelope(service, status, headers, body)
        told = f"{headers}{body!r}{caplog.text}".lower()
        assert MARK.lower() not in told, (name, told)
        assert gateway.token("admin") not in told, name
    assert cloud.journal.find("pod") == []


async def test_headers_in_other_encodings(gateway: Gateway, cloud: Cloud) -> None:
    """What only describes a client may be in any; what decides an answer may not."""
    token = f"X-Auth-Token: {gateway.token('admin')}\r\n".encode()
    places = {"compute": (gateway.compute, b"v2.1/flavors"),
              "volume": (gateway.volume, b"v3/types"),
              "admin": (gateway.admin, b"tricircle/v1.0/pods")}  # fmt: skip
    for service, (url, path) in places.items():
        start = b"GET /" + path + b" HTTP/1.1\r\nHost: h\r\n" + token
        for name in (b"User-Agent", b"user_agent", b"Accept", b"Accept-Language", b"Cookie",
                     b"Origin", b"Connection", b"Via", b"X-Voila"):  # fmt: skip
            cloud.journal.clear()
            status, _, body = await exchange(url, start + name + b": voil\xe0\r\n\r\n")
            assert status == 200, (service, name, body)
            for entry in cloud.journal.find("pod"):
                assert "voil" not in str(entry.headers), (name, entry)
        for name in (b"Content-Type", b"OpenStack-API-Version", b"X-OpenStack-Request-ID",
                     b"X-Service-Token", b"X-Forwarded-Host", b"X_Forwarded_Host",
                     b"X-OpenStack-Nova-API-Version"):  # fmt: skip
            status, headers, body = await exchange(url, start + name + b": voil\xe0\r\n\r\n")
            assert status == 400, (service, name, body)
            in_envelope(service, status, headers, body)


async def test_a_client_that_waits_to_be_told_to_go_on(gateway: Gateway) -> None:
    where = urlsplit(gateway.compute)
    reader, writer = await asyncio.open_connection(where.hostname, where.port)
    head = (
        "POST /v2.1/os-keypairs HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n"
        f"X-Auth-Token: {gateway.token('member')}\r\nExpect: 100-continue\r\nContent-Length: 24\r\n"
        "Connection: close\r\n\r\n"
    )
    writer.write(head.encode())
    told = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
    assert told == b"HTTP/1.1 100 Continue\r\n\r\n"
    writer.write(b'{"keypair":{"name":"a"}}')
    answer = await asyncio.wait_for(reader.read(), 5)
    assert answer.startswith(b"HTTP/1.1 200 "), answer
    writer.close()


async def test_whatever_fails_is_answered(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Before anything is known of a request, and after its answer was made."""
    runner: Runner = await process.listen(Pipeline(compute_api(), gateway.services), 0)
    base = f"http://127.0.0.1:{runner.addresses[0][1]}"

    def fail(*_: object) -> None:
        raise RuntimeError("a mistake")

    for name in ("microversion.negotiate", "cors.mark", "cors.is_preflight"):
        with monkeypatch.context() as patch:
            patch.setattr(f"tricircle.gateway.http.{name}", fail)
            answer = await gateway.get("/v2.1/%0aservers", base=base)
        assert answer.status == 500, name
        error = in_envelope("compute", 500, answer.headers, answer.body)
        assert answer.headers["X-OpenStack-Request-ID"] in error["message"]
        assert "a mistake" not in answer.body.decode()
        assert "GET /v2.1/%0Aservers failed" in caplog.text
        caplog.clear()
    await runner.cleanup()


async def test_the_console_front(gateway: Gateway) -> None:
    CONF.set_override("secret", "a secret of many letters", "console")
    CONF.set_override("public_base_url", "http://here", "console")
    runner = await process.listen(Front(gateway.services), 0)
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    for name, (text, status) in MALFORMED.items():
        if b"@" in text or name in ("a host that is no text", "a token that is no text"):
            continue
        got, headers, body = await exchange(url, text)
        assert got in (status, 404, 405), name
        assert headers["Referrer-Policy"] == "no-referrer", name
        assert MARK.encode() not in body, name
    await runner.cleanup()
