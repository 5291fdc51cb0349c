# SPDX-License-Identifier: Apache-2.0
"""Lists over three pods must be what one Nova holding all the servers would answer."""

import asyncio
import datetime
import random
import re
from typing import Any
from urllib.parse import parse_qsl

import pytest

from tests.functional.fakes.cloud import Cloud
from tests.functional.fakes.faults import Kind
from tests.functional.fakes.nova import Nova
from tests.functional.fakes.server_store import Server
from tests.functional.gateway_harness import LIST_DEADLINE, Answer, Gateway
from tricircle.conf import CONF
from tricircle.db import models, session

START = datetime.datetime(2026, 11, 1, 12, 0, 0)
NAMES = [
    "web",
    "db",
    "Web",
    "cache",
    "a_b",
    "ab",
    "a-b",
    "WEB_1",
    "Wéb",
    "straße",
    "strasse",
    "ab ",
]


def fill(cloud: Cloud, count: int = 23, seed: int = 1) -> list[Server]:
    """Servers spread over the pods, with ties in everything one sorts by."""
    chance = random.Random(seed)
    made = []
    for index in range(count):
        nova = cloud.pods[chance.choice(list(cloud.pods))].nova
        created = START + datetime.timedelta(seconds=chance.randrange(6))
        made.append(
            nova.add_server(
                f"{chance.choice(NAMES)}-{index % 5}",
                created=created,
                updated=created + datetime.timedelta(seconds=chance.randrange(4)),
                launched=chance.choice([None, created]),
                status=chance.choice(["ACTIVE", "SHUTOFF", "ERROR"]),
                key_name=chance.choice([None, "k1", "k2"]),
                image_id=chance.choice(["", cloud.image_id]),
                tags=chance.sample(["red", "green", "blue"], chance.randrange(3)),
                locked=chance.random() < 0.3,
            )
        )
    return made


@pytest.fixture
def one_nova(cloud: Cloud) -> Nova:
    """A Nova that holds what all pods hold."""
    pod = cloud.pods["pod1"]
    nova = Nova(cloud.thread, "oracle", cloud.journal, cloud.keystone, pod.neutron, cloud.images)
    nova.flavors = pod.nova.flavors
    return nova


async def from_one(gateway: Gateway, nova: Nova, path: str, **more: Any) -> Answer:
    """What the Nova that holds everything answers to the same request."""
    nova.servers = {}
    for pod in gateway.cloud.pods.values():
        nova.servers.update(pod.nova.servers)
    if not nova.port:
        await asyncio.to_thread(nova.start)
    return await gateway.get(path, base=f"{nova.url}/v2.1", **more)


def plain(document: Any) -> Any:
    """A list without what legitimately differs: hosts in links, the zone users know."""
    for server in document.get("servers", []):
        server.pop("links")
        server.pop("OS-EXT-AZ:availability_zone", None)
        for name in ("image", "flavor"):
            if isinstance(server.get(name), dict):
                server[name].pop("links", None)
    if "servers_links" in document:
        (link,) = document["servers_links"]
        path = re.sub(r"http://[^/]+", "", link["href"])
        head, _, query = path.partition("?")
        document["servers_links"] = [link["rel"], head, sorted(parse_qsl(query))]
    return document


