# SPDX-License-Identifier: Apache-2.0
"""What tests of servers say and ask often."""

import asyncio
from typing import Any

from tests.functional.fakes.cloud import Cloud
from tests.functional.fakes.server_store import Server
from tests.functional.gateway_harness import Answer, Gateway
from tricircle.db import operations

Body = dict[str, Any]


def wanted(cloud: Cloud, **more: Any) -> Body:
    """A body of POST /servers with the least there is to say."""
    server = {"name": "one", "imageRef": cloud.image_id, "flavorRef": "1", **more}
    return {"server": {name: value for name, value in server.items() if value is not None}}


def everywhere(cloud: Cloud) -> dict[str, list[Server]]:
    """Living servers, by pod."""
    return {region: pod.nova.live() for region, pod in cloud.pods.items()}


def the_one(cloud: Cloud) -> tuple[str, Server]:
    """The only server there is, and its pod."""
    ((region, server),) = [(r, s) for r, servers in everywhere(cloud).items() for s in servers]
    return region, server


async def settled(gateway: Gateway) -> None:
    await gateway.idle()
    await asyncio.to_thread(gateway.cloud.central.settle)


async def make(gateway: Gateway, version: str = "2.90", **more: Any) -> Answer:
    return await gateway.post("/servers", wanted(gateway.cloud, **more), version=version)


def nothing_left(cloud: Cloud) -> None:
    """Neither server nor port anywhere, nor anything to look into."""
    assert not any(everywhere(cloud).values())
    assert cloud.central.ports() == []
    for pod in cloud.pods.values():
        assert pod.neutron.ports() == []
    assert operations.stale(-60) == []


def plugged(cloud: Cloud) -> tuple[Server, list[Body], list[Body]]:
    """The only server, the central ports it has, and the pod's ports it has."""
    region, server = the_one(cloud)
    central = cloud.central.ports(device_id=server.id)
    inside = cloud.pods[region].neutron.ports(device_id=server.id)
    for port in central:
        details = port["binding:vif_details"]
        assert port["binding:host_id"] == region
        assert details["pod_port_id"] in {one["id"] for one in inside}
        assert port["device_owner"].startswith("compute:")
    assert len(cloud.central.ports()) == len(central)
    return server, central, inside
