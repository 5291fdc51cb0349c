# SPDX-License-Identifier: Apache-2.0
"""What becomes of copies: images are deleted, changed, unshared, unused, or wanted ahead."""

import asyncio
import datetime
from typing import Any

import pytest
import sqlalchemy as sa

from tests.functional.fakes.cloud import Cloud
from tests.functional.fakes.faults import Kind
from tests.functional.fakes.glance import Glance
from tests.functional.gateway.images.conftest import FOREIGN, boot, image, until, work, xjob
from tests.functional.gateway_harness import Gateway
from tricircle.conf import CONF
from tricircle.db import image_copies, session
from tricircle.db.models import ImageCopy, now
from tricircle.pods.rest import PodServices
from tricircle.xjob.image_loop import ImageLoop
from tricircle.xjob.image_watch import ImageWatch


@pytest.fixture
def watch(gateway: Gateway) -> Any:
    """xjob looks after the copies, and does what is due then."""
    looking = ImageWatch(PodServices(gateway.services.identity))

    async def look() -> None:
        pod = gateway.services.registry.get(gateway.pod_ids[FOREIGN])
        assert pod is not None
        await asyncio.to_thread(looking.look, pod)
        await work(gateway)

    return look


async def used(gateway: Gateway, image_id: str, user: str = "member") -> None:
    async with xjob(gateway):
        (await boot(gateway, image_id, user)).ok(202)


async def test_what_is_deleted_in_the_region_goes(
    gateway: Gateway, cloud: Cloud, theirs: Glance, watch: Any
) -> None:
    """Also where it is protected; one that is only hidden stays."""
    gone, hidden = image(cloud, protected=True), image(cloud)
    for one in (gone, hidden):
        await used(gateway, one)
    assert theirs.images[gone]["protected"] is True
    cloud.images[hidden]["os_hidden"] = True
    del cloud.images[gone]
    await watch()
    assert list(theirs.images) == [hidden]
    await watch()
    assert list(theirs.images) == [hidden]
    assert theirs.images[hidden]["status"] == "active"
    listed = (await gateway.manage("GET", "/images")).ok()["images"]
    assert [one["image_id"] for one in listed] == [hidden]


async def test_what_changes_in_the_region_changes_there(
    gateway: Gateway, cloud: Cloud, theirs: Glance, watch: Any
) -> None:
    image_id = image(cloud, os_distro="a", hw_old="1", updated_at="1")
    await used(gateway, image_id)
    here = cloud.images[image_id]
    del here["hw_old"]
    here |= {"os_distro": "b", "name": "other", "visibility": "public", "updated_at": "2"}
    await watch()
    copy = theirs.images[image_id]
    assert (copy["os_distro"], copy["name"], copy["visibility"]) == ("b", "other", "community")
    assert "hw_old" not in copy
    cloud.journal.clear()
    await watch()
    assert cloud.journal.find(f"{FOREIGN}/image", "PATCH") == []


async def test_who_may_use_it_no_more_is_let_in_no_more(
    gateway: Gateway, cloud: Cloud, theirs: Glance, watch: Any
) -> None:
    image_id, other = image(cloud), cloud.keystone.issue("other").project_id
    cloud.images[image_id]["members"] = [other]
    for user in ("member", "other"):
        await used(gateway, image_id, user)
    assert len(theirs.images[image_id]["members"]) == 2
    cloud.images[image_id]["members"] = []
    await watch()
    assert len(theirs.images[image_id]["members"]) == 1
    assert (await boot(gateway, image_id, "other")).status == 400
    (await boot(gateway, image_id)).ok(202)


async def test_what_nobody_uses_is_dropped_unless_a_rule_wants_it(
    gateway: Gateway, cloud: Cloud, theirs: Glance, watch: Any
) -> None:
    CONF.set_override("drop_unused_after", 3.0, group="images")
    CONF.set_override("ahead", ["os_distro=kept"], group="images")
    kept, unused, fresh = image(cloud, os_distro="kept"), image(cloud), image(cloud)
    for one in (unused, fresh):
        await used(gateway, one)
    await watch()
    assert theirs.images.keys() == {kept, unused, fresh}
    with session.write() as tx:
        long_ago = now() - datetime.timedelta(days=4)
        old = ImageCopy.image_id.in_([kept, unused])
        tx.execute(sa.update(ImageCopy).where(old).values(used_at=long_ago))
    await watch()
    assert theirs.images.keys() == {kept, fresh}
    # It is brought again when it is used again, under another id.
    await used(gateway, unused)
    assert len(theirs.images) == 3