QUERIES: list[list[tuple[str, str]]] = [
    [],
    [("limit", "5")],
    [("limit", "0")],
    [("sort_key", "display_name"), ("sort_dir", "asc")],
    [("sort_key", "display_name")],
    [("sort_key", "display_name"), ("sort_dir", "asc"), ("sort_key", "created_at")],
    [("sort_key", "updated_at"), ("sort_dir", "desc"), ("sort_key", "uuid"), ("sort_dir", "asc")],
    [("sort_key", "uuid"), ("sort_dir", "asc"), ("limit", "4")],
    [("sort_key", "uuid"), ("sort_dir", "desc")],
    [("sort_key", "launched_at"), ("sort_dir", "asc"), ("limit", "7")],
    [("sort_key", "key_name"), ("sort_dir", "desc")],
    [("sort_key", "vm_state"), ("sort_dir", "asc"), ("limit", "3")],
    [("status", "ACTIVE")],
    [("status", "ACTIVE"), ("status", "ERROR")],
    [("status", "nonsense")],
    [("name", "^web")],
    [("name", "^nothing$")],
    [("changes-since", "2026-11-01T12:00:05Z")],
    [("changes-before", "2026-11-01T12:00:04Z")],
    [("tags", "red")],
    [("not-tags-any", "red,blue"), ("limit", "2")],
    [("locked", "true")],
    [("key_name", "k1")],
    [("image", "nothing")],
    [("all_tenants", "0")],
    [("marker", "")],
    [("marker", "nonsense"), ("marker", ""), ("limit", "3")],
]
ORDERS: list[list[tuple[str, str]]] = [
    [],
    [("sort_key", "display_name"), ("sort_dir", "asc")],
    [("sort_key", "launched_at"), ("sort_dir", "desc")],
    [("sort_key", "vm_state")],
    [("name", "b")],
]
BAD_QUERIES: list[list[tuple[str, str]]] = [
    [("limit", "-1")],
    [("limit", "x")],
    [("marker", "00000000-0000-0000-0000-000000000000")],
    [("marker", "nonsense")],
    [("sort_key", "nothing")],
    [("sort_dir", "up")],
    [("sort_key", "host")],
    [("all_tenants", "1")],
]


@pytest.mark.parametrize("path", ["/servers", "/servers/detail"])
@pytest.mark.parametrize("query", QUERIES, ids=str)
async def test_as_one_nova(
    gateway: Gateway, cloud: Cloud, one_nova: Nova, path: str, query: list[tuple[str, str]]
) -> None:
    fill(cloud)
    for version in ("2.90",) if path == "/servers" else ("2.90", "2.1"):
        ours = await gateway.get(path, query=query, version=version)
        theirs = await from_one(gateway, one_nova, path, query=query, version=version)
        assert ours.status == theirs.status
        assert plain(ours.json) == plain(theirs.json)


@pytest.mark.parametrize("query", BAD_QUERIES, ids=str)
async def test_refused_as_by_one_nova(
    gateway: Gateway, cloud: Cloud, one_nova: Nova, query: list[tuple[str, str]]
) -> None:
    fill(cloud)
    ours = await gateway.get("/servers", query=query, version="2.90")
    theirs = await from_one(gateway, one_nova, "/servers", query=query, version="2.90")
    assert theirs.status >= 400
    assert (ours.status, ours.json) == (theirs.status, theirs.json)


async def pages(gateway: Gateway, path: str, query: list[tuple[str, str]]) -> list[list[str]]:
    """Follow the next links to the end."""
    found = []
    answer = (await gateway.get(path, query=query, version="2.90")).ok(200)
    while True:
        found.append([server["id"] for server in answer["servers"]])
        if "servers_links" not in answer:
            return found
        href = answer["servers_links"][0]["href"]
        assert href.startswith(f"{gateway.compute}/v2.1/")
        answer = (await gateway.get(href, base="", version="2.90")).ok(200)
        assert len(found) < 50


@pytest.mark.parametrize("restart", [False, True], ids=["same-gateway", "another-gateway"])
@pytest.mark.parametrize("order", ORDERS, ids=str)
@pytest.mark.parametrize("limit", [1, 4, 23])
async def test_pages_make_the_whole(
    gateway: Gateway,
    cloud: Cloud,
    one_nova: Nova,
    order: list[tuple[str, str]],
    limit: int,
    restart: bool,
) -> None:
    fill(cloud)
    query = [*order, ("limit", str(limit))]
    whole = (await from_one(gateway, one_nova, "/servers", query=order, version="2.90")).ok()
    if restart:  # what a gateway remembers of a place in a list is a shortcut only
        gateway.services.cursors.put = lambda *_: None  # type: ignore[method-assign]
    found = await pages(gateway, "/servers", query)
    assert [one for page in found for one in page] == [one["id"] for one in whole["servers"]]
    assert all(len(page) == limit for page in found[:-1])


