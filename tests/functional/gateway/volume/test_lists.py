# SPDX-License-Identifier: Apache-2.0
"""Lists over three pods must be what one Cinder holding everything would answer."""

import asyncio
import datetime
import random
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from tests.functional.fakes.cinder import Cinder
from tests.functional.fakes.cinder_lists import Object
from tests.functional.fakes.cloud import Cloud
from tests.functional.gateway_harness import Answer, Gateway
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
    None,
    "",
    "Wéb",
    "straße",
    "strasse",
    "ab ",
]
NEWEST = "3.71"
Query = list[tuple[str, str]]
#: Lists have no pages before these minor versions.
UNPAGED = {"messages": 5, "group_snapshots": 29}


def fill(cloud: Cloud, count: int = 17, seed: int = 1) -> None:
    """Things of every kind spread over the pods, with ties in everything one sorts by."""
    chance = random.Random(seed)
    for index in range(count):
        cinder = cloud.pods[chance.choice(list(cloud.pods))].cinder
        user = chance.choice(["member"] * 4 + ["other"])
        made = (START + datetime.timedelta(seconds=chance.randrange(5))).isoformat() + ".000000"
        common: Object = {
            "created_at": made,
            "updated_at": chance.choice([None, made]),
            "name": chance.choice(NAMES),
            "description": chance.choice([None, "x", "y"]),
            "status": chance.choice(["available", "error", "in-use"]),
        }
        metadata = chance.choice([{}, {"k": "1"}, {"k": "2", "l": "1"}])
        volume = cinder.add_volume(
            user=user, size=chance.randrange(1, 4), metadata=metadata,
            bootable=chance.random() < 0.5, **common,
        )  # fmt: skip
        cinder.add_snapshot(volume, **common, metadata=metadata)
        cinder.add_backup(volume, **common)
        group = cinder.add_group(user=user, **common)
        cinder.add_group_snapshot(group, **common)
        cinder.add_message(
            user, created_at=made, message_level=chance.choice(["ERROR", "INFO"]),
            event_id=f"EVENT_{index % 3}",
        )  # fmt: skip
        cinder.add_attachment(volume, "server", created_at=made, status=common["status"])
        project, user_id = cinder.owner(user)
        cinder.put("transfer", project, user_id, name=common["name"], volume_id=volume["id"],
                   no_snapshots=False, auth_key="secret", created_at=made)  # fmt: skip


@pytest.fixture
def one_cinder(cloud: Cloud) -> Cinder:
    """A Cinder that is to hold what all pods hold."""
    return Cinder(cloud.thread, "oracle/volume", cloud.journal, cloud.keystone, cloud.images)


async def from_one(gateway: Gateway, cinder: Cinder, path: str, **more: Any) -> Answer:
    """What the Cinder that holds everything answers to the same request."""
    pods = [pod.cinder for pod in gateway.cloud.pods.values()]
    for kind in cinder.items:
        cinder.items[kind] = {i: item for pod in pods for i, item in pod.items[kind].items()}
    cinder.types = {i: item for pod in pods for i, item in pod.types.items()}
    if not cinder.port:
        await asyncio.to_thread(cinder.start)
    return await gateway.volumes.get(path, base=f"{cinder.url}/v3", **more)


def plain(document: Any) -> Any:
    """A list without what legitimately differs: hosts in links, the zone users know."""
    for name, value in document.items():
        if name.endswith("_links"):
            (link,) = value
            document[name] = [link["rel"], sorted(parse_qsl(urlsplit(link["href"]).query))]
        elif isinstance(value, list):
            for item in value:
                item.pop("links", None)
                item.pop("availability_zone", None)
    return document


async def same(gateway: Gateway, cinder: Cinder, path: str, **more: Any) -> Any:
    """Both answers are the same; it."""
    ours = await gateway.volumes.get(path, **more)
    theirs = await from_one(gateway, cinder, path, **more)
    one, other = plain(ours.json), plain(theirs.json)
    unpaged = UNPAGED.get(path.split("/")[1], 0)
    if int(more["version"].partition(".")[2]) < unpaged:
        # Cinder links to a next page there that is the same again, for ever.
        other = {name: value for name, value in other.items() if not name.endswith("_links")}
    assert (ours.status, one) == (theirs.status, other), (path, more)
    return ours.json


