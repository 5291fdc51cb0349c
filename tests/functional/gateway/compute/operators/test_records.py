# SPDX-License-Identifier: Apache-2.0
"""Migrations, usage, audits, hosts and what else operators ask of all pods at once."""

import asyncio
import datetime
import json
import random
from typing import Any

import pytest

from tests.functional.fakes.cloud import Cloud
from tests.functional.fakes.nova import Nova
from tests.functional.fakes.server_store import Server
from tests.functional.gateway_harness import Gateway

ADMIN = {"user": "admin"}
AWAY = "X-Tricircle-Unavailable-Pods"
START = datetime.datetime(2026, 11, 1, 12)


def place(cloud: Cloud, count: int, seed: int = 1) -> list[tuple[Nova, Server]]:
    chance = random.Random(seed)
    made = []
    for index in range(count):
        nova = cloud.pods[chance.choice(list(cloud.pods))].nova
        launched = START + datetime.timedelta(minutes=chance.randrange(600))
        user = chance.choice(["member", "other"])
        made.append((nova, nova.add_server(f"s{index}", user=user, flavor_id="1",
                                           launched=launched)))  # fmt: skip
    return made


async def pages(gateway: Gateway, path: str, version: str, key: str) -> list[Any]:
    """Every page, by the next links."""
    found = []
    href = f"{gateway.compute}/v2.1{path}"
    while href:
        document = (await gateway.get(href, base="", version=version, **ADMIN)).ok(200)
        found.append(document[key])
        (link,) = document.get(f"{key}_links") or [None]
        href = link["href"] if link else ""
        assert len(found) < 50
    return found


# -- migrations


def migrate(cloud: Cloud, count: int = 17) -> dict[str, int]:
    """{uuid: number users see}"""
    chance = random.Random(3)
    numbers = {}
    for nova, server in place(cloud, count):
        created = START + datetime.timedelta(seconds=chance.randrange(5))
        one = nova.add_migration(server, created, status=chance.choice(["running", "done"]))
        numbers[one["uuid"]] = one["id"] * 10000 + int(nova.region[-1])
    return numbers


@pytest.mark.parametrize("version", ["2.1", "2.23", "2.58", "2.59", "2.80"])
async def test_migrations_of_all_pods(gateway: Gateway, cloud: Cloud, version: str) -> None:
    numbers = migrate(cloud)
    assert (await gateway.get("/os-migrations", version=version)).status == 403
    answer = await gateway.get("/os-migrations", version=version, **ADMIN)
    found = answer.ok(200)["migrations"]
    assert sorted(one["id"] for one in found) == sorted(numbers.values())
    if version >= "2.59":
        created = [one["created_at"] for one in found]
        assert created == sorted(created, reverse=True)
        assert {one["uuid"]: one["id"] for one in found} == numbers
    query = {"status": "running"}
    running = await gateway.get("/os-migrations", version=version, query=query, **ADMIN)
    for one in running.ok()["migrations"]:
        assert one["status"] == "running"
        for link in one["links"] if version >= "2.23" else ():
            assert link["href"].startswith(gateway.compute)
            assert link["href"].endswith(f"/{one['instance_uuid']}/migrations/{one['id']}")
            if link["rel"] == "self":
                shown = await gateway.get(link["href"], base="", version=version, **ADMIN)
                assert shown.ok()["migration"]["id"] == one["id"]
    await asyncio.to_thread(cloud.pods["pod2"].stop)
    answer = await gateway.get("/os-migrations", version=version, **ADMIN)
    assert answer.headers[AWAY] == "pod2"
    assert len(answer.ok()["migrations"]) < len(found)


@pytest.mark.parametrize("restart", [False, True], ids=["same-gateway", "another-gateway"])
@pytest.mark.parametrize("limit", [1, 4, 17])
async def test_pages_of_migrations(
    gateway: Gateway, cloud: Cloud, limit: int, restart: bool
) -> None:
    migrate(cloud)
    whole = (await gateway.get("/os-migrations", version="2.59", **ADMIN)).ok()["migrations"]
    if restart:
        gateway.services.cursors.put = lambda *_: None  # type: ignore[method-assign]
    found = await pages(gateway, f"/os-migrations?limit={limit}", "2.59", "migrations")
    assert [one for page in found for one in page] == whole
    assert all(len(page) == limit for page in found[:-1])
    path = f"/os-migrations?limit={limit}&status=running"
    found = await pages(gateway, path, "2.80", "migrations")
    running = [one["uuid"] for one in whole if one["status"] == "running"]
    assert [one["uuid"] for page in found for one in page] == running


