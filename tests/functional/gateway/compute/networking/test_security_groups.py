# SPDX-License-Identifier: Apache-2.0
"""Security groups of servers: those of their central ports."""

from tests.functional.fakes.cloud import Cloud
from tests.functional.gateway_harness import Gateway
from tests.functional.servers import make, plugged, the_one


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


async def test_a_change_of_groups_is_shown_at_once(gateway: Gateway, cloud: Cloud) -> None:
    """However slow the pod is: it is not told of anything here."""
    network = cloud.central.network(cloud.project_id)
    cloud.central.make("security-groups", cloud.project_id, name="web")
    made = (await make(gateway, networks=[{"uuid": network["id"]}])).ok(202)["server"]["id"]
    path = f"/servers/{made}/action"

    async def shown() -> list[list[str] | None]:
        one = (await gateway.get(f"/servers/{made}")).ok()["server"]
        (listed,) = (await gateway.get("/servers/detail")).ok()["servers"]
        changed = {"server": {"description": "d"}}
        put = (await gateway.put(f"/servers/{made}", changed, version="2.90")).ok()["server"]
        told = [each.get("security_groups") for each in (one, listed, put)]
        return [each and sorted(group["name"] for group in each) for each in told]

    assert await shown() == [["default"]] * 3
    (await gateway.post(path, {"addSecurityGroup": {"name": "web"}})).ok(202)
    assert await shown() == [["default", "web"]] * 3
    (await gateway.post(path, {"removeSecurityGroup": {"name": "web"}})).ok(202)
    (await gateway.post(path, {"removeSecurityGroup": {"name": "default"}})).ok(202)
    assert await shown() == [None] * 3
    _, _, (inside,) = plugged(cloud)
    inside["security_groups"].clear()
    (await gateway.post(path, {"addSecurityGroup": {"name": "web"}})).ok(202)
    assert (await shown())[:2] == [["web"]] * 2
    # An update's answer tells them where the pod's does; an old one, never.
    old = (await gateway.put(f"/servers/{made}", {"server": {"name": "n"}})).ok()["server"]
    assert "security_groups" not in old


async def test_security_groups_change_on_the_central_ports(gateway: Gateway, cloud: Cloud) -> None:
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
