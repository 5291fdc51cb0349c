# SPDX-License-Identifier: Apache-2.0
"""xjob undoes what nobody works on any more, and nothing else."""

import asyncio
from typing import Any

from tests.functional.fakes.cloud import Cloud
from tests.functional.fakes.faults import Kind
from tests.functional.gateway_harness import Gateway
from tricircle.conf import CONF
from tricircle.pods.rest import PodServices
from tricircle.xjob.operations import Operations


async def reconcile(gateway: Gateway, until: asyncio.Event) -> None:
    worker = Operations(gateway.services.registry, PodServices(gateway.services.identity))
    while not until.is_set():
        await asyncio.to_thread(worker.run)
        await asyncio.sleep(0.1)


async def beside_xjob(gateway: Gateway, work: Any) -> Any:
    done = asyncio.Event()
    xjob = asyncio.ensure_future(reconcile(gateway, done))
    try:
        return await work
    finally:
        done.set()
        await xjob


async def test_a_slow_create_keeps_its_ports(gateway: Gateway, cloud: Cloud) -> None:
    network = cloud.central.network(cloud.project_id)
    slow = CONF.reconciler.creation_grace * 1.7
    fault = cloud.central.fail(Kind.SLOW, "PUT", "/ports/", seconds=slow, times=1)
    server = {
        "name": "one",
        "imageRef": cloud.image_id,
        "flavorRef": "1",
        "networks": [{"uuid": network["id"]}],
    }
    creating = gateway.post("/servers", {"server": server}, version="2.60")
    made = (await beside_xjob(gateway, creating)).ok(202)["server"]["id"]
    assert fault.hit.is_set()
    (port,) = cloud.central.ports()
    assert port["device_id"] == made


async def test_a_slow_attachment_keeps_its_port(gateway: Gateway, cloud: Cloud) -> None:
    server = {"name": "one", "imageRef": cloud.image_id, "flavorRef": "1", "networks": "none"}
    answer = await gateway.post("/servers", {"server": server}, version="2.60")
    made = answer.ok(202)["server"]["id"]
    network = cloud.central.network(cloud.project_id)
    slow = CONF.reconciler.creation_grace * 1.7
    cloud.central.fail(Kind.SLOW, "PUT", "/ports/", seconds=slow, times=1)
    wanted = {"interfaceAttachment": {"net_id": network["id"]}}
    attaching = gateway.post(f"/servers/{made}/os-interface", wanted)
    (await beside_xjob(gateway, attaching)).ok(200)
    (port,) = cloud.central.ports()
    assert port["device_id"] == made