async def test_queries_for_migrations_that_are_refused(gateway: Gateway, cloud: Cloud) -> None:
    migrate(cloud)
    unknown = "5f9a1c5e-0000-4000-8000-000000000000"
    for query, text in (
        ({"marker": unknown}, f"Marker {unknown} could not be found."),
        ({"limit": "x"}, None),
        ({"nothing": "1"}, None),
    ):
        answer = await gateway.get("/os-migrations", version="2.59", query=query, **ADMIN)
        assert answer.status == 400
        assert text in (None, answer.message)
    await asyncio.to_thread(cloud.pods["pod2"].stop)
    query = {"marker": unknown}
    answer = await gateway.get("/os-migrations", version="2.59", query=query, **ADMIN)
    assert answer.status == 503


async def test_migrations_by_host(gateway: Gateway, cloud: Cloud) -> None:
    migrate(cloud)
    for version in ("2.1", "2.59"):
        for host, regions in (("host1", {1, 2, 3}), ("host1@pod3", {3}), ("pod1-host2", {1})):
            query = {"host": host}
            answer = await gateway.get("/os-migrations", version=version, query=query, **ADMIN)
            assert {one["id"] % 10000 for one in answer.ok()["migrations"]} == regions


async def test_migrations_of_a_server(gateway: Gateway, cloud: Cloud) -> None:
    numbers = migrate(cloud)
    other = next(iter(numbers.values()))
    for pod in cloud.pods.values():
        for one in list(pod.nova.migrations):
            path = f"/servers/{one['instance_uuid']}/migrations"
            number = numbers[one["uuid"]]
            listed = (await gateway.get(path, version="2.60", **ADMIN)).ok()["migrations"]
            assert [item["id"] for item in listed] == [number]
            shown = await gateway.get(f"{path}/{number}", version="2.60", **ADMIN)
            assert shown.ok()["migration"] == listed[0]
            for unknown in {one["id"], other, 990001} - {number}:
                answer = await gateway.get(f"{path}/{unknown}", version="2.60", **ADMIN)
                assert answer.status == 404
                assert answer.message == (
                    f"In-progress live migration {unknown} is not found for server "
                    f"{one['instance_uuid']}."
                )
    (await gateway.delete(f"{path}/{number}", version="2.60", **ADMIN)).ok(202)
    assert one["status"] == "cancelled"
    body = {"force_complete": None}
    (await gateway.post(f"{path}/{number}/action", body, version="2.60", **ADMIN)).ok(202)
    assert one["status"] == "completed"


# -- usage


def hours(usages: list[Any]) -> float:
    return sum(usage["hours"] for usage in usages)


@pytest.mark.parametrize("version", ["2.1", "2.39", "2.40", "2.75", "2.104"])
@pytest.mark.parametrize("detailed", [None, "0", "1"])
async def test_usage_adds_up(
    gateway: Gateway, cloud: Cloud, version: str, detailed: str | None
) -> None:
    made = place(cloud, 12)
    query = {"start": "2026-11-01T00:00:00"} | ({"detailed": detailed} if detailed else {})
    path = "/os-simple-tenant-usage"
    assert (await gateway.get(path, version=version, query=query)).status == 403
    found = await gateway.get(path, version=version, query=query, **ADMIN)
    usages = {one["tenant_id"]: one for one in found.ok()["tenant_usages"]}
    assert usages.keys() == {server.project_id for _, server in made}
    for project, one in usages.items():
        assert ("server_usages" in one) == (detailed == "1")
        theirs = [nova._usage(server) for nova, server in made if server.project_id == project]
        assert one["total_hours"] == pytest.approx(hours(theirs))
        assert one["total_memory_mb_usage"] == pytest.approx(64 * hours(theirs))
        if detailed == "1":
            assert len(one["server_usages"]) == len(theirs)
    project = cloud.project_id
    query.pop("detailed", None)
    mine = (await gateway.get(f"{path}/{project}", version=version, query=query)).ok()
    assert mine["tenant_usage"]["total_hours"] == pytest.approx(usages[project]["total_hours"])
    none = await gateway.get(f"{path}/nobody", version=version, query=query, **ADMIN)
    assert none.ok() == {"tenant_usage": {}}
    await asyncio.to_thread(cloud.pods["pod2"].stop)
    answer = await gateway.get(path, version=version, query=query, **ADMIN)
    assert answer.headers[AWAY] == "pod2"
    assert sum(one["total_hours"] for one in answer.ok()["tenant_usages"]) < hours(
        [nova._usage(server) for nova, server in made]
    )