SORTED = ["/volumes", "/volumes/detail", "/snapshots", "/snapshots/detail", "/backups",
          "/backups/detail"]  # fmt: skip
QUERIES: list[Query] = [
    [],
    [("limit", "5")],
    [("limit", "0")],
    [("offset", "3")],
    [("limit", "3"), ("offset", "4")],
    [("offset", "500")],
    [("sort", "name:asc")],
    [("sort", "name")],
    [("sort", "name:asc,size:desc,id:asc"), ("limit", "4")],
    [("sort_key", "name"), ("sort_dir", "asc"), ("limit", "4")],
    [("sort_key", "updated_at")],
    [("sort", "status:asc,updated_at:desc")],
    [("sort", "id:asc"), ("limit", "1")],
    [("status", "error")],
    [("status", "nonsense")],
    [("name", "web")],
    [("name", "web"), ("limit", "1"), ("offset", "1")],
    [("with_count", "true")],
    [("with_count", "true"), ("limit", "2")],
    [("with_count", "true"), ("offset", "6"), ("limit", "20")],
    [("with_count", "true"), ("status", "error"), ("limit", "2")],
    [("all_tenants", "1")],
    [("all_tenants", "1"), ("limit", "4"), ("sort", "created_at:asc")],
]
BAD: list[Query] = [
    [("limit", "-1")],
    [("limit", "x")],
    [("offset", "-1")],
    [("offset", "x")],
    [("marker", "00000000-0000-0000-0000-000000000000")],
    [("marker", "")],
    [("marker", "detail")],
    [("sort", "nothing:asc")],
    [("sort", "name:up")],
    [("sort", "name"), ("sort_key", "id")],
    [("nonsense", "1")],
]
USERS = ["member", "reader", "other", "admin"]


@pytest.mark.parametrize("user", USERS)
@pytest.mark.parametrize("path", SORTED)
async def test_as_one_cinder(
    gateway: Gateway, cloud: Cloud, one_cinder: Cinder, path: str, user: str
) -> None:
    fill(cloud)
    for query in QUERIES:
        if path.startswith("/snapshots") and "size" in dict(query).get("sort", ""):
            continue
        for version in (NEWEST, "3.0"):
            await same(gateway, one_cinder, path, query=query, version=version, user=user)


@pytest.mark.parametrize("path", SORTED)
async def test_refused_as_by_one_cinder(
    gateway: Gateway, cloud: Cloud, one_cinder: Cinder, path: str
) -> None:
    fill(cloud, 5)
    for query in BAD:
        ours = await gateway.volumes.get(path, query=query, version=NEWEST)
        theirs = await from_one(gateway, one_cinder, path, query=query, version=NEWEST)
        assert theirs.status >= 400, query
        assert (ours.status, ours.message) == (theirs.status, theirs.message), query


@pytest.mark.parametrize(
    ("path", "versions"),
    [
        ("/groups", ["3.13", NEWEST]),
        ("/groups/detail", ["3.13", NEWEST]),
        ("/group_snapshots/detail", ["3.14", "3.28", "3.29", NEWEST]),
        ("/group_snapshots", ["3.14", "3.28", "3.29", NEWEST]),
        ("/messages", ["3.3", "3.4", "3.5", NEWEST]),
        ("/os-volume-transfer", ["3.0", "3.58", "3.59", NEWEST]),
        ("/os-volume-transfer/detail", ["3.0", "3.58", "3.59", NEWEST]),
        ("/volume-transfers/detail", ["3.55", "3.58", "3.59", NEWEST]),
    ],
)
async def test_other_lists(
    gateway: Gateway, cloud: Cloud, one_cinder: Cinder, path: str, versions: list[str]
) -> None:
    fill(cloud)
    queries: list[Query] = [
        [],
        [("limit", "3")],
        [("limit", "3"), ("offset", "2")],
        [("sort", "created_at:asc"), ("limit", "4")],
        [("sort_key", "id"), ("sort_dir", "asc")],
        [("all_tenants", "1")],
    ]
    for version in versions:
        for query in queries:
            for user in ("member", "admin"):
                await same(gateway, one_cinder, path, query=query, version=version, user=user)


