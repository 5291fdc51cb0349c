# SPDX-License-Identifier: Apache-2.0
"""Hypervisors and services of all pods: lists, ids, pages, and one of them changed."""

import asyncio
from typing import Any

import pytest

from tests.functional.fakes.cloud import Cloud
from tests.functional.fakes.faults import Kind
from tests.functional.gateway_harness import Gateway
from tricircle.pods.rest import PodServices
from tricircle.xjob.hosts import Hosts

ADMIN = {"user": "admin"}
AWAY = "X-Tricircle-Unavailable-Pods"
HOSTS = [("pod1", "host1"), ("pod1", "pod1-host2"), ("pod2", "host1"), ("pod2", "pod2-host2"),
         ("pod3", "host1"), ("pod3", "pod3-host2")]  # fmt: skip


async def hypervisors(gateway: Gateway, version: str, path: str = "", **more: Any) -> list[Any]:
    answer = await gateway.get(f"/os-hypervisors{path}", version=version, **ADMIN, **more)
    return list(answer.ok(200)["hypervisors"])


@pytest.mark.parametrize("version", ["2.1", "2.32", "2.33", "2.52", "2.53", "2.88", "2.104"])
@pytest.mark.parametrize("path", ["", "/detail"])
async def test_hypervisors_of_all_pods(
    gateway: Gateway, cloud: Cloud, version: str, path: str
) -> None:
    found = await hypervisors(gateway, version, path)
    assert [one["hypervisor_hostname"] for one in found] == [host for _, host in HOSTS]
    assert len({one["id"] for one in found}) == 6
    if path:
        services = {one["service"]["id"] for one in found}
        assert len(services) == 6
    for (region, host), one in zip(HOSTS, found, strict=True):
        shown = (await gateway.get(f"/os-hypervisors/{one['id']}", version=version, **ADMIN)).ok()
        assert shown["hypervisor"]["id"] == one["id"]
        assert shown["hypervisor"]["hypervisor_hostname"] == host
        nova = cloud.pods[region].nova
        theirs = next(node for node in nova.hypervisors if node.host == host)
        old = version in ("2.1", "2.32", "2.33", "2.52")
        assert one["id"] == (theirs.id * 10000 + int(region[-1]) if old else theirs.uuid)


async def test_members_see_none(gateway: Gateway) -> None:
    for path in ("/os-hypervisors", "/os-hypervisors/10001", "/os-hypervisors/statistics",
                 "/os-hypervisors/h/search", "/os-services"):  # fmt: skip
        assert (await gateway.get(path, version="2.52")).status == 403, path


async def test_numbers_survive_pods_that_come_and_go(gateway: Gateway, cloud: Cloud) -> None:
    before = await hypervisors(gateway, "2.1")
    await gateway.manage("DELETE", f"/pods/{gateway.pod_ids['pod1']}", query={"force": "true"})
    await asyncio.to_thread(cloud.add_pod, "pod4")
    body = {"pod": {"region_name": "pod4", "availability_zone": "az4"}}
    (await gateway.manage("POST", "/pods", body)).ok(201)
    after = await hypervisors(gateway, "2.1")
    assert after[:4] == before[2:]
    assert {one["id"] % 10000 for one in after[4:]} == {4}
    assert not {one["id"] for one in after[4:]} & {one["id"] for one in before}
    gone = await gateway.get(f"/os-hypervisors/{before[0]['id']}", version="2.1", **ADMIN)
    assert gone.status == 404


@pytest.mark.parametrize(
    ("version", "name", "status", "text"),
    [
        ("2.1", "999", 404, "Hypervisor with ID '999' could not be found."),
        ("2.1", "990001", 404, "Hypervisor with ID '990001' could not be found."),
        ("2.1", "1", 404, "Hypervisor with ID '1' could not be found."),
        ("2.1", "x", 404, "Hypervisor with ID 'x' could not be found."),
        ("2.53", "999", 400, "Invalid uuid 999"),
        ("2.53", "5f9a1c5e-0000-4000-8000-000000000000", 404,
         "Hypervisor with ID '5f9a1c5e-0000-4000-8000-000000000000' could not be found."),
    ],
)  # fmt: skip
async def test_unknown_hypervisors(
    gateway: Gateway, version: str, name: str, status: int, text: str
) -> None:
    answer = await gateway.get(f"/os-hypervisors/{name}", version=version, **ADMIN)
    assert (answer.status, answer.message) == (status, text)


