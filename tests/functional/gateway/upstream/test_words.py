# SPDX-License-Identifier: Apache-2.0
"""What reaches the users of Heat and Terraform: what failed, and what they can do."""

from typing import Any

import pytest

from tests.functional.fakes.cloud import Cloud
from tests.functional.fakes.faults import Kind
from tests.functional.gateway_harness import Answer, Gateway

CENTRAL = "The region's networking service (central Neutron)"


async def boot(gateway: Gateway, cloud: Cloud, zone: str = "az2") -> Answer:
    network = cloud.central.network(cloud.project_id)
    body: dict[str, Any] = {
        "server": {
            "name": "one",
            "imageRef": cloud.image_id,
            "flavorRef": "1",
            "networks": [{"uuid": network["id"]}],
            "availability_zone": zone,
        }
    }
    return await gateway.post("/servers", body, version="2.90")


@pytest.mark.parametrize("kind", [Kind.HANG, Kind.CUT, Kind.ERROR, Kind.UNAVAILABLE, "gone"])
async def test_central_neutron_is_no_pod(gateway: Gateway, cloud: Cloud, kind: Kind | str) -> None:
    if isinstance(kind, Kind):
        cloud.central.fail(kind, "GET", "/networks")
    else:
        cloud.central.stop()
    answer = await boot(gateway, cloud)
    assert answer.status in (502, 503, 504)
    assert answer.message.startswith(CENTRAL)
    assert answer.message.endswith("Try again later.")
    assert "RegionOne" not in answer.message


async def test_a_pod_without_its_neutron_is_told_as_that(gateway: Gateway, cloud: Cloud) -> None:
    await gateway.set_health("pod2", "down", "network", error="no connection")
    answer = await boot(gateway, cloud)
    assert answer.status == 503
    assert "pod2 does not answer (its network service)" in answer.message


@pytest.mark.parametrize("kind", [Kind.HANG, Kind.CUT])
async def test_a_lost_answer_tells_which_service_and_that_it_may_be_done(
    gateway: Gateway, cloud: Cloud, kind: Kind
) -> None:
    there = cloud.pods["pod2"].nova.add_server("there")
    path = f"/servers/{there.id}"
    (await gateway.get(path)).ok()
    cloud.pods["pod2"].nova.fail(kind)
    answer = await gateway.get(path)
    assert answer.status == 504
    assert "pod2" in answer.message
    assert "its compute service" in answer.message
    assert answer.message.endswith("Try again later.")
    answer = await gateway.post(f"{path}/action", {"os-stop": None})
    assert answer.status == 504
    assert "may have done what was asked: look first" in answer.message