@pytest.mark.parametrize(
    "query",
    [
        [("size", "2")],
        [("bootable", "true")],
        [("metadata", "{'k': '1'}")],
        [("name~", "b")],
        [("created_at", "gt:2026-11-01T12:00:02")],
        [("consumes_quota", "true"), ("limit", "3")],
    ],
    ids=str,
)
async def test_filters_of_volumes(
    gateway: Gateway, cloud: Cloud, one_cinder: Cinder, query: Query
) -> None:
    fill(cloud)
    for path in ("/volumes", "/volumes/detail"):
        found = await same(gateway, one_cinder, path, query=query, version=NEWEST)
        assert found["volumes"]


ORDERS: list[Query] = [
    [],
    [("sort", "name:asc")],
    [("sort", "name")],
    [("sort", "status:desc,updated_at:asc")],
    [("status", "error")],
]


@pytest.mark.parametrize("restart", [False, True], ids=["same-gateway", "another-gateway"])
@pytest.mark.parametrize("order", ORDERS, ids=str)
@pytest.mark.parametrize("kind", ["volumes", "snapshots", "messages", "group_snapshots"])
async def test_pages_make_the_whole(
    gateway: Gateway, cloud: Cloud, one_cinder: Cinder, order: Query, restart: bool, kind: str
) -> None:
    if kind in ("messages", "group_snapshots") and order:
        order = [("sort", "created_at:asc")]
    fill(cloud)
    whole = (await from_one(gateway, one_cinder, f"/{kind}", query=order, version=NEWEST)).ok()
    if restart:  # what a gateway remembers of a place in a list is a shortcut only
        gateway.services.cursors.put = lambda *_: None  # type: ignore[method-assign]
    for limit in (1, 4):
        query = [*order, ("limit", str(limit))]
        answer = (await gateway.volumes.get(f"/{kind}", query=query, version=NEWEST)).ok(200)
        found = []
        while answer[kind]:
            found += [item["id"] for item in answer[kind]]
            links = next((answer[key] for key in answer if key.endswith("_links")), None)
            if links is None:
                break
            assert links[0]["href"].startswith(f"{gateway.volume}/v3/")
            answer = (await gateway.volumes.get(links[0]["href"], base="", version=NEWEST)).ok(200)
        assert found == [item["id"] for item in whole[kind]]


async def test_a_zone_filters(gateway: Gateway, cloud: Cloud) -> None:
    fill(cloud)
    query = [("availability_zone", "az2")]
    found = (await gateway.volumes.get("/volumes/detail", query=query)).ok()["volumes"]
    mine = [v for v in cloud.pods["pod2"].cinder.items["volume"].values()
            if v["project_id"] == cloud.project_id]  # fmt: skip
    assert {volume["id"] for volume in found} == {volume["id"] for volume in mine} != set()
    assert {volume["availability_zone"] for volume in found} == {"az2"}


async def test_attachments_of_all_pods(gateway: Gateway, cloud: Cloud) -> None:
    """Nothing in them tells when they were made; but none is lost or told twice."""
    fill(cloud)
    everything = [
        one["id"]
        for pod in cloud.pods.values()
        for one in pod.cinder.items["attachment"].values()
        if one["project_id"] == cloud.project_id
    ]
    for path in ("/attachments", "/attachments/detail"):
        for query in ({}, {"limit": "3"}, {"limit": "1", "sort": "id:asc"}):
            found: list[str] = []
            while True:
                marker = {"marker": found[-1]} if found else {}
                answer = await gateway.volumes.get(path, query={**query, **marker}, version=NEWEST)
                page = answer.ok(200)["attachments"]
                found += [one["id"] for one in page]
                if "limit" not in query or len(page) < int(query["limit"]):
                    break
            assert sorted(found) == sorted(everything)


async def test_summary(gateway: Gateway, cloud: Cloud, one_cinder: Cinder) -> None:
    fill(cloud)
    for version in ("3.12", "3.36", NEWEST):
        ours = (await gateway.volumes.get("/volumes/summary", version=version)).ok(200)
        theirs = (await from_one(gateway, one_cinder, "/volumes/summary", version=version)).ok(200)
        for told in (ours, theirs):
            for values in told["volume-summary"].get("metadata", {}).values():
                values.sort()
        assert ours == theirs


