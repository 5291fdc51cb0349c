# SPDX-License-Identifier: Apache-2.0
"""A pod that answers no HTTP anybody can read, or too much of it: that pod is named, the gateway
neither fails nor waits, and nobody else notices.
"""

import asyncio
import gzip
import json
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.functional.fakes import deadlines
from tests.functional.fakes.cloud import Cloud
from tests.functional.fakes.faults import Kind
from tests.functional.gateway_harness import Answer, Gateway
from tricircle.conf import CONF
from tricircle.db import pods, routings

OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
MOST = 1 << 20


def packed(size: int) -> bytes:
    body = gzip.compress(b" " * size)
    return OK + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(body) + body


def with_status(status: bytes) -> bytes:
    return b"HTTP/1.1 " + status + b" X\r\nContent-Length: 2\r\n\r\n{}"


#: What a pod sends once to each request.
ONCE = {
    "a packed body": lambda: packed(20 * MOST),
    "a long body": lambda: OK + b"Content-Length: %d\r\n\r\n" % (MOST + 1) + b" " * (MOST + 1),
    "no end told": lambda: OK + b"\r\n" + b" " * (MOST + 1),
    "status 000": lambda: with_status(b"000"),
    "status 099": lambda: with_status(b"099"),
    "status 101": lambda: b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\nabc",
    "status 600": lambda: with_status(b"600"),
    "status 999": lambda: with_status(b"999"),
    "no status": lambda: with_status(b"x"),
    "not packed at all": lambda: OK + b"Content-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello",
    "an unknown packing": lambda: OK + b"Content-Encoding: br\r\nContent-Length: 5\r\n\r\nhello",
    "a bad chunk": lambda: OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
    "nothing": lambda: b"",
    "no HTTP": lambda: b"SSH-2.0-OpenSSH\r\n",
    "many headers": lambda: OK + b"".join(b"X-%d: y\r\n" % i for i in range(10000)) + b"\r\n{}",
    "a long header": lambda: OK + b"X-Big: " + b"x" * (1 << 20) + b"\r\n\r\n{}",
}
#: Strange, but to be handed on where nobody here need understand it.
STRANGE = {
    "a header that is no text": OK + b"Location: \xff\xfe\r\nContent-Length: 2\r\n\r\n{}",
    "a deep document": OK + b"Content-Length: 100000\r\n\r\n" + b"[" * 50000 + b"]" * 50000,
    "a deep object": OK + b"Content-Length: 5401\r\n\r\n" + b'{"a":' * 900 + b"1" + b"}" * 900,
    "204 with a body": b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello",
    "a challenge": b"HTTP/1.1 401 X\r\nWWW-Authenticate: Basic\r\nContent-Length: 2\r\n\r\n{}",
}
#: What it sends again and again for as long as anybody listens.
ENDLESS = {
    "bodies": (OK + b"\r\n", b" " * 65536),
    "chunks": (OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1000\r\n" + b" " * 4096 + b"\r\n"),
    "headers": (OK, b"X-More: y\r\n"),
    "continues": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "early hints": (b"", b"HTTP/1.1 103 Early Hints\r\n\r\n"),
}
#: Seconds of that until its caller's deadline passes.
ENOUGH = 0.3
#: What it sends one byte of at a time, slowly.
TRICKLED = {"a body": OK + b"Content-Length: 4000\r\n\r\n", "a header": OK + b"X-Slow: "}


@asynccontextmanager
async def sending(first: bytes, more: bytes = b"", pause: float = 0) -> AsyncIterator[str]:
    """The URL of one that answers so whatever it is asked; ``more`` is sent without end."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            writer.write(first)
            await writer.drain()
            if more:
                lines = [line.partition(b": ") for line in head.splitlines()]
                deadlines.passes({key.decode(): value.decode() for key, _, value in lines}, ENOUGH)
            while more:
                writer.write(more)
                await writer.drain()
                await asyncio.sleep(pause)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


async def ask(gateway: Gateway, cloud: Cloud, url: str) -> dict[str, Answer]:
    """Answers to calls about what lives in pod1 and about all pods; pod1 is at ``url`` by now."""
    CONF.set_override("max_answer", MOST, group="pods")
    server = cloud.pods["pod1"].nova.add_server("one")
    volume = cloud.pods["pod1"].cinder.add_volume("v")
    cloud.pods["pod3"].nova.add_server("three")
    (await gateway.get(f"/servers/{server.id}")).ok()
    (await gateway.volumes.get(f"/volumes/{volume['id']}")).ok()
    row = pods.get(gateway.pod_ids["pod1"])
    assert row is not None
    there = {"compute": f"{url}/v2.1", "volume": f"{url}/v3"}
    await gateway.set_pod("pod1", endpoints={**row.endpoints, **there})
    calls: dict[str, Callable[[], Any]] = {
        "show": lambda: gateway.get(f"/servers/{server.id}"),
        "delete": lambda: gateway.delete(f"/servers/{server.id}"),
        "action": lambda: gateway.post(f"/servers/{server.id}/action", {"os-start": None}),
        "volume": lambda: gateway.volumes.get(f"/volumes/{volume['id']}"),
        "list": lambda: gateway.get("/servers/detail", user="admin"),
        "volumes": lambda: gateway.volumes.get("/volumes", user="admin"),
    }
    answers = {}
    for name, call in calls.items():
        gateway.close_breakers()
        answers[name] = await asyncio.wait_for(call(), 30)
    return answers


def held(answers: dict[str, Answer]) -> None:
    """What lives in the pod is told of with its name; lists go on without it."""
    for name, answer in answers.items():
        if name in ("list", "volumes"):
            assert answer.status == 200, (name, answer.body)
            assert answer.headers["X-Tricircle-Unavailable-Pods"] == "pod1"
        else:
            assert answer.status in (502, 503, 504), (name, answer.status, answer.body)
            assert "pod1" in answer.message, (name, answer.body)


@pytest.mark.parametrize("what", ONCE)
async def test_answers_nobody_can_read(gateway: Gateway, cloud: Cloud, what: str) -> None:
    async with sending(ONCE[what]()) as url:
        held(await ask(gateway, cloud, url))


@pytest.mark.parametrize("what", STRANGE)
async def test_answers_that_are_strange(gateway: Gateway, cloud: Cloud, what: str) -> None:
    async with sending(STRANGE[what]) as url:
        answers = await ask(gateway, cloud, url)
    for name, answer in answers.items():
        assert answer.status != 500, (name, answer.body)
        assert answer.status < 500 or "pod1" in answer.message
        assert "Basic" not in answer.headers.get("WWW-Authenticate", "")


@pytest.mark.parametrize("what", ["a packed body", "a long body"])
async def test_too_much_is_told_as_such(gateway: Gateway, cloud: Cloud, what: str) -> None:
    async with sending(ONCE[what]()) as url:
        shown = (await ask(gateway, cloud, url))["show"]
    assert shown.status == 502
    assert "packed as 'gzip'" in shown.message or f"more than {MOST} bytes" in shown.message


@pytest.mark.parametrize("what", ENDLESS)
async def test_answers_without_end(
    gateway: Gateway, cloud: Cloud, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    deadlines.govern_gateway(monkeypatch)
    async with sending(*ENDLESS[what]) as url:
        held(await ask(gateway, cloud, url))


@pytest.mark.parametrize("what", TRICKLED)
async def test_answers_that_trickle(
    gateway: Gateway, cloud: Cloud, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    deadlines.govern_gateway(monkeypatch)
    async with sending(TRICKLED[what], b"x", pause=0.05) as url:
        held(await ask(gateway, cloud, url))


@pytest.mark.parametrize("told", ["latest", "2.x", 2.96, {"a": 1}, "2.96 ", None, "9.1"])
async def test_odd_versions_that_are_kept_take_nothing_from_anybody(
    gateway: Gateway, cloud: Cloud, told: Any
) -> None:
    for service in ("compute", "volume"):
        row = pods.get(gateway.pod_ids["pod3"])
        assert row is not None
        odd = {"min": told, "max": told}
        await gateway.set_pod("pod3", versions={**row.versions, service: odd})
    cloud.pods["pod1"].nova.add_server("one")
    (server,) = (await gateway.get("/servers", version="2.104")).ok(200)["servers"]
    assert server["name"] == "one"
    assert (await gateway.get("/flavors")).status == 200
    shown = (await gateway.get("/", base=gateway.compute)).ok(200)["versions"][0]
    assert shown["version"] == "2.104"
    assert (await gateway.volumes.get("/volumes", version="3.71")).status == 200
    shown = (await gateway.get("/", base=gateway.volume)).json["versions"][0]
    assert shown["version"] == "3.71"


# -- what is not a pod's own ---------------------------------------------------------------------


async def in_pod1(gateway: Gateway, cloud: Cloud, kind: str) -> str:
    """The id of something that is known to be in pod1."""
    pod = cloud.pods["pod1"]
    made = pod.nova.add_server("one").id if kind == "server" else pod.cinder.add_volume("v")["id"]
    ask = gateway.get if kind == "server" else gateway.volumes.get
    (await ask(f"/{kind}s/{made}")).ok(200)
    return str(made)


def claim(cloud: Cloud, region: str, document: Any, **more: Any) -> None:
    for service in (cloud.pods[region].nova, cloud.pods[region].cinder):
        service.fail(Kind.GARBAGE_AFTER, body=json.dumps(document).encode(), **more)


def still_in_pod1(gateway: Gateway, kind: str, known: str) -> None:
    row = routings.get(kind, known)
    assert row is not None
    assert row.pod_id == gateway.pod_ids["pod1"]


@pytest.mark.parametrize("document", [{}, {"id": None}, {"id": 7}, {"id": str(uuid.uuid4())}, []])
@pytest.mark.parametrize("kind", ["server", "volume"])
async def test_who_shows_another_thing_does_not_have_it(
    gateway: Gateway, cloud: Cloud, kind: str, document: Any
) -> None:
    pod = cloud.pods["pod3"]
    made = pod.nova.add_server("t").id if kind == "server" else pod.cinder.add_volume("v")["id"]
    claim(cloud, "pod1", {kind: document}, method="GET")
    ask = gateway.get if kind == "server" else gateway.volumes.get
    shown = (await ask(f"/{kind}s/{made}")).ok(200)
    assert shown[kind]["id"] == made
    row = routings.get(kind, str(made))
    assert row is not None
    assert row.pod_id == gateway.pod_ids["pod3"]


async def test_a_new_server_is_no_other_pods(gateway: Gateway, cloud: Cloud) -> None:
    known = await in_pod1(gateway, cloud, "server")
    claim(cloud, "pod2", {"server": {"id": known}}, method="POST", path="/servers$")
    body = {"server": {"name": "two", "imageRef": cloud.image_id, "flavorRef": "1",
                       "networks": "none", "availability_zone": "az2"}}  # fmt: skip
    made = (await gateway.post("/servers", body, version="2.90")).ok(202)["server"]["id"]
    assert made in cloud.pods["pod2"].nova.servers
    still_in_pod1(gateway, "server", known)


@pytest.mark.parametrize("told", ["", "x", 7, None, [], "known"])
async def test_a_new_volume_is_no_other_pods(gateway: Gateway, cloud: Cloud, told: Any) -> None:
    known = await in_pod1(gateway, cloud, "volume")
    named = known if told == "known" else told
    claim(cloud, "pod2", {"volume": {"id": named}}, method="POST", path="/volumes$")
    body = {"volume": {"size": 1, "name": "two", "availability_zone": "az2"}}
    answer = await gateway.volumes.post("/volumes", body, version="3.71")
    if answer.status == 202:
        made = answer.json["volume"]["id"]
        assert made in cloud.pods["pod2"].cinder.items["volume"]
    else:
        assert answer.status == 502
        assert "pod2" in answer.message
    still_in_pod1(gateway, "volume", known)


@pytest.mark.parametrize("kind", ["server", "volume"])
async def test_a_list_draws_nothing_to_a_pod(gateway: Gateway, cloud: Cloud, kind: str) -> None:
    known = await in_pod1(gateway, cloud, kind)
    ask = gateway.get if kind == "server" else gateway.volumes.get
    theirs = (await ask(f"/{kind}s/{known}")).ok(200)[kind]
    claim(cloud, "pod2", {f"{kind}s": [theirs]}, method="GET", path=f"/{kind}s/detail$")
    (await ask(f"/{kind}s/detail")).ok(200)
    cloud.journal.clear()
    (await ask(f"/{kind}s/{known}")).ok(200)
    assert {entry.service[:4] for entry in cloud.journal.find("pod")} == {"pod1"}
    still_in_pod1(gateway, kind, known)


@pytest.mark.parametrize("kind", ["server", "volume"])
async def test_a_list_without_end_ends(
    gateway: Gateway, cloud: Cloud, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It gives the same page again and again, of what was before the marker."""
    monkeypatch.setattr("tricircle.gateway.lists.merged_list.MOST_PAGES", 20)
    known = await in_pod1(gateway, cloud, kind)
    ask = gateway.get if kind == "server" else gateway.volumes.get
    one = (await ask(f"/{kind}s/{known}")).ok(200)[kind]
    many = [{**one, "id": str(uuid.uuid4()), "created_at": "2099-01-01T00:00:00",
             "created": "2099-01-01T00:00:00Z"} for _ in range(1000)]  # fmt: skip
    more = [{"rel": "next", "href": "http://x/"}]
    claim(cloud, "pod2", {f"{kind}s": many, f"{kind}s_links": more}, method="GET", path="/detail$")
    answer = await asyncio.wait_for(ask(f"/{kind}s/detail?marker={known}", user="admin"), 20)
    assert answer.ok(200)[f"{kind}s"] == []
    assert answer.headers["X-Tricircle-Unavailable-Pods"] == "pod2"
