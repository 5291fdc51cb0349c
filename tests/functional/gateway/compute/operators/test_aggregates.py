# SPDX-License-Identifier: Apache-2.0
"""Host aggregates: one to users, in as many pods as it has hosts in."""

import asyncio
from typing import Any

import pytest

from tests.functional.fakes.cloud import Cloud
from tests.functional.fakes.faults import Kind
from tests.functional.gateway_harness import Gateway

ADMIN = {"user": "admin"}
ROOT = "/os-aggregates"
VERSION = "2.90"


async def make(gateway: Gateway, name: str = "a", zone: str | None = None) -> Any:
    body: Any = {"aggregate": {"name": name}}
    if zone is not None:
        body["aggregate"]["availability_zone"] = zone
    return (await gateway.post(ROOT, body, version=VERSION, **ADMIN)).ok(200)["aggregate"]


async def act(gateway: Gateway, aggregate: int, action: str, **more: Any) -> Any:
    body = {action: more}
    return await gateway.post(f"{ROOT}/{aggregate}/action", body, version=VERSION, **ADMIN)


async def show(gateway: Gateway, aggregate: int) -> Any:
    path = f"{ROOT}/{aggregate}"
    return (await gateway.get(path, version=VERSION, **ADMIN)).ok(200)["aggregate"]


def inside(cloud: Cloud, region: str) -> list[Any]:
    return cloud.pods[region].nova.aggregates


@pytest.mark.parametrize(
    ("zone", "region"), [("az1", "pod1"), ("az2", "pod2"), (None, "pod1"), ("elsewhere", "pod1")]
)
async def test_one_is_made_in_a_pod_of_its_zone(
    gateway: Gateway, cloud: Cloud, zone: str | None, region: str
) -> None:
    made = await make(gateway, zone=zone)
    assert made["availability_zone"] == zone
    assert made["id"] == 10000 + int(region[-1])
    assert not {"hosts", "metadata"} & made.keys()
    assert [bool(inside(cloud, one)) for one in cloud.pods] == [one == region for one in cloud.pods]
    (theirs,) = inside(cloud, region)
    assert theirs["metadata"].get("availability_zone") in ("nova", zone)
    shown = await show(gateway, made["id"])
    assert {**shown, **made} == shown
    assert shown["metadata"].get("availability_zone") == zone
    listed = (await gateway.get(ROOT, version=VERSION, **ADMIN)).ok()["aggregates"]
    assert listed == [shown]
    old = (await gateway.get(ROOT, version="2.40", **ADMIN)).ok()["aggregates"]
    assert old == [{k: v for k, v in shown.items() if k != "uuid"}]


async def test_members_have_no_say(gateway: Gateway) -> None:
    made = await make(gateway)
    body = {"aggregate": {"name": "b"}}
    path = f"{ROOT}/{made['id']}"
    for method, where, sent in (
        ("GET", ROOT, None), ("POST", ROOT, body), ("GET", path, None), ("PUT", path, body),
        ("DELETE", path, None), ("POST", f"{path}/action", {"add_host": {"host": "host1"}}),
    ):  # fmt: skip
        assert (await gateway.call(method, where, sent)).status == 403, (method, where)


async def test_who_may_not_look_is_told_what_else_is_wrong(gateway: Gateway) -> None:
    """As Nova tells: what a request says comes before who says it."""
    refused = await gateway.post(ROOT, {"aggregate": {"name": ""}})
    assert (refused.status, refused.message) == (400, "Invalid input for field/attribute name.")


async def test_names_are_taken_in_all_pods(gateway: Gateway) -> None:
    await make(gateway, "a", "az1")
    other = await make(gateway, "b", "az2")
    body = {"aggregate": {"name": "b", "availability_zone": "az1"}}
    answer = await gateway.post(ROOT, body, **ADMIN)
    assert (answer.status, answer.message) == (409, "Aggregate b already exists.")
    answer = await gateway.put(f"{ROOT}/{other['id']}", {"aggregate": {"name": "a"}}, **ADMIN)
    assert (answer.status, answer.message) == (409, "Aggregate a already exists.")


