# SPDX-License-Identifier: Apache-2.0
"""What a cluster does with its nodes while one pod is slow, and not gone."""

import asyncio
from collections.abc import Awaitable
from typing import Any

from tests.functional.fakes.cloud import Cloud
from tests.functional.fakes.faults import Kind
from tests.functional.gateway_harness import Answer, Gateway
from tests.functional.servers import make, settled
from tests.waiting import eventually

AWAY = "X-Tricircle-Unavailable-Pods"


async def _node(gateway: Gateway, network: Any, zone: str) -> str:
    made = await make(
        gateway, name=f"node-{zone}", availability_zone=zone, networks=[{"uuid": network["id"]}]
    )
    return str(made.ok(202)["server"]["id"])


async def test_nodes_are_used_while_a_pod_is_slow(gateway: Gateway, cloud: Cloud) -> None:
    """Volumes and interfaces of the others wait for nothing; those of its own come late and once;
    and whoever looks a node up finds it."""
    network = cloud.central.network(cloud.project_id)
    other = cloud.central.network(cloud.project_id, "other", "10.7.0.0/24")
    well, slow = [await _node(gateway, network, zone) for zone in ("az1", "az2")]
    home = next(region for region, pod in cloud.pods.items() if well in pod.nova.servers)
    volumes = {region: cloud.pods[region].cinder.add_volume()["id"] for region in (home, "pod2")}
    for volume in volumes.values():
        (await gateway.volumes.get(f"/volumes/{volume}")).ok()
    held = [
        cloud.pods["pod2"].nova.fail(Kind.HELD, path="/servers"),
        cloud.pods["pod2"].cinder.fail(Kind.HELD, path="/volumes|/attachments"),
    ]

    async def use(node: str, region: str) -> None:
        path, volume = f"/servers/{node}", volumes[region]
        attachment = {"volumeAttachment": {"volumeId": volume}}
        (await gateway.post(f"{path}/os-volume_attachments", attachment)).ok(200)
        wanted = {"interfaceAttachment": {"net_id": other["id"]}}
        port = (await gateway.post(f"{path}/os-interface", wanted)).ok()["interfaceAttachment"]
        (await gateway.delete(f"{path}/os-interface/{port['port_id']}")).ok(202)

    def looked_up() -> Awaitable[Answer]:
        return gateway.get("/servers/detail", query={"name": "node-az2"})

    late = [asyncio.ensure_future(work) for work in (use(slow, "pod2"), looked_up())]
    await eventually("the pod is asked", held[0].hit.is_set)
    await use(well, home)
    assert not any(task.done() for task in late)
    for fault in held:
        fault.go.set()
    _, found = await asyncio.gather(*late)
    assert [server["id"] for server in found.ok(200)["servers"]] == [slow]
    assert AWAY not in found.headers
    await settled(gateway)
    for region, node in ((home, well), ("pod2", slow)):
        nova = cloud.pods[region].nova
        assert len(cloud.journal.find(f"{region}/compute", "POST", "os-interface$")) == 1
        assert [server.id for server in nova.live()] == [node]
        (port,) = cloud.central.ports(device_id=node)
        assert port["network_id"] == network["id"]