@pytest.mark.parametrize("version", ["2.33", "2.52", "2.53", "2.104"])
@pytest.mark.parametrize("limit", [1, 2, 3, 4, 6, 7])
async def test_pages_of_hypervisors(gateway: Gateway, version: str, limit: int) -> None:
    whole = [one["id"] for one in await hypervisors(gateway, version)]
    found: list[Any] = []
    href = f"{gateway.compute}/v2.1/os-hypervisors?limit={limit}"
    while href:
        document = (await gateway.get(href, base="", version=version, **ADMIN)).ok(200)
        shown = [one["id"] for one in document["hypervisors"]]
        found += shown
        (link,) = document.get("hypervisors_links") or [None]
        assert (link is not None) == (len(shown) == limit)
        href = link["href"] if link else ""
        assert href.startswith(f"{gateway.compute}/v2.1/os-hypervisors?limit=") or not href
    assert found == whole


@pytest.mark.parametrize("version", ["2.33", "2.53"])
async def test_pages_that_are_refused(gateway: Gateway, version: str) -> None:
    for query, text in (
        ({"marker": "999"}, "marker [999] not found"),
        ({"marker": "990001"}, "marker [990001] not found"),
        ({"limit": "x"}, None),
    ):
        answer = await gateway.get("/os-hypervisors", version=version, query=query, **ADMIN)
        assert answer.status == 400
        assert text in (None, answer.message)
    assert await hypervisors(gateway, version, query={"limit": "0"}) == []


async def test_what_newer_microversions_refuse(gateway: Gateway) -> None:
    answer = await gateway.get("/os-hypervisors", version="2.53", query={"x": "1"}, **ADMIN)
    assert answer.status == 400
    query = {"hypervisor_hostname_pattern": "host", "limit": "1"}
    answer = await gateway.get("/os-hypervisors", version="2.53", query=query, **ADMIN)
    assert answer.status == 400
    for path, version in (("/os-hypervisors/statistics", "2.88"), ("/os-hypervisors/h/search",
                          "2.53"), ("/os-hypervisors/10001/uptime", "2.88")):  # fmt: skip
        assert (await gateway.get(path, version=version, **ADMIN)).status == 404, path


async def test_search_in_all_pods(gateway: Gateway, cloud: Cloud) -> None:
    server = cloud.pods["pod2"].nova.add_server("s")
    for pattern, count in (("host", 6), ("host1", 3), ("pod2", 1)):
        found = await hypervisors(gateway, "2.52", f"/{pattern}/search")
        query = {"hypervisor_hostname_pattern": pattern}
        newer = await hypervisors(gateway, "2.53", query=query)
        assert len(found) == len(newer) == count
    found = await hypervisors(gateway, "2.52", "/host1/servers")
    assert [one.get("servers") for one in found] == [
        None, [{"name": "s", "uuid": server.id}], None,
    ]  # fmt: skip
    answer = await gateway.get("/os-hypervisors/none/search", version="2.1", **ADMIN)
    assert answer.status == 404
    assert answer.message == "No hypervisor matching 'none' could be found."


async def test_no_false_404_while_a_pod_is_away(gateway: Gateway, cloud: Cloud) -> None:
    await asyncio.to_thread(cloud.pods["pod2"].stop)
    answer = await gateway.get("/os-hypervisors/pod2-host2/search", version="2.1", **ADMIN)
    assert answer.status == 503
    assert "pod2" in answer.message
    unknown = "/os-hypervisors/5f9a1c5e-0000-4000-8000-000000000000"
    assert (await gateway.get(unknown, version="2.53", **ADMIN)).status == 503
    assert (await gateway.get("/os-hypervisors/20002", version="2.1", **ADMIN)).status == 503
    there = "/os-hypervisors/20001"
    assert (await gateway.get(there, version="2.1", **ADMIN)).status == 200


