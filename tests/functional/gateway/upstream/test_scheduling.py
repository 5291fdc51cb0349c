# SPDX-License-Identifier: Apache-2.0
"""Which pod of a zone takes a server, and what other releases of pods do to clients."""

import asyncio
from typing import Any

import pytest

from tests.functional.fakes.cloud import Cloud
from tests.functional.fakes.faults import Kind
from tests.functional.gateway_harness import Answer, Gateway
from tricircle.pods.rest import PodServices
from tricircle.xjob.storage import Storage
from tricircle.xjob.usage import Usage


async def make(gateway: Gateway, flavor: str = "1", zone: str = "az1", **more: Any) -> Answer:
    server = {
        "name": "one",
        "imageRef": gateway.cloud.image_id,
        "flavorRef": flavor,
        "networks": "none",
        "availability_zone": zone,
        **more,
    }
    call = {"user": server.pop("user", "member"), "version": server.pop("version", "2.60")}
    return await gateway.post("/servers", {"server": server}, **call)


def counts(cloud: Cloud) -> dict[str, int]:
    return {region: len(pod.nova.live()) for region, pod in cloud.pods.items()}


@pytest.mark.parametrize("fuller", ["pod1", "pod3"])
async def test_the_emptier_pod_is_taken(gateway: Gateway, cloud: Cloud, fuller: str) -> None:
    cloud.pods[fuller].placement.used["MEMORY_MB"] = 9000
    (await make(gateway)).ok(202)
    assert counts(cloud)[fuller] == 0


async def test_a_project_stays_where_it_is(gateway: Gateway, cloud: Cloud) -> None:
    (await make(gateway)).ok(202)
    (first,) = [region for region, count in counts(cloud).items() if count]
    cloud.pods[first].placement.used["MEMORY_MB"] = 9000
    gateway.services.scheduler = None  # how full a pod is is believed for some seconds
    for _ in range(3):
        (await make(gateway)).ok(202)
    assert counts(cloud)[first] == 4


async def used_both(gateway: Gateway, cloud: Cloud) -> None:
    """The project has a server and a volume in each zone."""
    for zone in ("az2", "az1"):
        (await make(gateway, zone=zone)).ok(202)
        volume = {"name": zone, "size": 1, "availability_zone": zone}
        (await gateway.volumes.post("/volumes", {"volume": volume})).ok(202)


async def test_without_a_zone_all_of_a_project_goes_to_one_pod(
    gateway: Gateway, cloud: Cloud
) -> None:
    """It has used all of them, and their room changes with all that is made."""
    await used_both(gateway, cloud)
    places = []
    for number in range(6):
        fuller = cloud.pods["pod2"] if number % 2 else cloud.pods["pod1"]
        fuller.placement.used["MEMORY_MB"] += 4000 - 300 * number
        gateway.services.scheduler = None  # how full a pod is is believed for some seconds
        server = {"name": "n", "imageRef": cloud.image_id, "flavorRef": "1", "networks": "none"}
        answer = await gateway.post("/servers", {"server": server}, version="2.60")
        made = answer.ok(202)["server"]["id"]
        answer = await gateway.volumes.post("/volumes", {"volume": {"size": 1}})
        volume = answer.ok(202)["volume"]["id"]
        (region,) = [name for name, pod in cloud.pods.items() if made in pod.nova.servers]
        places.append(region)
        attachment = {"volumeAttachment": {"volumeId": volume}}
        path = f"/servers/{made}/os-volume_attachments"
        (await gateway.post(path, attachment)).ok(200)
    assert set(places) == {"pod2"}


async def test_a_new_project_that_makes_many_things_at_once(gateway: Gateway, cloud: Cloud) -> None:
    """What is free for servers and what is free for volumes point to different pods."""
    cloud.pods["pod1"].placement.used["MEMORY_MB"] = 5000
    cloud.pods["pod2"].placement.used["MEMORY_MB"] = 8000
    server = {"name": "n", "imageRef": cloud.image_id, "flavorRef": "1", "networks": "none"}
    made = await asyncio.gather(
        *(gateway.post("/servers", {"server": server}, version="2.60") for _ in range(5)),
        *(gateway.volumes.post("/volumes", {"volume": {"size": 1}}) for _ in range(5)),
    )
    assert [answer.status for answer in made] == [202] * 10
    used = [region for region, pod in cloud.pods.items() if pod.nova.live()]
    used += [region for region, pod in cloud.pods.items() if pod.cinder.items["volume"]]
    assert len(used) == 2
    assert len(set(used)) == 1


