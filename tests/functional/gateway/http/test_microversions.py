# SPDX-License-Identifier: Apache-2.0
"""Microversions and version discovery, as a client of Nova expects them."""

import asyncio
from typing import Any

import keystoneauth1.discover
import keystoneauth1.noauth
import keystoneauth1.session
import pytest

from tests.functional.fakes.cloud import Cloud
from tests.functional.gateway_harness import Gateway

MODERN, LEGACY = "OpenStack-API-Version", "X-OpenStack-Nova-API-Version"

#: headers -> the version served
SERVED: list[tuple[dict[str, str], str]] = [
    ({}, "2.1"),
    ({MODERN: "compute 2.30"}, "2.30"),
    ({LEGACY: "2.5"}, "2.5"),
    ({MODERN: "compute 2.30", LEGACY: "2.5"}, "2.30"),
    ({MODERN: "compute latest"}, "2.104"),
    ({MODERN: "compute 2.latest"}, "2.104"),
    ({LEGACY: "latest"}, "2.104"),
    ({MODERN: "compute 2.1"}, "2.1"),
    ({MODERN: "compute 2.104"}, "2.104"),
    ({MODERN: "volume 3.1"}, "2.1"),
    ({MODERN: "aa 2.30"}, "2.1"),
    ({MODERN: "acompute 2.30"}, "2.1"),
    ({MODERN: "volume 3.1, compute 2.53"}, "2.53"),
    ({MODERN: "compute 2.53,volume 3.1"}, "2.53"),
    ({MODERN: "volume 3.1", LEGACY: "2.7"}, "2.7"),
    ({MODERN.lower(): "compute 2.9"}, "2.9"),
]
REFUSED: list[tuple[dict[str, str], int]] = [
    ({MODERN: "compute a.2"}, 400),
    ({MODERN: "compute 2.a"}, 400),
    ({MODERN: "compute2.30"}, 400),
    ({MODERN: "2.30"}, 400),
    ({MODERN: "compute 2.30 2.31"}, 400),
    ({MODERN: "compute"}, 400),
    ({LEGACY: "2"}, 400),
    ({LEGACY: "compute 2.5"}, 400),
    ({MODERN: "compute 2.0"}, 406),
    ({MODERN: "compute 3.2"}, 406),
    ({MODERN: "compute 2.105"}, 406),
    ({LEGACY: "1.5"}, 406),
]


def names_in_vary(answer: Any) -> set[str]:
    values = answer.headers.getall("Vary", [])
    return {name.strip() for value in values for name in value.split(",")}


@pytest.mark.parametrize(("headers", "version"), SERVED)
async def test_served(
    gateway: Gateway, cloud: Cloud, headers: dict[str, str], version: str
) -> None:
    answer = await gateway.get("/servers/detail", headers=headers)
    assert answer.status == 200
    assert answer.headers[MODERN] == f"compute {version}"
    assert answer.headers[LEGACY] == version
    assert names_in_vary(answer) >= {MODERN, LEGACY}
    asked = cloud.journal.find("pod", "GET", "/servers/detail")
    assert len(asked) == 3
    for entry in asked:
        assert entry.headers.getall(MODERN) == [f"compute {version}"]
        assert entry.headers.getall(LEGACY) == [version]


@pytest.mark.parametrize(("headers", "status"), REFUSED)
async def test_refused(
    gateway: Gateway, cloud: Cloud, headers: dict[str, str], status: int
) -> None:
    answer = await gateway.get("/servers", headers=headers)
    assert answer.status == status
    ((name, fault),) = answer.json.items()
    assert name == {400: "badRequest", 406: "computeFault"}[status]
    assert fault["code"] == status
    assert names_in_vary(answer) >= {MODERN, LEGACY}
    assert MODERN in answer.headers
    assert LEGACY in answer.headers
    assert cloud.journal.find("pod") == []


async def test_the_refusal_names_the_range(gateway: Gateway) -> None:
    answer = await gateway.get("/servers", version="2.999")
    assert "2.999" in answer.message
    assert "Minimum is 2.1" in answer.message
    assert "maximum is 2.104" in answer.message