async def test_statistics_add_up(gateway: Gateway, cloud: Cloud) -> None:
    for region in ("pod1", "pod3"):
        cloud.pods[region].nova.add_server(region)
    answer = await gateway.get("/os-hypervisors/statistics", version="2.87", **ADMIN)
    found = answer.ok()["hypervisor_statistics"]
    assert (found["count"], found["vcpus"], found["running_vms"]) == (6, 48, 2)
    await gateway.set_pod("pod1", state="maintenance")
    answer = await gateway.get("/os-hypervisors/statistics", version="2.1", **ADMIN)
    assert answer.ok()["hypervisor_statistics"]["count"] == 4
    assert answer.headers[AWAY] == "pod1"


@pytest.mark.parametrize("version", ["2.1", "2.53"])
async def test_uptime_is_of_that_pod(gateway: Gateway, version: str) -> None:
    for (region, _), one in zip(HOSTS, await hypervisors(gateway, version), strict=True):
        path = f"/os-hypervisors/{one['id']}/uptime"
        shown = (await gateway.get(path, version=version, **ADMIN)).ok()["hypervisor"]
        assert (shown["id"], shown["uptime"]) == (one["id"], f"up {region}")


@pytest.mark.parametrize("kind", [Kind.HANG, Kind.GARBAGE, Kind.ERROR])
@pytest.mark.parametrize("version", ["2.1", "2.33", "2.53"])
async def test_hypervisors_without_a_sick_pod(
    gateway: Gateway, cloud: Cloud, kind: Kind, version: str
) -> None:
    cloud.pods["pod2"].fail(kind)
    answer = await gateway.get("/os-hypervisors", version=version, **ADMIN)
    assert len(answer.ok(200)["hypervisors"]) == 4
    assert answer.headers[AWAY] == "pod2"


# -- services


async def services(gateway: Gateway, version: str, **query: str) -> list[Any]:
    answer = await gateway.get("/os-services", version=version, query=query, **ADMIN)
    return list(answer.ok(200)["services"])


@pytest.mark.parametrize("version", ["2.1", "2.52", "2.53", "2.104"])
async def test_services_of_all_pods(gateway: Gateway, cloud: Cloud, version: str) -> None:
    found = await services(gateway, version, binary="nova-compute")
    assert [one["zone"] for one in found] == ["az1"] * 2 + ["az2"] * 2 + ["az1"] * 2
    every = await services(gateway, version)
    assert [one["zone"] for one in every[:3]] == ["internal", "internal", "az1"]
    assert len({one["id"] for one in every}) == 12
    assert len(await services(gateway, version, host="host1")) == 3
    (one,) = await services(gateway, version, host="host1@pod2")
    assert (one["host"], one["zone"]) == ("host1", "az2")
    await asyncio.to_thread(cloud.pods["pod2"].stop)
    answer = await gateway.get("/os-services", version=version, **ADMIN)
    assert len(answer.ok()["services"]) == 8
    assert answer.headers[AWAY] == "pod2"


async def test_services_of_a_pod_that_is_away(gateway: Gateway, cloud: Cloud) -> None:
    """The hosts it had are told from 2.69 on, as Nova does for a cell that is down."""
    worker = Hosts(PodServices(gateway.services.identity))
    for pod in gateway.services.registry.all():
        await asyncio.to_thread(worker.audit, pod)
    before = await services(gateway, "2.69")
    await asyncio.to_thread(cloud.pods["pod2"].stop)
    unknown = [
        {"binary": "nova-compute", "host": host, "status": "UNKNOWN"}
        for host in ("host1", "pod2-host2")
    ]
    found = await services(gateway, "2.69")
    assert found == [*before[:4], *unknown, *before[8:]]
    assert len(await services(gateway, "2.68")) == 8
    # Whether the caller may see them nobody can say.
    alone = await gateway.get(
        "/os-services", version="2.104", query={"host": "host1@pod2"}, **ADMIN
    )
    assert alone.status == 503
    named = await services(gateway, "2.104", host="pod2-host2", binary="nova-compute")
    assert named == unknown[1:]
    assert len(await services(gateway, "2.104", binary="nova-scheduler")) == 2