@pytest.mark.parametrize("limit", [1, 3, 5, 12, 13])
async def test_pages_of_usage(gateway: Gateway, cloud: Cloud, limit: int) -> None:
    made = place(cloud, 12)
    path = f"/os-simple-tenant-usage?detailed=1&limit={limit}"
    found = await pages(gateway, path, "2.40", "tenant_usages")
    listed = []
    for page in found:
        usages = [usage for one in page for usage in one["server_usages"]]
        assert len(usages) <= limit
        assert sum(one["total_hours"] for one in page) == pytest.approx(hours(usages))
        listed += [usage["instance_id"] for usage in usages]
    assert sorted(listed) == sorted(server.id for _, server in made)
    brief = await pages(gateway, f"/os-simple-tenant-usage?limit={limit}", "2.75", "tenant_usages")
    assert [[one["total_hours"] for one in page] for page in brief] == [
        [one["total_hours"] for one in page] for page in found
    ]
    mine = f"/os-simple-tenant-usage/{cloud.project_id}?limit={limit}"
    found = await pages(gateway, mine, "2.40", "tenant_usage")
    listed = [usage["instance_id"] for page in found for usage in page.get("server_usages", ())]
    assert sorted(listed) == sorted(
        server.id for _, server in made if server.project_id == cloud.project_id
    )


async def test_usage_that_is_refused(gateway: Gateway, cloud: Cloud) -> None:
    place(cloud, 3)
    path = "/os-simple-tenant-usage"
    for query in ({"start": "2027", "end": "2026"}, {"nothing": "1"}, {"limit": "x"},
                  {"marker": "nobody"}):  # fmt: skip
        answer = await gateway.get(path, version="2.75", query=query, **ADMIN)
        assert answer.status == 400, query


# -- the rest


@pytest.mark.parametrize("path", ["", "/2026-11-01 00:00:00"])
async def test_audits_of_all_pods(gateway: Gateway, path: str) -> None:
    where = f"/os-instance_usage_audit_log{path}"
    assert (await gateway.get(where)).status == 403
    ((_, log),) = (await gateway.get(where, **ADMIN)).ok(200).items()
    assert log["num_hosts"] == 6
    assert log["num_hosts_done"] == log["num_hosts_not_run"] == log["total_errors"] == 3
    assert log["hosts_not_run"] == ["pod1-host2", "pod2-host2", "pod3-host2"]
    assert log["log"].keys() == {"host1", "host1@pod2", "host1@pod3"}
    assert log["overall_status"] == "3 of 6 hosts done. 3 errors."
    answer = await gateway.get("/os-instance_usage_audit_log/x", **ADMIN)
    assert (answer.status, answer.message) == (400, "Invalid timestamp for date x")


async def test_hosts_of_all_pods(gateway: Gateway, cloud: Cloud) -> None:
    found = (await gateway.get("/os-hosts", **ADMIN)).ok(200)["hosts"]
    assert len(found) == 12
    zone = {"zone": "az2"}
    found = (await gateway.get("/os-hosts", query=zone, **ADMIN)).ok(200)["hosts"]
    assert [(one["host_name"], one["zone"]) for one in found] == [
        ("host1", "az2"), ("pod2-host2", "az2"),
    ]  # fmt: skip
    shown = (await gateway.get("/os-hosts/pod2-host2", **ADMIN)).ok(200)["host"]
    assert shown[0]["resource"]["host"] == "pod2-host2"
    for host, status in (("host1", 400), ("host1@pod3", 200), ("nowhere", 404)):
        assert (await gateway.get(f"/os-hosts/{host}", **ADMIN)).status == status
    answer = await gateway.get("/os-hosts/pod3-host2/reboot", **ADMIN)
    assert answer.ok(200) == {"host": "pod3-host2", "power_action": "reboot"}
    asked = cloud.journal.find(path="/reboot$")
    assert [entry.service for entry in asked] == ["pod3/compute"]
    answer = await gateway.put("/os-hosts/host1@pod1", {"status": "enable"}, **ADMIN)
    assert answer.ok(200) == {"host": "host1", "status": "enabled"}
    body = {"maintenance_mode": "enable"}
    assert (await gateway.put("/os-hosts/pod1-host2", body, **ADMIN)).status == 501
    for path in ("", "/pod1-host2", "/pod1-host2/reboot"):
        assert (await gateway.get(f"/os-hosts{path}", version="2.43", **ADMIN)).status == 404
        assert (await gateway.get(f"/os-hosts{path}")).status == 403


