# SPDX-License-Identifier: Apache-2.0
"""A pod of which Tricircle is no administrator: it makes what a member can make."""

import pytest

from tests.functional.fakes.cloud import MEMBERS, Cloud
from tests.functional.fakes.glance import Glance, data_of
from tests.functional.gateway.images.conftest import (
    DATA,
    FOREIGN,
    boot,
    image,
    until,
    xjob,
)
from tests.functional.gateway_harness import Gateway


@pytest.fixture
def entered() -> str:
    return MEMBERS


async def test_images_are_brought_there_and_come_from_there(
    gateway: Gateway, cloud: Cloud, theirs: Glance
) -> None:
    keystone = cloud.pods[FOREIGN].keystone
    assert keystone is not None
    cloud.central.judges.pop(FOREIGN)
    credential = {"credential": keystone.credential("tenant")}
    path = f"/pods/{gateway.pod_ids[FOREIGN]}/credentials/{cloud.project_id}"
    (await gateway.manage("PUT", path, credential)).ok()
    cloud.pods[FOREIGN].nova.add_flavor("theirs", name="m1.nano")
    image_id, public = image(cloud), image(cloud, visibility="public", protected=True)
    async with xjob(gateway):
        for one in (public, image_id):
            made = (await boot(gateway, one, networks="none")).ok(202)["server"]["id"]
        assert theirs.images[image_id]["content"] == DATA
        assert theirs.images[public]["visibility"] == "community"
        before = set(theirs.images)
        wanted = {"createImage": {"name": "snap"}}
        told = (await gateway.post(f"/servers/{made}/action", wanted, version="2.45")).ok(202)
        (inside,) = set(theirs.images) - before
        await until(lambda: cloud.images[told["image_id"]]["status"] == "active")
    assert data_of(cloud.images[told["image_id"]]) == data_of(theirs.images[inside])
    for entry in cloud.journal.find(f"{FOREIGN}/image"):
        token = keystone.tokens.get(entry.headers.get("X-Auth-Token", ""))
        assert token is not None
        assert not token.is_admin