async def test_the_range_is_what_all_pods_have(gateway: Gateway, cloud: Cloud) -> None:
    cloud.pods["pod2"].nova.max_version = (2, 95)
    await gateway.set_pod("pod2", versions={"compute": {"min": "2.1", "max": "2.95"}})
    assert (await gateway.get("/servers", version="2.96")).status == 406
    answer = await gateway.get("/servers", version="latest")
    assert answer.status == 200
    assert answer.headers[MODERN] == "compute 2.95"
    document = (await gateway.get("/", base=gateway.compute)).ok(200)
    assert document["versions"][0]["version"] == "2.95"
    await gateway.set_pod("pod2", state="maintenance")
    assert (await gateway.get("/servers", version="2.104")).status == 200


async def test_errors_from_pods_carry_the_version(gateway: Gateway) -> None:
    answer = await gateway.get("/servers/nonsense", version="2.60")
    assert answer.status == 404
    assert answer.headers[MODERN] == "compute 2.60"
    assert names_in_vary(answer) >= {MODERN, LEGACY}


@pytest.mark.parametrize("path", ["", "/"])
async def test_discovery(gateway: Gateway, cloud: Cloud, path: str) -> None:
    base = gateway.compute
    root = (await gateway.get("/", base=base, user=None)).ok(200)
    (version,) = root["versions"]
    assert version["id"] == "v2.1"
    assert version["status"] == "CURRENT"
    assert (version["min_version"], version["version"]) == ("2.1", "2.104")
    assert "max_version" not in version
    assert {"rel": "self", "href": f"{base}/v2.1/"} in version["links"]
    one = (await gateway.get(f"/v2.1{path}", base=base, user=None)).ok(200)["version"]
    assert one["media-types"]
    assert {"rel": "self", "href": f"{base}/v2.1/"} in one["links"]
    assert cloud.journal.find("pod", probes=True) == []


async def test_discovery_shows_the_host_the_client_used(gateway: Gateway) -> None:
    answer = await gateway.get(
        "/", base=gateway.compute, user=None, headers={"Host": "cloud.example.org:1234"}
    )
    (version,) = answer.ok()["versions"]
    assert version["links"][0]["href"] == "http://cloud.example.org:1234/v2.1/"


async def test_forwarded_headers_are_believed_only_where_told(gateway: Gateway) -> None:
    told = {"X-Forwarded-Host": "evil.example.org", "X-Forwarded-Proto": "https"}
    answer = await gateway.get("/", base=gateway.compute, user=None, headers=told)
    assert "evil" not in answer.body.decode()


async def test_an_unknown_root_path_offers_choices(gateway: Gateway) -> None:
    answer = await gateway.get("/v3/servers", base=gateway.compute, user=None)
    assert answer.status == 300
    assert answer.json["choices"][0]["id"] == "v2.1"


async def test_keystoneauth_discovers(gateway: Gateway) -> None:
    session = keystoneauth1.session.Session(auth=keystoneauth1.noauth.NoAuth())
    found = await asyncio.to_thread(keystoneauth1.discover.Discover, session, gateway.compute)
    (data,) = found.version_data()
    assert data["url"] == f"{gateway.compute}/v2.1/"
    assert data["min_microversion"] == (2, 1)
    assert data["max_microversion"] == (2, 104)


async def test_urls_with_and_without_the_project(gateway: Gateway, cloud: Cloud) -> None:
    cloud.pods["pod1"].nova.add_server("one")
    plain = (await gateway.get("/servers")).ok(200)
    scoped = (await gateway.get(f"/{cloud.project_id}/servers")).ok(200)
    assert [s["id"] for s in plain["servers"]] == [s["id"] for s in scoped["servers"]]
    assert (await gateway.get(f"/{'0' * 32}/servers")).status == 400


async def test_an_unknown_path_is_404(gateway: Gateway, cloud: Cloud) -> None:
    answer = await gateway.get("/nothing-like-it")
    assert answer.status == 404
    assert answer.headers["x-compute-request-id"].startswith("req-")
    assert cloud.journal.find("pod") == []
