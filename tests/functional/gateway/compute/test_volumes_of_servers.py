# SPDX-License-Identifier: Apache-2.0
"""What pods make of storage for servers counts against the project's limits at once."""

import asyncio
from typing import Any

from tests.functional.fakes.cloud import Cloud
from tests.functional.gateway_harness import Answer, Gateway
from tests.waiting import eventually
from tricircle.db import allocations, storage
from tricircle.pods.rest import PodServices
from tricircle.xjob.storage import Storage
from tricircle.xjob.usage import Usage

ROOT = {
    "boot_index": 0,
    "source_type": "image",
    "destination_type": "volume",
    "volume_size": 2,
    "delete_on_termination": True,
}


async def make(gateway: Gateway, **more: Any) -> Answer:
    server = {
        "name": "one",
        "flavorRef": "1",
        "networks": "none",
        "block_device_mapping_v2": [{**ROOT, "uuid": gateway.cloud.image_id}],
        **more,
    }
    return await gateway.post("/servers", {"server": server}, version="2.50")


async def limit(gateway: Gateway, **limits: int) -> None:
    path = f"/os-quota-sets/{gateway.cloud.project_id}"
    (await gateway.volumes.put(path, {"quota_set": limits}, user="admin")).ok()


def used(cloud: Cloud) -> dict[str, int]:
    found = storage.used(cloud.project_id)
    return {name: found[name] for name in storage.RESOURCES if found[name]}


async def look(gateway: Gateway) -> None:
    """What xjob does about what is due, its time having come."""
    services = PodServices(gateway.services.identity)
    worker = Storage(services)
    for pod in gateway.services.answering("compute"):
        for row in await asyncio.to_thread(allocations.in_pod, pod.id):
            await asyncio.to_thread(allocations.look, row, -1)
        await asyncio.to_thread(Usage(services, worker).run, pod)
        await asyncio.to_thread(worker.run, pod)


async def built(cloud: Cloud) -> None:
    servers = [one for pod in cloud.pods.values() for one in pod.nova.servers.values()]
    await eventually("all are built", lambda: all(one.status != "BUILD" for one in servers))


async def test_one_too_many_is_refused_before_a_pod_is_asked(
    gateway: Gateway, cloud: Cloud
) -> None:
    await limit(gateway, volumes=3)
    answers = [await make(gateway) for _ in range(5)]
    assert [one.status for one in answers] == [202, 202, 202, 403, 403]
    assert answers[-1].message == (
        "Maximum number of volumes allowed (3) exceeded for quota 'volumes'."
    )
    assert sum(len(pod.nova.servers) for pod in cloud.pods.values()) == 3
    assert used(cloud) == {"volumes": 3, "gigabytes": 6}


async def test_sizes_count(gateway: Gateway, cloud: Cloud) -> None:
    await limit(gateway, gigabytes=5)
    blank = {"boot_index": -1, "source_type": "blank", "destination_type": "volume"}
    devices = [
        {**ROOT, "uuid": cloud.image_id},
        {**blank, "volume_size": "3"},
        {"boot_index": -1, "source_type": "blank", "destination_type": "local", "volume_size": 9},
    ]
    (await make(gateway, block_device_mapping_v2=devices)).ok(202)
    assert used(cloud) == {"volumes": 2, "gigabytes": 5}
    answer = await make(gateway)
    assert (answer.status, answer.message) == (
        403,
        "Requested volume or snapshot exceeds allowed gigabytes quota. Requested 2G, quota is 5G "
        "and 5G has been consumed.",
    )


async def test_of_several_servers_as_many_as_there_is_room_for(
    gateway: Gateway, cloud: Cloud
) -> None:
    await limit(gateway, volumes=3)
    (await make(gateway, min_count=1, max_count=5)).ok(202)
    assert sum(len(pod.nova.servers) for pod in cloud.pods.values()) == 3
    assert (await make(gateway, min_count=2, max_count=2)).status == 403


async def test_a_volume_of_a_snapshot_has_its_size(gateway: Gateway, cloud: Cloud) -> None:
    volume = (await gateway.volumes.post("/volumes", {"volume": {"size": 4}})).ok()["volume"]
    wanted = {"snapshot": {"volume_id": volume["id"]}}
    snapshot = (await gateway.volumes.post("/snapshots", wanted)).ok()["snapshot"]
    device = {"boot_index": 0, "source_type": "snapshot", "destination_type": "volume"}
    await limit(gateway, gigabytes=11)
    answer = await make(gateway, block_device_mapping_v2=[{**device, "uuid": snapshot["id"]}])
    assert (answer.status, answer.message) == (
        403,
        "Requested volume or snapshot exceeds allowed gigabytes quota. Requested 4G, quota is 11G "
        "and 8G has been consumed.",
    )


async def test_what_was_made_stands_for_what_was_set_aside(gateway: Gateway, cloud: Cloud) -> None:
    await limit(gateway, volumes=2)
    server = (await make(gateway)).ok(202)["server"]["id"]
    await built(cloud)
    await look(gateway)
    made = [one for pod in cloud.pods.values() for one in pod.cinder.items["volume"]]
    assert storage.get("volume", made[0]) is not None
    assert used(cloud) == {"volumes": 1, "gigabytes": 2}
    (await make(gateway)).ok(202)
    assert (await make(gateway)).status == 403
    # Its volume goes with it, and leaves room at once.
    (await gateway.delete(f"/servers/{server}")).ok(204)
    await gateway.get(f"/servers/{server}")
    await look(gateway)
    assert used(cloud)["volumes"] == 1
    (await make(gateway)).ok(202)


async def test_a_volume_that_stays_counts_still(gateway: Gateway, cloud: Cloud) -> None:
    device = {**ROOT, "uuid": cloud.image_id, "delete_on_termination": False}
    answer = await make(gateway, block_device_mapping_v2=[device])
    server = answer.ok(202)["server"]["id"]
    await built(cloud)
    await look(gateway)
    (await gateway.delete(f"/servers/{server}")).ok(204)
    await gateway.get(f"/servers/{server}")
    await look(gateway)
    assert used(cloud) == {"volumes": 1, "gigabytes": 2}
    assert all(storage.due(pod.id, 9) == [] for pod in gateway.services.answering("compute"))


async def test_what_is_not_made_is_given_back(gateway: Gateway, cloud: Cloud) -> None:
    assert (await make(gateway, flavorRef="none such")).status == 400
    assert used(cloud) == {}
    for pod in cloud.pods.values():
        pod.nova.no_valid_host = True
    (await make(gateway)).ok(202)
    assert used(cloud) == {"volumes": 1, "gigabytes": 2}
    await built(cloud)
    await look(gateway)
    assert used(cloud) == {}


async def test_images_of_volumes_are_snapshots(gateway: Gateway, cloud: Cloud) -> None:
    server = (await make(gateway)).ok(202)["server"]["id"]
    await built(cloud)
    await look(gateway)
    await limit(gateway, snapshots=1)
    path, body = f"/servers/{server}/action", {"createImage": {"name": "i"}}
    (await gateway.post(path, body, version="2.50")).ok(202)
    assert used(cloud) == {"volumes": 1, "snapshots": 1, "gigabytes": 4}
    again = await gateway.post(path, body, version="2.50")
    assert (again.status, again.message) == (
        403,
        "Maximum number of snapshots allowed (1) exceeded",
    )
    await look(gateway)
    assert used(cloud) == {"volumes": 1, "snapshots": 1, "gigabytes": 4}
    (snapshot,) = [one for pod in cloud.pods.values() for one in pod.cinder.items["snapshot"]]
    assert storage.get("snapshot", snapshot) is not None
