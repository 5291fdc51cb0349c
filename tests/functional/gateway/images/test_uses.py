# SPDX-License-Identifier: Apache-2.0
"""Wherever a request names an image, the pod is told the id that it has there."""

from typing import Any

import pytest

from tests.functional.fakes.cloud import Cloud
from tests.functional.fakes.glance import Glance
from tests.functional.fakes.http import new_id
from tests.functional.gateway.images.conftest import FOREIGN, boot, image, until, work, xjob
from tests.functional.gateway_harness import Gateway
from tests.functional.servers import wanted
from tricircle.conf import CONF
from tricircle.db import image_copies


@pytest.fixture
def taken(cloud: Cloud, theirs: Glance) -> str:
    """An image of the region whose id somebody else has in the pod."""
    image_id = image(cloud)
    theirs.images[image_id] = {"id": image_id, "name": "x", "owner": "f" * 32, "status": "active",
                               "visibility": "public"}  # fmt: skip
    return image_id


def _told(cloud: Cloud, service: str, path: str) -> bytes:
    return bytes(cloud.journal.find(f"{FOREIGN}/{service}", "POST", path)[-1].body)


async def test_what_is_done_to_servers(
    gateway: Gateway, cloud: Cloud, theirs: Glance, taken: str
) -> None:
    async with xjob(gateway):
        device = {"uuid": taken, "source_type": "image", "destination_type": "volume",
                  "volume_size": 1, "boot_index": 0}  # fmt: skip
        made = await boot(gateway, taken, block_device_mapping_v2=[device], metadata={"a": taken})
        server = made.ok(202)["server"]["id"]
        (inside,) = set(theirs.images) - {taken}
        sent = _told(cloud, "compute", "/servers$")
        # What the user wrote themselves is as they wrote it.
        assert (sent.count(inside.encode()), sent.count(taken.encode())) == (2, 1)
        for body in ({"rebuild": {"imageRef": taken}}, {"rescue": {"rescue_image_ref": taken}}):
            answer = await gateway.post(f"/servers/{server}/action", body, version="2.90")
            assert answer.status < 300, answer.body
            assert inside.encode() not in answer.body
            assert inside.encode() in _told(cloud, "compute", "/action")
    networks = [{"uuid": cloud.central.network(cloud.project_id)["id"]}]
    several = wanted(cloud, imageRef=taken, availability_zone="az2", min_count=2, networks=networks)
    (await gateway.post("/servers", several, version="2.90")).ok(202)
    listed = (await gateway.get("/servers/detail")).ok()["servers"]
    assert [one["image"]["id"] for one in listed] == [taken] * 3
    # Nothing is asked of the pod about an image by its id here.
    assert len(cloud.journal.find(f"{FOREIGN}/image", "PUT", "/file")) == 1


async def test_volumes_of_images(
    gateway: Gateway, cloud: Cloud, theirs: Glance, taken: str
) -> None:
    async with xjob(gateway):
        body = {"volume": {"size": 1, "imageRef": taken, "availability_zone": "az2"}}
        made = (await gateway.volumes.post("/volumes", body)).ok(202)["volume"]
    shown = (await gateway.volumes.get(f"/volumes/{made['id']}")).ok()["volume"]
    assert shown["volume_image_metadata"]["image_id"] == taken
    refused = await gateway.volumes.post("/volumes", body, user="other")
    assert refused.status == 400
    assert "unable to access requested image" in refused.message
    assert taken in refused.message


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"cinder_encryption_key_id": "k"}, "it is encrypted"),
        ({"img_signature": "s"}, "it is signed"),
    ],
)
async def test_what_cannot_be_copied_is_refused_with_the_reason(
    gateway: Gateway, cloud: Cloud, theirs: Glance, more: Any, words: str
) -> None:
    answer = await boot(gateway, image(cloud, **more))
    assert answer.status == 400
    assert words in answer.message
    assert theirs.images == {}


async def test_an_image_without_data_is_not_active(gateway: Gateway, cloud: Cloud) -> None:
    image_id = image(cloud)
    cloud.images[image_id]["status"] = "queued"
    answer = await boot(gateway, image_id)
    assert (answer.status, answer.message) == (400, f"Image {image_id} is not active.")
    unknown = await boot(gateway, new_id())
    assert (unknown.status, unknown.message) == (400, "Can not find requested image")


