# SPDX-License-Identifier: Apache-2.0
"""Remote consoles through the console front: pages and real web sockets, and what it refuses."""

import asyncio
import contextlib
import logging
import sys
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import WSMsgType
from yarl import URL

from tests.functional.fakes.cloud import Cloud
from tests.functional.fakes.console_proxy import GREETING, PAGE, ConsoleProxy
from tests.functional.fakes.faults import Kind
from tests.functional.gateway_harness import Gateway, write_config
from tricircle.conf import CONF
from tricircle.gateway import process as gateway_process
from tricircle.gateway.console.front import Front

SECRET = "a secret that all gateways share"


@pytest.fixture
def proxies(cloud: Cloud) -> Iterator[dict[str, ConsoleProxy]]:
    """A console proxy in each pod, known to its Nova, which shares its tokens with it."""
    made = {}
    for region, pod in cloud.pods.items():
        proxy = ConsoleProxy(cloud.thread, f"{region} console", cloud.journal).prepare()
        proxy.start()
        pod.nova.console_bases = {
            "novnc": f"{proxy.url}/vnc_lite.html",
            "spice-html5": f"{proxy.url}/spice_auto.html",
            "serial": proxy.url.replace("http:", "ws:") + "/",
            "webmks": f"{proxy.url}/",
            "spice-direct": f"{proxy.url}/nova",
        }
        proxy.tokens = pod.nova.consoles.keys()  # type: ignore[assignment]
        made[region] = proxy
    yield made
    for proxy in made.values():
        proxy.close()


@pytest_asyncio.fixture
async def base(gateway: Gateway, proxies: Any) -> AsyncIterator[str]:
    """The public URL of a running console front."""
    CONF.set_override("secret", SECRET, "console")
    CONF.set_override("connect_deadline", 1, "console")
    runner = await gateway_process.listen(Front(gateway.services), 0)
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    CONF.set_override("public_base_url", url, "console")
    yield url
    await runner.cleanup()


async def ask(
    gateway: Gateway, cloud: Cloud, region: str = "pod1", protocol: str = "vnc", kind: str = "novnc"
) -> URL:
    """The URL users get of a console of a server there."""
    server = cloud.pods[region].nova.add_server(f"in {region}")
    body = {"remote_console": {"protocol": protocol, "type": kind}}
    path = f"/servers/{server.id}/remote-consoles"
    console = (await gateway.post(path, body, version="2.6")).ok(200)["remote_console"]
    assert (console["protocol"], console["type"]) == (protocol, kind)
    return URL(console["url"])


def socket_of(page: URL) -> URL:
    """Where noVNC's page opens its web socket: a slash, and the query's "path"."""
    return URL(f"{page.origin()}/{page.query['path']}".replace("http:", "ws:"))


async def test_without_a_front_urls_are_the_pods(
    gateway: Gateway, cloud: Cloud, proxies: dict[str, ConsoleProxy]
) -> None:
    url = await ask(gateway, cloud, "pod2")
    assert str(url).startswith(f"{proxies['pod2'].url}/vnc_lite.html?path=")


@pytest.mark.parametrize("region", ["pod1", "pod2"])
async def test_a_page_and_its_web_socket(
    gateway: Gateway, cloud: Cloud, base: str, region: str
) -> None:
    page = await ask(gateway, cloud, region)
    assert str(page).startswith(f"{base}/{region}/")
    async with gateway.http.get(page) as answer:
        assert (answer.status, await answer.read()) == (200, PAGE)
        assert answer.content_type == "text/html"
        assert answer.headers["ETag"] == '"1"'
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert "Set-Cookie" not in answer.headers
        assert answer.headers["Server"] != "WebSockify"
    async with gateway.http.get(page.join(URL("app/ui.js"))) as answer:
        assert (answer.status, answer.content_type) == (200, "text/javascript")
    async with gateway.http.head(page) as answer:
        assert (answer.status, await answer.read()) == (200, b"")
    async with gateway.http.ws_connect(
        socket_of(page), protocols=("binary", "base64"), origin=base
    ) as socket:
        assert socket.protocol == "binary"
        assert await socket.receive_bytes(timeout=5) == GREETING
        big = bytes(range(256)) * 4000
        await socket.send_bytes(big)
        assert await socket.receive_bytes(timeout=5) == big
        await socket.send_str("grüße")
        assert await socket.receive_str(timeout=5) == "grüße"


