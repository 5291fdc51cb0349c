# SPDX-License-Identifier: Apache-2.0
"""The gateway as an HTTP server: health, CORS, request ids, sizes, redirects, smuggling, logs."""

import asyncio
import json
import logging
import re
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import pytest_asyncio

from tests.functional import gateway_harness
from tests.functional.fakes.cloud import Cloud
from tests.functional.fakes.faults import Kind
from tests.functional.gateway_harness import Gateway

ORIGIN = "https://dashboard.example.org"


async def raw(gateway: Gateway, text: str) -> bytes:
    """Send bytes as they are, give all that comes back: within a moment, or until it is the end."""
    where = urlsplit(gateway.compute)
    reader, writer = await asyncio.open_connection(where.hostname, where.port)
    writer.write(text.replace("\n", "\r\n").encode("latin-1"))
    await writer.drain()
    try:
        return await asyncio.wait_for(reader.read(), 20 if "Connection: close" in text else 1)
    except TimeoutError:
        return b""
    finally:
        writer.close()


# -- health --------------------------------------------------------------------------------------


async def test_healthcheck(gateway: Gateway, cloud: Cloud) -> None:
    for url in (gateway.compute, gateway.admin):
        answer = await gateway.get("/healthcheck", base=url, user=None)
        assert (answer.status, answer.body) == (200, b"OK")
    assert (await gateway.post("/healthcheck", {}, base=gateway.compute)).status == 405
    gateway.services.database_read_at = None
    assert (await gateway.get("/healthcheck", base=gateway.compute, user=None)).status == 503
    assert cloud.journal.find("pod", probes=True) == []


# -- request ids ---------------------------------------------------------------------------------


async def test_request_ids(gateway: Gateway, cloud: Cloud) -> None:
    server = cloud.pods["pod1"].nova.add_server("one")
    given = "req-12345678-1234-1234-1234-123456789012"
    answer = await gateway.get(f"/servers/{server.id}", headers={"X-OpenStack-Request-ID": given})
    ours = answer.headers["x-openstack-request-id"]
    assert ours != given
    assert ours == answer.headers["x-compute-request-id"]
    for entry in cloud.journal.find("pod"):
        assert entry.headers["X-OpenStack-Request-ID"] == given


@pytest.mark.parametrize("given", ["", "nonsense", "req-1", "req-" + "x" * 36, "req-\t1"])
async def test_a_request_id_that_is_none_is_dropped(
    gateway: Gateway, cloud: Cloud, given: str
) -> None:
    answer = await gateway.get("/servers", headers={"X-OpenStack-Request-ID": given})
    for entry in cloud.journal.find("pod"):
        assert entry.headers["X-OpenStack-Request-ID"] == answer.headers["x-compute-request-id"]


async def test_errors_have_request_ids(gateway: Gateway) -> None:
    for answer in (
        await gateway.get("/servers", user=None),
        await gateway.get("/servers", version="9.9"),
        await gateway.get("/nothing"),
        await gateway.get("/servers/00000000-0000-0000-0000-00000000dead"),
    ):
        assert answer.status >= 400
        assert answer.headers["x-openstack-request-id"].startswith("req-")


# -- CORS ----------------------------------------------------------------------------------------


@pytest_asyncio.fixture
async def open_gateway(
    cloud: Cloud, tmp_path: Path, database: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Gateway]:
    """A gateway that a dashboard may call from a browser, and that takes small bodies only."""
    gateway_harness.shorten(monkeypatch)
    async with gateway_harness.running(
        cloud, tmp_path, database, cors_allowed_origin=ORIGIN, max_request_body_size=2048
    ) as gateway:
        yield gateway


async def test_cors(open_gateway: Gateway) -> None:
    asked = {
        "Origin": ORIGIN,
        "Access-Control-Request-Method": "PUT",
        "Access-Control-Request-Headers": "X-Auth-Token,OpenStack-API-Version",
    }
    answer = await open_gateway.call("OPTIONS", "/servers", user=None, headers=asked)
    assert answer.status in (200, 204)
    assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert "PUT" in answer.headers["Access-Control-Allow-Methods"]
    allowed = answer.headers["Access-Control-Allow-Headers"].lower()
    assert "x-auth-token" in allowed
    assert "openstack-api-version" in allowed
    answer = await open_gateway.get("/servers", headers={"Origin": ORIGIN})
    assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
    exposed = answer.headers["Access-Control-Expose-Headers"].lower()
    assert "x-openstack-request-id" in exposed
    answer = await open_gateway.get("/servers", user=None, headers={"Origin": ORIGIN})
    assert answer.status == 401
    assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN


STRANGER = {"Origin": "https://evil.example.org"}


async def test_cors_for_a_stranger(open_gateway: Gateway) -> None:
    answer = await open_gateway.get("/servers", headers=STRANGER)
    assert "Access-Control-Allow-Origin" not in answer.headers


async def test_cors_is_off_unless_told(gateway: Gateway) -> None:
    answer = await gateway.get("/servers", headers=STRANGER)
    assert "Access-Control-Allow-Origin" not in answer.headers


async def test_cors_for_anybody_lends_nothing(
    cloud: Cloud, tmp_path: Path, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page of a stranger may ask with a token of its own, not with its visitor's cookies."""
    gateway_harness.shorten(monkeypatch)
    options = {"cors_allowed_origin": f"*,{ORIGIN}"}
    async with gateway_harness.running(cloud, tmp_path, database, **options) as gateway:
        asked = {**STRANGER, "Access-Control-Request-Method": "GET"}
        for answer in (
            await gateway.get("/servers", headers=STRANGER),
            await gateway.call("OPTIONS", "/servers", user=None, headers=asked),
        ):
            assert answer.headers["Access-Control-Allow-Origin"] == "*"
            assert "Access-Control-Allow-Credentials" not in answer.headers
        answer = await gateway.get("/servers", headers={"Origin": ORIGIN})
        assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
        assert answer.headers["Access-Control-Allow-Credentials"] == "true"


# -- bodies --------------------------------------------------------------------------------------


async def test_a_body_too_large_is_413(open_gateway: Gateway, cloud: Cloud) -> None:
    answer = await open_gateway.post("/servers", {"server": {"name": "x" * 3000}})
    assert answer.status == 413
    assert answer.json["overLimit"]["code"] == 413
    assert cloud.journal.find("pod") == []
    assert (await open_gateway.get("/servers")).status == 200


async def test_user_data_of_the_largest_size_goes_through(gateway: Gateway, cloud: Cloud) -> None:
    body = {
        "server": {
            "name": "big",
            "imageRef": cloud.image_id,
            "flavorRef": "1",
            "networks": "none",
            "user_data": "A" * 65532,
        }
    }
    assert (await gateway.post("/servers", body, version="2.90")).status == 202


# -- redirects and smuggling ---------------------------------------------------------------------


async def test_redirects_are_not_followed(gateway: Gateway, cloud: Cloud) -> None:
    server = cloud.pods["pod1"].nova.add_server("one")
    (await gateway.get(f"/servers/{server.id}")).ok()
    bait = cloud.pods["pod3"].nova
    cloud.pods["pod1"].nova.fail(Kind.REDIRECT, location=f"{bait.url}/v2.1/bait")
    for method in ("GET", "DELETE", "PUT"):
        await gateway.call(method, f"/servers/{server.id}", {} if method == "PUT" else None)
    await gateway.get("/servers")
    assert cloud.journal.find("pod3", path="bait") == []


SMUGGLED = [
    "POST /v2.1/servers HTTP/1.1\nHost: h\nContent-Length: 5\nTransfer-Encoding: chunked\n\n"
    "0\n\nGET /v2.1/servers HTTP/1.1\nHost: h\n\n",
    "POST /v2.1/servers HTTP/1.1\nHost: h\nContent-Length: 5\nContent-Length: 6\n\nabcdef",
    "POST /v2.1/servers HTTP/1.1\nHost: h\nTransfer-Encoding: chunked\n"
    "Transfer-Encoding: identity\n\n0\n\n",
    "POST /v2.1/servers HTTP/1.1\nHost: h\nContent-Length: +5\n\nabcde",
    "POST /v2.1/servers HTTP/1.1\nHost: h\nContent-Length : 5\n\nabcde",
    "GET /v2.1/servers HTTP/1.1\nHost: h\n X-Folded: yes\n\n",
    "GET /v2.1/servers HTTP/1.1\nHost: a\nHost: b\n\n",
]


@pytest.mark.parametrize("text", SMUGGLED)
async def test_smuggling_is_refused(gateway: Gateway, cloud: Cloud, text: str) -> None:
    text = text.replace("\n\n", f"\nX-Auth-Token: {gateway.token('member')}\n\n", 1)
    answer = await raw(gateway, text)
    assert re.match(rb"HTTP/1.[01] 400 ", answer), answer[:200]
    assert len(re.findall(rb"HTTP/1.[01] \d", answer)) == 1
    assert cloud.journal.find("pod") == []


@pytest.mark.parametrize(
    "path",
    [
        "/v2.1/servers/..%2F..%2Fadmin",
        "/v2.1/servers/%2e%2e/flavors",
        "/v2.1/servers/a%0d%0aX:%20y",
    ],
)
async def test_paths_do_not_climb(gateway: Gateway, cloud: Cloud, path: str) -> None:
    answer = await raw(
        gateway,
        f"GET {path} HTTP/1.1\nHost: h\nConnection: close\n"
        f"X-Auth-Token: {gateway.token('member')}\n\n",
    )
    assert answer.split(b" ", 2)[1] in (b"400", b"404"), answer[:300]
    for entry in cloud.journal.find("pod"):
        assert entry.path.startswith("/v2.1/servers/")
        assert "X" not in entry.headers


# -- a pod's failures ----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [Kind.GARBAGE, Kind.TRUNCATED, Kind.CUT, Kind.HANG, Kind.ERROR])
async def test_a_sick_pod_shows_no_traceback(gateway: Gateway, cloud: Cloud, kind: Kind) -> None:
    server = cloud.pods["pod1"].nova.add_server("one")
    (await gateway.get(f"/servers/{server.id}")).ok()
    cloud.pods["pod1"].fail(kind)
    answer = await gateway.get(f"/servers/{server.id}")
    assert answer.status >= 500
    ((_, fault),) = answer.json.items()
    assert fault["code"] == answer.status
    if kind is not Kind.ERROR:  # the pod's own answer otherwise
        assert "pod1" in fault["message"]
    assert "Traceback" not in answer.body.decode()


async def test_the_breaker_spares_a_dead_pod(gateway: Gateway, cloud: Cloud) -> None:
    server = cloud.pods["pod1"].nova.add_server("one")
    (await gateway.get(f"/servers/{server.id}")).ok()
    cloud.pods["pod1"].fail(Kind.CUT)
    for _ in range(3):
        assert (await gateway.get(f"/servers/{server.id}")).status >= 500
    cloud.journal.clear()
    answer = await gateway.get(f"/servers/{server.id}")
    assert answer.status == 503
    assert "pod1" in answer.message
    assert cloud.journal.find("pod1") == []
    cloud.pods["pod1"].heal()
    for _ in range(100):
        answer = await gateway.get(f"/servers/{server.id}")
        if answer.status == 200:
            break
        await asyncio.sleep(0.05)  # the breaker's own time
    assert answer.status == 200
    assert len(cloud.journal.find("pod1")) <= 3


async def test_a_pods_refusals_do_not_open_the_breaker(gateway: Gateway, cloud: Cloud) -> None:
    for _ in range(5):
        await gateway.get("/servers/00000000-0000-0000-0000-00000000dead")
    cloud.journal.clear()
    await gateway.get("/servers")
    assert {entry.service for entry in cloud.journal.find("pod")} == {
        f"{region}/compute" for region in cloud.pods
    }


# -- secrets -------------------------------------------------------------------------------------


async def test_no_secret_reaches_the_log(
    gateway: Gateway, cloud: Cloud, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    network = cloud.central.network(cloud.project_id)
    body = {
        "server": {
            "name": "one",
            "imageRef": cloud.image_id,
            "flavorRef": "1",
            "networks": [{"uuid": network["id"]}],
            "adminPass": "S3cretAdminPass",
        }
    }
    cloud.pods["pod1"].fail(Kind.CUT)
    await gateway.post("/servers", body, version="2.90")
    await gateway.get("/servers", user=None, headers={"X-Auth-Token": "gAAAA-not-valid-at-all"})
    cloud.keystone.fail(Kind.ERROR)
    await gateway.get("/servers", user="other")
    cloud.keystone.heal()
    await gateway.get("/servers", user="admin")
    text = caplog.text + json.dumps([str(vars(record)) for record in caplog.records])
    assert "gAAAA-not-valid-at-all" not in text
    assert "S3cretAdminPass" not in text
    for token in cloud.keystone.tokens:
        assert token not in text


@pytest.mark.parametrize("line", ["X-Auth-Token : {}", "X-Auth-Token: {}\x01", " X-Auth-Token: {}"])
async def test_no_token_of_a_malformed_request_reaches_the_log(
    gateway: Gateway, caplog: pytest.LogCaptureFixture, line: str
) -> None:
    caplog.set_level(logging.DEBUG)
    token = gateway.token("member")
    answer = await raw(gateway, f"GET /v2.1/servers HTTP/1.1\nHost: h\n{line.format(token)}\n\n")
    assert re.match(rb"HTTP/1.[01] 400 ", answer), answer[:200]
    assert token not in caplog.text