async def test_a_backup_that_is_rotated_away_goes_from_the_region(
    gateway: Gateway, cloud: Cloud, theirs: Glance, watch: Any
) -> None:
    async with xjob(gateway):
        server = (await boot(gateway, image(cloud))).ok(202)["server"]["id"]
    before = set(theirs.images)
    wanted = {"createBackup": {"name": "b", "backup_type": "daily", "rotation": 1}}
    told = (await gateway.post(f"/servers/{server}/action", wanted, version="2.45")).ok(202)
    pod_id, image_id = gateway.pod_ids[FOREIGN], told["image_id"]
    (inside,) = set(theirs.images) - before
    theirs.images[inside]["image_type"] = "backup"
    async with xjob(gateway):
        await until(lambda: image_copies.get(image_id, pod_id).state == image_copies.THERE)
    del theirs.images[inside]
    await watch()
    assert image_id not in cloud.images


async def test_the_list_tells_which_image_is_where_and_how_far(
    gateway: Gateway, cloud: Cloud, theirs: Glance
) -> None:
    CONF.set_override("wait", 0.0, group="images")
    images = [image(cloud) for _ in range(3)]
    for one in images:
        assert (await boot(gateway, one)).status == 503
    async with xjob(gateway):
        await until(lambda: len(theirs.images) == 3)
    first = (await gateway.manage("GET", "/images?limit=2")).ok()
    assert len(first["images"]) == 2
    marker = first["images"][-1]["id"]
    rest = (await gateway.manage("GET", f"/images?limit=2&marker={marker}")).ok()["images"]
    assert {one["image_id"] for one in first["images"] + rest} == set(images)
    shown = (await gateway.manage("GET", f"/images?image_id={images[0]}")).ok()["images"][0]
    assert (shown["region_name"], shown["why"], shown["size"]) == (FOREIGN, "use", 307200)
    assert (await gateway.manage("GET", "/images?region_name=pod1")).ok()["images"] == []
    assert (await gateway.manage("GET", "/images", user="member")).status == 403
    assert (await gateway.manage("GET", "/images?color=red")).status == 400


async def test_a_few_are_copied_at_a_time(gateway: Gateway, cloud: Cloud, theirs: Glance) -> None:
    """By threads of their own, until the worker ends; what is due then is another's."""
    CONF.set_override("wait", 0.0, group="images")
    CONF.set_override("copies_per_pod", 1, group="images")
    pod = gateway.services.registry.get(gateway.pod_ids[FOREIGN])
    loop = ImageLoop("pod2", PodServices(gateway.services.identity), lambda: pod)
    held = theirs.fail(Kind.HELD, "PUT", "/file", times=1)
    images = [image(cloud) for _ in range(2)]
    for one in images:
        assert (await boot(gateway, one)).status == 503
    for _ in range(3):
        await asyncio.to_thread(loop.look)
    await cloud.journal.until(lambda: cloud.journal.find(f"{FOREIGN}/image", "PUT", "/file"))
    assert len(theirs.images) == 1
    held.go.set()
    await until(lambda: any(one["status"] == "active" for one in theirs.images.values()))

    def second() -> bool:
        loop.look()
        return len(theirs.images) == 2

    await until(second)
    await until(lambda: all(one["status"] == "active" for one in theirs.images.values()))
    await asyncio.to_thread(loop.watch)
    loop.stop()
    assert (await boot(gateway, image(cloud))).status == 503
    await asyncio.to_thread(loop.look)
    assert len(theirs.images) == 2


async def test_an_operator_has_an_image_copied(
    gateway: Gateway, cloud: Cloud, theirs: Glance
) -> None:
    image_id = image(cloud, visibility="public")
    body = {"image": {"image_id": image_id, "region_name": FOREIGN}}
    made = (await gateway.manage("POST", "/images", body)).ok(202)["image"]
    assert (made["image_id"], made["region_name"], made["percent"]) == (image_id, FOREIGN, 0)
    await work(gateway)
    (shown,) = (await gateway.manage("GET", f"/images?image_id={image_id}")).ok()["images"]
    assert (shown["state"], shown["percent"]) == ("there", 100)
    assert shown["pod_image_id"] in theirs.images


@pytest.mark.parametrize(
    ("changed", "status", "words"),
    [
        ({"region_name": "pod1"}, 400, "takes images from the region's Glance"),
        ({"region_name": "pod9"}, 400, "There is no pod pod9"),
        ({"image_id": "../../etc"}, 400, "is no ID of an image"),
        ({"image_id": "00000000-0000-4000-8000-000000000000"}, 404, "No image with ID"),
    ],
)
async def test_what_cannot_be_copied_there(
    gateway: Gateway, cloud: Cloud, changed: dict[str, str], status: int, words: str
) -> None:
    body = {"image": {"image_id": cloud.image_id, "region_name": FOREIGN, **changed}}
    refused = await gateway.manage("POST", "/images", body)
    assert refused.status == status
    assert words in refused.message
    queued = image(cloud)
    cloud.images[queued]["status"] = "queued"
    body = {"image": {"image_id": queued, "region_name": FOREIGN}}
    assert (await gateway.manage("POST", "/images", body)).status == 409
    assert (await gateway.manage("POST", "/images", body, user="member")).status == 403
