# SPDX-License-Identifier: Apache-2.0
"""Discovery against services that speak real HTTP."""

import socket
from collections.abc import AsyncIterator

import aiohttp
import pytest

from tests.functional.pods.conftest import COMPUTE, Cloud
from tricircle.pods import discovery
from tricircle.pods.errors import PodTimeout, PodUnreachable


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with discovery.client() as made:
        yield made


@pytest.mark.parametrize(
    ("name", "url", "expected"),
    [
        ("compute", "http://c/v2.1", "http://c/v2.1"),
        ("compute", "http://c/v2.1/", "http://c/v2.1"),
        ("compute", "http://c/v2.1/0123abc", "http://c/v2.1"),
        ("compute", "http://c:8774", "http://c:8774/v2.1"),
        ("compute", "http://c/compute/v2/0123abc", "http://c/compute/v2.1"),
        ("compute", "http://c/proxy/v1/compute/v2.1", "http://c/proxy/v1/compute/v2.1"),
        ("volume", "http://c/volume/v3/0123abc", "http://c/volume/v3"),
        ("network", "http://c:9696", "http://c:9696"),
        ("network", "http://c/networking/v2.0/", "http://c/networking"),
        ("placement", "http://c/placement/", "http://c/placement"),
    ],
)
def test_endpoints_get_one_form(name: str, url: str, expected: str) -> None:
    assert discovery.endpoints({name: url}) == {name: expected}


async def test_a_region_is_discovered(cloud: Cloud, http: aiohttp.ClientSession) -> None:
    found = await discovery.discover(http, "Pod1", cloud.catalogue)
    assert found.endpoints == {
        "compute": f"{cloud.root}/compute/v2.1",
        "network": f"{cloud.root}/network",
        "volume": f"{cloud.root}/volume/v3",
        "placement": f"{cloud.root}/placement",
    }
    assert found.versions == {
        "compute": {"min": "2.1", "max": "2.104"},
        "network": {"min": "2.0", "max": "2.0"},
        "volume": {"min": "3.0", "max": "3.71"},
    }
    assert all(seen.latency_ms > 0 for seen in found.services.values())


async def test_the_right_version_of_several_is_taken(cloud: Cloud, http) -> None:
    old = {"id": "v2.0", "version": "", "min_version": "", "status": "SUPPORTED"}
    cloud.answers["/compute/v2.1/"] = {"versions": [old, COMPUTE["version"]]}
    found = await discovery.discover(http, "Pod1", cloud.catalogue)
    assert found.versions["compute"] == {"min": "2.1", "max": "2.104"}


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ((500, {"error": 1}), "answered HTTP 500"),
        ((302, ""), "answered HTTP 302"),
        ((200, "<html>"), "is not a version document"),
        ((200, [1]), "is not a version document"),
        ((200, {"version": "x"}), "offers no API v2.1"),
        ((200, {"versions": 7}), "offers no API v2.1"),
        ((200, {"versions": [{"id": "v1.0"}]}), "offers no API v2.1"),
    ],
)
async def test_a_service_that_is_not_what_it_should_be(cloud, http, answer, reason) -> None:
    cloud.answers["/compute/v2.1/"] = answer
    with pytest.raises(PodUnreachable) as caught:
        await discovery.discover(http, "Pod1", cloud.catalogue)
    told = caught.value.detail
    assert told.startswith(f"its compute API at {cloud.root}/compute/v2.1/")
    assert reason in told


async def test_a_dead_service_is_named_with_url_and_reason(cloud, http) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    catalogue = {**cloud.catalogue, "network": f"http://127.0.0.1:{port}"}
    with pytest.raises(PodUnreachable) as caught:
        await discovery.discover(http, "Pod1", catalogue)
    told = caught.value.detail
    assert f"its network API at http://127.0.0.1:{port}/" in told
    assert "refused" in told.lower()


async def test_a_silent_service_is_a_timeout(cloud, http) -> None:
    cloud.answers["/network/"] = 5
    with pytest.raises(PodTimeout, match=r"its network API at .* did not answer within 0\.2 s"):
        await discovery.discover(http, "Pod1", cloud.catalogue, deadline=0.2)


async def test_no_endpoint_in_the_catalogue(cloud, http) -> None:
    catalogue = {"compute": cloud.catalogue["compute"]}
    with pytest.raises(PodUnreachable, match="no internal endpoint of its network service"):
        await discovery.discover(http, "Pod1", catalogue)


async def test_a_service_not_required_may_be_away(cloud, http) -> None:
    cloud.answers["/volume/"] = (503, {})
    found = await discovery.discover(http, "Pod1", cloud.catalogue)
    assert "volume" in found.endpoints
    assert set(found.versions) == {"compute", "network"}
