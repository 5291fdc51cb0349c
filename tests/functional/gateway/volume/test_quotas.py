# SPDX-License-Identifier: Apache-2.0
"""Quotas of storage over pods: told and set as Cinder does, and held by all pods together."""

import asyncio
import contextlib
from typing import Any

import pytest

from tests.functional.fakes.cloud import Cloud
from tests.functional.fakes.faults import Kind
from tests.functional.gateway_harness import Answer, Gateway
from tricircle.conf import CONF
from tricircle.db import routings, storage, whereabouts
from tricircle.pods.errors import PodError
from tricircle.pods.rest import PodServices
from tricircle.xjob.storage import Storage

Object = dict[str, Any]
NAMES = ("volumes", "snapshots", "gigabytes", "backups", "backup_gigabytes", "groups",
         "per_volume_gigabytes")  # fmt: skip
ONE = {"volumes": 1, "gigabytes": 1}


async def make(gateway: Gateway, user: str = "member", **more: Any) -> Answer:
    return await gateway.volumes.post("/volumes", {"volume": {"size": 1, **more}}, user=user)


async def limit(gateway: Gateway, project: str = "", **limits: Any) -> Answer:
    path = f"/os-quota-sets/{project or gateway.cloud.project_id}"
    return await gateway.volumes.put(path, {"quota_set": limits}, user="admin")


async def quota(gateway: Gateway, part: str = "", **more: Any) -> Any:
    path = f"/os-quota-sets/{gateway.cloud.project_id}{part}"
    return (await gateway.volumes.get(path, **more)).ok(200)["quota_set"]


def used(cloud: Cloud) -> dict[str, int]:
    """What is used of limits that are not for one volume type."""
    found = storage.used(cloud.project_id)
    return {name: found[name] for name in storage.RESOURCES if found[name]}


def living(cloud: Cloud) -> list[Object]:
    return [one for pod in cloud.pods.values() for one in pod.cinder.items["volume"].values()]


async def audit(gateway: Gateway) -> int:
    worker, wrong = Storage(PodServices(gateway.services.identity)), 0
    for pod in gateway.services.answering("volume"):
        with contextlib.suppress(PodError):  # it is away
            wrong += await asyncio.to_thread(worker.audit, pod)
    return wrong


def untouched(cloud: Cloud) -> bool:
    return all(pod.cinder.quota_changes == [] for pod in cloud.pods.values())


# -- told and set as Cinder does -----------------------------------------------------------------


async def test_documents_show_our_numbers(gateway: Gateway, cloud: Cloud) -> None:
    shown = await quota(gateway)
    assert {name: shown[name] for name in NAMES} == {n: getattr(CONF.quota, n) for n in NAMES}
    assert (shown["id"], shown["volumes___DEFAULT__"]) == (cloud.project_id, -1)
    for zone in ("az1", "az2"):
        (await make(gateway, size=2, availability_zone=zone)).ok(202)
    answer = await limit(gateway, volumes=7, gigabytes="50", volumes___DEFAULT__=5)
    told = answer.ok(200)["quota_set"]
    assert (told["volumes"], told["gigabytes"], told["volumes___DEFAULT__"]) == (7, 50, 5)
    whole = await quota(gateway, query={"usage": "true"})
    assert whole["volumes"] == {"limit": 7, "in_use": 2, "reserved": 0}
    assert whole["gigabytes"] == {"limit": 50, "in_use": 4, "reserved": 0}
    assert whole["volumes___DEFAULT__"] == {"limit": 5, "in_use": 2, "reserved": 0}
    assert (await quota(gateway, "/defaults"))["volumes"] == CONF.quota.volumes
    limits = (await gateway.volumes.get("/limits")).ok(200)["limits"]["absolute"]
    assert {
        "maxTotalVolumes": 7, "totalVolumesUsed": 2, "maxTotalVolumeGigabytes": 50,
        "totalGigabytesUsed": 4, "totalSnapshotsUsed": 0, "maxTotalSnapshots": 10,
    }.items() <= limits.items()  # fmt: skip
    other = (await gateway.volumes.get("/limits", user="other")).ok()["limits"]["absolute"]
    assert (other["maxTotalVolumes"], other["totalVolumesUsed"]) == (CONF.quota.volumes, 0)
    for version, seen in (("3.38", 0), ("3.39", 2)):
        query = {"project_id": cloud.project_id}
        answer = await gateway.volumes.get("/limits", query=query, user="admin", version=version)
        assert answer.ok()["limits"]["absolute"]["totalVolumesUsed"] == seen
    path = f"/os-quota-sets/{cloud.project_id}"
    (await gateway.volumes.delete(path, user="admin")).ok(200)
    assert await quota(gateway) == shown
    assert untouched(cloud)


