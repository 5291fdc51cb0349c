# SPDX-License-Identifier: Apache-2.0
"""A backup is restored into a volume of another pod, where the two share the backup store."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.functional.fakes.cloud import Cloud
from tests.functional.fakes.faults import Kind
from tests.functional.gateway_harness import Gateway
from tricircle.conf import CONF
from tricircle.db import backup_copies, routings, storage
from tricircle.db.work_queue import own_queue
from tricircle.gateway import authorization
from tricircle.gateway.volume import backups, deletion
from tricircle.pods.pod import Pod
from tricircle.pods.reconciler import Worker
from tricircle.pods.rest import PodServices
from tricircle.policies import Policies
from tricircle.xjob.backup_copies import BackupCopies
from tricircle.xjob.storage import Storage


@pytest.fixture(autouse=True)
def shared(monkeypatch: pytest.MonkeyPatch, gateway: Gateway) -> None:
    CONF.set_override("backup_stores", ["pod1 + pod2"], group="storage")
    monkeypatch.setattr(backups, "_PAUSE", 0.02)
    monkeypatch.setattr(backups, "_PATIENCE", 0.3)
    monkeypatch.setattr(deletion, "_PAUSES", [0.02] * 200)


@pytest.fixture(autouse=True)
def as_it_was() -> Any:
    yield
    CONF.clear_override("backup_stores", group="storage")


def pair(cloud: Cloud, *, of: str = "pod2", into: str = "pod1", **values: Any) -> tuple[Any, Any]:
    """A backup in one pod and a volume in another."""
    cinder = cloud.pods[of].cinder
    backup = cinder.add_backup(cinder.add_volume("one", size=2), **values)
    return backup, cloud.pods[into].cinder.add_volume("there", size=2)


async def restore(gateway: Gateway, backup: Any, volume: Any, **more: Any) -> Any:
    path = f"/backups/{backup['id']}/restore"
    body = {"restore": {"volume_id": volume["id"]}}
    return await gateway.volumes.post(path, body, **more)


async def xjob(gateway: Gateway, region: str) -> None:
    pod: Pod = next(p for p in gateway.services.registry.all() if p.region_name == region)
    worker = Worker(own_queue(), [BackupCopies(PodServices(gateway.services.identity))])
    await asyncio.to_thread(worker.run, pod)


async def test_into_a_volume_of_a_pod_with_the_same_store(gateway: Gateway, cloud: Cloud) -> None:
    backup, volume = pair(cloud)
    for _ in range(2):
        answer = (await restore(gateway, backup, volume)).ok(202)["restore"]
        assert (answer["backup_id"], answer["volume_id"]) == (backup["id"], volume["id"])
    copy = cloud.pods["pod1"].cinder.items["backup"][backup["id"]]
    # It is nobody's but ours there.
    assert copy["project_id"] == cloud.keystone.projects["service"].id
    listed = (await gateway.volumes.get("/backups")).ok(200)["backups"]
    assert [one["id"] for one in listed] == [backup["id"]]
    imports = cloud.journal.find("pod1/volume", "POST", "/import_record$")
    assert len(imports) == 1


async def test_the_record_goes_when_the_backup_does(gateway: Gateway, cloud: Cloud) -> None:
    backup, volume = pair(cloud)
    (await restore(gateway, backup, volume)).ok(202)
    await xjob(gateway, "pod1")
    assert backup["id"] in cloud.pods["pod1"].cinder.items["backup"]
    (await gateway.volumes.delete(f"/backups/{backup['id']}")).ok(202)
    await gateway.idle()
    fault = cloud.pods["pod1"].cinder.fail(Kind.ERROR, "DELETE")
    await xjob(gateway, "pod1")
    assert backup["id"] in cloud.pods["pod1"].cinder.items["backup"]
    fault.times = 0
    cloud.heal()
    await asyncio.to_thread(_hurry, gateway, "pod1")
    await xjob(gateway, "pod1")
    assert backup["id"] not in cloud.pods["pod1"].cinder.items["backup"]
    assert backup_copies.in_pod(gateway.pod_ids["pod1"]) == set()


async def test_a_record_of_anothers_stays(gateway: Gateway, cloud: Cloud) -> None:
    """An administrator brought it to that pod by themselves."""
    backup, volume = pair(cloud)
    (await restore(gateway, backup, volume)).ok(202)
    record = cloud.pods["pod1"].cinder.items["backup"][backup["id"]]
    record["project_id"] = cloud.project_id
    (await gateway.volumes.delete(f"/backups/{backup['id']}")).ok(202)
    await gateway.idle()
    await xjob(gateway, "pod1")
    assert backup["id"] in cloud.pods["pod1"].cinder.items["backup"]


def _hurry(gateway: Gateway, region: str) -> None:
    own_queue().requeue_now(gateway.pod_ids[region])


async def test_it_counts_once(gateway: Gateway, cloud: Cloud) -> None:
    backup, volume = pair(cloud)
    (await restore(gateway, backup, volume)).ok(202)
    pods = gateway.services.registry.all()
    for pod in (*pods, *reversed(pods)):
        await asyncio.to_thread(Storage(PodServices(gateway.services.identity)).audit, pod)
    assert storage.used(backup["project_id"])["backups"] == 1
    assert storage.used(cloud.keystone.projects["service"].id)["backups"] == 0


@pytest.mark.parametrize(
    ("values", "into", "word"),
    [
        ({}, "pod3", "share"),
        ({"is_incremental": True}, "pod1", "full backup"),
        ({"status": "error"}, "pod1", "error"),
    ],
)
async def test_what_cannot_be_says_why(
    gateway: Gateway, cloud: Cloud, values: dict[str, Any], into: str, word: str
) -> None:
    backup, volume = pair(cloud, into=into, **values)
    refused = await restore(gateway, backup, volume)
    assert refused.status == 400
    for told in (word, backup["id"], "pod2", into, "name no volume"):
        assert told in refused.message
    assert cloud.pods[into].cinder.items["backup"] == {}


@pytest.mark.parametrize("into", ["pod1", "pod2"])
async def test_a_reader_restores_nowhere(gateway: Gateway, cloud: Cloud, into: str) -> None:
    backup, volume = pair(cloud, into=into)
    assert (await restore(gateway, backup, volume, user="reader")).status == 403
    assert cloud.pods["pod1"].cinder.items["backup"] == {}


async def test_nobody_restores_over_another_projects_volume(gateway: Gateway, cloud: Cloud) -> None:
    """An administrator of everything does; a member of both projects does not at once."""
    backup, _ = pair(cloud)
    theirs = cloud.pods["pod1"].cinder.add_volume("theirs", "other", size=2)
    assert (await restore(gateway, backup, theirs)).status == 404
    (await restore(gateway, backup, theirs, user="admin")).ok(202)


async def test_the_operator_says_who_restores_elsewhere(
    gateway: Gateway, cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(authorization, "_POLICIES", Policies())  # the file is read but once
    policy = tmp_path / "policy.yaml"
    policy.write_text('"tricircle:backups:restore_elsewhere": "role:admin"')
    CONF.set_override("policy_file", str(policy), group="oslo_policy")
    backup, volume = pair(cloud)
    refused = await restore(gateway, backup, volume)
    assert (refused.status, "restore_elsewhere" in refused.message) == (403, True)
    (await restore(gateway, backup, volume, user="admin")).ok(202)


async def test_what_the_caller_may_not_see_is_not_restored(gateway: Gateway, cloud: Cloud) -> None:
    backup, volume = pair(cloud)
    refused = await restore(gateway, backup, volume, user="other")
    assert refused.status == 404
    assert cloud.pods["pod1"].cinder.items["backup"] == {}


@pytest.mark.parametrize("status", ["error", "creating"])
async def test_a_store_that_is_not_shared_after_all(
    gateway: Gateway, cloud: Cloud, status: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup, volume = pair(cloud)
    cinder = cloud.pods["pod1"].cinder
    make = cinder._backup
    monkeypatch.setattr(cinder, "_backup", lambda *a, **kw: make(*a, **{**kw, "status": status}))
    refused = await restore(gateway, backup, volume)
    assert refused.status == (400 if status == "error" else 504)
    assert "backup_stores" in refused.message


@pytest.mark.parametrize("kind", [Kind.HANG_AFTER, Kind.CUT_AFTER, Kind.ERROR])
async def test_a_lost_answer_is_no_second_record(
    gateway: Gateway, cloud: Cloud, kind: Kind
) -> None:
    backup, volume = pair(cloud)
    cloud.pods["pod1"].cinder.fail(kind, "POST", "/import_record$", times=1)
    assert (await restore(gateway, backup, volume)).status >= 500
    cloud.pods["pod1"].cinder.heal()
    (await restore(gateway, backup, volume)).ok(202)
    assert list(cloud.pods["pod1"].cinder.items["backup"]) == [backup["id"]]


async def listed(gateway: Gateway, query: dict[str, str], path: str = "/backups/detail") -> Any:
    query = {"all_tenants": "1", **query}
    return (await gateway.volumes.get(path, query=query, user="admin", version="3.71")).ok(200)


@pytest.mark.parametrize("path", ["/backups", "/backups/detail"])
@pytest.mark.parametrize("limit", [1, 2, 3, 1000])
async def test_nobody_sees_the_record_in_a_list(
    gateway: Gateway, cloud: Cloud, path: str, limit: int
) -> None:
    """Nor does a page end early for it."""
    wanted = []
    for name in ("a", "b", "c"):
        own = cloud.pods["pod1"].cinder
        wanted.append(own.add_backup(own.add_volume("own"), name=name)["id"])
        backup, volume = pair(cloud, name=name)
        (await restore(gateway, backup, volume)).ok(202)
        wanted.append(backup["id"])
    assert len(cloud.pods["pod1"].cinder.items["backup"]) == 6
    got: list[str] = []
    while True:
        query = {"limit": str(limit), "sort": "name:asc", "with_count": "true"}
        page = await listed(gateway, query | ({"marker": got[-1]} if got else {}), path)
        if not page["backups"]:
            break
        assert page["count"] == 6
        assert len(page["backups"]) == min(limit, 6 - len(got))
        got += [one["id"] for one in page["backups"]]
    assert sorted(got) == sorted(wanted)


async def test_nobody_is_led_to_the_record(gateway: Gateway, cloud: Cloud) -> None:
    """An administrator's call for the backup, which nothing tells the place of, finds it itself."""
    backup, volume = pair(cloud)
    (await restore(gateway, backup, volume)).ok(202)
    own, copy = (cloud.pods[name].cinder.items["backup"][backup["id"]] for name in ("pod2", "pod1"))
    own["description"], copy["description"] = "own", "copy"
    path = f"/backups/{backup['id']}"
    cloud.pods["pod2"].cinder.fail(Kind.SLOW, "GET", path, times=1)
    for _ in range(2):
        await asyncio.to_thread(routings.delete, "backup", backup["id"])
        gateway.services.routings.drop("backup", backup["id"])
        shown = (await gateway.volumes.get(path, user="admin")).ok(200)["backup"]
        assert shown["description"] == "own"
    # Gone from its pod, it is nowhere.
    del cloud.pods["pod2"].cinder.items["backup"][backup["id"]]
    assert (await gateway.volumes.get(path, user="admin")).status == 404


async def test_a_volume_is_not_made_of_the_record(gateway: Gateway, cloud: Cloud) -> None:
    backup, volume = pair(cloud)
    (await restore(gateway, backup, volume)).ok(202)
    await asyncio.to_thread(routings.delete, "backup", backup["id"])
    gateway.services.routings.drop("backup", backup["id"])
    body = {"volume": {"size": 2, "backup_id": backup["id"]}}
    made = (await gateway.volumes.post("/volumes", body, user="admin", version="3.71")).ok(202)
    assert made["volume"]["id"] in cloud.pods["pod2"].cinder.items["volume"]