async def test_a_full_pod_is_left_for_the_next(gateway: Gateway, cloud: Cloud) -> None:
    await used_both(gateway, cloud)
    cloud.pods["pod2"].placement.used["MEMORY_MB"] = 9900
    gateway.services.scheduler = None
    server = {"name": "n", "imageRef": cloud.image_id, "flavorRef": "1", "networks": "none"}
    (await gateway.post("/servers", {"server": server}, version="2.60")).ok(202)
    assert counts(cloud)["pod2"] == 1


async def test_a_pod_that_is_away_is_left_for_the_next(gateway: Gateway, cloud: Cloud) -> None:
    await used_both(gateway, cloud)
    await gateway.set_health("pod2", "down")
    server = {"name": "n", "imageRef": cloud.image_id, "flavorRef": "1", "networks": "none"}
    (await gateway.post("/servers", {"server": server}, version="2.60")).ok(202)
    await gateway.set_health("pod2", "up")
    (await gateway.post("/servers", {"server": server}, version="2.60")).ok(202)
    assert counts(cloud)["pod2"] == 2


@pytest.mark.parametrize("kind", [Kind.HANG, Kind.CUT, Kind.GARBAGE, Kind.ERROR])
async def test_placement_is_no_must(gateway: Gateway, cloud: Cloud, kind: Kind) -> None:
    for pod in cloud.pods.values():
        pod.placement.fail(kind)
    (await make(gateway)).ok(202)


async def test_an_attempt_in_a_dead_pod_goes_to_the_next(gateway: Gateway, cloud: Cloud) -> None:
    """Nobody has noticed yet that it is dead."""
    network = cloud.central.network(cloud.project_id)
    cloud.pods["pod1"].placement.used["MEMORY_MB"] = 0
    cloud.pods["pod3"].placement.used["MEMORY_MB"] = 9000
    await asyncio.to_thread(cloud.pods["pod1"].nova.stop)
    answer = await make(gateway, networks=[{"uuid": network["id"]}])
    answer.ok(202)
    assert counts(cloud) == {"pod1": 0, "pod2": 0, "pod3": 1}
    await asyncio.to_thread(cloud.central.settle)
    assert len(cloud.central.ports()) == 1
    assert cloud.pods["pod1"].neutron.ports() == []


async def test_a_pod_that_lacks_the_flavor_is_passed_over(gateway: Gateway, cloud: Cloud) -> None:
    """It was away when the flavor was made, and the reconciler has not come to it yet."""
    await asyncio.to_thread(cloud.pods["pod1"].stop)
    flavor = {"flavor": {"id": "7", "name": "seven", "ram": 1, "vcpus": 1, "disk": 0}}
    (await gateway.post("/flavors", flavor, user="admin")).ok(200)
    await asyncio.to_thread(cloud.pods["pod1"].start)
    gateway.close_breakers()
    cloud.pods["pod3"].placement.used["MEMORY_MB"] = 9000
    (await make(gateway, flavor="7")).ok(202)
    assert counts(cloud) == {"pod1": 0, "pod2": 0, "pod3": 1}


async def test_a_server_that_no_host_takes_is_the_users_to_see(
    gateway: Gateway, cloud: Cloud
) -> None:
    """Nova says so only afterwards, in the server itself."""
    cloud.pods["pod2"].nova.no_valid_host = True
    made = (await make(gateway, zone="az2")).ok(202)["server"]["id"]
    for _ in range(100):
        shown = (await gateway.get(f"/servers/{made}")).ok()["server"]
        if shown["status"] != "BUILD":
            break
        await asyncio.sleep(0.01)
    assert shown["status"] == "ERROR"
    assert "No valid host" in shown["fault"]["message"]


@pytest.mark.parametrize("zone", ["az1:host1", "az1:host1:host1"])
async def test_a_host_in_the_zone_is_the_pods_matter(
    gateway: Gateway, cloud: Cloud, zone: str
) -> None:
    (await make(gateway, zone=zone, user="admin")).ok(202)
    (server,) = [server for pod in cloud.pods.values() for server in pod.nova.live()]
    sent = server.request["server"]["availability_zone"]
    assert sent.split(":")[1:] == zone.split(":")[1:]