async def test_hosts_of_several_pods(gateway: Gateway, cloud: Cloud) -> None:
    aggregate = (await make(gateway))["id"]
    (await act(gateway, aggregate, "set_metadata", metadata={"ssd": "true"})).ok(200)
    for host in ("pod2-host2", "pod1-host2", "host1@pod3"):
        shown = (await act(gateway, aggregate, "add_host", host=host)).ok(200)["aggregate"]
        assert shown["id"] == aggregate
    assert shown["hosts"] == ["pod1-host2", "pod2-host2", "host1"]
    assert await show(gateway, aggregate) == shown
    for region, host in (("pod1", "pod1-host2"), ("pod2", "pod2-host2"), ("pod3", "host1")):
        (theirs,) = inside(cloud, region)
        assert (theirs["name"], theirs["hosts"]) == ("a", [host])
        assert theirs["metadata"] == {"ssd": "true"}
    # Another id of the same is as good.
    assert (await show(gateway, 10002))["id"] == aggregate

    shown = (await act(gateway, aggregate, "add_host", host="host1@pod1")).ok()["aggregate"]
    assert shown["hosts"] == ["pod1-host2", "host1", "pod2-host2", "host1@pod3"]
    answer = await act(gateway, aggregate, "remove_host", host="host1")
    assert answer.status == 400
    assert "host1@pod1" in answer.message
    (await act(gateway, aggregate, "remove_host", host="host1@pod3")).ok(200)
    shown = (await act(gateway, aggregate, "remove_host", host="host1")).ok()["aggregate"]
    assert shown["hosts"] == ["pod1-host2", "pod2-host2"]

    path = f"{ROOT}/{aggregate}"
    body = {"aggregate": {"name": "renamed"}}
    assert (await gateway.put(path, body, **ADMIN)).ok()["aggregate"]["name"] == "renamed"
    assert {one["name"] for region in cloud.pods for one in inside(cloud, region)} == {"renamed"}
    shown = (await act(gateway, aggregate, "set_metadata", metadata={"ssd": None})).ok()
    assert shown["aggregate"]["metadata"] == {}

    image = {"cache": [{"id": cloud.image_id}]}
    (await gateway.post(f"{path}/images", image, version=VERSION, **ADMIN)).ok(202)
    cached = [host for pod in cloud.pods.values() for host, _ in pod.nova.cached_images]
    assert cached == ["pod1-host2", "pod2-host2"]

    answer = await gateway.delete(path, **ADMIN)
    assert answer.status == 400
    assert answer.message == (
        f"Cannot delete aggregate {aggregate}. Reason: Host aggregate is not empty."
    )
    for host in ("pod1-host2", "pod2-host2"):
        answer = await gateway.delete(path, **ADMIN)
        assert answer.status == 400
        assert len(inside(cloud, "pod1")) == 1
        (await act(gateway, aggregate, "remove_host", host=host)).ok(200)
    (await gateway.delete(path, **ADMIN)).ok(200)
    assert not any(inside(cloud, region) for region in cloud.pods)


async def test_hosts_that_do_not_fit(gateway: Gateway, cloud: Cloud) -> None:
    aggregate = (await make(gateway, zone="az1"))["id"]
    answer = await act(gateway, aggregate, "add_host", host="pod2-host2")
    assert answer.status == 409
    assert answer.message == (
        f"Cannot add host to aggregate {aggregate}. Reason: Host already in availability zone "
        "'az2'."
    )
    for host, status, text in (
        ("nowhere", 404, "Host 'nowhere' is not mapped to any cell"),
        ("host1", 400, "Host host1 is in several pods (pod1, pod2, pod3); name it host1@pod1 to "
         "say which."),
    ):  # fmt: skip
        answer = await act(gateway, aggregate, "add_host", host=host)
        assert (answer.status, answer.message) == (status, text)
    (await act(gateway, aggregate, "add_host", host="pod3-host2")).ok(200)
    answer = await act(gateway, aggregate, "add_host", host="pod3-host2")
    assert answer.status == 409
    assert answer.message == f"Aggregate {aggregate} already has host pod3-host2."
    answer = await act(gateway, aggregate, "remove_host", host="nowhere")
    assert answer.message == f"Cannot remove host nowhere in aggregate {aggregate}"
    body = {"aggregate": {"availability_zone": "az2"}}
    assert (await gateway.put(f"{ROOT}/{aggregate}", body, **ADMIN)).status == 400


