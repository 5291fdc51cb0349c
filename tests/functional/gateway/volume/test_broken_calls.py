# SPDX-License-Identifier: Apache-2.0
"""Whichever call goes wrong on the way, in whichever way: never two volumes, no quota astray.

What a gateway could not see to the end xjob sees (``Storage``); its turn is taken by hand here.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.functional.fakes.cloud import Cloud
from tests.functional.fakes.faults import Fault, Kind
from tests.functional.gateway_harness import Gateway
from tricircle.db import routings, storage
from tricircle.pods.rest import PodServices
from tricircle.xjob.storage import Storage

Object = dict[str, Any]
KINDS = [Kind.CUT, Kind.CUT_AFTER, Kind.TRUNCATED_AFTER, Kind.GARBAGE_AFTER, Kind.ERROR,
         Kind.UNAVAILABLE, Kind.REDIRECT, Kind.HANG_AFTER]  # fmt: skip


async def each_call(
    gateway: Gateway, kind: Kind, attempt: Callable[[Fault], Awaitable[None]]
) -> None:
    """``attempt`` with its first call failing, then its second, ... until it makes fewer calls."""
    for number in range(1, 40):
        gateway.services.scheduler = None  # what it knows of the pods saves calls
        fault = gateway.cloud.fail_call(number, kind)
        try:
            await attempt(fault)
        except BaseException as error:
            error.add_note(f"call {number} ({kind.value}); calls: {gateway.cloud.journal.entries}")
            raise
        gateway.cloud.heal()
        gateway.cloud.journal.clear()
        if not fault.hit.is_set():
            assert number > 1
            return
    pytest.fail("it never comes to an end")


async def xjob(gateway: Gateway) -> None:
    """What the reconciler does once all is well again."""
    await gateway.idle()
    gateway.cloud.heal()
    gateway.close_breakers()
    worker = Storage(PodServices(gateway.services.identity))
    for pod in gateway.services.registry.all():
        await asyncio.to_thread(worker.audit, pod)


def living(cloud: Cloud, kind: str = "volume") -> list[Object]:
    return [one for pod in cloud.pods.values() for one in pod.cinder.items[kind].values()]


def counted(cloud: Cloud) -> None:
    """What is used is what there is."""
    used = storage.used(cloud.project_id)
    volumes, snapshots = living(cloud), living(cloud, "snapshot")
    assert used["volumes"] == len(volumes)
    assert used["snapshots"] == len(snapshots)
    assert used["gigabytes"] == sum(one["size"] for one in volumes + snapshots)


@pytest.mark.parametrize("kind", KINDS)
async def test_create_and_delete(gateway: Gateway, cloud: Cloud, kind: Kind) -> None:
    body = {"volume": {"name": "one", "size": 2, "availability_zone": "az1"}}

    async def attempt(fault: Fault) -> None:
        answer = await gateway.volumes.post("/volumes", body)
        assert b"Traceback" not in answer.body
        made = living(cloud)
        assert len(made) <= 1
        if answer.status == 202:
            assert answer.json["volume"]["id"] == made[0]["id"]
            assert storage.used(cloud.project_id)["volumes"] == 1
        else:
            assert fault.hit.is_set()
            assert not made or answer.status == 504
        await xjob(gateway)
        counted(cloud)
        for volume in made:
            (await gateway.volumes.delete(f"/volumes/{volume['id']}")).ok(202)
            await xjob(gateway)
            assert routings.get("volume", volume["id"]) is None
        assert living(cloud) == []
        counted(cloud)

    await each_call(gateway, kind, attempt)


@pytest.mark.parametrize("kind", KINDS)
async def test_snapshot_extend_and_delete(gateway: Gateway, cloud: Cloud, kind: Kind) -> None:
    async def attempt(fault: Fault) -> None:
        volume = cloud.pods["pod2"].cinder.add_volume("one")
        path = f"/volumes/{volume['id']}"
        await gateway.volumes.post(f"{path}/action", {"os-extend": {"new_size": 3}})
        await gateway.volumes.post("/snapshots", {"snapshot": {"volume_id": volume["id"]}})
        await xjob(gateway)
        counted(cloud)
        assert len(living(cloud, "snapshot")) <= 1
        (await gateway.volumes.delete(path, query={"cascade": "true"})).ok(202)
        await xjob(gateway)
        assert living(cloud) == living(cloud, "snapshot") == []
        counted(cloud)

    await each_call(gateway, kind, attempt)