GONE: list[list[tuple[str, str]]] = [
    [],
    [("sort_dir", "asc")],
    [("sort_key", "display_name"), ("sort_dir", "asc")],
    [("sort_key", "vm_state"), ("status", "ACTIVE")],
    [("changes-since", "2026-11-01T12:00:02Z")],
]


@pytest.mark.parametrize("query", GONE, ids=str)
async def test_a_marker_that_is_deleted_or_filtered_out(
    gateway: Gateway, cloud: Cloud, one_nova: Nova, query: list[tuple[str, str]]
) -> None:
    """The next page is asked of a gateway that does not remember the last one."""
    for index, server in enumerate(fill(cloud, 30)):
        if index % 3 == 0:
            server.deleted, server.status = True, "DELETED"
    for pod in cloud.pods.values():
        for marker in list(pod.nova.servers):
            asked = [*query, ("limit", "6"), ("marker", marker)]
            ours = await gateway.get("/servers", query=asked, version="2.90")
            theirs = await from_one(gateway, one_nova, "/servers", query=asked, version="2.90")
            assert plain(ours.ok(200)) == plain(theirs.ok(200))


async def test_a_marker_that_may_be_in_a_pod_that_is_away(gateway: Gateway, cloud: Cloud) -> None:
    server = cloud.pods["pod2"].nova.add_server("gone", deleted=True, status="DELETED")
    await asyncio.to_thread(cloud.pods["pod2"].stop)
    answer = await gateway.get("/servers", query={"marker": server.id})
    assert answer.status == 503
    assert "pod2" in answer.message


async def test_a_page_costs_each_pod_about_a_page(gateway: Gateway, cloud: Cloud) -> None:
    for index in range(60):
        cloud.pods["pod1"].nova.add_server(f"s{index}")
    await gateway.get("/servers", query={"limit": "5"})
    asked = cloud.journal.find("pod1/compute", "GET", "/servers")
    assert len(asked) <= 2
    assert {dict(entry.query).get("limit") for entry in asked} <= {"5", "6"}


async def test_links_lead_to_us(gateway: Gateway, cloud: Cloud) -> None:
    fill(cloud, 3)
    text = (await gateway.get("/servers/detail")).body.decode()
    assert gateway.compute in text
    for pod in cloud.pods.values():
        assert pod.nova.url not in text
    for server in (await gateway.get("/servers/detail")).json["servers"]:
        self_link = next(link["href"] for link in server["links"] if link["rel"] == "self")
        assert (await gateway.get(self_link, base="")).ok()["server"]["id"] == server["id"]


async def test_users_see_their_zone(gateway: Gateway, cloud: Cloud) -> None:
    for region in cloud.pods:
        cloud.pods[region].nova.add_server(region)
    listed = (await gateway.get("/servers/detail")).ok()["servers"]
    assert {s["name"]: s["OS-EXT-AZ:availability_zone"] for s in listed} == cloud.zones


async def test_admin_lists_all_projects(gateway: Gateway, cloud: Cloud) -> None:
    cloud.pods["pod1"].nova.add_server("mine")
    cloud.pods["pod2"].nova.add_server("theirs", user="other")
    found = (await gateway.get("/servers", user="admin", query={"all_tenants": "1"})).ok()
    assert {server["name"] for server in found["servers"]} == {"mine", "theirs"}
    assert (await gateway.get("/servers", user="admin")).ok() == {"servers": []}
    found = (await gateway.get("/servers", user="other")).ok()["servers"]
    assert [server["name"] for server in found] == ["theirs"]


async def test_nothing_anywhere(gateway: Gateway) -> None:
    assert (await gateway.get("/servers/detail")).ok(200) == {"servers": []}


