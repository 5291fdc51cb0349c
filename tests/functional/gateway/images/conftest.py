# SPDX-License-Identifier: Apache-2.0
"""A cloud of which one pod has a Keystone and a Glance of its own."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from tests.functional.fakes.cloud import Cloud
from tests.functional.fakes.glance import Glance, fill
from tests.functional.fakes.http import LoopThread, new_id
from tests.functional.gateway_harness import Answer, Gateway
from tests.functional.servers import wanted
from tricircle.db.work_queue import own_queue
from tricircle.pods.reconciler import Worker
from tricircle.pods.rest import PodServices
from tricircle.xjob.images import ImageCopies

FOREIGN = "pod2"
DATA = bytes(range(256)) * 1200
MEMBERS = {"visibility": "shared", "disk_format": "raw", "container_format": "bare"}


@pytest.fixture
def entered() -> str:
    """How ``FOREIGN`` is entered."""
    return "managed"


@pytest.fixture
def cloud(fakes: LoopThread, entered: str) -> Iterator[Cloud]:
    """Three pods, of which ``FOREIGN`` (the only one of az2) knows nothing of our Keystone and
    has a Glance of its own."""
    cloud = Cloud(fakes, federated={FOREIGN: entered}, glances=[FOREIGN])
    fill(cloud.images[cloud.image_id], DATA)
    yield cloud
    cloud.close()
    assert cloud.journal.broken == []


@pytest.fixture
def theirs(cloud: Cloud) -> Glance:
    """The pod's own Glance."""
    glance = cloud.pods[FOREIGN].glance
    assert glance is not None
    return glance


def image(cloud: Cloud, user: str = "member", **more: Any) -> str:
    """An image of a user's project in the region's Glance."""
    made = {"id": new_id(), "name": "mine", **MEMBERS}
    made |= {"owner": cloud.keystone.issue(user).project_id, **more}
    fill(made, DATA)
    cloud.images[made["id"]] = made
    return str(made["id"])


def worker(gateway: Gateway) -> Worker:
    """What a tricircle-xjob works on images with."""
    services = PodServices(gateway.services.identity)
    return Worker(own_queue(), [ImageCopies(services, own_queue())])


async def work(gateway: Gateway) -> int:
    """xjob looks once at what is due."""
    pod = gateway.services.registry.get(gateway.pod_ids[FOREIGN])
    assert pod is not None
    return await asyncio.to_thread(worker(gateway).run, pod)


@contextlib.asynccontextmanager
async def xjob(gateway: Gateway) -> AsyncIterator[None]:
    """xjob works in here."""

    async def go_on() -> None:
        while True:
            await work(gateway)
            await asyncio.sleep(0.02)

    task = asyncio.create_task(go_on())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what xjob does."""
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 (another thread works)
            await asyncio.sleep(0.05)


async def boot(gateway: Gateway, image_id: str, user: str = "member", **more: Any) -> Answer:
    """The answer to a request for a server in the pod with a Glance of its own."""
    project_id = gateway.cloud.keystone.issue(user).project_id
    network = gateway.cloud.central.network(project_id)["id"]
    more = {"availability_zone": "az2", "networks": [{"uuid": network}]} | more
    body = wanted(gateway.cloud, imageRef=image_id, **more)
    return await gateway.post("/servers", body, version="2.90", user=user)
