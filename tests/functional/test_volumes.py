# SPDX-License-Identifier: Apache-2.0
"""Volumes and what is made of them, over three pods."""

from typing import Any

import pytest

from tests.functional.bed import Answer, Gateway
from tests.functional.fakes.cloud import Cloud
from tricircle.db import routings, storage

Object = dict[str, Any]


async def make(gateway: Gateway, **more: Any) -> Answer:
    """A create of a volume; ``user``, ``version`` and ``hints`` are not of its body."""
    call = {name: more.pop(name) for name in ("user", "version") if name in more}
    body: Object = {"volume": {"name": "one", "size": 1, **more}}
    return await gateway.volumes.post("/volumes", body, **call)


def volumes(cloud: Cloud) -> list[tuple[str, Object]]:
    """(region, volume) of all there are."""
    return [
        (region, volume)
        for region, pod in cloud.pods.items()
        for volume in pod.cinder.items["volume"].values()
    ]


def used(cloud: Cloud, user: str = "member") -> dict[str, int]:
    project = cloud.keystone.issue(user).project_id
    return {name: number for name, number in storage.used(project).items() if number}


@pytest.mark.parametrize("zone", ["az1", "az2"])
async def test_a_zone_decides(gateway: Gateway, cloud: Cloud, zone: str) -> None:
    made = (await make(gateway, availability_zone=zone)).ok(202)["volume"]
    ((region, volume),) = volumes(cloud)
    assert cloud.zones[region] == zone
    assert made["id"] == volume["id"]
    assert made["availability_zone"] == zone
    assert volume["availability_zone"] == "nova"
    shown = (await gateway.volumes.get(f"/volumes/{made['id']}")).ok(200)["volume"]
    assert (shown["availability_zone"], shown["status"]) == (zone, "available")
    row = routings.get("volume", made["id"])
    assert row is not None
    assert (row.pod_id, row.project_id) == (gateway.pod_ids[region], cloud.project_id)
    assert used(cloud) == {"volumes": 1, "gigabytes": 1, "volumes___DEFAULT__": 1,
                           "gigabytes___DEFAULT__": 1}  # fmt: skip


async def test_an_unknown_zone_is_400(gateway: Gateway, cloud: Cloud) -> None:
    answer = await make(gateway, availability_zone="az9")
    assert (answer.status, answer.message) == (
        400, "Invalid input received: Availability zone 'az9' is invalid."
    )  # fmt: skip
    assert cloud.journal.find("pod", "POST", "/volumes") == []
    assert used(cloud) == {}


async def test_links_lead_to_us(gateway: Gateway, cloud: Cloud) -> None:
    answer = await make(gateway)
    made = answer.ok(202)["volume"]
    for pod in cloud.pods.values():
        assert pod.cinder.url not in answer.body.decode()
    for link in made["links"]:
        assert link["href"].startswith(gateway.volume)
    own = next(link["href"] for link in made["links"] if link["rel"] == "self")
    assert (await gateway.volumes.get(own, base="")).ok(200)["volume"]["id"] == made["id"]


async def test_deleted_is_forgotten(gateway: Gateway, cloud: Cloud) -> None:
    made = (await make(gateway)).ok(202)["volume"]
    (await gateway.volumes.delete(f"/volumes/{made['id']}")).ok(202)
    await gateway.idle()
    assert volumes(cloud) == []
    assert routings.get("volume", made["id"]) is None
    assert used(cloud) == {}
    assert (await gateway.volumes.get(f"/volumes/{made['id']}")).status == 404
