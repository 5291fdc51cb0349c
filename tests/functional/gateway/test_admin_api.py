# SPDX-License-Identifier: Apache-2.0
"""The Admin API: pods, bindings, routings, and who may see and change them."""

import asyncio
from typing import Any

import pytest

from tests.functional.fakes.cloud import Cloud
from tests.functional.fakes.faults import Kind
from tests.functional.gateway_harness import Gateway
from tricircle.db import pods, routings
from tricircle.pods import discovery
from tricircle.pods.health import Prober
from tricircle.pods.pod import Pod

NEW = {"region_name": "pod4", "availability_zone": "az4"}


async def register(gateway: Gateway, **more: Any) -> Any:
    """A fourth pod, in Keystone and in Tricircle."""
    if "pod4" not in gateway.cloud.pods:
        await asyncio.to_thread(gateway.cloud.add_pod, "pod4")
    return await gateway.manage("POST", "/pods", {"pod": {**NEW, **more}})


async def test_a_pod_is_registered_used_and_forgotten(gateway: Gateway, cloud: Cloud) -> None:
    answer = await register(gateway, pod_availability_zone="nova", dc_name="Sector 7")
    pod = answer.ok(201)["pod"]
    assert pod["versions"]["compute"] == {"min": "2.1", "max": "2.104"}
    assert pod["endpoints"]["network"] == cloud.pods["pod4"].neutron.url
    assert pod["health"]["state"] == "up"
    assert pod["number"] == 4
    assert answer.headers["Location"].endswith(f"/tricircle/v1.0/pods/{pod['id']}")
    shown = (await gateway.manage("GET", f"/pods/{pod['id']}")).ok(200)["pod"]
    assert {**shown, "health": None} == {**pod, "health": None}

    body = {"server": {"name": "s", "flavorRef": "1", "imageRef": cloud.image_id,
                       "networks": "none", "availability_zone": "az4"}}  # fmt: skip
    made = (await gateway.post("/servers", body, version="2.90")).ok(202)["server"]
    assert made["id"] in cloud.pods["pod4"].nova.servers
    refused = await gateway.manage("DELETE", f"/pods/{pod['id']}")
    assert refused.status == 409
    assert "server: 1" in refused.message
    (await gateway.manage("DELETE", f"/pods/{pod['id']}", query={"force": "true"})).ok(204)
    assert (await gateway.manage("GET", f"/pods/{pod['id']}")).status == 404
    assert (await gateway.post("/servers", body, version="2.90")).status == 400


async def test_a_pod_gets_the_definitions_there_are(gateway: Gateway, cloud: Cloud) -> None:
    flavor = {"flavor": {"id": "9", "name": "nine", "ram": 1, "vcpus": 1, "disk": 0}}
    (await gateway.post("/flavors", flavor, user="admin")).ok(200)
    (await register(gateway)).ok(201)
    assert (await gateway.get("/flavors/9")).status == 200  # not asked of the pod that lacks it
    waiting = [entry.service for entry in cloud.journal.find("pod", "GET", "/flavors/9$")]
    assert "pod4/compute" not in waiting


async def test_a_pod_that_no_catalogue_has(gateway: Gateway, cloud: Cloud) -> None:
    """Users see one region; the pod serves them all the same, and is watched where it is."""
    there = await asyncio.to_thread(cloud.add_pod, "pod4")
    cloud.keystone.endpoints = [e for e in cloud.keystone.endpoints if e["region"] != "pod4"]
    cloud.keystone.regions.pop("pod4")
    assert (await register(gateway)).status == 400
    named = {
        "compute": f"{there.nova.url}/v2.1",
        "network": there.neutron.url,
        "volume": f"{there.cinder.url}/v3",
        "placement": there.placement.url,
    }
    pod = (await register(gateway, endpoints=named)).ok(201)["pod"]
    assert (pod["endpoints"], pod["endpoints_given"]) == (named, True)
    body = {"server": {"name": "s", "flavorRef": "1", "imageRef": cloud.image_id,
                       "networks": "none", "availability_zone": "az4"}}  # fmt: skip
    made = (await gateway.post("/servers", body, version="2.90")).ok(202)["server"]
    assert made["id"] in there.nova.servers

    prober = Prober(gateway.services.identity)
    await prober._read_catalogue()
    seen = []
    async with discovery.client() as http:
        for stops, health in ((False, "up"), (True, "down")):
            if stops:
                await asyncio.to_thread(there.stop)
            row = Pod.from_row(await asyncio.to_thread(pods.get, pod["id"]))
            await prober.probe(http, row)
            shown = (await gateway.manage("GET", f"/pods/{pod['id']}")).ok()["pod"]
            assert shown["health"]["state"] == health
            assert shown["endpoints"] == named
            seen.append(shown["health"]["seen_at"])
    assert seen[0] == seen[1], "what does not answer is not seen"
    await asyncio.to_thread(there.start)


