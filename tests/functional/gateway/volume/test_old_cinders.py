# SPDX-License-Identifier: Apache-2.0
"""Pods whose Cinder knows no URL without a project: older than microversion 3.67."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.functional.fakes.cloud import Cloud
from tests.functional.gateway_harness import Gateway
from tests.functional.volumes import make, used, volumes
from tricircle.db import storage
from tricircle.pods.rest import PodServices
from tricircle.scheduling.capacity import free_storage
from tricircle.xjob.storage import Storage


@pytest_asyncio.fixture
async def old(gateway: Gateway, cloud: Cloud) -> AsyncIterator[Gateway]:
    """All but one pod have an old one."""
    versions = {"compute": {"min": "2.1", "max": "2.104"}, "volume": {"min": "3.0", "max": "3.62"}}
    for region in ("pod1", "pod2"):
        cloud.pods[region].cinder.max_version = (3, 62)
        await gateway.set_pod(region, versions=versions)
    yield gateway


@pytest.mark.parametrize("zone", ["az1", "az2"])
@pytest.mark.parametrize("with_project", [False, True])
async def test_users_need_not_know(
    old: Gateway, cloud: Cloud, zone: str, with_project: bool
) -> None:
    prefix = f"/{cloud.project_id}" if with_project else ""
    body = {"volume": {"name": "one", "size": 1, "availability_zone": zone}}
    made = (await old.volumes.post(f"{prefix}/volumes", body)).ok(202)["volume"]
    shown = (await old.volumes.get(f"{prefix}/volumes/{made['id']}")).ok(200)["volume"]
    assert shown["id"] == made["id"]
    for link in shown["links"]:
        assert link["href"].startswith(old.volume)
    listed = (await old.volumes.get(f"{prefix}/volumes")).ok(200)["volumes"]
    assert [one["id"] for one in listed] == [made["id"]]
    (await old.volumes.delete(f"{prefix}/volumes/{made['id']}")).ok(202)
    # That it is gone is seen as ourselves.
    await old.idle()
    assert (volumes(cloud), used(cloud)) == ([], {})


async def test_a_lost_routing_is_found(old: Gateway, cloud: Cloud) -> None:
    volume = cloud.pods["pod2"].cinder.add_volume("one")
    shown = (await old.volumes.get(f"/volumes/{volume['id']}")).ok(200)["volume"]
    assert shown["id"] == volume["id"]


async def test_our_own_calls(old: Gateway, cloud: Cloud) -> None:
    """What xjob and the scheduler ask, of all projects, by our own project's URL."""
    identity = old.services.identity
    volume = cloud.pods["pod2"].cinder.add_volume("one", size=3)
    pod = next(one for one in old.services.registry.all() if one.region_name == "pod2")
    await asyncio.to_thread(Storage(PodServices(identity)).audit, pod)
    assert storage.used(volume["project_id"])["gigabytes"] == 3
    assert await asyncio.to_thread(free_storage, identity, pod, 2.0) > 0


async def test_of_several_the_oldest_says_what_there_is(old: Gateway) -> None:
    assert (await make(old, version="3.63")).status == 406