async def test_a_relative_path_leads_there_as_well(
    gateway: Gateway, cloud: Cloud, base: str
) -> None:
    """Newer pages take the path for relative to themselves."""
    page = await ask(gateway, cloud)
    url = page.join(URL(page.query["path"]))
    async with gateway.http.ws_connect(url) as socket:
        assert await socket.receive_bytes(timeout=5) == GREETING


async def test_a_serial_console_is_a_web_socket(gateway: Gateway, cloud: Cloud, base: str) -> None:
    url = await ask(gateway, cloud, "pod2", "serial", "serial")
    assert url.scheme == "ws"
    async with gateway.http.ws_connect(url) as socket:
        assert socket.protocol is None
        assert await socket.receive_bytes(timeout=5) == GREETING


async def test_old_pages_keep_their_token_in_a_cookie(
    gateway: Gateway, cloud: Cloud, base: str
) -> None:
    page = await ask(gateway, cloud, "pod3", "spice", "spice-html5")
    async with gateway.http.get(page) as answer:
        (kept,) = answer.cookies.values()
    cookies = f"session=ours; token={page.query['token']}; {kept.key}={kept.value}"
    # Some know the path, some open their socket at the root of where they came from.
    for url in (socket_of(page), URL(base)):
        async with gateway.http.ws_connect(url, headers={"Cookie": cookies}) as socket:
            assert await socket.receive_bytes(timeout=5) == GREETING
        (entry,) = cloud.journal.find("pod3 console", path="^/(websockify)?$")[-1:]
        assert entry.headers["Cookie"] == f"token={page.query['token']}"


@pytest.mark.parametrize(
    ("action", "kind"),
    [("os-getVNCConsole", "novnc"), ("os-getSPICEConsole", "spice-html5"),
     ("os-getSerialConsole", "serial")],
)  # fmt: skip
async def test_the_older_actions(
    gateway: Gateway, cloud: Cloud, base: str, action: str, kind: str
) -> None:
    server = cloud.pods["pod2"].nova.add_server("one")
    path = f"/servers/{server.id}/action"
    answer = await gateway.post(path, {action: {"type": kind}}, version="2.5")
    console = answer.ok(200)["console"]
    assert console.keys() == {"type", "url"}
    assert URL(console["url"]).authority == URL(base).authority
    gone = await gateway.post(path, {action: {"type": kind}}, version="2.6")
    assert gone.status == 404


async def test_what_cannot_be_forwarded_stays_the_pods(
    gateway: Gateway, cloud: Cloud, base: str, proxies: dict[str, ConsoleProxy]
) -> None:
    """Its client speaks SPICE to the pod, not to a web socket."""
    url = await ask(gateway, cloud, "pod1", "spice", "spice-direct")
    assert str(url).startswith(f"{proxies['pod1'].url}/nova?token=")


async def test_closes_and_pings_go_both_ways(
    gateway: Gateway, cloud: Cloud, base: str, proxies: dict[str, ConsoleProxy]
) -> None:
    url = socket_of(await ask(gateway, cloud))
    async with gateway.http.ws_connect(url, autoping=False, autoclose=False) as socket:
        assert await socket.receive_bytes(timeout=5) == GREETING
        await socket.ping(b"from the user")
        pong = await socket.receive(timeout=5)
        assert (pong.type, bytes(pong.data)) == (WSMsgType.PONG, b"from the user")
        await socket.send_str("ping")
        ping = await socket.receive(timeout=5)
        assert (ping.type, bytes(ping.data)) == (WSMsgType.PING, b"from the pod")
        await socket.pong(ping.data)
        await socket.send_str("close 4001")
        end = await socket.receive(timeout=5)
        assert (end.type, end.data, end.extra) == (WSMsgType.CLOSE, 4001, "as asked")
    assert [bytes(pong) for pong in proxies["pod1"].pongs] == [b"from the pod"]
    async with gateway.http.ws_connect(url) as socket:
        assert await socket.receive_bytes(timeout=5) == GREETING
        await socket.close(code=4002)
    await cloud.journal.until(lambda: proxies["pod1"].closes == [4002])


async def test_a_wrong_token_is_for_the_pod_to_refuse(
    gateway: Gateway, cloud: Cloud, base: str
) -> None:
    url = socket_of(await ask(gateway, cloud)).with_query(token="made-up")
    async with gateway.http.ws_connect(url) as socket:
        end = await socket.receive(timeout=5)
        assert (end.type, end.data) == (WSMsgType.CLOSE, 1011)


