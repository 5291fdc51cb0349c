# SPDX-License-Identifier: Apache-2.0
"""A pod or Keystone shows a certificate that is not to be trusted."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.functional.fakes.cloud import Cloud
from tests.functional.fakes.http import LoopThread
from tests.functional.processes import Process, caller
from tests.functional.world.certificates import Authority, Tls
from tests.waiting import eventually
from tricircle.db import pods

WRONG = {
    "unknown": "unable to get local issuer certificate",
    "expired": "certificate has expired",
    "another's": "certificate is not valid",
}


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(params=WRONG)
def wrong(
    request: pytest.FixtureRequest,
    authority: Authority,
    fakes: LoopThread,
    cloud: Cloud,
    prepared: str,
    tmp_path: Path,
) -> Iterator[str]:
    """The kind of certificate that pod1 shows for its compute API."""
    kind = str(request.param)
    if kind == "unknown":
        context = Authority(tmp_path).certify("pod1")
    elif kind == "expired":
        context = authority.certify("pod1", days=-1)
    else:
        context = authority.certify("pod1", host="IP:192.0.2.1")
    tls = Tls(fakes, context, cloud.pods["pod1"].nova.port)
    plain = cloud.pods["pod1"].nova.url
    for endpoint in cloud.keystone.endpoints:
        endpoint["url"] = endpoint["url"].replace(plain, tls.url)
    row = pods.by_region("pod1")
    assert row is not None
    moved = {name: url.replace(plain, tls.url) for name, url in row.endpoints.items()}
    pods.update(row.id, {"endpoints": moved})
    yield kind
    tls.close()


@pytest_asyncio.fixture
async def process(
    cloud: Cloud, tmp_path: Path, authority: Authority, prepared: str
) -> AsyncIterator[Process]:
    process = Process(cloud, tmp_path, prepared)
    text, name = process.config.read_text(), "username = tricircle"
    process.config.write_text(text.replace(name, f"{name}\ncafile = {authority.file}"))
    yield process
    await process.kill()


async def test_a_pods_certificate(wrong: str, process: Process, cloud: Cloud) -> None:
    """That pod alone is hurt, and what is told of it names it and the reason."""
    await process.start()
    async with caller(process) as gateway:

        async def told() -> str:
            path = f"/pods/{gateway.pod_ids['pod1']}"
            shown = (await gateway.manage("GET", path)).ok()["pod"]["health"]
            return str(shown["last_error"]) if shown["state"] == "down" else ""

        reason = await eventually("pod1 is seen to be down", told)
        assert "certificate verify failed: " in reason
        assert WRONG[wrong] in reason
        server = {"name": "one", "imageRef": cloud.image_id, "flavorRef": "1", "networks": "none"}
        for zone in ("az1", "az2"):  # pod3 is in az1 too
            body = {"server": {**server, "availability_zone": zone}}
            (await gateway.post("/servers", body, version="2.90")).ok(202)
        listed = await gateway.get("/servers")
        assert len(listed.ok(200)["servers"]) == 2
    assert cloud.journal.find("pod1/compute") == []
    assert "Traceback" not in process.log.read_text()


async def test_keystones_certificate(
    cloud: Cloud, fakes: LoopThread, tmp_path: Path, process: Process
) -> None:
    """Users are told that Keystone cannot be asked; the log says why."""
    folder = tmp_path / "another"
    folder.mkdir()
    tls = Tls(fakes, Authority(folder).certify("keystone"), cloud.keystone.port)
    text = process.config.read_text().replace(cloud.keystone.url, tls.url)
    process.config.write_text(text)
    await process.start()
    try:
        async with caller(process) as gateway:
            answer = await gateway.get("/servers")
            assert answer.status == 503
            assert answer.headers["Retry-After"]
            assert "Keystone" in answer.message
    finally:
        await asyncio.to_thread(tls.close)
    assert "certificate verify failed" in process.log.read_text()


@pytest.mark.parametrize("shown", [True, False])
async def test_pods_and_keystone_want_to_know_the_client(
    shown: bool, cloud: Cloud, fakes: LoopThread, tmp_path: Path, authority: Authority,
    process: Process,
) -> None:  # fmt: skip
    context = authority.certify("server")
    context.load_verify_locations(authority.file)
    context.verify_mode = ssl.CERT_REQUIRED
    authority.certify("tricircle")
    certificate, key = authority.files("tricircle")
    fronts = [Tls(fakes, context, port) for port in (cloud.keystone.port,
                                                     cloud.pods["pod1"].nova.port)]  # fmt: skip
    text = process.config.read_text().replace(cloud.keystone.url, fronts[0].url)
    if shown:
        name = "username = tricircle"
        text = text.replace(name, f"{name}\ncertfile = {certificate}\nkeyfile = {key}")
    process.config.write_text(text)
    row = pods.by_region("pod1")
    assert row is not None
    plain = cloud.pods["pod1"].nova.url
    for endpoint in cloud.keystone.endpoints:
        endpoint["url"] = endpoint["url"].replace(plain, fronts[1].url)
    moved = {name: url.replace(plain, fronts[1].url) for name, url in row.endpoints.items()}
    pods.update(row.id, {"endpoints": moved})
    await process.start()
    try:
        async with caller(process) as gateway:
            answer = await gateway.get("/servers")
            assert answer.status == (200 if shown else 503)
        assert bool(cloud.journal.find("pod1/compute", "GET", "/servers")) == shown
    finally:
        for front in fronts:
            await asyncio.to_thread(front.close)
