# SPDX-License-Identifier: Apache-2.0
"""Availability zones, images, and what is served by any pod or not yet."""

import asyncio

import pytest

from tests.functional.fakes.cloud import Cloud
from tests.functional.fakes.faults import Kind
from tests.functional.gateway_harness import Answer, Gateway

SICK = [Kind.HANG, Kind.CUT, Kind.GARBAGE, Kind.ERROR, Kind.REDIRECT]


async def test_zones_are_ours(gateway: Gateway) -> None:
    found = (await gateway.get("/os-availability-zone")).ok()["availabilityZoneInfo"]
    assert found == [
        {"zoneName": name, "zoneState": {"available": True}, "hosts": None}
        for name in ("az1", "az2")
    ]
    assert (await gateway.get("/os-availability-zone/detail")).status == 403
    detail = (await gateway.get("/os-availability-zone/detail", user="admin")).ok()
    hosts = {zone["zoneName"]: zone["hosts"] for zone in detail["availabilityZoneInfo"]}
    assert len(hosts["az1"]) == 2
    assert len(hosts["az2"]) == 1


def available(answer: Answer) -> dict[str, bool]:
    zones = answer.ok()["availabilityZoneInfo"]
    return {zone["zoneName"]: zone["zoneState"]["available"] for zone in zones}


@pytest.mark.parametrize("kind", SICK)
async def test_a_zone_is_available_while_a_pod_of_it_is_not_down(
    gateway: Gateway, cloud: Cloud, kind: Kind
) -> None:
    """That a pod answers late, or badly, says nothing of what may be made there next."""
    for region in ("pod2", "pod3"):
        cloud.pods[region].fail(kind)
    for api in (gateway, gateway.volumes):
        answer = await api.get("/os-availability-zone")
        assert available(answer) == {"az1": True, "az2": True}
        assert answer.headers["X-Tricircle-Unavailable-Pods"] == "pod2, pod3"


@pytest.mark.parametrize("service", ["compute", "network", "volume"])
async def test_a_zone_goes_with_the_service_that_is_asked_for(
    gateway: Gateway, service: str
) -> None:
    apis = {"compute": gateway, "volume": gateway.volumes}
    for region in ("pod1", "pod2"):
        await gateway.set_health(region, "down", service)
    for name, api in apis.items():
        # pod3 is in az1, too.
        assert available(await api.get("/os-availability-zone")) == {
            "az1": True,
            "az2": name != service,
        }
    await gateway.set_health("pod3", "down", service)
    for name, api in apis.items():
        answer = await api.get("/os-availability-zone")
        if name == service:
            assert answer.status == 503
        else:
            assert available(answer) == {"az1": True, "az2": True}


async def test_a_zone_whose_pods_take_nothing_new(gateway: Gateway) -> None:
    await gateway.set_pod("pod2", state="draining")
    found = (await gateway.get("/os-availability-zone")).ok()["availabilityZoneInfo"]
    assert {zone["zoneName"]: zone["zoneState"]["available"] for zone in found} == {
        "az1": True,
        "az2": False,
    }


async def test_images_come_from_any_pod(gateway: Gateway, cloud: Cloud) -> None:
    await asyncio.to_thread(cloud.pods["pod1"].stop)
    listed = (await gateway.get("/images")).ok()["images"]
    assert [image["id"] for image in listed] == [cloud.image_id]
    assert listed[0]["links"][0]["href"].startswith(gateway.compute)
    assert (await gateway.get(f"/images/{cloud.image_id}")).status == 200
    assert (await gateway.get("/images", version="2.36")).status == 404


@pytest.mark.parametrize("kind", [Kind.HANG, Kind.CUT, Kind.GARBAGE, Kind.REDIRECT])
async def test_any_pod_means_a_healthy_one(gateway: Gateway, cloud: Cloud, kind: Kind) -> None:
    for region in ("pod1", "pod2"):
        cloud.pods[region].fail(kind)
    answer = await gateway.get(f"/images/{cloud.image_id}")
    if kind in (Kind.GARBAGE, Kind.REDIRECT):
        assert "Location" not in answer.headers
    else:
        assert answer.ok()["image"]["id"] == cloud.image_id