async def test_quota_classes(gateway: Gateway, cloud: Cloud) -> None:
    path = "/os-quota-class-sets/default"
    shown = (await gateway.volumes.get(path, user="admin")).ok(200)["quota_class_set"]
    assert (shown["id"], shown["volumes"]) == ("default", CONF.quota.volumes)
    body = {"quota_class_set": {"volumes": 2, "gigabytes": 9}}
    told = (await gateway.volumes.put(path, body, user="admin")).ok(200)["quota_class_set"]
    assert (told["volumes"], told["gigabytes"]) == (2, 9)
    assert (await quota(gateway))["volumes"] == 2
    for status in (202, 202, 413):
        assert (await make(gateway)).status == status
    assert untouched(cloud)


async def test_who_may_do_what(gateway: Gateway, cloud: Cloud) -> None:
    path, body = f"/os-quota-sets/{cloud.project_id}", {"quota_set": {"volumes": 1}}
    for user in ("member", "reader", "other"):
        assert (await gateway.volumes.put(path, body, user=user)).status == 403
        assert (await gateway.volumes.delete(path, user=user)).status == 403
        assert (await gateway.volumes.get("/os-quota-class-sets/x", user=user)).status == 403
    assert (await gateway.volumes.get(path, user="other")).status == 403
    assert (await quota(gateway))["volumes"] == CONF.quota.volumes


@pytest.mark.parametrize("value", [-2, "many", 2**31, True, None, 1.5])
async def test_what_is_no_limit(gateway: Gateway, cloud: Cloud, value: Any) -> None:
    assert (await limit(gateway, volumes=value)).status == 400
    assert (await quota(gateway))["volumes"] == CONF.quota.volumes
    assert untouched(cloud)


async def test_less_than_is_used(gateway: Gateway) -> None:
    for _ in range(2):
        (await make(gateway)).ok(202)
    refused = await limit(gateway, volumes=1)
    assert (refused.status, refused.message) == (
        400,
        "Quota volumes limit must be equal or greater than existing resources. Current usage is 2 "
        "and the requested limit is 1.",
    )
    (await limit(gateway, volumes=-1)).ok(200)


# -- held ----------------------------------------------------------------------------------------


async def test_a_limit_is_for_all_pods_together(gateway: Gateway, cloud: Cloud) -> None:
    (await limit(gateway, volumes=3)).ok(200)
    for zone in ("az1", "az2", "az1"):
        (await make(gateway, availability_zone=zone)).ok(202)
    refused = await make(gateway, availability_zone="az2")
    assert (refused.status, refused.message) == (
        413, "Maximum number of volumes allowed (3) exceeded for quota 'volumes'."
    )  # fmt: skip
    assert refused.headers["Retry-After"] == "0"
    assert len(cloud.pods["pod2"].cinder.items["volume"]) == 1
    (await make(gateway, user="other")).ok(202)
    mine = next(one for one in living(cloud) if one["project_id"] == cloud.project_id)
    (await gateway.volumes.delete(f"/volumes/{mine['id']}")).ok(202)
    await gateway.idle()
    (await make(gateway)).ok(202)
    assert used(cloud) == {"volumes": 3, "gigabytes": 3}


