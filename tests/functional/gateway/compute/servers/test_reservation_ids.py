# SPDX-License-Identifier: Apache-2.0
"""Servers made together are found together by their reservation id."""

from typing import Any

import pytest

from tests.functional.fakes.cloud import Cloud
from tests.functional.gateway_harness import Gateway
from tricircle.db import routings


async def make(gateway: Gateway, cloud: Cloud, **more: Any) -> str:
    network = cloud.central.network(cloud.project_id)
    server = {
        "name": "m",
        "imageRef": cloud.image_id,
        "flavorRef": "1",
        "networks": [{"uuid": network["id"]}],
        "return_reservation_id": True,
        **more,
    }
    answer = await gateway.post("/servers", {"server": server}, version="2.60")
    document = answer.ok(202)
    assert list(document) == ["reservation_id"]
    return str(document["reservation_id"])


async def names(gateway: Gateway, reservation: str, path: str = "/servers", **more: Any) -> Any:
    answer = await gateway.get(path, query={"reservation_id": reservation}, **more)
    return sorted(server["name"] for server in answer.ok()["servers"])


@pytest.mark.parametrize("path", ["/servers", "/servers/detail"])
async def test_all_servers_of_a_request_are_found(
    gateway: Gateway, cloud: Cloud, path: str
) -> None:
    reservation = await make(gateway, cloud, min_count=2, max_count=3)
    cloud.pods["pod1"].nova.add_server("unrelated")
    assert await names(gateway, reservation, path) == ["m-1", "m-2", "m-3"]


async def test_one_server_is_found_by_its_pods_own_reservation(
    gateway: Gateway, cloud: Cloud
) -> None:
    reservation = await make(gateway, cloud)
    assert await names(gateway, reservation) == ["m"]
    assert routings.get("reservation", reservation) is None


async def test_a_list_is_as_any_other(gateway: Gateway, cloud: Cloud) -> None:
    reservation = await make(gateway, cloud, min_count=2)
    for path in ("/servers", "/servers/detail"):
        query = {"reservation_id": reservation}
        mine = (await gateway.get(path, query=query)).ok()["servers"]
        everything = (await gateway.get(path)).ok()["servers"]
        assert sorted(mine, key=lambda one: one["id"]) == sorted(
            everything, key=lambda one: one["id"]
        )


async def test_nobody_else_finds_them(gateway: Gateway, cloud: Cloud) -> None:
    reservation = await make(gateway, cloud, min_count=2)
    assert await names(gateway, reservation, user="other") == []


async def test_the_name_goes_with_the_last_server(gateway: Gateway, cloud: Cloud) -> None:
    reservation = await make(gateway, cloud, min_count=2)
    for pod in cloud.pods.values():
        for server in pod.nova.live():
            (await gateway.delete(f"/servers/{server.id}")).ok(204)
    await gateway.idle()
    assert await names(gateway, reservation) == []
    assert routings.get("reservation", reservation) is None