# -- pods that do not do what they should --------------------------------------------------------

SICK = [Kind.HANG, Kind.CUT, Kind.GARBAGE, Kind.TRUNCATED, Kind.ERROR, Kind.UNAVAILABLE,
        Kind.REDIRECT]  # fmt: skip


@pytest.mark.parametrize("kind", SICK)
async def test_a_sick_pod_is_left_out(gateway: Gateway, cloud: Cloud, kind: Kind) -> None:
    for region in cloud.pods:
        cloud.pods[region].nova.add_server(region)
    cloud.pods["pod2"].fail(kind)
    began = asyncio.get_running_loop().time()
    answer = await gateway.get("/servers/detail", query={"limit": "10"})
    took = asyncio.get_running_loop().time() - began
    assert {server["name"] for server in answer.ok(200)["servers"]} == {"pod1", "pod3"}
    assert took < LIST_DEADLINE + 1.5


async def test_a_dead_pod_is_left_out(gateway: Gateway, cloud: Cloud) -> None:
    for region in cloud.pods:
        cloud.pods[region].nova.add_server(region)
    await asyncio.to_thread(cloud.pods["pod2"].stop)
    answer = await gateway.get("/servers", user="admin", query={"all_tenants": "1"})
    assert {server["name"] for server in answer.ok(200)["servers"]} == {"pod1", "pod3"}
    assert answer.headers["X-Tricircle-Unavailable-Pods"] == "pod2"
    # Whoever asks is to know that this is not all.
    answer = await gateway.get("/servers")
    assert answer.headers["X-Tricircle-Unavailable-Pods"] == "pod2"


async def test_a_slow_pod_is_waited_for(gateway: Gateway, cloud: Cloud) -> None:
    for region in cloud.pods:
        cloud.pods[region].nova.add_server(region)
    cloud.pods["pod2"].nova.fail(Kind.SLOW, seconds=LIST_DEADLINE / 2)
    assert len((await gateway.get("/servers")).ok()["servers"]) == 3


async def test_all_pods_dead(gateway: Gateway, cloud: Cloud) -> None:
    for pod in cloud.pods.values():
        await asyncio.to_thread(pod.stop)
    answer = await gateway.get("/servers")
    assert answer.status in (503, 504)
    assert "Traceback" not in answer.body.decode()


async def test_known_servers_of_a_dead_pod_are_unknown_since_2_69(
    gateway: Gateway, cloud: Cloud
) -> None:
    here = cloud.pods["pod1"].nova.add_server("here")
    away = cloud.pods["pod2"].nova.add_server("away")
    foreign = cloud.pods["pod2"].nova.add_server("foreign", user="other")
    for server, user in ((away, "member"), (foreign, "other")):
        await gateway.get(f"/servers/{server.id}", user=user)  # learned
    await asyncio.to_thread(cloud.pods["pod2"].stop)
    listed = (await gateway.get("/servers/detail", version="2.69")).ok()["servers"]
    record = {server["id"]: server for server in listed}
    assert record.keys() == {here.id, away.id}
    assert record[away.id].keys() == {"id", "status", "tenant_id", "created", "links"}
    assert record[away.id]["status"] == "UNKNOWN"
    assert record[away.id]["tenant_id"] == cloud.project_id
    for more in ({"version": "2.68"}, {"version": "2.69", "query": {"name": "."}}):
        listed = (await gateway.get("/servers/detail", **more)).ok()["servers"]
        assert [server["id"] for server in listed] == [here.id]


async def test_a_pod_that_dies_between_pages(gateway: Gateway, cloud: Cloud) -> None:
    made = fill(cloud)
    first = (await gateway.get("/servers", query={"limit": "5"})).ok()
    await asyncio.to_thread(cloud.pods["pod2"].stop)
    found = [server["id"] for server in first["servers"]]
    while "servers_links" in first:
        first = (await gateway.get(first["servers_links"][0]["href"], base="")).ok()
        found += [server["id"] for server in first["servers"]]
    left = {server.id for server in made if server.id not in cloud.pods["pod2"].nova.servers}
    assert left <= set(found)
    assert len(found) == len(set(found))