async def test_limits_by_type(gateway: Gateway, cloud: Cloud) -> None:
    body: Object = {"volume_type": {"name": "fast"}}
    made = (await gateway.volumes.post("/types", body, user="admin")).ok(200)["volume_type"]
    (await limit(gateway, volumes_fast=1)).ok(200)
    assert (await quota(gateway))["volumes_fast"] == 1
    # By its name or by its id: it is the same.
    (await make(gateway, volume_type="fast", availability_zone="az1")).ok(202)
    refused = await make(gateway, volume_type=made["id"], availability_zone="az2")
    assert (refused.status, refused.message) == (
        413, "Maximum number of volumes allowed (1) exceeded for quota 'volumes_fast'."
    )  # fmt: skip
    (await make(gateway)).ok(202)


@pytest.mark.parametrize("by", ["name", "id"])
async def test_retype(gateway: Gateway, cloud: Cloud, by: str) -> None:
    body: Object = {"volume_type": {"name": "fast"}}
    made = (await gateway.volumes.post("/types", body, user="admin")).ok(200)["volume_type"]
    (await limit(gateway, volumes_fast=1)).ok(200)
    first, second = [(await make(gateway)).ok(202)["volume"]["id"] for _ in range(2)]
    body = {"os-retype": {"new_type": made[by], "migration_policy": "never"}}
    (await gateway.volumes.post(f"/volumes/{first}/action", body)).ok(202)
    found = storage.used(cloud.project_id)
    assert (found["volumes_fast"], found["volumes___DEFAULT__"], found["volumes"]) == (1, 1, 2)
    refused = await gateway.volumes.post(f"/volumes/{second}/action", body)
    assert refused.status == 413
    assert "volumes_fast" in refused.message
    body = {"os-retype": {"new_type": "nonsense", "migration_policy": "never"}}
    assert (await gateway.volumes.post(f"/volumes/{first}/action", body)).status == 404
    assert storage.used(cloud.project_id)["volumes_fast"] == 1
    assert await audit(gateway) == 0


async def test_a_limit_of_the_type_volumes_get_unasked(gateway: Gateway, cloud: Cloud) -> None:
    (await limit(gateway, volumes___DEFAULT__=1)).ok(200)
    (await make(gateway, availability_zone="az1")).ok(202)
    refused = await make(gateway, availability_zone="az2")
    assert (refused.status, refused.message) == (
        413, "Maximum number of volumes allowed (1) exceeded for quota 'volumes___DEFAULT__'."
    )  # fmt: skip
    assert len(living(cloud)) == 1


@pytest.mark.parametrize(
    ("path", "kind", "name", "words"),
    [
        ("/snapshots", "snapshot", "snapshots", "Maximum number of snapshots allowed (0) exceeded"),
        ("/backups", "backup", "backups", "Maximum number of backups allowed (0) exceeded"),
        (
            "/snapshots", "snapshot", "gigabytes",
            "Requested volume or snapshot exceeds allowed gigabytes quota. Requested 2G, quota is "
            "3G and 2G has been consumed.",
        ),
        (
            "/backups", "backup", "backup_gigabytes",
            "Requested backup exceeds allowed Backup gigabytes quota. Requested 2G, quota is 1G "
            "and 0G has been consumed.",
        ),
    ],
)  # fmt: skip
async def test_what_is_made_of_volumes(
    gateway: Gateway, cloud: Cloud, path: str, kind: str, name: str, words: str
) -> None:
    volume = (await make(gateway, size=2)).ok(202)["volume"]
    most = {"gigabytes": 3, "backup_gigabytes": 1}.get(name, 0)
    (await limit(gateway, **{name: most})).ok(200)
    refused = await gateway.volumes.post(path, {kind: {"volume_id": volume["id"]}})
    assert (refused.status, refused.message) == (413, words)
    assert [pod.cinder.items[kind] for pod in cloud.pods.values()] == [{}] * 3


async def test_one_volume_may_be_so_large(gateway: Gateway, cloud: Cloud) -> None:
    (await limit(gateway, per_volume_gigabytes=2)).ok(200)
    refused = await make(gateway, size=3)
    assert (refused.status, refused.message) == (
        413, "Requested volume size 3G is larger than maximum allowed limit 2G."
    )  # fmt: skip
    volume = (await make(gateway, size=2)).ok(202)["volume"]
    body = {"os-extend": {"new_size": 3}}
    assert (await gateway.volumes.post(f"/volumes/{volume['id']}/action", body)).status == 413
    assert used(cloud) == {"volumes": 1, "gigabytes": 2}