async def test_a_service_is_changed_by_its_uuid(gateway: Gateway, cloud: Cloud) -> None:
    for region in cloud.pods:
        service = cloud.pods[region].nova.compute_service("host1")
        for body, disabled in (
            ({"status": "disabled", "disabled_reason": region}, True),
            ({"status": "enabled"}, False),
        ):
            answer = await gateway.put(
                f"/os-services/{service.uuid}", body, version="2.53", **ADMIN
            )
            shown = answer.ok(200)["service"]
            assert (shown["id"], shown["zone"]) == (service.uuid, cloud.zones[region])
            assert service.disabled is disabled
    others = [one for pod in cloud.pods.values() for one in pod.nova.compute_services]
    assert not any(one.disabled for one in others)
    assert (await gateway.put(f"/os-services/{service.uuid}", {}, version="2.53")).status == 403
    answer = await gateway.put("/os-services/x", {}, version="2.53", **ADMIN)
    assert answer.message == "Invalid uuid x"


async def test_where_a_service_is_is_found_out_once(gateway: Gateway, cloud: Cloud) -> None:
    service = cloud.pods["pod2"].nova.compute_service("host1")
    await services(gateway, "2.53")
    cloud.journal.clear()
    body = {"status": "disabled"}
    (await gateway.put(f"/os-services/{service.uuid}", body, version="2.53", **ADMIN)).ok(200)
    assert [entry.service for entry in cloud.journal.find(method="PUT")] == ["pod2/compute"]


async def test_a_service_is_changed_by_its_host(gateway: Gateway, cloud: Cloud) -> None:
    body = {"host": "pod2-host2", "binary": "nova-compute"}
    answer = await gateway.put("/os-services/disable", body, version="2.52", **ADMIN)
    assert answer.ok(200)["service"] == {**body, "status": "disabled"}
    assert cloud.pods["pod2"].nova.compute_service("pod2-host2").disabled

    body["host"] = "host1"
    answer = await gateway.put("/os-services/disable", body, version="2.1", **ADMIN)
    assert answer.status == 400
    assert "host1@pod1" in answer.message
    body["host"] = "host1@pod3"
    (await gateway.put("/os-services/disable", body, version="2.1", **ADMIN)).ok(200)
    disabled = [cloud.pods[region].nova.compute_service("host1").disabled for region in cloud.pods]
    assert disabled == [False, False, True]

    body["host"] = "nowhere"
    answer = await gateway.put("/os-services/enable", body, version="2.1", **ADMIN)
    assert (answer.status, answer.message) == (404, "Host 'nowhere' is not mapped to any cell")
    await asyncio.to_thread(cloud.pods["pod1"].stop)
    answer = await gateway.put("/os-services/enable", body, version="2.1", **ADMIN)
    assert answer.status == 503
    assert (await gateway.put("/os-services/enable", {}, version="2.1", **ADMIN)).status == 400


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("version", ["2.52", "2.53"])
async def test_a_service_is_deleted(
    gateway: Gateway, cloud: Cloud, version: str, known: bool
) -> None:
    cloud.pods["pod2"].nova.add_server("s")
    found = await services(gateway, version, host="host1")
    for one in [] if known else found:
        gateway.services.routings.drop("service", one["id"])
    answers = [
        await gateway.delete(f"/os-services/{one['id']}", version=version, **ADMIN) for one in found
    ]
    assert [answer.status for answer in answers] == [204, 409, 204]
    left = await services(gateway, version, host="host1")
    assert [one["id"] for one in left] == [found[1]["id"]]
    again = await gateway.delete(f"/os-services/{found[0]['id']}", version=version, **ADMIN)
    assert (again.status, again.message) == (404, f"Service {found[0]['id']} not found.")