async def test_where_a_pod_is_can_be_said_later(gateway: Gateway, cloud: Cloud) -> None:
    path = f"/pods/{gateway.pod_ids['pod1']}"
    there = cloud.pods["pod1"]
    named = {"compute": f"{there.nova.url}/v2.1", "network": there.neutron.url}
    shown = (await gateway.manage("PATCH", path, {"pod": {"endpoints": named}})).ok()["pod"]
    assert (shown["endpoints"], shown["endpoints_given"]) == (named, True)
    wrong = {"pod": {"endpoints": {**named, "compute": "http://127.0.0.1:1/v2.1"}}}
    refused = await gateway.manage("PATCH", path, wrong)
    assert refused.status == 502
    assert "Nothing was stored" in refused.message
    back = (await gateway.manage("PATCH", path, {"pod": {"endpoints": None}})).ok()["pod"]
    assert not back["endpoints_given"]
    assert back["endpoints"]["volume"] == f"{there.cinder.url}/v3"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"pod": {}},
        {"pod": {"region_name": "pod4"}},
        {"pod": {**NEW, "region_name": ""}},
        {"pod": {**NEW, "state": "asleep"}},
        {"pod": {**NEW, "availability_zone": "a:b"}},
        {"pod": {**NEW, "dc_name": "x" * 256}},
        {"pod": {**NEW, "unknown": 1}},
        {"pod": NEW, "more": 1},
        [],
    ],
    ids=str,
)
async def test_bodies_are_checked(gateway: Gateway, body: Any) -> None:
    answer = await gateway.manage("POST", "/pods", body)
    assert answer.status == 400
    assert answer.json["error"]["code"] == 400
    assert (await gateway.manage("POST", "/pods", b"{")).status == 400


async def test_duplicates_are_409(gateway: Gateway) -> None:
    (await register(gateway)).ok(201)
    assert (await register(gateway)).status == 409


async def test_a_region_keystone_does_not_know(gateway: Gateway) -> None:
    pod = {**NEW, "region_name": "nowhere"}
    answer = await gateway.manage("POST", "/pods", {"pod": pod})
    assert answer.status == 400
    assert "nowhere" in answer.message


@pytest.mark.parametrize("kind", [Kind.HANG, Kind.CUT, Kind.GARBAGE, Kind.ERROR, Kind.REDIRECT])
async def test_an_unreachable_pod_is_not_half_registered(
    gateway: Gateway, cloud: Cloud, kind: Kind
) -> None:
    pod = await asyncio.to_thread(cloud.add_pod, "pod4")
    pod.neutron.fail(kind)
    answer = await register(gateway)
    assert 400 <= answer.status < 600
    assert "pod4" in answer.message
    assert "network" in answer.message
    listed = (await gateway.manage("GET", "/pods")).ok()["pods"]
    assert {one["region_name"] for one in listed} == set(cloud.zones)
    pod.heal()
    (await register(gateway)).ok(201)


async def test_pods_are_changed(gateway: Gateway) -> None:
    path = f"/pods/{gateway.pod_ids['pod1']}"
    changes = {"availability_zone": "az9", "state": "draining", "pod_availability_zone": ""}
    changed = (await gateway.manage("PATCH", path, {"pod": changes})).ok(200)["pod"]
    assert {name: changed[name] for name in changes} == changes
    for bad in ({}, {"region_name": "x"}, {"state": "?"}, {"health": "up"}):
        assert (await gateway.manage("PATCH", path, {"pod": bad})).status == 400
    assert (await gateway.manage("PATCH", "/pods/none", {"pod": changes})).status == 404


async def test_pods_are_listed_in_pages(gateway: Gateway) -> None:
    listed = (await gateway.manage("GET", "/pods", query={"availability_zone": "az1"})).ok()
    assert {pod["region_name"] for pod in listed["pods"]} == {"pod1", "pod3"}
    found: list[str] = []
    query = {"limit": "2"}
    while True:
        page = (await gateway.manage("GET", "/pods", query=query)).ok()
        found += [pod["id"] for pod in page["pods"]]
        if len(page["pods"]) < 2:
            break
        query = {"limit": "2", "marker": page["pods"][-1]["id"]}
    assert sorted(found) == sorted(gateway.pod_ids.values())
    assert (await gateway.manage("GET", "/pods", query={"marker": "x"})).status == 400
    assert (await gateway.manage("GET", "/pods", query={"nothing": "x"})).status == 400


async def test_roles(gateway: Gateway, cloud: Cloud) -> None:
    """Members and readers look at pods; only admins change anything."""
    pod = f"/pods/{gateway.pod_ids['pod1']}"
    change = {"pod": {"state": "draining"}}
    binding = {"binding": {"project_id": cloud.project_id, "pod_id": gateway.pod_ids["pod1"]}}
    for user in ("member", "reader", "other"):
        assert (await gateway.manage("GET", pod, user=user)).status == 200
        assert (await gateway.manage("GET", "/pods", user=user)).status == 200
        for method, path, body in (
            ("POST", "/pods", {"pod": NEW}),
            ("PATCH", pod, change),
            ("DELETE", pod, None),
            ("POST", "/bindings", binding),
            ("DELETE", "/bindings/x", None),
        ):
            answer = await gateway.manage(method, path, body, user=user)
            assert answer.status == 403, (method, path, user)
    assert (await gateway.manage("GET", "/pods", user=None)).status == 401
    shown = (await gateway.manage("GET", pod)).ok()["pod"]
    assert shown["state"] == "enabled"


