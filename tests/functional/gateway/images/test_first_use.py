# SPDX-License-Identifier: Apache-2.0
"""An image of the region is brought to a pod with a Glance of its own at its first use there."""

import asyncio

from tests.functional.fakes.cloud import Cloud
from tests.functional.fakes.glance import Glance
from tests.functional.gateway.images.conftest import DATA, FOREIGN, boot, image, work, xjob
from tests.functional.gateway_harness import Gateway
from tricircle.conf import CONF


async def test_a_server_of_an_image_that_only_the_region_has(
    gateway: Gateway, cloud: Cloud, theirs: Glance
) -> None:
    image_id = image(cloud, os_distro="tiny", hw_disk_bus="virtio", min_disk=1, tags=["a"])
    async with xjob(gateway):
        made = (await boot(gateway, image_id)).ok(202)["server"]
    copy = theirs.images[image_id]
    assert copy["content"] == DATA
    assert (copy["os_distro"], copy["min_disk"], copy["tags"]) == ("tiny", 1, ["a"])
    assert copy["owner"] == cloud.pods[FOREIGN].keystone.projects["service there"].id
    shown = (await gateway.get(f"/servers/{made['id']}")).ok()["server"]
    assert shown["image"]["id"] == image_id


async def test_one_copy_serves_all_who_may_use_the_image(
    gateway: Gateway, cloud: Cloud, theirs: Glance
) -> None:
    image_id = image(cloud, visibility="public")
    async with xjob(gateway):
        answers = await asyncio.gather(
            *(boot(gateway, image_id, user) for user in ("member", "other") * 3)
        )
    assert {answer.status for answer in answers} == {202}
    assert len(cloud.journal.find(f"{FOREIGN}/image", "PUT", "/file")) == 1
    assert list(theirs.images) == [image_id]


async def test_somebody_elses_image_is_not_found(
    gateway: Gateway, cloud: Cloud, theirs: Glance
) -> None:
    """Not even where it is there already for those who may use it."""
    image_id = image(cloud)
    async with xjob(gateway):
        (await boot(gateway, image_id)).ok(202)
        refused = await boot(gateway, image_id, "other")
    assert (refused.status, refused.message) == (400, "Can not find requested image")
    cloud.images[image_id]["members"] = [cloud.keystone.issue("other").project_id]
    async with xjob(gateway):
        (await boot(gateway, image_id, "other")).ok(202)
    assert len(theirs.images) == 1


async def test_who_does_not_wait_is_told_how_far_it_is(
    gateway: Gateway, cloud: Cloud, theirs: Glance
) -> None:
    CONF.set_override("wait", 0.0, group="images")
    image_id = image(cloud)
    told = await boot(gateway, image_id)
    assert told.status == 503
    assert "Retry-After" in told.headers
    assert f"image {image_id} is being copied to it (0 %)" in told.message
    assert cloud.journal.find(f"{FOREIGN}/network", "POST") == []
    assert await work(gateway) == 1
    (await boot(gateway, image_id)).ok(202)


async def test_an_id_that_is_taken_there_is_turned(
    gateway: Gateway, cloud: Cloud, theirs: Glance
) -> None:
    """A community image of anybody there is not taken for ours; the id of a deleted one is lost."""
    image_id = image(cloud)
    theirs.images[image_id] = {"id": image_id, "name": "x", "owner": "f" * 32, "status": "active",
                               "visibility": "community"}  # fmt: skip
    async with xjob(gateway):
        made = (await boot(gateway, image_id)).ok(202)["server"]
        shown = (await gateway.get(f"/servers/{made['id']}")).ok()["server"]
        assert shown["image"]["id"] == image_id
        (inside,) = set(theirs.images) - {image_id}
        assert theirs.images[inside]["content"] == DATA
        listed = (await gateway.get("/servers/detail")).ok()["servers"]
        assert [one["image"]["id"] for one in listed] == [image_id]
        # Its operator deletes the copy.
        del theirs.images[inside]
        theirs.gone.add(inside)
        (await boot(gateway, image_id)).ok(202)
        listed = (await gateway.get("/servers/detail")).ok()["servers"]
    assert [one["image"]["id"] for one in listed] == [image_id] * 2
    assert len(theirs.images) == 2
