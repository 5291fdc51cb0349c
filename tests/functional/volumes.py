# SPDX-License-Identifier: Apache-2.0
"""What tests of volumes say and ask often."""

from typing import Any

from tests.functional.fakes.cloud import Cloud
from tests.functional.fakes.faults import Kind
from tests.functional.gateway_harness import Answer, Gateway
from tricircle.db import storage

Object = dict[str, Any]
#: The work was done, and nobody was told.
LOST = [Kind.HANG_AFTER, Kind.CUT_AFTER, Kind.TRUNCATED_AFTER, Kind.GARBAGE_AFTER]


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
