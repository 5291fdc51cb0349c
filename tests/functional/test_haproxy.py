# SPDX-License-Identifier: Apache-2.0
"""docs/samples/haproxy.cfg, as HAProxy itself reads it, before a gateway."""

import contextlib
import re
import ssl
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pytest

from tests.debian import program
from tests.functional.fakes.cloud import Cloud
from tests.functional.processes import Process, free_ports
from tests.functional.world.certificates import Authority
from tests.waiting import eventually

SAMPLE = Path(__file__).parents[2] / "docs" / "samples" / "haproxy.cfg"
HOST = "127.0.0.1"


@pytest.fixture(scope="module")
def haproxy() -> str:
    return program("haproxy", "haproxy")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
async def gateway(cloud: Cloud, tmp_path: Path, prepared: str) -> AsyncIterator[Process]:
    process = Process(cloud, tmp_path, prepared, enable_proxy_headers_parsing="true")
    await process.start()
    try:
        yield process
    finally:
        await process.kill()


def configured(
    folder: Path, authority: Authority, ports: dict[str, int], gateway: Process | None
) -> Path:
    """The sample with a certificate, and ports of ours before the one gateway there is."""
    authority.certify("cloud")
    found = authority.file.parent
    pem = folder / "cloud.pem"
    pem.write_text((found / "cloud.pem").read_text() + (found / "cloud.key").read_text())
    text = SAMPLE.read_text().replace("/etc/haproxy/cloud.pem", str(pem))
    # Root's HAProxy raises the limit of its files for so many; this one may not.
    text = text.replace("maxconn 20000", "maxconn 200")
    text = re.sub(r"bind :(\d+)", lambda found: f"bind {HOST}:{ports[found[1]]}", text)
    if gateway is not None:
        theirs = {"8774": gateway.compute_port, "8776": gateway.volume_port,
                  "19999": gateway.admin_port}  # fmt: skip
        for port, real in theirs.items():
            text = text.replace(f"192.0.2.11:{port}", f"{HOST}:{real}")
        # The other gateway is one that nobody has started.
        text = re.sub(r"192\.0\.2\.12:\d+", f"{HOST}:{free_ports(1)[0]}", text)
    path = folder / "haproxy.cfg"
    path.write_text(text)
    return path


def chosen_ports() -> dict[str, int]:
    names = re.findall(r"bind :(\d+)", SAMPLE.read_text())
    return dict(zip(names, free_ports(len(names)), strict=True))


@contextlib.contextmanager
def running(haproxy: str, config: Path) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([haproxy, "-db", "-f", config])
    try:
        yield process
    finally:
        process.terminate()
        process.wait(20)


def test_haproxy_takes_it(haproxy: str, authority: Authority, tmp_path: Path) -> None:
    config = configured(tmp_path, authority, chosen_ports(), None)
    done = subprocess.run([haproxy, "-c", "-f", config], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr


async def test_requests_go_through(
    haproxy: str, authority: Authority, cloud: Cloud, gateway: Process, tmp_path: Path
) -> None:
    ports = chosen_ports()
    config = configured(tmp_path, authority, ports, gateway)
    trusted = ssl.create_default_context(cafile=str(authority.file))
    token = {"X-Auth-Token": cloud.keystone.issue("admin").id,
             "X-Forwarded-Host": "elsewhere.example.org"}  # fmt: skip
    base = {name: f"https://{HOST}:{port}" for name, port in ports.items()}
    with running(haproxy, config) as running_haproxy:
        async with aiohttp.ClientSession(headers=token) as http:

            async def status(path: str) -> int:
                try:
                    async with http.get(path, ssl=trusted) as answer:
                        return answer.status
                except aiohttp.ClientConnectorError:
                    return 0

            async def checked() -> bool:
                assert running_haproxy.poll() is None
                # Half of all requests fail until the other gateway is known to be away.
                paths = [f"{base[port]}/healthcheck" for port in ("8774", "8776", "19999")]
                return all([await status(path) == 200 for path in paths * 2])

            await eventually("the gateway is found, the other left out", checked, 60)
            async with http.get(base["8774"], ssl=trusted) as answer:
                (version,) = (await answer.json())["versions"]
            # What was said by the client of where it comes from is not believed.
            assert version["links"][0]["href"] == f"{base['8774']}/v2.1/"
            assert await status(f"{base['8774']}/v2.1/servers") == 200
            assert await status(f"{base['8776']}/v3/volumes") == 200
            assert await status(f"{base['19999']}/tricircle/v1.0/pods") == 200
            await gateway.kill()
            assert await status(f"{base['8774']}/v2.1/servers") == 503