async def test_nothing_is_left_of_a_host_that_could_not_be_added(
    gateway: Gateway, cloud: Cloud
) -> None:
    aggregate = (await make(gateway))["id"]
    answer = await act(gateway, aggregate, "add_host", host="nowhere@pod2")
    assert answer.status == 404
    assert inside(cloud, "pod2") == []
    # When it is not known what became of it, doing it again puts it right.
    cloud.pods["pod2"].nova.fail(Kind.CUT_AFTER, "POST", "/os-aggregates$", times=1)
    assert (await act(gateway, aggregate, "add_host", host="pod2-host2")).status == 504
    shown = (await act(gateway, aggregate, "add_host", host="pod2-host2")).ok()["aggregate"]
    assert shown["hosts"] == ["pod2-host2"]
    assert len(inside(cloud, "pod2")) == 1


@pytest.mark.parametrize(
    ("name", "status", "text"),
    [
        ("999", 404, "Aggregate 999 could not be found."),
        ("10009", 404, "Aggregate 10009 could not be found."),
        ("50001", 404, "Aggregate 50001 could not be found."),
        ("x", 400, "Invalid input received: id must be an integer"),
    ],
)
async def test_unknown_aggregates(gateway: Gateway, name: str, status: int, text: str) -> None:
    await make(gateway)
    for method, path, body in (
        ("GET", "", None), ("PUT", "", {"aggregate": {"name": "b"}}), ("DELETE", "", None),
        ("POST", "/action", {"set_metadata": {"metadata": {}}}),
    ):  # fmt: skip
        answer = await gateway.call(method, f"{ROOT}/{name}{path}", body, **ADMIN)
        assert (answer.status, answer.message) == (status, text), method


async def test_while_a_pod_is_away(gateway: Gateway, cloud: Cloud) -> None:
    one = (await make(gateway, "one", "az1"))["id"]
    two = (await make(gateway, "two", "az2"))["id"]
    nowhere = (await make(gateway, "nowhere"))["id"]
    await asyncio.to_thread(cloud.pods["pod2"].stop)
    answer = await gateway.get(ROOT, **ADMIN)
    assert [item["name"] for item in answer.ok()["aggregates"]] == ["one", "nowhere"]
    assert answer.headers["X-Tricircle-Unavailable-Pods"] == "pod2"
    assert (await gateway.get(f"{ROOT}/{two}", **ADMIN)).status == 503
    await gateway.set_health("pod2", "down")
    # What is in another zone has nothing there; what is in no zone may have.
    body = {"aggregate": {"name": "uno"}}
    (await gateway.put(f"{ROOT}/{one}", body, **ADMIN)).ok(200)
    answer = await gateway.put(f"{ROOT}/{nowhere}", {"aggregate": {"name": "b"}}, **ADMIN)
    assert answer.status == 503
    assert "pod2" in answer.message
    assert (await gateway.delete(f"{ROOT}/{nowhere}", **ADMIN)).status == 503
    shown = (await act(gateway, nowhere, "add_host", host="pod3-host2")).ok()["aggregate"]
    assert shown["hosts"] == ["pod3-host2"]


async def test_what_is_in_a_pod_in_maintenance_is_left_alone(
    gateway: Gateway, cloud: Cloud
) -> None:
    two = (await make(gateway, "two", "az2"))["id"]
    await gateway.set_pod("pod2", state="maintenance")
    cloud.journal.clear()
    answer = await gateway.get(f"{ROOT}/{two}", **ADMIN)
    assert answer.status == 503
    assert "pod2" in answer.message
    answer = await gateway.get(ROOT, **ADMIN)
    assert answer.ok()["aggregates"] == []
    assert answer.headers["X-Tricircle-Unavailable-Pods"] == "pod2"
    assert cloud.journal.find("pod2/compute") == []
