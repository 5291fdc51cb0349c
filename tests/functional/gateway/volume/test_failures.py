# SPDX-License-Identifier: Apache-2.0
"""What is asked for once is made once, whatever goes wrong."""

import asyncio

import pytest

from tests.functional.fakes.cloud import Cloud
from tests.functional.fakes.faults import Kind
from tests.functional.gateway_harness import Gateway
from tests.functional.volumes import LOST, make, used, volumes
from tricircle.db import routings


@pytest.mark.parametrize("kind", LOST)
async def test_an_answer_that_is_lost(gateway: Gateway, cloud: Cloud, kind: Kind) -> None:
    """The work was done: it is found, and never done twice."""
    for pod in cloud.pods.values():
        pod.cinder.fail(kind, "POST", "/volumes$", times=1)
    answer = await make(gateway, name="precious", size=3)
    ((region, volume),) = volumes(cloud)
    assert answer.ok(202)["volume"]["id"] == volume["id"]
    assert answer.json["volume"]["availability_zone"] == cloud.zones[region]
    assert used(cloud)["gigabytes"] == 3
    row = routings.get("volume", volume["id"])
    assert row is not None
    assert row.pod_id == gateway.pod_ids[region]


@pytest.mark.parametrize("kind", LOST)
async def test_an_answer_that_is_lost_among_many_of_one_name(
    gateway: Gateway, cloud: Cloud, kind: Kind
) -> None:
    for name in ("precious", "precious"):
        (await make(gateway, name=name)).ok(202)
    before = {volume["id"] for _, volume in volumes(cloud)}
    for pod in cloud.pods.values():
        pod.cinder.fail(kind, "POST", "/volumes$", times=1)
    made = (await make(gateway, name="precious")).ok(202)["volume"]
    assert {volume["id"] for _, volume in volumes(cloud)} - before == {made["id"]}
    assert used(cloud)["volumes"] == 3


async def test_a_pod_that_loses_many_answers(gateway: Gateway, cloud: Cloud) -> None:
    """It is asked what it made even while it is left alone otherwise."""
    cloud.pods["pod2"].cinder.fail(Kind.HANG_AFTER, "POST", "/volumes$", times=1)
    breaker = gateway.services.breakers[gateway.pod_ids["pod2"], "volume"]
    asked = asyncio.ensure_future(make(gateway, availability_zone="az2"))
    while not asked.done():
        if volumes(cloud):
            breaker.failure()  # others have lost answers too
        await asyncio.sleep(0.01)
    ((_, volume),) = volumes(cloud)
    assert asked.result().ok(202)["volume"]["id"] == volume["id"]


@pytest.mark.parametrize("kind", LOST)
async def test_a_group_whose_answer_is_lost(gateway: Gateway, cloud: Cloud, kind: Kind) -> None:
    body = {"group": {"name": "g", "group_type": "default_cgsnapshot_type",
                      "volume_types": ["__DEFAULT__"]}}  # fmt: skip
    for pod in cloud.pods.values():
        pod.cinder.fail(kind, "POST", "/groups$", times=1)
    answer = await gateway.volumes.post("/groups", body, version="3.71")
    ((region, group),) = [
        (region, group)
        for region, pod in cloud.pods.items()
        for group in pod.cinder.items["group"].values()
    ]
    assert answer.ok(202)["group"]["id"] == group["id"]
    assert used(cloud) == {"groups": 1}
    row = routings.get("group", group["id"])
    assert row is not None
    assert row.pod_id == gateway.pod_ids[region]


@pytest.mark.parametrize("kind", [Kind.HANG, Kind.CUT, Kind.GARBAGE, Kind.TRUNCATED])
async def test_an_answer_to_nothing(gateway: Gateway, cloud: Cloud, kind: Kind) -> None:
    """Nothing was done, which nobody can know for sure: no second volume, no quota used."""
    for pod in cloud.pods.values():
        pod.cinder.fail(kind, "POST", "/volumes$", times=1)
    answer = await make(gateway)
    assert len(volumes(cloud)) == (1 if answer.status == 202 else 0)
    assert answer.status in (202, 502, 503, 504)
    assert used(cloud).get("volumes", 0) == len(volumes(cloud))