async def test_a_dead_pod_is_left_out(gateway: Gateway, cloud: Cloud) -> None:
    for region, pod in cloud.pods.items():
        pod.cinder.add_volume(region)
    await asyncio.to_thread(cloud.pods["pod2"].cinder.stop)
    answer = await gateway.volumes.get("/volumes", user="admin", query={"all_tenants": "1"})
    assert {volume["name"] for volume in answer.ok(200)["volumes"]} == {"pod1", "pod3"}
    assert "pod2" in answer.headers["X-Tricircle-Unavailable-Pods"]


def random_query(chance: random.Random, ids: list[str]) -> Query:
    query: Query = []
    if chance.random() < 0.7:
        keys = chance.sample(["name", "created_at", "updated_at", "id", "status", "size",
                              "description", "bootable"], chance.randrange(1, 4))  # fmt: skip
        ways = [chance.choice(["", ":asc", ":desc"]) for _ in keys]
        query.append(("sort", ",".join(map("".join, zip(keys, ways, strict=True)))))
    if chance.random() < 0.7:
        query.append(("limit", str(chance.randrange(1, 9))))
    if chance.random() < 0.4:
        query.append(("marker", chance.choice(ids)))
    if chance.random() < 0.3:
        query.append(("offset", str(chance.randrange(4))))
    filters = [("status", "error"), ("name", "web"), ("size", "2"), ("bootable", "true"),
               ("with_count", "1")]  # fmt: skip
    return query + chance.sample(filters, chance.choice([0, 0, 1, 2]))


@pytest.mark.parametrize("seed", range(3))
async def test_any_query_is_as_by_one_cinder(
    gateway: Gateway, cloud: Cloud, one_cinder: Cinder, seed: int
) -> None:
    chance = random.Random(seed)
    fill(cloud, 25, seed)
    ids = [
        one["id"]
        for pod in cloud.pods.values()
        for one in pod.cinder.items["volume"].values()
        if one["project_id"] == cloud.project_id
    ]
    for _ in range(25):
        query = random_query(chance, ids)
        path = chance.choice(["/volumes", "/volumes/detail"])
        user = chance.choice(["member", "member", "reader"])
        await same(gateway, one_cinder, path, query=query, version=NEWEST, user=user)


@pytest.mark.parametrize("direction", ["desc", "asc"])
@pytest.mark.parametrize("kind", ["volume", "snapshot", "backup"])
async def test_a_deep_page_is_begun_near_its_place(
    gateway: Gateway, cloud: Cloud, one_cinder: Cinder, kind: str, direction: str
) -> None:
    """Who comes with a marker out of nowhere does not have all pages before it read."""
    made = []
    for index in range(300):
        region = sorted(cloud.pods)[index % 3]
        cinder, created = cloud.pods[region].cinder, START + datetime.timedelta(minutes=index)
        values = {"name": f"v{index}", "created_at": f"{created.isoformat()}.000000"}
        item = cinder.add_volume(**values)
        if kind != "volume":
            item = getattr(cinder, f"add_{kind}")(item, **values)
        made.append(models.Routing(
            resource_type=kind, resource_id=item["id"], pod_id=gateway.pod_ids[region],
            project_id=cloud.project_id, created_at=created + datetime.timedelta(seconds=1),
        ))  # fmt: skip
    middle = made[150].resource_id
    with session.write() as tx:
        tx.add_all(made)
    CONF.set_override("max_limit", 5, "gateway")
    path = f"/{kind}s/detail?limit=5&sort=created_at:{direction}&marker={middle}"
    cloud.journal.clear()
    found = (await gateway.volumes.get(path)).ok()
    asked = cloud.journal.find("pod", "GET", f"/{kind}s/detail")
    wanted = (await from_one(gateway, one_cinder, path)).ok()
    assert [one["id"] for one in found[f"{kind}s"]] == [one["id"] for one in wanted[f"{kind}s"]]
    assert len(found[f"{kind}s"]) == 5
    # Of the 20 pages that each pod has before the place at most a few.
    assert len(asked) <= 9
