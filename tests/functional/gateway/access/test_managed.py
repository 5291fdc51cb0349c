# SPDX-License-Identifier: Apache-2.0
"""A pod whose operator gave a domain: accounts there stand for users."""

from typing import Any

from tests.functional.fakes.cloud import Cloud
from tests.functional.gateway.access.conftest import FOREIGN
from tests.functional.gateway_harness import Gateway
from tests.functional.servers import nothing_left, settled, wanted


async def _boot(gateway: Gateway, user: str = "member", **more: Any) -> str:
    network = await _network(gateway, user)
    more = {"availability_zone": "az2", "networks": [{"uuid": network}]} | more
    body = wanted(gateway.cloud, **more)
    made = (await gateway.post("/servers", body, version="2.90", user=user)).ok(202)
    return str(made["server"]["id"])


async def _network(gateway: Gateway, user: str) -> str:
    central, token = gateway.cloud.central, gateway.cloud.keystone.issue(user)
    return str(central.network(token.project_id)["id"])


async def test_a_server_is_born_and_dies(gateway: Gateway, cloud: Cloud) -> None:
    server = await _boot(gateway)
    shown = (await gateway.get(f"/servers/{server}", version="2.90")).ok()["server"]
    assert shown["tenant_id"] == cloud.project_id
    assert shown["user_id"] == cloud.keystone.users["member"].id
    (inside,) = cloud.pods[FOREIGN].nova.live()
    assert inside.id == server
    listed = (await gateway.get("/servers/detail", version="2.90")).ok()["servers"]
    assert [one["id"] for one in listed] == [server]
    (await gateway.delete(f"/servers/{server}")).ok(204)
    await settled(gateway)
    nothing_left(cloud)
