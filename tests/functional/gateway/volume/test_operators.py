# SPDX-License-Identifier: Apache-2.0
"""What operators see of the block storage of all pods together, and do to a host of one."""

import asyncio
from typing import Any

import pytest

from tests.functional.fakes.cloud import Cloud
from tests.functional.gateway_harness import Gateway

Object = dict[str, Any]
ADMIN: Object = {"user": "admin", "version": "3.71"}


async def test_services_and_hosts_of_all_pods(gateway: Gateway, cloud: Cloud) -> None:
    found = (await gateway.volumes.get("/os-services", **ADMIN)).ok(200)["services"]
    volumes = {one["host"]: one["zone"] for one in found if one["binary"] == "cinder-volume"}
    assert volumes == {f"{pod}-host@lvm": zone for pod, zone in cloud.zones.items()}
    hosts = (await gateway.volumes.get("/os-hosts", **ADMIN)).ok(200)["hosts"]
    assert {one["host_name"]: one["zone"] for one in hosts} == volumes
    query = {"host": "pod2-host@lvm"}
    found = (await gateway.volumes.get("/os-services", query=query, **ADMIN)).ok(200)["services"]
    assert [one["host"] for one in found] == ["pod2-host@lvm"]


async def test_pools_of_all_pods(gateway: Gateway, cloud: Cloud) -> None:
    path = "/scheduler-stats/get_pools"
    pools = (await gateway.volumes.get(path, query={"detail": "true"}, **ADMIN)).ok(200)["pools"]
    assert {pool["name"] for pool in pools} == {f"{pod}-host@lvm#lvm" for pod in cloud.pods}
    assert {pool["capabilities"]["free_capacity_gb"] for pool in pools} == {100}


@pytest.mark.parametrize("region", ["pod1", "pod2", "pod3"])
async def test_a_service_is_changed_in_its_pod(gateway: Gateway, cloud: Cloud, region: str) -> None:
    body = {"host": f"{region}-host@lvm", "binary": "cinder-volume", "disabled_reason": "why"}
    (await gateway.volumes.put("/os-services/disable-log-reason", body, **ADMIN)).ok(200)
    for name, pod in cloud.pods.items():
        assert pod.cinder.disabled == ({f"{region}-host@lvm": "why"} if name == region else {})
    (await gateway.volumes.put("/os-services/enable", body, **ADMIN)).ok(200)
    assert cloud.pods[region].cinder.disabled == {}
    shown = await gateway.volumes.get(f"/os-hosts/{region}-host@lvm", **ADMIN)
    assert shown.ok(200)["host"][0]["resource"]["host"] == f"{region}-host@lvm"


async def test_a_host_that_is_nowhere(gateway: Gateway) -> None:
    body = {"host": "nobody@lvm", "binary": "cinder-volume"}
    answer = await gateway.volumes.put("/os-services/enable", body, **ADMIN)
    assert (answer.status, answer.message) == (
        404, "Service cinder-volume could not be found on host nobody@lvm."
    )  # fmt: skip
    assert (await gateway.volumes.get("/os-hosts/nobody", **ADMIN)).status == 404


@pytest.mark.parametrize("path", ["/os-services", "/os-hosts", "/scheduler-stats/get_pools"])
async def test_who_may_see_them(gateway: Gateway, cloud: Cloud, path: str) -> None:
    assert (await gateway.volumes.get(path)).status == 403
    await asyncio.to_thread(cloud.pods["pod2"].cinder.stop)
    answer = await gateway.volumes.get(path, **ADMIN)
    ((_, found),) = answer.ok(200).items()
    assert not any("pod2" in str(one) for one in found)
    assert answer.headers["X-Tricircle-Unavailable-Pods"] == "pod2"


async def test_zones(gateway: Gateway, cloud: Cloud) -> None:
    zones = (await gateway.volumes.get("/os-availability-zone")).ok(200)["availabilityZoneInfo"]
    assert [zone["zoneName"] for zone in zones] == ["az1", "az2"]
    assert all(zone["zoneState"]["available"] for zone in zones)