async def test_the_marker_may_be_gone_with_its_pod(gateway: Gateway, cloud: Cloud) -> None:
    fill(cloud)
    marker = next(iter(cloud.pods["pod2"].nova.servers))
    await asyncio.to_thread(cloud.pods["pod2"].stop)
    answer = await gateway.get("/servers", query={"marker": marker})
    assert answer.status in (503, 504), answer.body


def random_query(chance: random.Random, servers: list[Server]) -> list[tuple[str, str]]:
    """Something a client might ask for, mostly sensible."""
    query: list[tuple[str, str]] = []
    for key in chance.sample(["display_name", "created_at", "updated_at", "launched_at", "uuid",
                              "vm_state", "key_name", "image_ref", "hostname"],
                             chance.randrange(4)):  # fmt: skip
        query.append(("sort_key", key))
        if chance.random() < 0.8:
            query.append(("sort_dir", chance.choice(["asc", "desc"])))
    if chance.random() < 0.7:
        query.append(("limit", str(chance.randrange(1, 9))))
    if chance.random() < 0.5:
        query.append(("marker", chance.choice(servers).id))
    filters = [
        ("status", chance.choice(["ACTIVE", "shutoff", "ERROR"])),
        ("name", chance.choice(["b", "^web", "-[12]$", "_"])),
        ("tags", chance.choice(["red", "red,green"])),
        ("tags-any", "green,blue"),
        ("changes-since", "2026-11-01T12:00:04Z"),
        ("locked", chance.choice(["true", "false"])),
    ]
    return query + chance.sample(filters, chance.choice([0, 0, 0, 1, 2]))


@pytest.mark.parametrize("seed", range(6))
async def test_any_query_is_as_by_one_nova(
    gateway: Gateway, cloud: Cloud, one_nova: Nova, seed: int
) -> None:
    chance = random.Random(seed)
    servers = fill(cloud, 40, seed)
    for _ in range(25):
        query = random_query(chance, servers)
        path = chance.choice(["/servers", "/servers/detail"])
        user = chance.choice(["member", "member", "reader"])
        ours = await gateway.get(path, query=query, version="2.90", user=user)
        theirs = await from_one(gateway, one_nova, path, query=query, version="2.90", user=user)
        assert (ours.status, plain(ours.json)) == (theirs.status, plain(theirs.json)), query


@pytest.mark.parametrize("direction", ["desc", "asc"])
async def test_a_deep_page_is_begun_near_its_place(
    gateway: Gateway, cloud: Cloud, one_nova: Nova, direction: str
) -> None:
    """Who comes with a marker out of nowhere does not have all pages before it read."""
    made = []
    for index in range(300):
        region = sorted(cloud.pods)[index % 3]
        created = START + datetime.timedelta(minutes=index)
        server = cloud.pods[region].nova.add_server(f"s{index}", created=created, updated=created)
        made.append(models.Routing(
            resource_type="server", resource_id=server.id, pod_id=gateway.pod_ids[region],
            project_id=cloud.project_id, created_at=created + datetime.timedelta(seconds=1),
        ))  # fmt: skip
    middle = made[150].resource_id
    with session.write() as tx:
        tx.add_all(made)
    CONF.set_override("max_limit", 5, "gateway")
    path = f"/servers/detail?limit=5&sort_dir={direction}&marker={middle}"
    cloud.journal.clear()
    found = (await gateway.get(path)).ok()
    asked = cloud.journal.find("pod", "GET", "/servers/detail")
    wanted = (await from_one(gateway, one_nova, path)).ok()
    assert [one["id"] for one in found["servers"]] == [one["id"] for one in wanted["servers"]]
    assert len(found["servers"]) == 5
    # Of the 20 pages that each pod has before the place at most a few.
    assert len(asked) <= 9
