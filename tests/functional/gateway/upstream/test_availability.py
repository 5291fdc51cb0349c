# SPDX-License-Identifier: Apache-2.0
"""A pod serves what those of its services can that answer; slow is not gone."""

import asyncio
from typing import Any

import pytest

from tests.functional.fakes.cloud import Cloud
from tests.functional.fakes.faults import Kind
from tests.functional.gateway_harness import Gateway
from tricircle.conf import CONF
from tricircle.pods import discovery
from tricircle.pods.health import Prober

AWAY = "X-Tricircle-Unavailable-Pods"


def server(cloud: Cloud, networks: Any = "none") -> dict[str, Any]:
    return {
        "server": {
            "name": "one",
            "imageRef": cloud.image_id,
            "flavorRef": "1",
            "networks": networks,
            "availability_zone": "az2",
        }
    }


async def probe(gateway: Gateway, region: str) -> None:
    """One probe of a pod, by this process."""
    prober = Prober(gateway.services.identity, gateway.services.breakers)
    pod = gateway.services.registry.by_region(region)
    assert pod is not None
    async with discovery.client() as http:
        await prober.probe(http, pod)
    await gateway.refresh()


async def test_a_pod_whose_neutron_is_down_serves_its_servers_and_volumes(
    gateway: Gateway, cloud: Cloud
) -> None:
    there = cloud.pods["pod2"].nova.add_server("there")
    kept = cloud.pods["pod2"].cinder.add_volume("kept")
    network = cloud.central.network(cloud.project_id)
    cloud.pods["pod2"].neutron.stop()
    await probe(gateway, "pod2")
    assert (await gateway.manage("GET", "/pods", query={"health": "down"})).ok()["pods"]
    for api, path, name in (
        (gateway, "/servers", "servers"),
        (gateway, f"/servers/{there.id}", "server"),
        (gateway.volumes, "/volumes", "volumes"),
        (gateway.volumes, f"/volumes/{kept['id']}", "volume"),
    ):
        answer = await api.get(path)
        assert answer.ok(200)[name]
        assert AWAY not in answer.headers
    (await gateway.post(f"/servers/{there.id}/action", {"os-stop": None})).ok(202)
    volume = {"volume": {"size": 1, "availability_zone": "az2"}}
    (await gateway.volumes.post("/volumes", volume)).ok(202)
    (await gateway.post("/servers", server(cloud), version="2.90")).ok(202)
    # What needs its Neutron says so.
    body = server(cloud, [{"uuid": network["id"]}])
    answer = await gateway.post("/servers", body, version="2.90")
    assert answer.status == 503
    assert "pod2 does not answer (its network service)" in answer.message


@pytest.mark.parametrize("service", ["compute", "volume"])
async def test_one_service_that_is_down_takes_no_other_along(
    gateway: Gateway, cloud: Cloud, service: str
) -> None:
    there = cloud.pods["pod2"].nova.add_server("there")
    kept = cloud.pods["pod2"].cinder.add_volume("kept")
    # Where things are is known, as of what was made through us.
    (await gateway.get(f"/servers/{there.id}")).ok()
    (await gateway.volumes.get(f"/volumes/{kept['id']}")).ok()
    pod = cloud.pods["pod2"]
    (pod.nova if service == "compute" else pod.cinder).stop()
    await probe(gateway, "pod2")
    volume = {"volume": {"size": 1, "availability_zone": "az2"}}
    answers = {
        "compute": [
            await gateway.get(f"/servers/{there.id}"),
            await gateway.post("/servers", server(cloud), version="2.90"),
        ],
        "volume": [
            await gateway.volumes.get(f"/volumes/{kept['id']}"),
            await gateway.volumes.post("/volumes", volume),
        ],
    }
    lists = {
        "compute": await gateway.get("/servers"),
        "volume": await gateway.volumes.get("/volumes"),
    }
    for name in answers:
        if name == service:
            assert [answer.status for answer in answers[name]] == [503, 503]
            assert all("pod2" in answer.message for answer in answers[name])
            assert f"its {service} service is down" in answers[name][0].message
            assert lists[name].headers[AWAY] == "pod2"
        else:
            assert all(answer.status < 300 for answer in answers[name])
            assert AWAY not in lists[name].headers


@pytest.mark.parametrize("found", ["late", "refused"])
async def test_reads_under_way_are_not_cut_by_probes(
    gateway: Gateway, cloud: Cloud, found: str
) -> None:
    """Whatever is found meanwhile, they have their own time."""
    there = cloud.pods["pod2"].nova.add_server("there")
    (await gateway.get(f"/servers/{there.id}")).ok()
    fault = cloud.pods["pod2"].nova.fail(Kind.SLOW, "GET", "/servers/", seconds=0.5)
    reads = [
        asyncio.create_task(gateway.get(path)) for path in (f"/servers/{there.id}", "/servers")
    ]
    await asyncio.to_thread(fault.hit.wait)
    if found == "late":
        CONF.set_override("probe_deadline", 0.1, group="pods")
        cloud.pods["pod2"].nova.fail(Kind.HANG, "GET", "^/v2.1/$")
        await probe(gateway, "pod2")
        # New ones are served, too.
        reads.append(asyncio.create_task(gateway.get(f"/servers/{there.id}")))
    else:
        await gateway.set_health("pod2", "down", "compute")
    for answer in await asyncio.gather(*reads):
        answer.ok(200)
        assert AWAY not in answer.headers


async def test_a_service_is_down_after_several_late_probes_unless_it_answers_users(
    gateway: Gateway, cloud: Cloud
) -> None:
    there = cloud.pods["pod2"].nova.add_server("there")
    path = f"/servers/{there.id}"
    (await gateway.get(path)).ok()
    CONF.set_override("probe_deadline", 0.1, group="pods")
    cloud.pods["pod2"].nova.fail(Kind.HANG, "GET", "^/v2.1/$")
    for _ in range(5):
        await probe(gateway, "pod2")
        (await gateway.get(path)).ok(200)
    for _ in range(3):
        await probe(gateway, "pod2")
    answer = await gateway.get(path)
    assert answer.status == 503
    assert "its compute service is down" in answer.message


async def test_time_outs_of_one_service_leave_the_others_alone(
    gateway: Gateway, cloud: Cloud
) -> None:
    """What stops calls after failures counts by service."""
    kept = cloud.pods["pod2"].cinder.add_volume("kept")
    (await gateway.volumes.get(f"/volumes/{kept['id']}")).ok()
    cloud.pods["pod2"].nova.fail(Kind.CUT)
    for _ in range(CONF.pods.breaker_failures):
        await gateway.get("/servers")
    assert (await gateway.get("/servers")).headers[AWAY] == "pod2"
    (await gateway.volumes.get(f"/volumes/{kept['id']}")).ok(200)