async def test_requests_at_once_do_not_pass_a_limit_together(
    gateway: Gateway, cloud: Cloud
) -> None:
    (await limit(gateway, volumes=4)).ok(200)
    for pod in cloud.pods.values():
        pod.cinder.fail(Kind.SLOW, "POST", "/volumes$", seconds=0.3)
    answers = await asyncio.gather(*(make(gateway) for _ in range(9)))
    assert sorted(answer.status for answer in answers) == [202] * 4 + [413] * 5
    assert len(living(cloud)) == 4
    assert used(cloud)["volumes"] == 4


@pytest.mark.parametrize("kind", [Kind.ERROR, Kind.CUT, Kind.QUOTA, Kind.UNAVAILABLE])
async def test_what_fails_is_given_back(gateway: Gateway, cloud: Cloud, kind: Kind) -> None:
    volume = cloud.pods["pod1"].cinder.add_volume("one")
    for pod in cloud.pods.values():
        pod.cinder.fail(kind, "POST")
    assert (await make(gateway)).status >= 400
    for name in ("snapshot", "backup"):
        body = {name: {"volume_id": volume["id"]}}
        assert (await gateway.volumes.post(f"/{name}s", body)).status >= 400
    assert used(cloud) == {}


@pytest.mark.parametrize("refusal", ["limit", "pod", "cut", "stopped"])
async def test_extend(gateway: Gateway, cloud: Cloud, refusal: str) -> None:
    volume = (await make(gateway, size=2)).ok(202)["volume"]
    path = f"/volumes/{volume['id']}/action"
    (await gateway.volumes.post(path, {"os-extend": {"new_size": 3}})).ok(202)
    assert used(cloud) == {"volumes": 1, "gigabytes": 3}
    status = 413
    if refusal == "limit":
        (await limit(gateway, gigabytes=3)).ok(200)
    elif refusal == "pod":
        for pod in cloud.pods.values():
            pod.cinder.quotas["gigabytes"] = 3
    elif refusal == "cut":
        status = 504
        for pod in cloud.pods.values():
            pod.cinder.fail(Kind.CUT, "POST", "/action$")
    else:
        status = 503
        for pod in cloud.pods.values():
            await asyncio.to_thread(pod.cinder.stop)
    answer = await gateway.volumes.post(path, {"os-extend": {"new_size": 4}})
    assert answer.status == status
    assert [one["size"] for one in living(cloud)] == [3]
    assert used(cloud) == {"volumes": 1, "gigabytes": 3}
    smaller = await gateway.volumes.post(path, {"os-extend": {"new_size": 1}})
    assert smaller.status == (400 if status == 413 else status)
    assert used(cloud) == {"volumes": 1, "gigabytes": 3}


@pytest.mark.parametrize("kind", [Kind.CUT_AFTER, Kind.HANG_AFTER, Kind.GARBAGE_AFTER])
async def test_an_extend_whose_answer_is_lost(gateway: Gateway, cloud: Cloud, kind: Kind) -> None:
    volume = (await make(gateway, size=2)).ok(202)["volume"]
    for pod in cloud.pods.values():
        pod.cinder.fail(kind, "POST", "/action$")
    path = f"/volumes/{volume['id']}/action"
    await gateway.volumes.post(path, {"os-extend": {"new_size": 3}})
    assert [one["size"] for one in living(cloud)] == [3]
    assert used(cloud) == {"volumes": 1, "gigabytes": 3}


async def test_what_goes_with_something_else_is_given_back(gateway: Gateway, cloud: Cloud) -> None:
    volume = (await make(gateway, availability_zone="az2")).ok(202)["volume"]
    for _ in range(2):
        body: Object = {"snapshot": {"volume_id": volume["id"]}}
        (await gateway.volumes.post("/snapshots", body)).ok(202)
    path = f"/volumes/{volume['id']}"
    assert (await gateway.volumes.delete(path)).status == 400
    assert used(cloud)["snapshots"] == 2
    (await gateway.volumes.delete(path, query={"cascade": "true"})).ok(202)
    await gateway.idle()
    assert used(cloud) == {}


