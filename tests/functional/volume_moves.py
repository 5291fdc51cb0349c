# SPDX-License-Identifier: Apache-2.0
"""Moves of volumes from pod1 to pod2, for tests: begun, made to go on, and looked at when ended."""

import asyncio
from typing import Any

from tests.functional.fakes.cloud import Cloud
from tests.functional.gateway_harness import Gateway
from tricircle.db import moves
from tricircle.db.models import VolumeMove
from tricircle.db.work_queue import own_queue
from tricircle.pods.reconciler import Worker
from tricircle.pods.rest import PodServices
from tricircle.xjob.moves import Moves

Object = dict[str, Any]
#: What the volume that is moved is like; the new one must be so too.
LIKE: Object = {
    "name": "one",
    "description": "of letters",
    "size": 2,
    "content": "letters",
    "bootable": True,
    "metadata": {"colour": "blue"},
    "image_metadata": {"os_type": "linux"},
}


async def begin(gateway: Gateway, **values: Any) -> str:
    """A volume of pod1 is to be in pod2; its id."""
    volume = gateway.cloud.pods["pod1"].cinder.add_volume(**{**LIKE, **values})
    source, target = gateway.pod_ids["pod1"], gateway.pod_ids["pod2"]
    await asyncio.to_thread(moves.begin, volume["id"], volume["project_id"], source, target)
    return str(volume["id"])


async def forget(gateway: Gateway) -> None:
    """Pod1 is gone for good, with all that was in it, and is no pod of ours any more."""
    pod = gateway.cloud.pods["pod1"]
    # What it was reading nobody reads to its end.
    for image in gateway.cloud.images.values():
        image.pop("steps", None)
    pod.cinder.prepare_store()
    await asyncio.to_thread(pod.stop)
    path = f"/pods/{gateway.pod_ids['pod1']}"
    (await gateway.manage("DELETE", path, query={"force": "true"})).ok(204)
    await gateway.refresh()


async def step(gateway: Gateway, volume_id: str) -> VolumeMove:
    """Have xjob work once on what is a job in pod2; how the move is then."""
    services, pod_id = gateway.services, gateway.pod_ids["pod2"]
    pod = services.registry.get(pod_id)
    assert pod is not None

    def work() -> VolumeMove:
        own_queue().requeue_now(pod_id)
        Worker(own_queue(), [Moves(PodServices(services.identity), services.registry)]).run(pod)
        found = moves.get(volume_id)
        assert found is not None
        return found

    return await asyncio.to_thread(work)


async def go_on(gateway: Gateway, volume_id: str, *until: str) -> VolumeMove:
    """Have xjob work on a move until it is in one of these states, or has ended; how it is then."""
    found = moves.get(volume_id)
    assert found is not None
    for _ in range(150):
        if found.state in (*until, *moves.ENDED):
            return found
        found = await step(gateway, volume_id)
    (row,) = own_queue().in_pod(gateway.pod_ids["pod2"], (moves.KIND,))
    raise AssertionError(f"not ended: {found.state}, {found.reason}, {row.last_error}")


def idle(gateway: Gateway) -> bool:
    """Whether no move is a job any more."""
    pod_ids, rows = gateway.pod_ids.values(), own_queue()
    jobs = [row for pod_id in pod_ids for row in rows.in_pod(pod_id, (moves.KIND,))]
    return all(row.next_try_at is None for row in jobs)


def left_over(cloud: Cloud) -> list[Any]:
    """What is there only while a volume is being moved."""
    service = cloud.keystone.users["tricircle"].id
    cinders = [pod.cinder.items for pod in cloud.pods.values()]
    return [
        *(image for image in cloud.images if image != cloud.image_id),
        *(transfer for items in cinders for transfer in items["transfer"]),
        *(
            volume
            for items in cinders
            for volume in items["volume"].values()
            if str(volume["name"]).startswith("tricircle-")
        ),
        *(grant for grant in cloud.keystone.grants if grant == (service, cloud.project_id)),
    ]
