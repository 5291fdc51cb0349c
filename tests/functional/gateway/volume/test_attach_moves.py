# SPDX-License-Identifier: Apache-2.0
"""Volumes that are to be attached to servers of other pods: which of them follow, and how."""

import asyncio
from typing import Any

import pytest

from tests.functional.fakes.cloud import Cloud
from tests.functional.gateway_harness import Answer, Gateway
from tests.functional.volume_moves import go_on, left_over
from tests.functional.volumes import make, used, volumes
from tests.waiting import eventually
from tricircle.conf import CONF
from tricircle.db import moves, routings

LATER = "2099-01-01T00:00:00.000000"


def server(cloud: Cloud, region: str = "pod2") -> str:
    return str(cloud.pods[region].nova.add_server("s").id)


async def attach(gateway: Gateway, server_id: str, volume_id: str, **more: Any) -> Answer:
    body = {"volumeAttachment": {"volumeId": volume_id}}
    return await gateway.post(f"/servers/{server_id}/os-volume_attachments", body, **more)


async def worked(gateway: Gateway, volume_id: str, asked: asyncio.Task[Answer]) -> Answer:
    """The answer, xjob being at work meanwhile."""
    await eventually("a move", lambda: asked.done() or moves.get(volume_id))
    if moves.get(volume_id) is not None:
        await go_on(gateway, volume_id)
    return await asked


async def made(gateway: Gateway, **more: Any) -> str:
    """A volume of pod1 made through the region, where the project is at home."""
    values = {"project_id": gateway.cloud.project_id, "pod_id": gateway.pod_ids["pod1"]}
    (await gateway.manage("POST", "/bindings", {"binding": values})).ok(201)
    volume = (await make(gateway, metadata={"colour": "blue"}, **more)).ok(202)["volume"]
    ((region, _),) = volumes(gateway.cloud)
    assert region == "pod1"
    return str(volume["id"])


@pytest.mark.parametrize("way", ["compute", "volume"])
async def test_an_empty_volume_follows_its_server(gateway: Gateway, cloud: Cloud, way: str) -> None:
    volume, there = await made(gateway), server(cloud)
    if way == "compute":
        asked = asyncio.create_task(attach(gateway, there, volume))
    else:
        body = {"attachment": {"volume_uuid": volume, "instance_uuid": there}}
        call = gateway.volumes.post("/attachments", body, version="3.27")
        asked = asyncio.create_task(call)
    (await worked(gateway, volume, asked)).ok(200)
    ((region, inside),) = volumes(cloud)
    assert (region, inside["project_id"]) == ("pod2", cloud.project_id)
    assert (inside["name"], inside["size"], inside["content"]) == ("one", 1, "")
    assert left_over(cloud) == []
    assert not cloud.journal.find("pod", "POST", r".*os-volume_upload_image")
    shown = (await gateway.volumes.get(f"/volumes/{volume}")).ok()["volume"]
    assert (shown["id"], shown["availability_zone"]) == (volume, "az2")
    assert shown["metadata"] == {"colour": "blue"}
    assert used(cloud)["volumes"] == 1
    # From now on there may be something in it.
    inside["status"], other = "available", server(cloud, "pod1")
    cloud.pods["pod2"].cinder.items["attachment"].clear()
    refused = await attach(gateway, other, volume)
    assert refused.status == 400
    assert "it may hold data" in refused.message


@pytest.mark.parametrize("what", ["changed", "behind", "snapshot", "written", "restored", "booted"])
async def test_what_may_hold_something_stays(gateway: Gateway, cloud: Cloud, what: str) -> None:
    """Or it would be lost."""
    if what == "behind":
        volume = cloud.pods["pod1"].cinder.add_volume()["id"]
    else:
        volume = await made(gateway)
    cinder = cloud.pods["pod1"].cinder
    stored = cinder.items["volume"][volume]
    if what == "changed":
        stored["updated_at"] = LATER
    elif what == "snapshot":
        cinder.add_snapshot(stored)
    elif what == "written":
        here = server(cloud, "pod1")
        (await attach(gateway, here, volume)).ok(200)
        cinder.items["attachment"].clear()
        stored |= {"status": "available", "updated_at": None}
    elif what == "restored":
        backup = cinder.add_backup(stored)
        body = {"restore": {"volume_id": volume}}
        (await gateway.volumes.post(f"/backups/{backup['id']}/restore", body)).ok(202)
        stored |= {"status": "available", "updated_at": None}
    elif what == "booted":
        device = {"source_type": "volume", "destination_type": "volume", "uuid": volume,
                  "boot_index": 0}  # fmt: skip
        body = {"server": {"name": "s", "flavorRef": "1", "networks": "none",
                           "block_device_mapping_v2": [device]}}  # fmt: skip
        await gateway.post("/servers", body, version="2.60")
        cinder.items["attachment"].clear()
        stored |= {"status": "available", "updated_at": None}
    there = server(cloud)
    refused = await attach(gateway, there, volume)
    assert refused.status == 400
    for told in (there, volume, "pod1", "pod2", "az1", "az2", "does not follow"):
        assert told in refused.message
    assert moves.get(volume) is None


async def test_a_zone_named_by_hand_holds(gateway: Gateway, cloud: Cloud) -> None:
    volume = await made(gateway, availability_zone="az1")
    refused = await attach(gateway, server(cloud), volume)
    assert refused.status == 400
    assert "zone, az1, was named when it was made" in refused.message
    # Both pods of a zone are in it.
    asked = asyncio.create_task(attach(gateway, server(cloud, "pod3"), volume))
    begun = await eventually("a move", lambda: moves.get(volume))
    assert begun is not None
    assert begun.target_pod_id == gateway.pod_ids["pod3"]
    asked.cancel()