async def test_hints_of_zones_bound_a_network(gateway: Gateway, cloud: Cloud) -> None:
    network = cloud.central.network(cloud.project_id, availability_zone_hints=["az2"])
    nics = [{"uuid": network["id"]}]
    answer = await make(gateway, networks=nics, zone="az1")
    assert 400 <= answer.status < 600
    assert cloud.central.ports() == []
    (await make(gateway, networks=nics, zone="az2")).ok(202)
    assert counts(cloud)["pod2"] == 1


async def test_pods_of_several_releases(gateway: Gateway, cloud: Cloud) -> None:
    """All are asked at one version, the newest all have; never at one a pod does not know."""
    cloud.pods["pod2"].nova.max_version = (2, 95)
    await gateway.set_pod("pod2", versions={"compute": {"min": "2.1", "max": "2.95"}})
    for region in cloud.pods:
        cloud.pods[region].nova.add_server(region)
    listed = (await gateway.get("/servers/detail", version="latest")).ok()["servers"]
    assert {server["name"] for server in listed} == set(cloud.pods)
    assert len({frozenset(server) for server in listed}) == 1  # one schema
    asked = cloud.journal.find("pod", "GET", "/servers/detail")
    assert {entry.headers["OpenStack-API-Version"] for entry in asked} == {"compute 2.95"}


async def test_a_pod_that_was_downgraded_says_so(gateway: Gateway, cloud: Cloud) -> None:
    """It offers less than it did when it was probed last: the others still answer."""
    for region in cloud.pods:
        cloud.pods[region].nova.add_server(region)
    cloud.pods["pod2"].nova.max_version = (2, 50)
    listed = (await gateway.get("/servers", version="2.90")).ok()["servers"]
    assert {server["name"] for server in listed} == {"pod1", "pod3"}


async def test_pods_with_pages_smaller_than_ours(gateway: Gateway, cloud: Cloud) -> None:
    made = set()
    for region in cloud.pods:
        cloud.pods[region].nova.max_limit = 2
        made |= {cloud.pods[region].nova.add_server(f"{region}-{n}").id for n in range(5)}
    listed = (await gateway.get("/servers")).ok()
    assert {server["id"] for server in listed["servers"]} == made
    assert "servers_links" not in listed


# -- why -----------------------------------------------------------------------------------------


async def test_why_a_pod_was_chosen_can_be_asked(gateway: Gateway, cloud: Cloud) -> None:
    cloud.pods["pod1"].placement.used["MEMORY_MB"] = 0
    cloud.pods["pod3"].placement.used["MEMORY_MB"] = 9000
    cloud.pods["pod1"].nova.quotas["instances"] = 0
    made = (await make(gateway)).ok(202)["server"]["id"]
    path = f"/servers/{made}/placement"
    told = (await gateway.manage("GET", path)).ok(200)["placement"]
    assert told["server_id"] == made
    assert (told["region_name"], told["pod_id"]) == ("pod3", gateway.pod_ids["pod3"])
    assert (told["project_id"], told["availability_zone"]) == (cloud.project_id, "az1")
    assert (told["vcpus"], told["ram"], told["chosen"]) == (1, 64, True)
    assert told["left_out"] == {"pod2": ["is in availability zone az2, not az1"]}
    assert list(told["weights"]) == ["pod1", "pod3"]
    assert list(told["weights"]["pod1"]) == ["server_group", "bound", "image", "capacity"]
    assert told["weights"]["pod1"]["capacity"] > told["weights"]["pod3"]["capacity"]
    (refused,) = told["refused"]
    assert refused.startswith("pod1: Quota exceeded for instances")
    for user, status in (("member", 200), ("reader", 200), ("other", 404)):
        assert (await gateway.manage("GET", path, user=user)).status == status
    (await gateway.delete(f"/servers/{made}")).ok(204)
    await gateway.idle()
    gone = await gateway.manage("GET", path)
    assert (gone.status, gone.message) == (404, f"No placement of server {made} could be found.")


async def test_nothing_is_known_of_why_a_server_was_found_there(
    gateway: Gateway, cloud: Cloud
) -> None:
    server = cloud.pods["pod2"].nova.add_server("old")
    server.created = server.created.replace(year=2020)
    services = PodServices(gateway.services.identity)
    usage = Usage(services, Storage(services))
    for pod in gateway.services.answering("compute"):
        await asyncio.to_thread(usage.audit, pod)
    answer = await gateway.manage("GET", f"/servers/{server.id}/placement")
    told = answer.ok(200)["placement"]
    assert (told["region_name"], told["chosen"], told["weights"]) == ("pod2", False, {})
