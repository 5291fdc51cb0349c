# SPDX-License-Identifier: Apache-2.0
"""What a pod with a Glance of its own makes an image of is an image of the region's."""

from typing import Any

import pytest

from tests.functional.fakes.cloud import Cloud
from tests.functional.fakes.faults import Kind
from tests.functional.fakes.glance import Glance, data_of
from tests.functional.gateway.images.conftest import FOREIGN, boot, image, work, xjob
from tests.functional.gateway_harness import Gateway
from tricircle.db import image_copies, session
from tricircle.db.models import ImageCopy
from tricircle.db.work_queue import own_queue


async def server_there(gateway: Gateway, cloud: Cloud) -> str:
    async with xjob(gateway):
        return str((await boot(gateway, image(cloud))).ok(202)["server"]["id"])


async def settled(gateway: Gateway, image_id: str) -> None:
    for _ in range(20):
        await work(gateway)
        found = image_copies.get(image_id, gateway.pod_ids[FOREIGN])
        if found is None or found.state == image_copies.THERE:
            return
        own_queue().requeue_now(gateway.pod_ids[FOREIGN])
    raise AssertionError("it is not settled")


@pytest.mark.parametrize("version", ["2.44", "2.45"])
async def test_a_snapshot_is_in_the_region_at_once_and_its_data_follow(
    gateway: Gateway, cloud: Cloud, theirs: Glance, version: str
) -> None:
    server = await server_there(gateway, cloud)
    before = set(theirs.images)
    wanted = {"createImage": {"name": "snap", "metadata": {"mine": "1"}}}
    answer = await gateway.post(f"/servers/{server}/action", wanted, version=version)
    answer.ok(202)
    if version == "2.45":
        image_id = answer.json["image_id"]
    else:
        image_id = answer.headers["Location"].rpartition("/")[2]
    record = cloud.images[image_id]
    assert (record["status"], record["name"], record["owner"], record["visibility"]) == (
        "queued",
        "snap",
        cloud.project_id,
        "private",
    )
    (inside,) = set(theirs.images) - before
    assert inside != image_id
    await settled(gateway, image_id)
    record = cloud.images[image_id]
    assert record["status"] == "active"
    assert data_of(record) == data_of(theirs.images[inside])
    assert (record["mine"], record["image_type"]) == ("1", "snapshot")
    assert "tricircle_image" not in record
    assert "owner_id" not in record
    # It is booted where it was made, without another copy, and elsewhere.
    made = (await boot(gateway, image_id)).ok(202)["server"]
    shown = (await gateway.get(f"/servers/{made['id']}")).ok()["server"]
    assert shown["image"]["id"] == image_id
    (await boot(gateway, image_id, availability_zone="az1")).ok(202)
    assert set(theirs.images) - before == {inside}


async def test_a_backup_and_a_volume_read_into_an_image(
    gateway: Gateway, cloud: Cloud, theirs: Glance
) -> None:
    server = await server_there(gateway, cloud)
    backup = {"createBackup": {"name": "b", "backup_type": "daily", "rotation": 2}}
    told = (await gateway.post(f"/servers/{server}/action", backup, version="2.45")).ok(202)
    await settled(gateway, told["image_id"])
    assert cloud.images[told["image_id"]]["status"] == "active"

    made = await gateway.volumes.post(
        "/volumes", {"volume": {"size": 1, "availability_zone": "az2"}}
    )
    volume = made.ok(202)["volume"]["id"]
    cloud.pods[FOREIGN].cinder.items["volume"][volume]["content"] = "what was written"
    upload = {"os-volume_upload_image": {"image_name": "from a volume"}}
    answer = await gateway.volumes.post(f"/volumes/{volume}/action", upload)
    told = answer.ok(202)["os-volume_upload_image"]
    assert told["image_name"] == "from a volume"
    await settled(gateway, told["image_id"])
    record = cloud.images[told["image_id"]]
    assert (record["name"], data_of(record)) == ("from a volume", b"what was written")


async def test_what_a_pod_refuses_leaves_nothing(
    gateway: Gateway, cloud: Cloud, theirs: Glance
) -> None:
    server = await server_there(gateway, cloud)
    before = dict(cloud.images)
    cloud.pods[FOREIGN].nova.fail(Kind.QUOTA, "POST", "/action")
    wanted = {"createImage": {"name": "snap"}}
    assert (await gateway.post(f"/servers/{server}/action", wanted)).status == 403
    assert cloud.images == before
    assert _coming() == []


def _coming() -> list[Any]:
    with session.read() as tx:
        return list(tx.query(ImageCopy).filter_by(state=image_copies.COMING))


async def test_an_answer_that_is_lost_is_made_good(
    gateway: Gateway, cloud: Cloud, theirs: Glance
) -> None:
    """The pod's image is found by its mark; one that it never made is forgotten."""
    server = await server_there(gateway, cloud)
    wanted = {"createImage": {"name": "snap"}}
    cloud.pods[FOREIGN].nova.fail(Kind.CUT_AFTER, "POST", "/action", times=1)
    assert (await gateway.post(f"/servers/{server}/action", wanted)).status == 504
    (row,) = _coming()
    await settled(gateway, row.image_id)
    assert cloud.images[row.image_id]["status"] == "active"

    cloud.pods[FOREIGN].nova.fail(Kind.CUT, "POST", "/action", times=1)
    assert (await gateway.post(f"/servers/{server}/action", wanted)).status == 504
    (row,) = _coming()
    await settled(gateway, row.image_id)
    assert row.image_id not in cloud.images
    assert _coming() == []


async def test_who_deletes_it_before_it_is_there_has_it_nowhere(
    gateway: Gateway, cloud: Cloud, theirs: Glance
) -> None:
    server = await server_there(gateway, cloud)
    before = set(theirs.images)
    wanted = {"createImage": {"name": "snap"}}
    told = (await gateway.post(f"/servers/{server}/action", wanted, version="2.45")).ok(202)
    del cloud.images[told["image_id"]]
    cloud.glance.gone.add(told["image_id"])
    await settled(gateway, told["image_id"])
    assert set(theirs.images) == before
    assert told["image_id"] not in cloud.images