@pytest.mark.parametrize(("kind", "status"), [(Kind.ERROR, 504), (Kind.UNAVAILABLE, 503)])
async def test_a_pod_that_fails_and_cannot_tell_what_it_made(
    gateway: Gateway, cloud: Cloud, kind: Kind, status: int
) -> None:
    """No other pod is tried, but where nobody was there to make anything."""
    for pod in cloud.pods.values():
        pod.cinder.fail(kind, "POST", "/volumes$")
        pod.cinder.fail(kind, "GET", "/volumes/detail$")
    answer = await make(gateway)
    assert answer.status == status, answer.body
    tried = len(cloud.journal.find("pod", "POST", "/volumes$"))
    assert (tried == 1) == (kind is Kind.ERROR)
    assert used(cloud) == {}


async def test_a_client_that_hangs_up(gateway: Gateway, cloud: Cloud) -> None:
    for pod in cloud.pods.values():
        pod.cinder.fail(Kind.SLOW, "POST", "/volumes$", seconds=0.3)
    asking = asyncio.ensure_future(make(gateway))
    await cloud.journal.until(lambda: cloud.journal.find("pod", "POST", "/volumes$"))
    asking.cancel()
    await cloud.journal.until(lambda: [e for e in cloud.journal.find("pod", "POST") if e.status])
    ((_, volume),) = volumes(cloud)
    for _ in range(100):
        if routings.get("volume", volume["id"]) is not None:
            break
        await asyncio.sleep(0.02)
    assert routings.get("volume", volume["id"]) is not None
    assert used(cloud)["volumes"] == 1


@pytest.mark.parametrize("kind", LOST)
@pytest.mark.parametrize(
    ("path", "what", "source"),
    [
        ("/snapshots", "snapshot", "volume_id"),
        ("/backups", "backup", "volume_id"),
        ("/group_snapshots", "group_snapshot", "group_id"),
    ],
)
async def test_what_is_made_of_something_and_whose_answer_is_lost(
    gateway: Gateway, cloud: Cloud, path: str, what: str, source: str, kind: Kind
) -> None:
    """Of several of one name the one that is of the same thing."""
    cinder = cloud.pods["pod2"].cinder
    things = [cinder.add_volume("one"), cinder.add_volume("two")]
    if source == "group_id":
        things = [cinder.add_group(), cinder.add_group()]
    add = getattr(cinder, f"add_{what}")
    add(things[1], name="precious")
    before = set(cinder.items[what])
    cinder.fail(kind, "POST", f"{path}$", times=1)
    body = {what: {source: things[0]["id"], "name": "precious"}}
    answer = await gateway.volumes.post(path, body, version="3.71")
    (new,) = set(cinder.items[what]) - before
    assert answer.ok(202)[what]["id"] == new
    row = routings.get(what, new)
    assert row is not None
    assert row.pod_id == gateway.pod_ids["pod2"]
    assert used(cloud).get(f"{what}s", 0) == (what != "group_snapshot")


async def test_a_backup_found_again_is_told_as_any_other(gateway: Gateway, cloud: Cloud) -> None:
    cinder = cloud.pods["pod2"].cinder
    body = {"backup": {"volume_id": cinder.add_volume("one")["id"], "name": "b"}}
    usual = (await gateway.volumes.post("/backups", body)).ok(202)["backup"]
    cinder.fail(Kind.HANG_AFTER, "POST", "/backups$", times=1)
    found = (await gateway.volumes.post("/backups", body)).ok(202)["backup"]
    assert found.keys() == usual.keys()
    assert found["id"] != usual["id"]


@pytest.mark.parametrize("path", ["/snapshots", "/backups"])
async def test_what_was_not_made_is_not_counted(gateway: Gateway, cloud: Cloud, path: str) -> None:
    cinder, what = cloud.pods["pod2"].cinder, path[1:-1]
    volume = cinder.add_volume("one")
    cinder.fail(Kind.HANG, "POST", f"{path}$", times=1)
    answer = await gateway.volumes.post(path, {what: {"volume_id": volume["id"], "name": "x"}})
    assert answer.status == 504
    assert "list them" in answer.message
    assert cinder.items[what] == {}
    assert used(cloud) == {}