async def test_a_kernel_is_brought_along(gateway: Gateway, cloud: Cloud, theirs: Glance) -> None:
    kernel = image(cloud)
    theirs.gone.add(kernel)
    async with xjob(gateway):
        needs = image(cloud, kernel_id=kernel)
        (await boot(gateway, needs)).ok(202)
    (inside,) = set(theirs.images) - {needs}
    assert theirs.images[needs]["kernel_id"] == inside


async def test_nothing_of_ours_is_told(gateway: Gateway, cloud: Cloud, theirs: Glance) -> None:
    """No token and no id of a project or user of the region reaches the pod's Glance."""
    people = {"owner_id": cloud.project_id, "user_id": cloud.keystone.users["member"].id}
    async with xjob(gateway):
        (await boot(gateway, image(cloud, **people))).ok(202)
    secrets = {*cloud.keystone.tokens, *(one.id for one in cloud.keystone.projects.values()),
               *(one.id for one in cloud.keystone.users.values())}  # fmt: skip
    asked = cloud.journal.find(f"{FOREIGN}/image")
    assert len(asked) >= 4
    for entry in asked:
        sent = entry.path + str(entry.query) + str(dict(entry.headers)) + str(entry.body)
        assert not [one for one in secrets if one in sent], entry


async def test_novas_images_are_the_regions(gateway: Gateway, cloud: Cloud, theirs: Glance) -> None:
    theirs.images["x"] = {"id": "x", "name": "theirs", "visibility": "public"}
    await gateway.set_pod("pod1", state="maintenance")
    for _ in range(2):
        listed = (await gateway.get("/images")).ok()["images"]
        assert [one["id"] for one in listed] == [cloud.image_id]
    await gateway.set_pod("pod3", state="maintenance")
    assert (await gateway.get("/images")).status == 503
    assert (await gateway.get("/images", version="2.36")).status == 404


async def test_another_pod_of_the_zone_takes_it_meanwhile(
    gateway: Gateway, cloud: Cloud, theirs: Glance
) -> None:
    """Nobody waits for an image where another pod has it."""
    async with xjob(gateway):
        (await boot(gateway, image(cloud))).ok(202)
    CONF.set_override("wait", 60.0, group="images")
    await gateway.set_pod("pod1", availability_zone="az2")
    # The project's own pod is looked at first.
    image_id = image(cloud)
    made = (await boot(gateway, image_id)).ok(202)["server"]["id"]
    assert made in cloud.pods["pod1"].nova.servers
    assert image_copies.get(image_id, gateway.pod_ids[FOREIGN]) is not None
    await work(gateway)
    assert image_id in theirs.images


async def test_pods_that_have_it_come_first(gateway: Gateway, cloud: Cloud, theirs: Glance) -> None:
    """Of two pods the fuller one is taken, if the image would have to be copied to the other."""
    await gateway.set_pod("pod1", availability_zone="az2")
    cloud.pods["pod1"].placement.used["MEMORY_MB"] = 9000
    image_id = image(cloud)
    made = (await boot(gateway, image_id)).ok(202)["server"]["id"]
    assert made in cloud.pods["pod1"].nova.servers
    # No copy was begun on the way.
    assert image_copies.get(image_id, gateway.pod_ids[FOREIGN]) is None
    ready = image(cloud, visibility="public")
    facts = {"name": "mine", "size": 1, "is_open": True}
    row = image_copies.want(ready, gateway.pod_ids[FOREIGN], None, image_copies.USE, facts)
    assert row.state != image_copies.THERE
    assert image_copies.pods_with_all([ready], gateway.pod_ids.values()) == set()
    async with xjob(gateway):
        await until(lambda: ready in theirs.images and is_there(gateway, ready))
    assert image_copies.pods_with_all([ready, ready], gateway.pod_ids.values()) == {
        gateway.pod_ids[FOREIGN]
    }
    assert image_copies.pods_with_all([ready, image_id], gateway.pod_ids.values()) == set()
    made = (await boot(gateway, ready, "other")).ok(202)["server"]["id"]
    assert made in cloud.pods[FOREIGN].nova.servers


def is_there(gateway: Gateway, image_id: str) -> bool:
    copy = image_copies.get(image_id, gateway.pod_ids[FOREIGN])
    return copy is not None and copy.state == image_copies.THERE
