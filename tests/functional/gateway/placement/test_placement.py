# SPDX-License-Identifier: Apache-2.0
"""The Placement of the region: what all pods' Placements have, to look at."""

import asyncio
from typing import Any

import openstack
import pytest

from tests.functional.client.shell import as_json
from tests.functional.client.shell import openstack as openstack_client
from tests.functional.client.test_sdk import connect
from tests.functional.fakes.cloud import REGION, Cloud
from tests.functional.fakes.faults import Kind
from tests.functional.fakes.http import new_id
from tests.functional.gateway_harness import Answer, Gateway

pytestmark = pytest.mark.filterwarnings("ignore")
PODS = ("pod1", "pod2", "pod3")


async def look(gateway: Gateway, path: str, version: str = "1.39", **more: Any) -> Answer:
    more.setdefault("user", "admin")
    headers = {"OpenStack-API-Version": f"placement {version}"}
    return await gateway.call("GET", path, base=gateway.placement, headers=headers, **more)


async def test_discovery_tells_what_all_pods_have(gateway: Gateway) -> None:
    root = await gateway.call("GET", "/", base=gateway.placement, user=None)
    (version,) = root.ok(200)["versions"]
    assert (version["id"], version["min_version"], version["max_version"]) == (
        "v1.0", "1.0", "1.39",
    )  # fmt: skip
    refused = await look(gateway, "/resource_providers", "1.40")
    assert refused.status == 406
    assert refused.json["errors"][0]["status"] == 406
    plain = await gateway.call("GET", "/traits", base=gateway.placement, user="admin")
    assert plain.status == 404, "there were none at 1.0"
    assert plain.headers["OpenStack-API-Version"] == "placement 1.0"


@pytest.mark.parametrize("version", ["1.0", "1.13", "1.14", "1.39", "latest"])
async def test_providers_of_all_pods_as_each_tells_them(
    gateway: Gateway, cloud: Cloud, version: str
) -> None:
    cloud.pods["pod2"].placement.below = "/placement"
    await gateway.set_pod(
        "pod2",
        endpoints={
            **gateway.services.registry.by_region("pod2").endpoints,  # type: ignore[union-attr]
            "placement": f"{cloud.pods['pod2'].placement.url}/placement",
        },
    )
    answer = await look(gateway, "/resource_providers", version)
    found = answer.ok(200)["resource_providers"]
    assert [one["uuid"] for one in found] == [cloud.pods[pod].placement.provider for pod in PODS]
    assert ("root_provider_uuid" in found[0]) == (version in ("1.14", "1.39", "latest"))
    for one in found:
        for link in one["links"]:
            assert link["href"].startswith(f"/resource_providers/{one['uuid']}")
    shown = await look(gateway, f"/resource_providers/{found[1]['uuid']}", version)
    assert shown.ok(200) == found[1]


async def test_what_a_provider_has_is_asked_of_its_pod(gateway: Gateway, cloud: Cloud) -> None:
    place = cloud.pods["pod2"].placement
    place.used["VCPU"] = 7
    base = f"/resource_providers/{place.provider}"
    assert (await look(gateway, f"{base}/usages")).ok()["usages"]["VCPU"] == 7
    assert (await look(gateway, f"{base}/inventories")).ok()["inventories"]["VCPU"][
        "total"
    ] == 10000
    assert (await look(gateway, f"{base}/traits")).ok()["traits"] == place.traits
    cloud.journal.clear()
    assert (await look(gateway, f"{base}/aggregates")).ok()["aggregates"] == place.aggregates
    assert [entry.service for entry in cloud.journal.find("pod")] == ["pod2/placement"]
    assert (
        "resource_provider_generation"
        not in (await look(gateway, f"{base}/aggregates", "1.18")).ok()
    )
    lost = await look(gateway, f"/resource_providers/{new_id()}/usages")
    assert lost.status == 404
    assert "No resource provider with uuid" in lost.json["errors"][0]["detail"]


async def test_filters_are_the_pods(gateway: Gateway, cloud: Cloud) -> None:
    place = cloud.pods["pod3"].placement
    place.classes.append("CUSTOM_FPGA")
    for query in (
        {"name": place.host},
        {"uuid": place.provider},
        {"in_tree": place.provider},
        {"member_of": f"in:{place.aggregates[0]}"},
        {"resources": "CUSTOM_FPGA:1"},
    ):
        (found,) = (await look(gateway, "/resource_providers", query=query)).ok()[
            "resource_providers"
        ]
        assert found["uuid"] == place.provider, query
    wrong = (
        ({"colour": "red"}, "1.39"),
        ({"in_tree": place.provider}, "1.13"),
        ({"uuid": "x"}, "1.39"),
        ({"resources": "CUSTOM_NONE:1"}, "1.39"),
    )
    for query, version in wrong:
        refused = await look(gateway, "/resource_providers", version, query=query)
        assert refused.status == 400, query
        assert refused.json["errors"][0]["title"] == "Bad Request"


