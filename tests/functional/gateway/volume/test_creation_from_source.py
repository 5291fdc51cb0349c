# SPDX-License-Identifier: Apache-2.0
"""Snapshots, backups, transfers, attachments: what is made of volumes, in their pods."""

import pytest

from tests.functional.fakes.cloud import Cloud
from tests.functional.fakes.faults import Kind
from tests.functional.gateway_harness import Gateway
from tests.functional.volumes import LOST, Object, make, used, volumes
from tricircle.db import routings


@pytest.mark.parametrize("region", ["pod1", "pod2"])
async def test_they_go_to_the_volumes_pod(gateway: Gateway, cloud: Cloud, region: str) -> None:
    cinder = cloud.pods[region].cinder
    volume = cinder.add_volume("one", size=2)
    group = cinder.add_group()
    for path, kind, body in (
        ("/snapshots", "snapshot", {"volume_id": volume["id"], "name": "x"}),
        ("/backups", "backup", {"volume_id": volume["id"], "name": "x"}),
        ("/attachments", "attachment", {"volume_uuid": volume["id"], "instance_uuid": None}),
        ("/group_snapshots", "group_snapshot", {"group_id": group["id"], "name": "x"}),
    ):
        answer = await gateway.volumes.post(path, {kind: body}, version="3.71")
        made = answer.ok()[kind]
        assert made["id"] in cinder.items[kind]
        row = routings.get(kind, made["id"])
        assert row is not None
        assert row.pod_id == gateway.pod_ids[region]
        shown = await gateway.volumes.get(f"{path}/{made['id']}", version="3.71")
        assert shown.ok(200)[kind]["id"] == made["id"]
    assert used(cloud) == {"snapshots": 1, "gigabytes": 2, "snapshots___DEFAULT__": 1,
                           "gigabytes___DEFAULT__": 2, "backups": 1,
                           "backup_gigabytes": 2}  # fmt: skip
    for kind in ("snapshot", "backup"):
        for item_id in list(cinder.items[kind]):
            (await gateway.volumes.delete(f"/{kind}s/{item_id}")).ok(202)
    await gateway.idle()
    assert used(cloud) == {}


@pytest.mark.parametrize(("zone", "status"), [("az2", 202), ("nova", 202), ("az1", 404)])
async def test_a_backup_may_name_its_zone(
    gateway: Gateway, cloud: Cloud, zone: str, status: int
) -> None:
    volume = cloud.pods["pod2"].cinder.add_volume("one")
    wanted = {"backup": {"volume_id": volume["id"], "availability_zone": zone}}
    answer = await gateway.volumes.post("/backups", wanted, version="3.51")
    assert answer.status == status


async def test_of_a_volume_that_is_nowhere(gateway: Gateway, cloud: Cloud) -> None:
    nowhere = "00000000-0000-0000-0000-000000000000"
    for path, body in (
        ("/snapshots", {"snapshot": {"volume_id": nowhere}}),
        ("/backups", {"backup": {"volume_id": nowhere}}),
        ("/attachments", {"attachment": {"volume_uuid": nowhere}}),
        ("/os-volume-transfer", {"transfer": {"volume_id": nowhere}}),
    ):
        answer = await gateway.volumes.post(path, body, version="3.71")
        assert (answer.status, answer.message) == (404, f"Volume {nowhere} could not be found.")
    assert (await gateway.volumes.post("/snapshots", {"snapshot": {}})).status == 400
    assert used(cloud) == {}


async def test_restore_in_the_backups_pod(gateway: Gateway, cloud: Cloud) -> None:
    cinder = cloud.pods["pod2"].cinder
    backup = cinder.add_backup(cinder.add_volume("one", size=2))
    path = f"/backups/{backup['id']}/restore"
    answer = (await gateway.volumes.post(path, {"restore": {}})).ok(202)["restore"]
    assert answer["volume_id"] in cinder.items["volume"]
    assert used(cloud)["gigabytes"] == 2
    assert routings.get("volume", answer["volume_id"]) is not None
    elsewhere = cloud.pods["pod1"].cinder.add_volume("there", size=2)
    refused = await gateway.volumes.post(path, {"restore": {"volume_id": elsewhere["id"]}})
    assert refused.status == 400
    for word in ("pod1", "pod2", "az1", "az2", backup["id"], elsewhere["id"]):
        assert word in refused.message


