# SPDX-License-Identifier: Apache-2.0
"""Consoles of servers in real pods, through Nova's own console proxies and the one front."""

import asyncio
import json
from typing import Any

import aiohttp
import pytest
from yarl import URL

from lab.settings import Lab
from tests.e2e.site import Site

DEADLINE = 30


def servers(lab: Lab, site: Site) -> list[Any]:
    """One in each pod whose servers have consoles."""
    zones = [pod.az for pod in lab.pods if lab.consoles(pod)]
    assert len(zones) > 1
    return [site.server(zone, "none") for zone in zones]


def console(demo: Any, server: Any, protocol: str, kind: str) -> URL:
    asked = {"remote_console": {"protocol": protocol, "type": kind}}
    path = f"/servers/{server.id}/remote-consoles"
    answer = demo.compute.post(path, json=asked, microversion="2.6")
    assert answer.status_code == 200, answer.text
    return URL(answer.json()["remote_console"]["url"])


async def talk(url: URL, origin: str | None, *lines: tuple[bytes, bytes]) -> None:
    """Say each first part, and be told what ends in the second."""
    async with (
        aiohttp.ClientSession() as http,
        asyncio.timeout(DEADLINE),
        http.ws_connect(url, protocols=["binary"], origin=origin) as socket,
    ):
        assert socket.protocol == "binary"
        for said, told in lines:
            if said:
                await socket.send_bytes(said)
            heard = b""
            while not heard.endswith(told):
                heard += await socket.receive_bytes()


def test_a_serial_port(lab: Lab, demo: Any, site: Site) -> None:
    for server in servers(lab, site):
        url = console(demo, server, "serial", "serial")
        assert url.with_scheme("http").origin() == URL(lab.url("console"))
        greeting = f"serial port of {server.id}\r\n".encode()
        asyncio.run(talk(url, lab.url("console"), (b"", greeting), (b"hello\r\n", b"hello\r\n")))
        # No browser.
        asyncio.run(talk(url, None, (b"", greeting)))


def test_a_screen_and_its_page(lab: Lab, demo: Any, site: Site) -> None:
    for server in servers(lab, site):
        page = console(demo, server, "vnc", "novnc")
        assert page.origin() == URL(lab.url("console"))
        html, script = asyncio.run(pages(page, "screen.js"))
        assert "screen.js" in html
        assert "WebSocket" in script
        socket = URL(f"{page.origin()}/{page.query['path']}".replace("http:", "ws:"))
        asyncio.run(
            talk(
                socket,
                lab.url("console"),
                (b"", b"RFB 003.008\n"),
                (b"RFB 003.008\n", b"\x01\x01"),
                (b"\x01", bytes(4)),
                (b"\x01", server.id.encode()),
            )
        )


async def pages(page: URL, beside: str) -> list[str]:
    found = []
    async with aiohttp.ClientSession() as http:
        for url in (page, page.join(URL(beside))):
            async with http.get(url, timeout=aiohttp.ClientTimeout(DEADLINE)) as answer:
                assert answer.status == 200
                found.append(await answer.text())
    return found


def test_a_wrong_token_opens_nothing(lab: Lab, demo: Any, site: Site) -> None:
    (server, *_) = servers(lab, site)
    url = console(demo, server, "serial", "serial").with_query(token="made-up")
    with pytest.raises((aiohttp.ClientError, TypeError)):
        asyncio.run(talk(url, None, (b"", b"\r\n")))


def test_the_older_action(lab: Lab, demo: Any, site: Site) -> None:
    (server, *_) = servers(lab, site)
    path = f"/servers/{server.id}/action"
    body = {"os-getVNCConsole": {"type": "novnc"}}
    shown = demo.compute.post(path, json=body, microversion="2.1").json()["console"]
    assert json.dumps(sorted(shown)) == '["type", "url"]'
    assert shown["url"].startswith(f"{lab.url('console')}/{lab.pods[0].region}/")