async def test_a_group_that_goes_with_its_volumes(gateway: Gateway, cloud: Cloud) -> None:
    newest: Object = {"version": "3.71"}
    body: Object = {"group": {"group_type": "default_cgsnapshot_type", "volume_types":
                              ["__DEFAULT__"], "availability_zone": "az2"}}  # fmt: skip
    group = (await gateway.volumes.post("/groups", body, **newest)).ok(202)["group"]
    for _ in range(2):
        body = {"volume": {"size": 1, "group_id": group["id"], "volume_type": "__DEFAULT__"}}
        (await gateway.volumes.post("/volumes", body, **newest)).ok(202)
    assert used(cloud) == {"volumes": 2, "gigabytes": 2, "groups": 1}
    body = {"delete": {"delete-volumes": True}}
    (await gateway.volumes.post(f"/groups/{group['id']}/action", body, **newest)).ok(202)
    await gateway.idle()
    assert used(cloud) == {}


@pytest.mark.parametrize("kind", [Kind.CUT_AFTER, Kind.HANG_AFTER, Kind.GARBAGE_AFTER])
@pytest.mark.parametrize("what", ["snapshot", "backup"])
async def test_what_is_made_of_volumes_and_not_told(
    gateway: Gateway, cloud: Cloud, kind: Kind, what: str
) -> None:
    """Whether it was made is not known then; the reconciler sees that it was."""
    volume = cloud.pods["pod2"].cinder.add_volume("one")
    cloud.pods["pod2"].cinder.fail(kind, "POST", f"/{what}s$")
    answer = await gateway.volumes.post(f"/{what}s", {what: {"volume_id": volume["id"]}})
    assert len(cloud.pods["pod2"].cinder.items[what]) == 1
    assert answer.status in (202, 503, 504)
    cloud.heal()
    await audit(gateway)
    assert used(cloud)[f"{what}s"] == 1


# -- what xjob sees ------------------------------------------------------------------------------


async def test_what_was_made_behind_our_back_is_learned(gateway: Gateway, cloud: Cloud) -> None:
    for region, pod in cloud.pods.items():
        volume = pod.cinder.add_volume(region, size=2)
        pod.cinder.add_snapshot(volume)
        pod.cinder.add_backup(volume)
        pod.cinder.add_group()
    # Hidden volumes (of image caches, of migrations) are nobody's.
    cloud.pods["pod1"].cinder.add_volume("hidden", size=9, use_quota=False)
    assert await audit(gateway) == 12
    assert whereabouts.of(cloud.project_id, "volume").pods == set(gateway.pod_ids.values())
    assert used(cloud) == {"volumes": 3, "gigabytes": 12, "snapshots": 3, "backups": 3,
                           "backup_gigabytes": 6, "groups": 3}  # fmt: skip
    found = storage.used(cloud.project_id)
    assert (found["volumes___DEFAULT__"], found["snapshots___DEFAULT__"]) == (3, 3)
    assert await audit(gateway) == 0


async def test_what_was_changed_behind_our_back(gateway: Gateway, cloud: Cloud) -> None:
    for zone in ("az1", "az2"):
        (await make(gateway, availability_zone=zone)).ok(202)
    assert await audit(gateway) == 0
    first, second = living(cloud)
    first["size"] = 5
    second["project_id"] = cloud.keystone.projects["other"].id
    assert await audit(gateway) == 2
    assert used(cloud) == {"volumes": 1, "gigabytes": 5}
    for pod in cloud.pods.values():
        pod.cinder.items["volume"].pop(first["id"], None)
    assert await audit(gateway) == 1
    assert used(cloud) == {}


async def test_a_pod_that_is_away_keeps_its_share(gateway: Gateway, cloud: Cloud) -> None:
    (await make(gateway, availability_zone="az2")).ok(202)
    await asyncio.to_thread(cloud.pods["pod2"].cinder.stop)
    await audit(gateway)
    assert used(cloud) == ONE


