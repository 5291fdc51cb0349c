# SPDX-License-Identifier: Apache-2.0
"""Servers go to a pod of their zone, and to the next when it takes no more."""

from typing import Any

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


async def settle_in(gateway: Gateway, region: str) -> None:
    values = {"project_id": gateway.cloud.project_id, "pod_id": gateway.pod_ids[region]}
    (await gateway.manage("POST", "/bindings", {"binding": values})).ok(201)


@pytest.mark.parametrize("lacks", ["volume type", "zone", "port quota"])
async def test_what_one_pod_lacks_another_may_have(
    gateway: Gateway, cloud: Cloud, lacks: str
) -> None:
    await settle_in(gateway, "pod1")
    more: dict[str, Any] = {"networks": "none"}
    if lacks == "volume type":
        cloud.pods["pod3"].cinder.add_type("fast")
        device = {"source_type": "image", "destination_type": "volume", "volume_size": 1,
                  "uuid": cloud.image_id, "boot_index": 0, "volume_type": "fast"}  # fmt: skip
        more |= {"block_device_mapping_v2": [device], "imageRef": ""}
    elif lacks == "zone":
        await gateway.set_pod("pod1", pod_availability_zone="of-another-name")
    else:
        more["networks"] = [{"uuid": cloud.central.network(cloud.project_id)["id"]}]
        cloud.pods["pod1"].neutron.quota["port"] = 0
    (await make(gateway, availability_zone="az1", **more)).ok(202)
    assert the_one(cloud)[0] == "pod3"


async def test_what_no_pod_has_is_told_once_in_novas_words(gateway: Gateway, cloud: Cloud) -> None:
    device = {"source_type": "image", "destination_type": "volume", "volume_size": 1,
              "uuid": cloud.image_id, "boot_index": 0, "volume_type": "nobody"}  # fmt: skip
    answer = await make(gateway, networks="none", block_device_mapping_v2=[device], imageRef="")
    assert (answer.status, answer.message) == (400, "Volume type nobody could not be found.")


async def test_ports_that_no_pod_has_quota_for(gateway: Gateway, cloud: Cloud) -> None:
    """To try again later, as 503 says, is of no use."""
    for pod in cloud.pods.values():
        pod.neutron.quota["port"] = 0
    network = cloud.central.network(cloud.project_id)
    answer = await make(gateway, networks=[{"uuid": network["id"]}], availability_zone="az1")
    assert answer.status == 403
    for told in ("pod1", "pod3", "exceeded"):
        assert told in answer.message
    await settled(gateway)
    nothing_left(cloud)


async def test_a_mistake_is_not_tried_in_other_pods(gateway: Gateway, cloud: Cloud) -> None:
    answer = await make(gateway, networks="none", imageRef="00000000-0000-0000-0000-00000000dead")
    assert answer.status == 400
    assert len(cloud.journal.find("pod", "POST", "/servers$")) == 1
