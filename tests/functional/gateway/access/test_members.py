# SPDX-License-Identifier: Apache-2.0
"""A pod of which Tricircle is no administrator: a public cloud, say."""

from typing import Any

import pytest

from tests.functional import gateway_harness
from tests.functional.fakes.cloud import MEMBERS, Cloud
from tests.functional.fakes.keystone import Keystone
from tests.functional.gateway.access.conftest import FOREIGN
from tests.functional.gateway.access.test_who_may_what import boot
from tests.functional.gateway_harness import Gateway


@pytest.fixture
def entered() -> str:
    return MEMBERS


@pytest.fixture
def theirs(cloud: Cloud) -> Keystone:
    keystone = cloud.pods[FOREIGN].keystone
    assert keystone is not None
    cloud.central.judges.pop(FOREIGN)
    return keystone


async def _register(gateway: Gateway, cloud: Cloud, **more: Any) -> Any:
    kind, told = gateway_harness.entrance(cloud, FOREIGN)
    access = {"kind": kind, **told, **more}
    body = {"region_name": FOREIGN, "availability_zone": "az2", "access": access}
    return await gateway.manage("POST", "/pods", {"pod": body})


async def test_it_is_registered_by_who_says_so(
    gateway: Gateway, cloud: Cloud, theirs: Keystone
) -> None:
    (await gateway.manage("DELETE", f"/pods/{gateway.pod_ids[FOREIGN]}")).ok(204)
    answer = await _register(gateway, cloud, privileged=True)
    assert answer.status == 400
    assert "has not the role admin" in answer.message
    made = (await _register(gateway, cloud)).ok(201)["pod"]
    assert made["access"]["privileged"] is False


async def test_servers_of_its_own_flavors(gateway: Gateway, cloud: Cloud, theirs: Keystone) -> None:
    credential = {"credential": theirs.credential("tenant")}
    path = f"/pods/{gateway.pod_ids[FOREIGN]}/credentials/{cloud.project_id}"
    (await gateway.manage("PUT", path, credential)).ok()
    nova = cloud.pods[FOREIGN].nova
    nova.add_flavor("theirs", name="m1.big", ram=4096, vcpus=4, disk=10)
    flavor = {"name": "m1.big", "id": "ours", "ram": 4096, "vcpus": 4, "disk": 10}
    (await gateway.post("/flavors", {"flavor": flavor}, user="admin")).ok()
    await boot(gateway, networks="none", flavorRef="ours")
    (inside,) = nova.live()
    assert inside.flavor_id == "theirs"
    for version, path in (("2.1", f"/servers/{inside.id}"), ("2.1", "/servers/detail")):
        told = (await gateway.get(path, version=version)).ok()
        flavor = told.get("server", next(iter(told.get("servers", ())), {}))["flavor"]
        assert flavor["id"] == "ours"
        assert flavor["links"][0]["href"].endswith("/flavors/ours")
    # Another one that it has by another id, and the way back to the first.
    nova.add_flavor("larger", name="m1.larger", ram=8192, vcpus=4, disk=10)
    larger = {"name": "m1.larger", "id": "more", "ram": 8192, "vcpus": 4, "disk": 10}
    (await gateway.post("/flavors", {"flavor": larger}, user="admin")).ok()
    resize = {"resize": {"flavorRef": "more"}}
    (await gateway.post(f"/servers/{inside.id}/action", resize)).ok(202)
    assert cloud.journal.find(f"{FOREIGN}/compute", "POST", "/action")[-1].json == {
        "resize": {"flavorRef": "larger"}
    }
    # One that it has not in this size is nowhere made.
    other = {"name": "m1.big2", "id": "other", "ram": 1, "vcpus": 4, "disk": 10}
    (await gateway.post("/flavors", {"flavor": other}, user="admin")).ok()
    assert not cloud.journal.find(f"{FOREIGN}/compute", "POST", "/flavors")
    for entry in cloud.journal.find(f"{FOREIGN}/compute"):
        token = theirs.tokens.get(entry.headers.get("X-Auth-Token", ""))
        assert token is None or not token.is_admin
