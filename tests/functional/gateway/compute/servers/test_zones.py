# SPDX-License-Identifier: Apache-2.0
"""Servers go to a pod of their zone, and to the next when it takes no more."""

import pytest

from tests.functional.fakes.cloud import Cloud
from tests.functional.fakes.faults import Kind
from tests.functional.gateway_harness import Gateway
from tests.functional.servers import everywhere, make, nothing_left, settled, the_one
from tricircle.db import routings


@pytest.mark.parametrize(("zone", "regions"), [("az2", {"pod2"}), ("az1", {"pod1", "pod3"})])
async def test_a_server_lands_in_its_zone(
    gateway: Gateway, cloud: Cloud, zone: str, regions: set[str]
) -> None:
    answer = await make(gateway, networks="none", availability_zone=zone)
    made = answer.ok(202)["server"]
    region, server = the_one(cloud)
    assert region in regions
    assert server.id == made["id"]
    shown = (await gateway.get(f"/servers/{server.id}")).ok()["server"]
    assert shown["OS-EXT-AZ:availability_zone"] == zone
    row = routings.get("server", server.id)
    assert row is not None
    assert row.pod_id == gateway.pod_ids[region]
    assert row.project_id == cloud.project_id


async def test_without_a_zone_any_pod_will_do(gateway: Gateway, cloud: Cloud) -> None:
    assert (await make(gateway, networks="none")).status == 202
    the_one(cloud)


async def test_an_unknown_zone_is_400(gateway: Gateway, cloud: Cloud) -> None:
    answer = await make(gateway, networks="none", availability_zone="mars")
    assert answer.status == 400
    assert answer.json["badRequest"]["message"] == (
        "The requested availability zone is not available"
    )
    assert not any(everywhere(cloud).values())


async def test_a_zone_as_servers_read_it_in_their_metadata(gateway: Gateway, cloud: Cloud) -> None:
    """What runs in a server knows its pod's own name of the zone, and asks with it."""
    for region in ("pod1", "pod3"):
        await gateway.set_pod(region, pod_availability_zone="other")
    assert (await make(gateway, networks="none", availability_zone="nova")).status == 202
    region, server = the_one(cloud)
    assert (region, server.request["server"]["availability_zone"]) == ("pod2", "nova")
    wanted = {"volume": {"size": 1, "availability_zone": "nova"}}
    made = (await gateway.volumes.post("/volumes", wanted)).ok(202)["volume"]
    assert made["availability_zone"] == "az2"
    assert made["id"] in cloud.pods["pod2"].cinder.items["volume"]


@pytest.mark.parametrize("state", ["draining", "maintenance"])
async def test_a_pod_that_takes_nothing_new(gateway: Gateway, cloud: Cloud, state: str) -> None:
    await gateway.set_pod("pod1", state=state)
    for _ in range(3):
        assert (await make(gateway, networks="none", availability_zone="az1")).status == 202
    assert len(everywhere(cloud)["pod3"]) == 3


async def test_no_pod_in_the_zone_takes_anything(gateway: Gateway, cloud: Cloud) -> None:
    await gateway.set_pod("pod2", state="draining")
    answer = await make(gateway, networks="none", availability_zone="az2")
    assert answer.status in (400, 503)
    assert not any(everywhere(cloud).values())


async def test_the_next_pod_is_tried_when_one_is_full(gateway: Gateway, cloud: Cloud) -> None:
    network = cloud.central.network(cloud.project_id)
    nics = [{"uuid": network["id"]}]
    full = [cloud.pods["pod1"].nova.fail(Kind.QUOTA, "POST", "/servers$")]
    assert (await make(gateway, networks=nics, availability_zone="az1")).status == 202
    assert the_one(cloud)[0] == "pod3"
    await settled(gateway)
    cloud.pods["pod1"].nova.heal()
    full = [cloud.pods["pod3"].nova.fail(Kind.QUOTA, "POST", "/servers$")]
    assert (await make(gateway, networks=nics, availability_zone="az1")).status == 202
    assert len(everywhere(cloud)["pod1"]) == 1
    assert full
    await settled(gateway)
    bound = {port["binding:host_id"] for port in cloud.central.ports()}
    assert bound == {"pod1", "pod3"}
    for pod in ("pod1", "pod3"):  # of the pod that refused nothing is left
        assert len(cloud.pods[pod].neutron.ports()) == 1


async def test_full_everywhere_is_the_pods_own_403(gateway: Gateway, cloud: Cloud) -> None:
    network = cloud.central.network(cloud.project_id)
    for pod in cloud.pods.values():
        pod.nova.quotas["instances"] = 0
    answer = await make(gateway, networks=[{"uuid": network["id"]}], availability_zone="az1")
    assert answer.status == 403
    assert "Quota exceeded" in answer.json["forbidden"]["message"]
    await settled(gateway)
    nothing_left(cloud)


async def test_a_mistake_is_not_tried_in_other_pods(gateway: Gateway, cloud: Cloud) -> None:
    answer = await make(gateway, networks="none", imageRef="00000000-0000-0000-0000-00000000dead")
    assert answer.status == 400
    assert len(cloud.journal.find("pod", "POST", "/servers$")) == 1
