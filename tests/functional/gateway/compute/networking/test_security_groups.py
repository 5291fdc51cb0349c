# SPDX-License-Identifier: Apache-2.0
"""Security groups of servers: those of their central ports."""

import asyncio

import pytest

from tests.functional.fakes.cloud import Cloud
from tests.functional.gateway_harness import Gateway
from tests.functional.servers import make, plugged, the_one
from tricircle.gateway.compute.networking import security_groups


async def test_security_groups_go_with_the_ports(gateway: Gateway, cloud: Cloud) -> None:
    network = cloud.central.network(cloud.project_id)
    group = cloud.central.make("security-groups", cloud.project_id, name="web")
    answer = await make(
        gateway, networks=[{"uuid": network["id"]}], security_groups=[{"name": "web"}]
    )
    assert answer.ok(202)["server"]["security_groups"] == [{"name": "web"}]
    server, (port,), (inside,) = plugged(cloud)
    assert port["security_groups"] == [group["id"]]
    region, _ = the_one(cloud)
    names = [
        cloud.pods[region].neutron.tables["security-groups"][one]["name"]
        for one in inside["security_groups"]
    ]
    assert names == ["web"]
    listed = (await gateway.get(f"/servers/{server.id}/os-security-groups")).ok()
    assert [one["id"] for one in listed["security_groups"]] == [group["id"]]
    answer = await make(gateway, networks="none", security_groups=[{"name": "nothing"}])
    assert answer.status == 400


async def test_a_change_of_groups_is_told_when_the_pod_shows_it(
    gateway: Gateway, cloud: Cloud
) -> None:
    """Who then looks at the server sees it, though ports in pods are changed a little later."""
    network = cloud.central.network(cloud.project_id)
    cloud.central.make("security-groups", cloud.project_id, name="web")
    made = (await make(gateway, networks=[{"uuid": network["id"]}])).ok(202)["server"]["id"]
    _, _, (inside,) = plugged(cloud)
    region, _ = the_one(cloud)
    twin = cloud.pods[region].neutron.make("security-groups", cloud.project_id, name="web")
    path, loop = f"/servers/{made}/action", asyncio.get_running_loop()
    loop.call_later(0.5, inside["security_groups"].append, twin["id"])
    (await gateway.post(path, {"addSecurityGroup": {"name": "web"}})).ok(202)
    shown = (await gateway.get(f"/servers/{made}")).ok()["server"]["security_groups"]
    assert {group["name"] for group in shown} == {"default", "web"}
    for name in ("web", "default"):
        (there,) = (
            one
            for one in inside["security_groups"]
            if cloud.pods[region].neutron.tables["security-groups"][one]["name"] == name
        )
        loop.call_later(0.5, inside["security_groups"].remove, there)
        (await gateway.post(path, {"removeSecurityGroup": {"name": name}})).ok(202)
    assert "security_groups" not in (await gateway.get(f"/servers/{made}")).ok()["server"]


async def test_security_groups_change_on_the_central_ports(
    gateway: Gateway, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    # No pod is told of it here.
    monkeypatch.setattr(security_groups, "_PATIENCE", 0.3)
    network = cloud.central.network(cloud.project_id)
    group = cloud.central.make("security-groups", cloud.project_id, name="web")
    made = (await make(gateway, networks=[{"uuid": network["id"]}])).ok(202)["server"]["id"]
    _, (port,), _ = plugged(cloud)
    path = f"/servers/{made}/action"
    (await gateway.post(path, {"addSecurityGroup": {"name": "web"}})).ok(202)
    assert group["id"] in port["security_groups"]
    (await gateway.post(path, {"removeSecurityGroup": {"name": "web"}})).ok(202)
    assert group["id"] not in port["security_groups"]
    assert (await gateway.post(path, {"addSecurityGroup": {"name": "x"}})).status == 404
    other = await gateway.post(path, {"addSecurityGroup": {"name": "web"}}, user="other")
    assert other.status == 404