async def test_bindings(gateway: Gateway, cloud: Cloud) -> None:
    values = {"project_id": cloud.project_id, "pod_id": gateway.pod_ids["pod3"]}
    made = (await gateway.manage("POST", "/bindings", {"binding": values})).ok(201)["binding"]
    assert {name: made[name] for name in values} == values
    again = await gateway.manage("POST", "/bindings", {"binding": values})
    assert again.status == 409
    for wrong in ({"project_id": "nobody"}, {"pod_id": "none"}):
        answer = await gateway.manage("POST", "/bindings", {"binding": {**values, **wrong}})
        assert answer.status == 400
    for _ in range(3):
        body = {"server": {"name": "s", "flavorRef": "1", "imageRef": cloud.image_id,
                           "networks": "none", "availability_zone": "az1"}}  # fmt: skip
        (await gateway.post("/servers", body, version="2.90")).ok(202)
    assert len(cloud.pods["pod3"].nova.live()) == 3  # where the project is bound
    own = (await gateway.manage("GET", "/bindings", user="member")).ok()["bindings"]
    assert [one["id"] for one in own] == [made["id"]]
    assert (await gateway.manage("GET", "/bindings", user="other")).ok()["bindings"] == []
    others = await gateway.manage("GET", f"/bindings/{made['id']}", user="other")
    assert others.status == 404
    (await gateway.manage("DELETE", f"/bindings/{made['id']}")).ok(204)
    assert (await gateway.manage("DELETE", f"/bindings/{made['id']}")).status == 404


async def test_routings_say_where(gateway: Gateway, cloud: Cloud) -> None:
    server = cloud.pods["pod2"].nova.add_server("one")
    (await gateway.get(f"/servers/{server.id}")).ok()
    query = {"resource_id": server.id}
    (found,) = (await gateway.manage("GET", "/routings", query=query)).ok()["routings"]
    assert found["region_name"] == "pod2"
    assert found["resource_type"] == "server"
    own = (await gateway.manage("GET", "/routings", query=query, user="reader")).ok()
    assert len(own["routings"]) == 1
    assert (await gateway.manage("GET", "/routings", user="other")).ok()["routings"] == []
    assert routings.get("server", server.id) is not None


async def test_unknown_paths_and_methods(gateway: Gateway) -> None:
    assert (await gateway.manage("GET", "/nothing")).status == 404
    answer = await gateway.manage("PUT", "/pods", {})
    assert answer.status == 405
    assert {"GET", "POST"} <= set(answer.headers["Allow"].replace(" ", "").split(","))


# -- health --------------------------------------------------------------------------------------


async def probe(gateway: Gateway, region: str) -> dict[str, Any]:
    """Probe a pod once and give what the API tells of it then."""
    prober = Prober(gateway.services.identity)
    pod = gateway.services.registry.by_region(region)
    assert pod is not None
    async with discovery.client() as http:
        await prober.probe(http, pod)
    await gateway.refresh()
    shown = (await gateway.manage("GET", f"/pods/{gateway.pod_ids[region]}")).ok()["pod"]
    return dict(shown)


async def test_health_is_probed(gateway: Gateway, cloud: Cloud) -> None:
    shown = await probe(gateway, "pod1")
    assert shown["health"]["state"] == "up"
    assert shown["health"]["latency_ms"] > 0
    await asyncio.to_thread(cloud.pods["pod1"].stop)
    for _ in range(3):
        shown = await probe(gateway, "pod1")
        if shown["health"]["state"] == "down":
            break
    assert shown["health"]["state"] == "down"
    assert "refused" in shown["health"]["last_error"]
    cloud.journal.clear()
    await gateway.get("/servers")
    assert cloud.journal.find("pod1") == []
    await asyncio.to_thread(cloud.pods["pod1"].start)
    cloud.pods["pod1"].nova.max_version = (2, 99)
    shown = await probe(gateway, "pod1")
    assert shown["health"] | {"latency_ms": 0, "probed_at": "", "seen_at": ""} == {
        "state": "up", "last_error": "", "latency_ms": 0, "probed_at": "", "seen_at": "",
        "services": {
            name: {"state": "up", "last_error": ""} for name in ("compute", "network", "volume")
        },
    }  # fmt: skip
    assert shown["versions"]["compute"]["max"] == "2.99"


async def test_a_new_pod_away_is_not_chosen(gateway: Gateway, cloud: Cloud) -> None:
    await gateway.set_health("pod1", "down")
    body = {"server": {"name": "s", "flavorRef": "1", "imageRef": cloud.image_id,
                       "networks": "none", "availability_zone": "az1"}}  # fmt: skip
    for _ in range(3):
        (await gateway.post("/servers", body, version="2.90")).ok(202)
    assert len(cloud.pods["pod3"].nova.live()) == 3
