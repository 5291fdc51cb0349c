# SPDX-License-Identifier: Apache-2.0
"""Hosts that requests name: whichever way, the pod that has the host does it."""

import asyncio
from typing import Any

import pytest

from tests.functional.fakes.cloud import Cloud
from tests.functional.gateway_harness import Answer, Gateway
from tests.functional.servers import the_one

HOST = "pod2-host2"
NAMED = {
    "zone:host": {"availability_zone": f"az2:{HOST}"},
    ":host": {"availability_zone": f":{HOST}"},
    "::node": {"availability_zone": f"::{HOST}"},
    "zone::node": {"availability_zone": f"az2::{HOST}"},
    "host": {"host": HOST},
    "hypervisor_hostname": {"hypervisor_hostname": HOST},
    "both": {"host": HOST, "hypervisor_hostname": HOST},
    # One that is called the same in every pod.
    "host@region": {"host": "host1@pod2"},
    "node@region": {"hypervisor_hostname": "host1@pod2"},
    ":host@region": {"availability_zone": ":host1@pod2"},
    "zone::node@region": {"availability_zone": "az2::host1@pod2"},
}


async def make(gateway: Gateway, user: str = "admin", **more: Any) -> Answer:
    server = {"name": "one", "imageRef": gateway.cloud.image_id, "flavorRef": "1",
              "networks": "none", **more}  # fmt: skip
    return await gateway.post("/servers", {"server": server}, user=user, version="2.90")


@pytest.mark.parametrize("form", NAMED)
async def test_a_server_is_made_on_the_host_named(
    gateway: Gateway, cloud: Cloud, form: str
) -> None:
    made = (await make(gateway, **NAMED[form])).ok(202)["server"]["id"]
    region, server = the_one(cloud)
    expected = "host1" if "@" in form else HOST
    assert (region, server.id, server.host) == ("pod2", made, expected)
    if "host" not in NAMED[form] and "hypervisor_hostname" not in NAMED[form]:
        zone = server.request["server"]["availability_zone"]
        assert "@" not in zone
        assert zone.split(":")[0] == "nova"


async def test_one_host_of_a_name_that_two_pods_of_the_zone_have(
    gateway: Gateway, cloud: Cloud
) -> None:
    (await make(gateway, availability_zone="az1", host="host1")).ok(202)
    assert the_one(cloud)[0] in ("pod1", "pod3")
    refused = await make(gateway, availability_zone="az1", host="host1@pod2")
    assert refused.status == 400
    assert "host host1 is in pod2" in refused.message


async def test_a_host_that_no_pod_has_is_refused_in_novas_words(
    gateway: Gateway, cloud: Cloud
) -> None:
    refused = await make(gateway, host="nobody")
    assert (refused.status, refused.message) == (400, "Compute host nobody could not be found.")
    assert len(cloud.journal.find("pod", "POST", "/servers")) == 1


async def test_a_host_in_a_pod_that_is_away(gateway: Gateway, cloud: Cloud) -> None:
    await asyncio.to_thread(cloud.pods["pod2"].stop)
    refused = await make(gateway, host=HOST)
    assert refused.status == 503
    assert "pod2" in refused.message
    (await make(gateway, host="pod1-host2")).ok(202)


async def test_who_may_not_name_hosts_is_told_so(gateway: Gateway, cloud: Cloud) -> None:
    for named in (NAMED["host"], NAMED[":host"]):
        refused = await make(gateway, user="member", **named)
        assert refused.status == 403
        assert "to be performed" in refused.message


@pytest.mark.parametrize("path", ["/servers", "/servers/detail"])
@pytest.mark.parametrize("name", ["host", "node"])
async def test_a_list_of_the_servers_of_a_host(
    gateway: Gateway, cloud: Cloud, path: str, name: str
) -> None:
    for region in cloud.pods:
        for number in range(3):
            server = cloud.pods[region].nova.add_server(f"{region}-{number}")
            server.host = "host1"
    query = {name: "host1@pod2", "all_tenants": "1", "limit": "2"}
    names = []
    told = (await gateway.get(path, user="admin", query=query)).ok(200)
    names += [server["name"] for server in told["servers"]]
    (link,) = told["servers_links"]
    query["marker"] = told["servers"][-1]["id"]
    assert "pod2" in link["href"]
    told = (await gateway.get(path, user="admin", query=query)).ok(200)
    names += [server["name"] for server in told["servers"]]
    assert sorted(names) == ["pod2-0", "pod2-1", "pod2-2"]
    # Nova does not heed who may not filter by it.
    told = (await gateway.get(path, query={name: "host1@pod2"})).ok(200)
    assert len(told["servers"]) == 9


async def test_the_volumes_of_a_host(gateway: Gateway, cloud: Cloud) -> None:
    host = "here@lvm#pool"
    for region in cloud.pods:
        cloud.pods[region].cinder.add_volume(region, host=host)
    for named, expected in ((host, 3), (f"{host}@pod2", 1)):
        query = {"host": named, "all_tenants": "1"}
        told = (await gateway.volumes.get("/volumes/detail", user="admin", query=query)).ok(200)
        assert len(told["volumes"]) == expected


async def test_hypervisors_by_name(gateway: Gateway) -> None:
    for named, expected in (("host1", 3), ("host1@pod2", 1), ("pod2-h", 1)):
        query = {"hypervisor_hostname_pattern": named}
        told = await gateway.get("/os-hypervisors", user="admin", query=query, version="2.60")
        assert len(told.ok(200)["hypervisors"]) == expected, named
        told = await gateway.get(f"/os-hypervisors/{named}/search", user="admin", version="2.40")
        assert len(told.ok(200)["hypervisors"]) == expected, named


@pytest.mark.parametrize(
    ("action", "version"),
    [
        ({"evacuate": {"host": "host1@pod2"}}, "2.90"),
        ({"os-migrateLive": {"host": "host1@pod2", "block_migration": "auto"}}, "2.90"),
        ({"migrate": {"host": "host1@pod2"}}, "2.90"),
        ({"unshelve": {"host": "host1@pod2"}}, "2.91"),
    ],
)
async def test_a_host_to_go_to(
    gateway: Gateway, cloud: Cloud, action: dict[str, Any], version: str
) -> None:
    server = cloud.pods["pod2"].nova.add_server("s")
    path = f"/servers/{server.id}/action"
    await gateway.post(path, action, user="admin", version=version)
    ((name, argument),) = action.items()
    (asked,) = cloud.journal.find("pod", "POST", path)
    assert asked.json == {name: {**argument, "host": "host1"}}
    # A host of another pod is not taken for one that is called the same.
    ((_, elsewhere),) = [(name, {**argument, "host": "host1@pod1"})]
    await gateway.post(path, {name: elsewhere}, user="admin", version=version)
    assert cloud.journal.find("pod", "POST", path)[-1].json == {name: elsewhere}


async def test_a_volume_is_to_go_to_a_host(gateway: Gateway, cloud: Cloud) -> None:
    volume = cloud.pods["pod2"].cinder.add_volume()
    path = f"/volumes/{volume['id']}/action"
    body = {"os-migrate_volume": {"host": "other@lvm#pool@pod2"}}
    await gateway.volumes.post(path, body, user="admin")
    (asked,) = cloud.journal.find("pod", "POST", ".*/action")
    assert asked.json == {"os-migrate_volume": {"host": "other@lvm#pool"}}