async def test_unions_and_sums(gateway: Gateway, cloud: Cloud) -> None:
    one, two = cloud.pods["pod1"].placement, cloud.pods["pod2"].placement
    two.traits.append("CUSTOM_GOLD")
    two.classes.append("CUSTOM_FPGA")
    assert (await look(gateway, "/traits")).ok()["traits"] == ["HW_CPU_X86_AVX2", "CUSTOM_GOLD"]
    assert (await look(gateway, "/traits/CUSTOM_GOLD")).ok(204) is None
    assert (await look(gateway, "/traits/CUSTOM_NONE")).status == 404
    classes = (await look(gateway, "/resource_classes")).ok()["resource_classes"]
    assert [one["name"] for one in classes] == [*one.classes, "CUSTOM_FPGA"]
    server = new_id()
    one.allocated = {new_id(): cloud.project_id}
    two.allocated = {server: cloud.project_id, new_id(): "other"}
    found = (await look(gateway, f"/allocations/{server}")).ok()
    assert list(found["allocations"]) == [two.provider]
    assert found["project_id"] == cloud.project_id
    assert (await look(gateway, f"/allocations/{new_id()}")).ok() == {"allocations": {}}
    query = {"project_id": cloud.project_id}
    assert (await look(gateway, "/usages", "1.37", query=query)).ok()["usages"] == {"VCPU": 2}
    by_type = (await look(gateway, "/usages", query=query)).ok()["usages"]
    assert by_type == {"INSTANCE": {"VCPU": 2, "consumer_count": 2}}
    assert (await look(gateway, "/usages", query=query, user="reader")).status == 200


async def test_a_pod_that_is_away(gateway: Gateway, cloud: Cloud) -> None:
    gone = cloud.pods["pod2"].placement
    gone.fail(Kind.CUT)
    answer = await look(gateway, "/resource_providers")
    assert len(answer.ok()["resource_providers"]) == 2
    assert answer.headers["X-Tricircle-Unavailable-Pods"] == "pod2"
    assert (await look(gateway, f"/resource_providers/{gone.provider}")).status == 503


@pytest.mark.parametrize("user", ["member", "reader", "other"])
async def test_it_is_for_whom_the_pods_let(gateway: Gateway, user: str) -> None:
    refused = await look(gateway, "/resource_providers", user=user)
    assert refused.status == 403
    assert refused.json["errors"][0]["status"] == 403
    assert (await look(gateway, "/resource_providers", user=None)).status == 401


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
async def test_nothing_is_changed(gateway: Gateway, cloud: Cloud, method: str) -> None:
    for path in ("/resource_providers", f"/resource_providers/{new_id()}/inventories"):
        answer = await gateway.call(method, path, {}, base=gateway.placement, user="admin")
        assert answer.status == 405
        assert answer.headers["Allow"] == "GET"
    assert [entry for entry in cloud.journal.find("pod") if entry.method == method] == []


async def test_a_pod_without_placement_takes_nothing_from_the_others(
    gateway: Gateway, cloud: Cloud
) -> None:
    pod = gateway.services.registry.by_region("pod1")
    assert pod is not None
    kept = {name: url for name, url in pod.endpoints.items() if name != "placement"}
    await gateway.set_pod("pod1", endpoints=kept)
    answer = await look(gateway, "/resource_providers")
    assert len(answer.ok()["resource_providers"]) == 2
    assert "X-Tricircle-Unavailable-Pods" not in answer.headers


async def test_openstacksdk_lists_providers(gateway: Gateway, cloud: Cloud) -> None:
    cloud.keystone.endpoint(REGION, "placement", gateway.placement)

    def work() -> None:
        client = connect(cloud)
        assert isinstance(client, openstack.connection.Connection)
        found = {provider.name for provider in client.placement.resource_providers()}
        assert found == {cloud.pods[pod].placement.host for pod in PODS}
        provider = client.placement.get_resource_provider(cloud.pods["pod2"].placement.provider)
        inventories = list(client.placement.resource_provider_inventories(provider))
        assert {one.resource_class for one in inventories} == {"VCPU", "MEMORY_MB", "DISK_GB"}

    await asyncio.to_thread(work)
    pods = await as_json(gateway, "multiregion pod list")
    assert len(pods) == 3


async def test_the_commands_of_operators(gateway: Gateway, cloud: Cloud) -> None:
    """``openstack resource …``, by the client's own plugin for Placement."""
    cloud.keystone.endpoint(REGION, "placement", gateway.placement)
    wanted = sorted(cloud.pods[pod].placement.provider for pod in PODS)
    for version in ("1.0", "1.39"):
        api = f"--os-placement-api-version {version}"
        listed = await as_json(gateway, f"{api} resource provider list")
        assert sorted(one["uuid"] for one in listed) == wanted
        one = cloud.pods["pod2"].placement.provider
        assert (await as_json(gateway, f"{api} resource provider show", one))["uuid"] == one
        rooms = await as_json(gateway, f"{api} resource provider inventory list", one)
        assert {"VCPU", "MEMORY_MB"} <= {room["resource_class"] for room in rooms}
        used = await as_json(gateway, f"{api} resource provider usage show", one)
        assert {row["resource_class"] for row in used} == {room["resource_class"] for room in rooms}
    refused = await openstack_client(gateway, "resource provider create mine")
    assert refused.status == 1
    assert "Traceback" not in refused.err