async def test_other_sites_may_not_open_consoles(gateway: Gateway, cloud: Cloud, base: str) -> None:
    url = socket_of(await ask(gateway, cloud))
    for origin in ("http://evil.example.org", "null", "http://[", ""):
        with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
            await gateway.http.ws_connect(url, headers={"Origin": origin})
        assert caught.value.status == 403, origin
    CONF.set_override("allowed_origins", ["dashboard.example.org"], "console")
    async with gateway.http.ws_connect(url, origin="https://dashboard.example.org") as socket:
        assert await socket.receive_bytes(timeout=5) == GREETING


async def test_nothing_else_can_be_reached(
    gateway: Gateway, cloud: Cloud, base: str, proxies: dict[str, ConsoleProxy]
) -> None:
    proxies["pod1"].base = "/consoles"
    bases = cloud.pods["pod1"].nova.console_bases
    bases["novnc"] = f"{proxies['pod1'].url}/consoles/vnc_lite.html"
    page = await ask(gateway, cloud)
    region, seal, *_ = page.raw_path.strip("/").split("/")
    other = (await ask(gateway, cloud, "pod2")).raw_path.strip("/").split("/")[1]
    cloud.journal.clear()
    for path in (
        "/", "/favicon.ico", f"/{region}/{seal}", f"/{region}/{seal}/", f"/{region}/{seal}/secret",
        f"/{region}/{seal}/consoles/../secret", f"/{region}/{seal}/consoles/%2e%2e/secret",
        f"/{region}/{seal}/consoles/..%2fsecret", f"/{region}/{seal}/consoles/..%5csecret",
        f"/pod2/{seal}/consoles/vnc_lite.html", f"/nowhere/{seal}/vnc_lite.html",
        f"/{region}/{other}/vnc_lite.html", f"/{region}/A{seal[1:]}/consoles/vnc_lite.html",
        f"/{region}/!!/x", f"/{region}/{seal}A/consoles/vnc_lite.html",
        f"/{region}//consoles/vnc_lite.html", f"/{region}/http:%2f%2felsewhere/",
    ):  # fmt: skip
        async with gateway.http.get(URL(base + path, encoded=True)) as answer:
            assert answer.status == 404, path
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await gateway.http.ws_connect(URL(f"{base}{path}/x/y", encoded=True))
    assert cloud.journal.find("pod1 console") == []
    async with gateway.http.post(page) as answer:
        assert answer.status == 405
    async with gateway.http.get(page) as answer:
        assert (answer.status, await answer.read()) == (200, PAGE)


async def test_redirects_stay_with_us(
    gateway: Gateway, cloud: Cloud, base: str, proxies: dict[str, ConsoleProxy]
) -> None:
    page = await ask(gateway, cloud)
    async with gateway.http.get(page.join(URL("app")), allow_redirects=False) as answer:
        assert answer.status == 301
        assert URL(base).join(URL(answer.headers["Location"])) == page.join(URL("app/")).with_query(
            None
        )
    for path in ("elsewhere", "nonsense"):
        async with gateway.http.get(page.join(URL(path)), allow_redirects=False) as answer:
            assert answer.status == 302
            assert "Location" not in answer.headers


async def test_a_pod_that_is_gone_or_in_maintenance(
    gateway: Gateway, cloud: Cloud, base: str
) -> None:
    page = await ask(gateway, cloud)
    await gateway.set_pod("pod1", state="maintenance")
    async with gateway.http.get(page) as answer:
        assert answer.status == 404
    await gateway.set_pod("pod1", state="draining")
    async with gateway.http.get(page) as answer:
        assert answer.status == 200


@pytest.mark.parametrize("kind", [Kind.HANG, Kind.CUT])
async def test_a_proxy_that_fails(
    gateway: Gateway, cloud: Cloud, base: str, proxies: dict[str, ConsoleProxy], kind: Kind
) -> None:
    page = await ask(gateway, cloud)
    proxies["pod1"].fail(kind)
    wanted = 504 if kind is Kind.HANG else 502
    async with gateway.http.get(page) as answer:
        assert answer.status == wanted
        assert "pod1" in await answer.text()
        assert page.query["path"] not in await answer.text()
    with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
        await gateway.http.ws_connect(socket_of(page))
    assert caught.value.status == wanted
    proxies["pod1"].heal()
    proxies["pod1"].stop()
    async with gateway.http.get(page) as answer:
        assert answer.status == 502
    proxies["pod1"].start()
    async with gateway.http.ws_connect(socket_of(page)) as socket:
        assert await socket.receive_bytes(timeout=5) == GREETING


