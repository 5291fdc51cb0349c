# SPDX-License-Identifier: Apache-2.0
"""Names that are not plain words, and links as clients behind proxies must see them."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote

import pytest
import pytest_asyncio
from yarl import URL

from tests.functional import gateway_harness
from tests.functional.fakes.cloud import Cloud
from tests.functional.gateway_harness import Gateway

NAMES = ["a b", "a+b", "x%41y", "ü", "50%", "a:b", "q?x=1", "h#a", "a;b", "a&b"]


def encoded(gateway: Gateway, path: str) -> str:
    """A path as it must go over the wire, safe from being decoded and encoded again."""
    return f"{gateway.compute}/v2.1{path}"


async def get(gateway: Gateway, path: str, method: str = "GET", version: str = "2.30") -> int:
    """A request whose path is sent as it is; the status of its answer."""
    headers = {
        "X-Auth-Token": gateway.token("admin"),
        "OpenStack-API-Version": f"compute {version}",
    }
    url = URL(encoded(gateway, path), encoded=True)
    async with gateway.http.request(method, url, headers=headers) as answer:
        return answer.status


# What Nova lets a keypair be called by since 2.92.
@pytest.mark.parametrize("name", ["a b", "a@b", "a.b"])
async def test_keypairs(gateway: Gateway, cloud: Cloud, name: str) -> None:
    body = {"keypair": {"name": name, "public_key": "ssh-rsa AAAA"}}
    (await gateway.post("/os-keypairs", body, user="admin", version="2.92")).ok(201)
    assert {key for pod in cloud.pods.values() for _, key in pod.nova.keypairs} == {name}
    await _shown_and_deleted(gateway, cloud, name)


@pytest.mark.parametrize("name", NAMES)
async def test_keypairs_of_older_clouds(gateway: Gateway, cloud: Cloud, name: str) -> None:
    """Nova's first API took any name."""
    body = {"keypair": {"name": "plain", "public_key": "ssh-rsa AAAA"}}
    (await gateway.post("/os-keypairs", body, user="admin", version="2.30")).ok(201)
    for pod in cloud.pods.values():
        ((owner, plain),) = pod.nova.keypairs
        keypair = pod.nova.keypairs.pop((owner, plain))
        pod.nova.keypairs[owner, name] = {**keypair, "name": name}
    await _shown_and_deleted(gateway, cloud, name)


async def _shown_and_deleted(gateway: Gateway, cloud: Cloud, name: str) -> None:
    path = f"/os-keypairs/{quote(name, safe='')}"
    assert await get(gateway, path) == 200
    assert await get(gateway, path, "DELETE") == 204
    assert [list(pod.nova.keypairs) for pod in cloud.pods.values()] == [[], [], []]
    assert await get(gateway, path) == 404


@pytest.mark.parametrize("name", NAMES)
async def test_parts_of_servers(gateway: Gateway, cloud: Cloud, name: str) -> None:
    server = cloud.pods["pod2"].nova.add_server("one", user="admin")
    server.metadata = {name: "1"}
    part = quote(name, safe="")
    assert await get(gateway, f"/servers/{server.id}/metadata/{part}") == 200
    assert await get(gateway, f"/servers/{server.id}/metadata/{part}", "DELETE") == 204
    assert server.metadata == {}
    assert await get(gateway, f"/servers/{server.id}/tags/{part}", "PUT") == 201
    assert server.tags == [name]


@pytest.mark.parametrize("name", NAMES)
async def test_names_of_servers(gateway: Gateway, cloud: Cloud, name: str) -> None:
    cloud.pods["pod2"].nova.add_server(name)
    cloud.pods["pod1"].nova.add_server("another")
    query = {"name": "^" + name.replace("+", "\\+").replace("?", "\\?") + "$"}
    listed = (await gateway.get("/servers", query=query)).ok()["servers"]
    assert [server["name"] for server in listed] == [name]


async def test_a_body_is_passed_on_as_it_is(gateway: Gateway, cloud: Cloud) -> None:
    """Text that looks like a pod's link, and characters of all kinds, are the user's."""
    server = cloud.pods["pod2"].nova.add_server("one")
    values = {"url": f"{cloud.pods['pod2'].nova.url}/v2.1/x", "text": '"ü\u2028\U0001f600\\/</'}
    path = f"/servers/{server.id}/metadata"
    (await gateway.post(path, {"metadata": values})).ok(200)
    assert server.metadata == values
    assert (await gateway.get(path)).ok() == {"metadata": values}
    shown = (await gateway.get(f"/servers/{server.id}")).ok()["server"]
    assert shown["metadata"] == values
    listed = (await gateway.get("/servers/detail")).ok()["servers"]
    assert listed[0]["metadata"] == values


@pytest_asyncio.fixture(
    params=[
        {"enable_proxy_headers_parsing": "true"},
        {"public_endpoint": "https://cloud.example.org"},
        {"public_endpoint": "https://cloud.example.org", "compute_link_prefix": "/compute"},
    ],
    ids=["proxy", "public", "prefix"],
)
async def proxied(
    request: pytest.FixtureRequest,
    cloud: Cloud,
    tmp_path: Path,
    database: str,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[tuple[Gateway, str]]:
    """A gateway behind a proxy, and what its links must begin with."""
    gateway_harness.shorten(monkeypatch)
    root = "https://cloud.example.org" + request.param.get("compute_link_prefix", "")
    async with gateway_harness.running(cloud, tmp_path, database, **request.param) as gateway:
        yield gateway, root


async def test_links_behind_a_proxy(proxied: tuple[Gateway, str], cloud: Cloud) -> None:
    gateway, root = proxied
    told = {"X-Forwarded-Host": "cloud.example.org", "X-Forwarded-Proto": "https"}
    for index in range(2):
        cloud.pods["pod1"].nova.add_server(f"s{index}")
    documents = [
        await gateway.get("/", base=gateway.compute, user=None, headers=told),
        await gateway.get("/servers", headers=told, query={"limit": "1"}),
        await gateway.get("/servers/detail", headers=told, query={"limit": "1"}),
        await gateway.get("/flavors/detail", headers=told),
        await gateway.get("/images", headers=told),
    ]
    for answer in documents:
        text = json.dumps(answer.ok())
        links = [part.split('"')[0] for part in text.split('"href": "')[1:]]
        ours = [link for link in links if "docs.openstack.org" not in link]
        assert ours
        assert all(link.startswith(f"{root}/") for link in ours), ours
    made = await gateway.post(
        "/servers",
        {"server": {"name": "x", "flavorRef": "1", "imageRef": cloud.image_id,
                    "networks": "none"}},
        version="2.90",
        headers=told,
    )  # fmt: skip
    assert made.headers["Location"].startswith(f"{root}/v2.1/servers/")