def event(server: str, name: str = "network-changed") -> dict[str, str]:
    return {"name": name, "server_uuid": server}


async def test_events_go_to_the_pods_of_their_servers(gateway: Gateway, cloud: Cloud) -> None:
    servers = {region: cloud.pods[region].nova.add_server(region) for region in cloud.pods}
    order = ["pod3", "pod1", "pod2", "pod1"]
    events = [event(servers[region].id) for region in order]
    answer = await gateway.post("/os-server-external-events", {"events": events}, **ADMIN)
    told = answer.ok(200)["events"]
    assert told == [{**one, "code": 200, "status": "completed"} for one in events]
    assert [len(pod.nova.events) for pod in cloud.pods.values()] == [2, 1, 1]

    unknown = "5f9a1c5e-0000-4000-8000-000000000000"
    servers["pod2"].host = ""
    events = [event(unknown), event(servers["pod1"].id), event(servers["pod2"].id)]
    answer = await gateway.post("/os-server-external-events", {"events": events}, **ADMIN)
    told = answer.ok(207)["events"]
    assert [one["code"] for one in told] == [404, 200, 422]
    assert [one["server_uuid"] for one in told] == [one["server_uuid"] for one in events]


async def test_nothing_is_looked_for_on_behalf_of_whoever_may_not_tell(
    gateway: Gateway, cloud: Cloud
) -> None:
    events = [event(f"5f9a1c5e-0000-4000-8000-{number:012}") for number in range(50)]
    answer = await gateway.post("/os-server-external-events", {"events": events})
    assert answer.status == 403
    (asked,) = cloud.journal.find("pod")
    assert asked.method == "POST"


async def test_events_that_are_refused(gateway: Gateway, cloud: Cloud) -> None:
    server = cloud.pods["pod1"].nova.add_server("s")
    path = "/os-server-external-events"
    good = {"events": [event(server.id)]}
    assert (await gateway.post(path, good)).status == 403
    for body in ({}, {"events": []}, {"events": [event(server.id, "nonsense")]}, {"events": 1}):
        assert (await gateway.post(path, body, **ADMIN)).status == 400, body
    await asyncio.to_thread(cloud.pods["pod2"].stop)
    unknown = event("5f9a1c5e-0000-4000-8000-000000000000")
    body = {"events": [event(server.id), unknown]}
    assert (await gateway.post(path, body, **ADMIN)).status == 503
    assert cloud.pods["pod1"].nova.events == []
    (await gateway.post(path, good, **ADMIN)).ok(200)


async def test_consoles_are_known_to_one_pod(gateway: Gateway, cloud: Cloud) -> None:
    cloud.pods["pod3"].nova.consoles["secret"] = "a server"
    path = "/os-console-auth-tokens"
    shown = (await gateway.get(f"{path}/secret", version="2.31", **ADMIN)).ok(200)["console"]
    assert shown["host"] == "pod3-host"
    assert (await gateway.get(f"{path}/secret", version="2.30", **ADMIN)).status == 400
    answer = await gateway.get(f"{path}/other", version="2.31", **ADMIN)
    assert (answer.status, answer.message) == (404, "Token not found")
    assert (await gateway.get(f"{path}/secret", version="2.31")).status == 403


async def test_assisted_snapshots_where_the_volume_is(gateway: Gateway, cloud: Cloud) -> None:
    cloud.pods["pod2"].nova.attached_volumes.add("v1")
    path = "/os-assisted-volume-snapshots"
    body = {"snapshot": {"volume_id": "v1", "create_info": {}}}
    assert (await gateway.post(path, body, **ADMIN)).ok(200)["snapshot"]["volumeId"] == "v1"
    query = {"delete_info": json.dumps({"volume_id": "v1"})}
    (await gateway.delete(f"{path}/s", query=query, **ADMIN)).ok(204)
    assert cloud.pods["pod2"].nova.assisted == [("create", "v1"), ("delete", "v1")]
    body["snapshot"]["volume_id"] = "v2"
    answer = await gateway.post(path, body, **ADMIN)
    assert (answer.status, answer.message) == (400, "No volume Block Device Mapping with id v2.")
    await asyncio.to_thread(cloud.pods["pod1"].stop)
    assert (await gateway.post(path, body, **ADMIN)).status == 503