async def test_a_proxy_that_dies_closes_the_console(
    gateway: Gateway, cloud: Cloud, base: str, proxies: dict[str, ConsoleProxy]
) -> None:
    async with gateway.http.ws_connect(socket_of(await ask(gateway, cloud))) as socket:
        assert await socket.receive_bytes(timeout=5) == GREETING
        await asyncio.to_thread(proxies["pod1"].stop)
        end = await socket.receive(timeout=5)
        assert (end.type, end.data) == (WSMsgType.CLOSE, 1011)


async def test_a_user_that_vanishes_closes_the_console(
    gateway: Gateway, cloud: Cloud, base: str, proxies: dict[str, ConsoleProxy]
) -> None:
    async with aiohttp.ClientSession() as http:
        socket = await http.ws_connect(socket_of(await ask(gateway, cloud)))
        assert await socket.receive_bytes(timeout=5) == GREETING
        assert socket._response.connection is not None
        socket._response.connection.transport.abort()
    await cloud.journal.until(lambda: proxies["pod1"].closes)


async def test_a_console_nobody_uses_is_closed(gateway: Gateway, cloud: Cloud, base: str) -> None:
    CONF.set_override("idle_deadline", 0.6, "console")
    url = socket_of(await ask(gateway, cloud))
    async with gateway.http.ws_connect(url) as socket:
        assert await socket.receive_bytes(timeout=5) == GREETING
        for _ in range(4):  # more than the deadline, in all
            await asyncio.sleep(0.3)
            await socket.send_str("used")
            assert await socket.receive_str(timeout=5) == "used"
        end = await socket.receive(timeout=5)
        assert (end.type, end.data) == (WSMsgType.CLOSE, 1001)


ELSEWHERE = [
    "http://169.254.169.254/latest/meta-data/",
    "http://LOCALHOST:{port}/vnc_lite.html",
    "http://127.0.0.1.example.org:{port}/vnc_lite.html",
    "http://me@127.0.0.1:{port}/vnc_lite.html",
    "http://127.0.0.1@localhost:{port}/vnc_lite.html",
    "javascript:alert(1)",
    "file:///etc/passwd",
    "//127.0.0.1:{port}/",
    "http://",
    "http://[::1/",
    "",
]


@pytest.mark.parametrize("front", [True, False])
@pytest.mark.parametrize("led", ELSEWHERE)
async def test_consoles_lead_only_where_the_operator_allows(
    gateway: Gateway,
    cloud: Cloud,
    base: str,
    proxies: dict[str, ConsoleProxy],
    led: str,
    front: bool,
) -> None:
    if not front:
        CONF.set_override("public_base_url", None, "console")
    nova = cloud.pods["pod1"].nova
    nova.console_bases["novnc"] = led.format(port=proxies["pod1"].port)
    server = nova.add_server("one")
    answers = [
        await gateway.post(path, body, version=version)
        for path, body, version in (
            (f"/servers/{server.id}/remote-consoles",
             {"remote_console": {"protocol": "vnc", "type": "novnc"}}, "2.6"),
            (f"/servers/{server.id}/action", {"os-getVNCConsole": {"type": "novnc"}}, "2.1"),
        )
    ]  # fmt: skip
    for answer in answers:
        assert answer.status == 502
        assert "Pod pod1" in answer.message
        assert nova.consoles.keys().isdisjoint(answer.message.split("="))


async def test_an_operator_names_hosts_of_consoles(
    gateway: Gateway, cloud: Cloud, base: str, proxies: dict[str, ConsoleProxy]
) -> None:
    proxy, nova = proxies["pod1"], cloud.pods["pod1"].nova
    nova.console_bases["novnc"] = f"http://localhost:{proxy.port}/vnc_lite.html"
    allowed = ["pod1:localhost", f"pod1:localhost:{proxy.port}", "pod1:*"]
    refused = [
        "pod2:localhost",
        "pod1:localhost:1",
        "pod1:localhos",
        "pod1:",
        "pod1:[",
        "localhost",
    ]
    for entry in allowed:
        CONF.set_override("proxy_hosts", [entry], "console")
        page = await ask(gateway, cloud)
        async with gateway.http.get(page) as answer:
            assert answer.status == 200, entry
    for entry in refused:
        CONF.set_override("proxy_hosts", ["pod2:*", entry], "console")
        # What was handed out before does not lead there any more, either.
        async with gateway.http.get(page) as answer:
            assert answer.status == 502, entry
            assert "[console] proxy_hosts" in await answer.text()
        with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
            await gateway.http.ws_connect(socket_of(page))
        assert caught.value.status == 502
        body = {"remote_console": {"protocol": "vnc", "type": "novnc"}}
        (server, *_) = nova.live()
        path = f"/servers/{server.id}/remote-consoles"
        refusal = await gateway.post(path, body, version="2.6")
        assert refusal.status == 502
        assert "pod1" in refusal.message
        assert "localhost" in refusal.message
        assert "[console] proxy_hosts" in refusal.message