async def test_a_delete_that_was_not_seen_to_the_end(
    gateway: Gateway, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tricircle.gateway.volume.deletion._PAUSES", [])
    volume = (await make(gateway)).ok(202)["volume"]
    (await gateway.volumes.delete(f"/volumes/{volume['id']}")).ok(202)
    await gateway.idle()
    assert used(cloud) == ONE
    # A look at it, and the reconciler, both see that it is gone.
    assert (await gateway.volumes.get(f"/volumes/{volume['id']}")).status == 404
    assert used(cloud) == {}
    assert routings.get("volume", volume["id"]) is None


@pytest.fixture
async def group_of_two(gateway: Gateway, cloud: Cloud) -> str:
    """A group of a volume of 1 GB and one of 2 GB; its id."""
    newest = {"version": "3.71"}
    body: Object = {"group": {"group_type": "default_cgsnapshot_type",
                              "volume_types": ["__DEFAULT__"]}}  # fmt: skip
    group = (await gateway.volumes.post("/groups", body, **newest)).ok(202)["group"]
    for size in (1, 2):
        body = {"volume": {"size": size, "group_id": group["id"], "volume_type": "__DEFAULT__"}}
        (await gateway.volumes.post("/volumes", body, **newest)).ok(202)
    return str(group["id"])


async def test_what_is_made_of_a_group_counts_at_once(
    gateway: Gateway, cloud: Cloud, group_of_two: str
) -> None:
    newest = {"version": "3.71"}
    one: Object = {"volumes": 2, "gigabytes": 3, "groups": 1}
    assert used(cloud) == one
    body: Object = {"group_snapshot": {"group_id": group_of_two, "name": "s"}}
    whole = (await gateway.volumes.post("/group_snapshots", body, **newest)).ok(202)
    assert used(cloud) == {**one, "snapshots": 2, "gigabytes": 6}
    source = {"group_snapshot_id": whole["group_snapshot"]["id"]}
    for wanted in (source, {"source_group_id": group_of_two}):
        made = {"create-from-src": {"name": "g", **wanted}}
        (await gateway.volumes.post("/groups/action", made, **newest)).ok(202)
    three = {"volumes": 6, "gigabytes": 12, "groups": 3, "snapshots": 2}
    assert used(cloud) == three
    # They are known by their ids: nothing is learned that was not known.
    kept = [
        (kind, one["id"]) for pod in cloud.pods.values()
        for kind in ("volume", "snapshot") for one in pod.cinder.items[kind].values()
    ]  # fmt: skip
    assert all(storage.get(*thing) is not None for thing in kept)
    assert len(kept) == 8


@pytest.mark.parametrize(
    ("name", "limit"), [("volumes", 3), ("snapshots", 1), ("gigabytes", 5), ("groups", 1)]
)
async def test_what_is_made_of_a_group_is_refused_whole(
    gateway: Gateway, cloud: Cloud, group_of_two: str, name: str, limit: int
) -> None:
    newest, before = {"version": "3.71"}, used(cloud)
    CONF.set_override(name, limit, group="quota")
    try:
        answers = [
            await gateway.volumes.post(path, body, **newest)
            for path, body in (
                ("/group_snapshots", {"group_snapshot": {"group_id": group_of_two}}),
                ("/groups/action", {"create-from-src": {"source_group_id": group_of_two}}),
            )
        ]
    finally:
        CONF.clear_override(name, group="quota")
    refused = [answer.status for answer in answers]
    both = {"volumes": [202, 413], "groups": [202, 413], "snapshots": [413, 202]}
    assert refused == both.get(name, [413, 413])
    assert used(cloud) == before or name != "gigabytes"


async def test_a_pod_that_makes_nothing_of_a_group_uses_nothing(
    gateway: Gateway, cloud: Cloud, group_of_two: str
) -> None:
    before = used(cloud)
    for pod in cloud.pods.values():
        pod.cinder.quotas["gigabytes"] = 4
    for path, body in (
        ("/group_snapshots", {"group_snapshot": {"group_id": group_of_two}}),
        ("/groups/action", {"create-from-src": {"source_group_id": group_of_two}}),
    ):
        assert (await gateway.volumes.post(path, body, version="3.71")).status == 413
    assert used(cloud) == before