@pytest.mark.parametrize("base", ["/os-volume-transfer", "/volume-transfers"])
async def test_a_transfer_moves_the_quota(
    gateway: Gateway, cloud: Cloud, base: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    volume = (await make(gateway, availability_zone="az2", size=2)).ok(202)["volume"]
    body = {"transfer": {"volume_id": volume["id"], "name": "gift"}}
    made = (await gateway.volumes.post(base, body, version="3.71")).ok(202)["transfer"]
    listed = (await gateway.volumes.get(base, version="3.71")).ok(200)["transfers"]
    assert [one["id"] for one in listed] == [made["id"]]
    path = f"{base}/{made['id']}"
    assert (await gateway.volumes.get(path, user="other", version="3.71")).status == 404
    wrong = {"accept": {"auth_key": "wrong"}}
    answer = await gateway.volumes.post(f"{path}/accept", wrong, user="other", version="3.71")
    assert answer.status == 400
    assert "auth key" in answer.message
    assert used(cloud)["gigabytes"] == 2
    assert used(cloud, "other") == {}
    right = {"accept": {"auth_key": made["auth_key"]}}
    answer = await gateway.volumes.post(f"{path}/accept", right, user="other", version="3.71")
    assert answer.ok(202)["transfer"]["volume_id"] == volume["id"]
    assert used(cloud) == {}
    assert used(cloud, "other")["gigabytes"] == 2
    shown = await gateway.volumes.get(f"/volumes/{volume['id']}", user="other")
    assert shown.ok(200)["volume"]["id"] == volume["id"]
    assert (await gateway.volumes.get(f"/volumes/{volume['id']}")).status == 404
    row = routings.get("volume", volume["id"])
    assert row is not None
    assert row.project_id == cloud.keystone.projects["other"].id
    assert made["auth_key"] not in caplog.text


async def test_a_transfer_over_the_takers_limit(gateway: Gateway, cloud: Cloud) -> None:
    volume = (await make(gateway, size=2)).ok(202)["volume"]
    body = {"transfer": {"volume_id": volume["id"]}}
    made = (await gateway.volumes.post("/os-volume-transfer", body)).ok(202)["transfer"]
    taker = cloud.keystone.projects["other"].id
    limit = {"quota_set": {"gigabytes": 1}}
    (await gateway.volumes.put(f"/os-quota-sets/{taker}", limit, user="admin")).ok(200)
    path = f"/os-volume-transfer/{made['id']}/accept"
    accept = {"accept": {"auth_key": made["auth_key"]}}
    answer = await gateway.volumes.post(path, accept, user="other")
    assert answer.status == 413
    assert used(cloud)["gigabytes"] == 2
    (await gateway.volumes.delete(f"/os-volume-transfer/{made['id']}")).ok(202)
    shown = (await gateway.volumes.get(f"/volumes/{volume['id']}")).ok(200)["volume"]
    assert shown["status"] == "available"


@pytest.mark.parametrize("kind", [Kind.CUT, Kind.CUT_AFTER, Kind.HANG_AFTER, Kind.ERROR])
async def test_a_transfer_whose_answer_is_lost(gateway: Gateway, cloud: Cloud, kind: Kind) -> None:
    """The quota is of whoever has the volume."""
    volume = (await make(gateway, size=2)).ok(202)["volume"]
    body = {"transfer": {"volume_id": volume["id"]}}
    made = (await gateway.volumes.post("/os-volume-transfer", body)).ok(202)["transfer"]
    for pod in cloud.pods.values():
        pod.cinder.fail(kind, "POST", "/accept$")
    accept = {"accept": {"auth_key": made["auth_key"]}}
    path = f"/os-volume-transfer/{made['id']}/accept"
    answer = await gateway.volumes.post(path, accept, user="other")
    assert answer.status in (502, 503, 504)
    ((_, there),) = volumes(cloud)
    taken = there["project_id"] == cloud.keystone.projects["other"].id
    assert taken == (kind in LOST)
    assert used(cloud, "other" if taken else "member")["gigabytes"] == 2
    assert used(cloud, "member" if taken else "other") == {}


async def test_the_snapshots_of_a_transfer_go_too(gateway: Gateway, cloud: Cloud) -> None:
    volume = (await make(gateway, size=2)).ok(202)["volume"]
    body: Object = {"snapshot": {"volume_id": volume["id"]}}
    (await gateway.volumes.post("/snapshots", body)).ok(202)
    body = {"transfer": {"volume_id": volume["id"]}}
    made = (await gateway.volumes.post("/os-volume-transfer", body)).ok(202)["transfer"]
    accept = {"accept": {"auth_key": made["auth_key"]}}
    path = f"/os-volume-transfer/{made['id']}/accept"
    (await gateway.volumes.post(path, accept, user="other")).ok(202)
    assert used(cloud) == {}
    assert used(cloud, "other")["snapshots"] == 1
    assert used(cloud, "other")["gigabytes"] == 4


async def test_server_and_volume_in_two_pods(gateway: Gateway, cloud: Cloud) -> None:
    server = cloud.pods["pod1"].nova.add_server("here")
    volume = cloud.pods["pod2"].cinder.add_volume("there")
    (await gateway.volumes.get(f"/volumes/{volume['id']}")).ok(200)
    body: Object = {"attachment": {"volume_uuid": volume["id"], "instance_uuid": server.id}}
    theirs = await gateway.volumes.post("/attachments", body, version="3.71")
    body = {"volumeAttachment": {"volumeId": volume["id"]}}
    ours = await gateway.post(f"/servers/{server.id}/os-volume_attachments", body)
    for answer in (ours, theirs):
        assert answer.status == 400, answer.body
        for word in ("pod1", "pod2", "az1", "az2", server.id, volume["id"]):
            assert word in answer.message
    assert cloud.pods["pod2"].cinder.items["attachment"] == {}
    assert volume["status"] == "available"
