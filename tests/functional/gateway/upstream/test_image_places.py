# SPDX-License-Identifier: Apache-2.0
"""Images of servers with their root on a volume: what is made of one goes to its snapshot's pod."""

import json
from typing import Any

import pytest

from tests.functional.fakes.cloud import Cloud
from tests.functional.fakes.faults import Kind
from tests.functional.fakes.http import new_id
from tests.functional.gateway_harness import Answer, Gateway
from tests.functional.servers import the_one
from tests.functional.volumes import make, volumes


@pytest.fixture
def image(cloud: Cloud) -> str:
    """An image of a server of pod2."""
    cinder = cloud.pods["pod2"].cinder
    snapshot = cinder.add_snapshot(cinder.add_volume())
    device = {"source_type": "snapshot", "destination_type": "volume", "boot_index": 0,
              "snapshot_id": snapshot["id"], "volume_size": 1}  # fmt: skip
    image_id = new_id()
    cloud.images[image_id] = {
        "id": image_id,
        "name": "of-server",
        "status": "active",
        "owner": cloud.project_id,
        "block_device_mapping": json.dumps([device]),
    }
    return image_id


async def boot(gateway: Gateway, **more: Any) -> Answer:
    server = {"name": "one", "flavorRef": "1", "networks": "none", **more}
    return await gateway.post("/servers", {"server": server}, version="2.60")


async def settled_in(gateway: Gateway, region: str) -> None:
    values = {"project_id": gateway.cloud.project_id, "pod_id": gateway.pod_ids[region]}
    (await gateway.manage("POST", "/bindings", {"binding": values})).ok(201)


@pytest.mark.parametrize("form", ["image", "device"])
async def test_a_server_is_made_where_its_images_snapshot_is(
    gateway: Gateway, cloud: Cloud, image: str, form: str
) -> None:
    await settled_in(gateway, "pod1")
    device = {"source_type": "image", "destination_type": "volume", "uuid": image,
              "boot_index": 0, "volume_size": 1}  # fmt: skip
    wanted = {
        "image": {"imageRef": image},
        "device": {"block_device_mapping_v2": [device]},
    }[form]
    (await boot(gateway, **wanted)).ok(202)
    assert the_one(cloud)[0] == "pod2"
    (await boot(gateway, **wanted)).ok(202)
    # What an image is of is asked once.
    assert len(cloud.journal.find("image", "GET", f"/v2/images/{image}")) == 1


async def test_a_volume_is_made_there_too(gateway: Gateway, cloud: Cloud, image: str) -> None:
    await settled_in(gateway, "pod1")
    # Cinder takes a link as well.
    cloud.images[f"http://cloud/images/{image}"] = cloud.images[image]
    reference = f"http://cloud/images/{image}"
    made = (await make(gateway, imageRef=reference)).ok(202)["volume"]["id"]
    assert ("pod2", made) in [(region, volume["id"]) for region, volume in volumes(cloud)]


async def test_a_refusal_says_where_it_can_go(gateway: Gateway, cloud: Cloud, image: str) -> None:
    for answer in (
        await boot(gateway, imageRef=image, availability_zone="az1"),
        await make(gateway, imageRef=image, availability_zone="az1"),
    ):
        assert answer.status == 400
        assert f"image {image} is of snapshot" in answer.message
        assert "which is in pod2" in answer.message
    assert not any(pod.nova.live() for pod in cloud.pods.values())


async def test_images_with_odd_properties_are_the_pods_matter(
    gateway: Gateway, cloud: Cloud
) -> None:
    await settled_in(gateway, "pod1")
    # Not JSON that anybody can read, too deep, names nothing, names what no pod has.
    for odd in ("[[[", '{"snapshot_id": 1}', '[1, null, {"snapshot_id": "../x"}]', "[" * 500):
        image = new_id()
        cloud.images[image] = {"id": image, "name": "odd", "status": "active",
                               "owner": cloud.project_id}  # fmt: skip
        cloud.glance.images[image]["block_device_mapping"] = odd
        cloud.pods["pod1"].nova.images = {image: {"id": image}}
        (await boot(gateway, imageRef=image)).ok(202)


@pytest.mark.parametrize("kind", [Kind.CUT, Kind.GARBAGE, Kind.ERROR])
async def test_without_glance_all_goes_on(gateway: Gateway, cloud: Cloud, kind: Kind) -> None:
    cloud.glance.fail(kind)
    (await boot(gateway, imageRef=cloud.image_id)).ok(202)
