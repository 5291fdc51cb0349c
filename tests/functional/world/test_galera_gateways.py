# SPDX-License-Identifier: Apache-2.0
"""Three gateways, each on a node of its own of one Galera cluster, serve one project at once."""

import asyncio
import contextlib
from collections import Counter
from pathlib import Path

import sqlalchemy as sa

from tests.functional.fakes.cloud import Cloud
from tests.functional.gateway_harness import Answer, Gateway
from tests.functional.processes import Process, caller
from tricircle.db import allocations, bindings, models, operations, quotas, session, storage

# Of so many asked for, so many are allowed.
ASKED, ALLOWED = 36, 20


async def test_creates_of_one_project(cloud: Cloud, clustered: list[str], tmp_path: Path) -> None:
    limits = {"instances": ALLOWED, "volumes": ALLOWED, "gigabytes": -1}
    quotas.put(quotas.PROJECT, cloud.project_id, limits)
    processes = []
    for number, url in enumerate(clustered):
        folder = tmp_path / f"gateway{number}"
        folder.mkdir()
        processes.append(Process(cloud, folder, url))
    async with contextlib.AsyncExitStack() as stack:
        for process in processes:
            stack.push_async_callback(process.kill)
        await asyncio.gather(*(process.start() for process in processes))
        callers = [await stack.enter_async_context(caller(process)) for process in processes]
        asked = [
            create(callers[number % 3], cloud, number)
            for create in (_server, _volume)
            for number in range(ASKED)
        ]
        answers = await asyncio.gather(*asked)
    servers, volumes = answers[:ASKED], answers[ASKED:]
    assert _statuses(servers) == {202: ALLOWED, 403: ASKED - ALLOWED}
    assert _statuses(volumes) == {202: ALLOWED, 413: ASKED - ALLOWED}
    await asyncio.to_thread(_counted, cloud)
    for process in processes:
        assert "Traceback" not in process.log.read_text()


def _statuses(answers: list[Answer]) -> Counter[int]:
    found = Counter(answer.status for answer in answers)
    assert max(found) < 500, [answer.body for answer in answers if answer.status >= 500]
    return found


async def _server(gateway: Gateway, cloud: Cloud, number: int) -> Answer:
    server = {"name": "one", "imageRef": cloud.image_id, "flavorRef": "1", "networks": "none"}
    zone = ("az1", "az2")[number % 2]
    body = {"server": {**server, "availability_zone": zone}}
    return await gateway.post("/servers", body, version="2.90")


async def _volume(gateway: Gateway, cloud: Cloud, number: int) -> Answer:
    return await gateway.volumes.post(
        f"/{cloud.project_id}/volumes",
        {"volume": {"size": 1, "availability_zone": ("az1", "az2")[number % 2]}},
    )


def _counted(cloud: Cloud) -> None:
    """What is written down is what the pods have: nothing is lost, nothing is there twice."""
    servers = [server.id for pod in cloud.pods.values() for server in pod.nova.live()]
    volumes = [volume for pod in cloud.pods.values() for volume in pod.cinder.items["volume"]]
    assert len(set(servers)) == len(servers) == len(set(volumes)) == len(volumes) == ALLOWED
    assert allocations.used(cloud.project_id)["instances"] == ALLOWED
    assert storage.used(cloud.project_id)["volumes"] == ALLOWED
    assert operations.stale(-60) == []
    with session.read() as tx:
        known = set(tx.scalars(sa.select(models.Routing.resource_id)))
        pairs = tx.execute(sa.select(models.Binding.project_id, models.Binding.pod_id)).all()
    assert known == {*servers, *volumes}
    assert len(pairs) == len(set(pairs)) == len(bindings.pods_of(cloud.project_id))