async def test_the_public_host_of_a_pod_is_its_own(
    gateway: Gateway, cloud: Cloud, base: str, proxies: dict[str, ConsoleProxy]
) -> None:
    """Pods are asked by one interface; users know them by another."""
    nova = cloud.pods["pod1"].nova
    nova.console_bases["novnc"] = f"http://localhost:{proxies['pod1'].port}/vnc_lite.html"
    for endpoint in cloud.keystone.endpoints:
        if endpoint["region"] == "pod1" and endpoint["interface"] == "public":
            endpoint["url"] = endpoint["url"].replace("127.0.0.1", "localhost")
    async with gateway.http.get(await ask(gateway, cloud)) as answer:
        assert answer.status == 200


async def test_messages_and_consoles_have_limits(gateway: Gateway, cloud: Cloud, base: str) -> None:
    CONF.set_override("max_message_size", 1024, "console")
    CONF.set_override("max_connections", 1, "console")
    url = socket_of(await ask(gateway, cloud))
    async with gateway.http.ws_connect(url) as socket:
        assert await socket.receive_bytes(timeout=5) == GREETING
        with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
            await gateway.http.ws_connect(url)
        assert caught.value.status == 503
        await socket.send_bytes(bytes(2000))
        end = await socket.receive(timeout=5)
        assert (end.type, end.data) == (WSMsgType.CLOSE, 1009)
    for _ in range(50):  # until the front has closed both ends
        with contextlib.suppress(aiohttp.WSServerHandshakeError):
            async with gateway.http.ws_connect(url) as socket:
                assert await socket.receive_bytes(timeout=5) == GREETING
                break
        await asyncio.sleep(0.1)
    else:
        pytest.fail("the place of the one that ended is not free again")


async def test_consoles_are_told_when_the_gateway_stops(
    gateway: Gateway, cloud: Cloud, base: str
) -> None:
    url = socket_of(await ask(gateway, cloud))
    runner = await gateway_process.listen(Front(gateway.services), 0)
    async with gateway.http.ws_connect(url.with_port(runner.addresses[0][1])) as socket:
        assert await socket.receive_bytes(timeout=5) == GREETING
        stopping = asyncio.create_task(runner.cleanup())
        end = await socket.receive(timeout=5)
        assert (end.type, end.data) == (WSMsgType.CLOSE, 1001)
    await asyncio.wait_for(stopping, 10)


@pytest.mark.parametrize("secret", ["", "secret = short"])
async def test_a_gateway_wants_a_secret(cloud: Cloud, tmp_path: Path, secret: str) -> None:
    path = tmp_path / "gateway.conf"
    write_config(path, cloud, f"sqlite:///{tmp_path}/none.sqlite")
    path.write_text(f"{path.read_text()}\n[console]\npublic_base_url = http://here\n{secret}\n")
    program = Path(sys.executable).parent / "tricircle-gateway"
    process = await asyncio.create_subprocess_exec(
        str(program), "--config-file", str(path), stdout=PIPE, stderr=STDOUT
    )
    said, _ = await asyncio.wait_for(process.communicate(), 300)
    assert process.returncode == 1
    assert b"[console] public_base_url needs a [console] secret of 16 letters" in said
    assert b"short" not in said


async def test_no_log_has_a_token(
    gateway: Gateway,
    cloud: Cloud,
    base: str,
    proxies: dict[str, ConsoleProxy],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    page = await ask(gateway, cloud)
    (token,) = cloud.pods["pod1"].nova.consoles
    async with gateway.http.ws_connect(socket_of(page)) as socket:
        await socket.receive_bytes(timeout=5)
    for url in (page, page / "nothing", page.with_path("/nowhere/seal/x", keep_query=True)):
        async with gateway.http.get(url):
            pass
    proxies["pod1"].fail(Kind.CUT)
    async with gateway.http.get(page):
        pass
    with pytest.raises(aiohttp.WSServerHandshakeError):
        await gateway.http.ws_connect(socket_of(page))
    assert "pod1" in caplog.text
    assert token not in caplog.text
