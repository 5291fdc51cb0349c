# SPDX-License-Identifier: Apache-2.0
"""Users are told which pod is in trouble and what they can do, not where in the cloud it is."""

import re
from typing import Any

import pytest

from tests.functional.fakes.cloud import Cloud
from tests.functional.gateway_harness import Answer, Gateway

DETAILS = {"endpoints", "versions", "pod_availability_zone", "created_at", "updated_at"}


def tells(answer: Answer, cloud: Cloud) -> list[int]:
    """The ports of pods and of Keystone that an answer tells of."""
    text = answer.body.decode() + str(dict(answer.headers))
    inside = [cloud.keystone.port]
    for pod in cloud.pods.values():
        inside += [pod.nova.port, pod.neutron.port, pod.cinder.port, pod.placement.port]
    return [port for port in inside if re.search(rf"\b{port}\b", text)]


async def down(gateway: Gateway, cloud: Cloud, region: str, seen: bool) -> None:
    """Nothing in a pod answers any more, and the prober has noticed or has not."""
    pod = cloud.pods[region]
    for service in (pod.nova, pod.neutron, pod.cinder, pod.placement):
        service.stop()
    if seen:
        error = f"its compute API at {pod.nova.url}/v2.1/: no connection (Connection refused)"
        await gateway.set_health(region, "down", error=error)


@pytest.mark.parametrize("seen", [True, False], ids=["found down", "not noticed yet"])
async def test_errors_name_the_pod_and_not_its_address(
    gateway: Gateway, cloud: Cloud, seen: bool
) -> None:
    server = cloud.pods["pod2"].nova.add_server("one")
    network = cloud.central.network(cloud.project_id)
    (await gateway.get(f"/servers/{server.id}")).ok()
    await down(gateway, cloud, "pod2", seen)
    body: dict[str, Any] = {
        "server": {
            "name": "two",
            "imageRef": cloud.image_id,
            "flavorRef": "1",
            "networks": [{"uuid": network["id"]}],
            "availability_zone": "az2",
        }
    }
    volume = {"volume": {"size": 1, "availability_zone": "az2"}}
    answers = [
        await gateway.get(f"/servers/{server.id}"),
        await gateway.post(f"/servers/{server.id}/action", {"os-stop": None}),
        await gateway.call("DELETE", f"/servers/{server.id}"),
        await gateway.post("/servers", body, version="2.90"),
        await gateway.volumes.post("/volumes", volume),
        await gateway.get("/servers/00000000-0000-0000-0000-00000000dead"),
    ]
    for answer in answers:
        assert answer.status >= 500
        assert "pod2" in answer.message
        assert tells(answer, cloud) == [], answer.body


async def test_nobody_learns_where_keystone_is_from_its_failures(
    gateway: Gateway, cloud: Cloud
) -> None:
    (await gateway.get("/servers")).ok()
    (await gateway.get("/servers", user="admin")).ok()
    cloud.keystone.stop()
    network = cloud.central.network(cloud.project_id)
    body: dict[str, Any] = {
        "server": {"name": "two", "flavorRef": "1", "networks": [{"uuid": network["id"]}]}
    }
    answers = [
        await gateway.post("/servers", body, version="2.90"),
        await gateway.get("/servers", user="other"),
        await gateway.manage(
            "POST", "/pods", {"pod": {"region_name": "x", "availability_zone": "y"}}
        ),
    ]
    for answer in answers:
        assert answer.status == 503
        assert tells(answer, cloud) == [], answer.body


@pytest.mark.parametrize("user", ["member", "reader", "other"])
async def test_where_pods_are_is_for_operators(gateway: Gateway, cloud: Cloud, user: str) -> None:
    await down(gateway, cloud, "pod2", seen=True)
    mine = f"/pods/{gateway.pod_ids['pod2']}"
    shown = await gateway.manage("GET", mine, user=user)
    listed = await gateway.manage("GET", "/pods", user=user)
    for answer in (shown, listed):
        assert tells(answer, cloud) == [], answer.body
    pod = shown.ok()["pod"]
    assert (pod["region_name"], pod["availability_zone"], pod["state"]) == (
        "pod2",
        "az2",
        "enabled",
    )
    assert pod["health"] == {"state": "down"}
    assert not DETAILS & set(pod)
    assert pod in listed.ok()["pods"]

    whole = (await gateway.manage("GET", mine)).ok()["pod"]
    assert set(whole) >= DETAILS
    assert str(cloud.pods["pod2"].nova.port) in whole["health"]["last_error"]