async def test_no_more_follow_than_a_pod_may_have(gateway: Gateway, cloud: Cloud) -> None:
    volume, there = await made(gateway), server(cloud)
    CONF.set_override("followed_volumes", 0, group="gateway")
    try:
        refused = await attach(gateway, there, volume)
    finally:
        CONF.clear_override("followed_volumes", group="gateway")
    assert refused.status == 400
    assert "pod pod2 has 0 volumes that followed their servers already" in refused.message
    assert moves.get(volume) is None
    (await worked(gateway, volume, asyncio.create_task(attach(gateway, there, volume)))).ok(200)
    assert moves.in_pod(gateway.pod_ids["pod2"]) == 1


async def test_one_with_data_follows_whom_may_move_it(gateway: Gateway, cloud: Cloud) -> None:
    cinder = cloud.pods["pod1"].cinder
    small, large = (
        cinder.add_volume(user="admin", size=size, content="letters") for size in (2, 5)
    )
    there = server(cloud)
    refused = await attach(gateway, there, large["id"], user="admin")
    assert refused.status == 400
    assert "larger than the 4 GB" in refused.message
    asked = asyncio.create_task(attach(gateway, there, small["id"], user="admin"))
    (await worked(gateway, small["id"], asked)).ok(200)
    ((region, inside),) = [(name, one) for name, one in volumes(cloud) if one["size"] == 2]
    assert (region, inside["content"]) == ("pod2", "letters")


async def test_who_may_not_attach_moves_nothing(gateway: Gateway, cloud: Cloud) -> None:
    volume = await made(gateway)
    refused = await attach(gateway, server(cloud), volume, user="reader")
    assert refused.status == 403
    assert (await attach(gateway, server(cloud), volume, user="other")).status == 404
    assert moves.get(volume) is None


async def test_nobody_waits_for_a_move_for_ever(gateway: Gateway, cloud: Cloud) -> None:
    CONF.set_override("attach_patience", 0.3, group="gateway")
    volume, there = await made(gateway), server(cloud)
    late = await attach(gateway, there, volume)
    assert (late.status, late.headers["Retry-After"]) == (409, "10")
    assert "is being moved to pod pod2" in late.message
    again = await attach(gateway, there, volume)
    assert again.status == 409
    await go_on(gateway, volume)
    (await attach(gateway, there, volume)).ok(200)


@pytest.mark.parametrize("by", ["pod", "gateway"])
async def test_a_move_that_fails_is_told(gateway: Gateway, cloud: Cloud, by: str) -> None:
    """Somebody was let write to the volume in the very moment."""
    volume, there = await made(gateway), server(cloud)
    asked = asyncio.create_task(attach(gateway, there, volume))
    await eventually("a move", lambda: moves.get(volume))
    if by == "pod":
        cloud.pods["pod1"].cinder.items["volume"][volume]["updated_at"] = LATER
    else:
        await asyncio.to_thread(routings.written_to, volume)
    answer = await worked(gateway, volume, asked)
    assert answer.status == 409
    assert "is not attached" in answer.message
    assert "is not any more" in answer.message
    ((region, stored),) = volumes(cloud)
    assert (region, stored["id"]) == ("pod1", volume)


async def boot(gateway: Gateway, *volumes: str, **more: Any) -> Answer:
    devices = [
        {"source_type": "volume", "destination_type": "volume", "uuid": volume, "boot_index": index}
        for index, volume in enumerate(volumes)
    ]
    server = {"name": "s", "flavorRef": "1", "networks": "none", **more}
    body = {"server": {**server, "block_device_mapping_v2": devices}}
    return await gateway.post("/servers", body, version="2.60")


async def test_empty_volumes_follow_a_server_that_is_made_with_them(
    gateway: Gateway, cloud: Cloud
) -> None:
    volume = await made(gateway)
    asked = asyncio.create_task(boot(gateway, volume, availability_zone="az2"))
    (await worked(gateway, volume, asked)).ok(202)
    ((region, inside),) = volumes(cloud)
    (booted,) = cloud.pods["pod2"].nova.live()
    (device,) = booted.request["server"]["block_device_mapping_v2"]
    assert (region, device["uuid"]) == ("pod2", inside["id"])


async def test_volumes_of_two_pods_come_together(gateway: Gateway, cloud: Cloud) -> None:
    """One may hold something, the other not."""
    empty = await made(gateway)
    full = cloud.pods["pod2"].cinder.add_volume(content="letters")["id"]
    refused = await boot(gateway, empty, full, availability_zone="az1")
    assert refused.status == 400
    for told in (full, "The server would be in pod pod", "may hold data"):
        assert told in refused.message
    asked = asyncio.create_task(boot(gateway, full, empty, availability_zone="az2"))
    (await worked(gateway, empty, asked)).ok(202)
    assert {region for region, _ in volumes(cloud)} == {"pod2"}
    assert len(cloud.pods["pod2"].nova.live()) == 1


async def test_volumes_whose_zones_were_named_do_not(gateway: Gateway, cloud: Cloud) -> None:
    volume = await made(gateway, availability_zone="az1")
    refused = await boot(gateway, volume, availability_zone="az2")
    assert refused.status == 400
    assert "zone, az1, was named when it was made" in refused.message
    assert moves.get(volume) is None
