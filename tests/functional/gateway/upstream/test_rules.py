# SPDX-License-Identifier: Apache-2.0
"""Rules of operators hold for whatever is made, and refusals name them."""

from typing import Any

import pytest

from tests.functional.client.shell import as_json, openstack
from tests.functional.fakes.cloud import Cloud
from tests.functional.fakes.faults import Kind
from tests.functional.gateway_harness import Answer, Gateway
from tricircle.conf import CONF

pytestmark = pytest.mark.filterwarnings("ignore")


async def rule(gateway: Gateway, name: str, effect: str, pods: dict[str, Any], **more: Any) -> Any:
    body = {"rule": {"name": name, "effect": effect, "pods": pods, **more}}
    return (await gateway.manage("POST", "/rules", body)).ok(201)["rule"]


async def serve(gateway: Gateway, zone: str | None = None, **more: Any) -> Answer:
    server = {
        "name": "s",
        "flavorRef": "1",
        "imageRef": gateway.cloud.image_id,
        "networks": "none",
        **({"availability_zone": zone} if zone else {}),
        **more,
    }
    return await gateway.post("/servers", {"server": server}, version="2.90")


def where(cloud: Cloud) -> dict[str, int]:
    return {name: len(pod.nova.servers) for name, pod in cloud.pods.items() if pod.nova.servers}


async def test_a_project_is_held_to_pods(gateway: Gateway, cloud: Cloud) -> None:
    await gateway.set_pod("pod3", labels={"country": "nl"})
    await rule(gateway, "dutch", "allow", {"labels": {"country": "nl"}},
               project_id=cloud.project_id)  # fmt: skip
    for _ in range(3):
        (await serve(gateway)).ok(202)
    assert where(cloud) == {"pod3": 3}
    refused = await serve(gateway, "az2")
    assert refused.status == 400
    assert "pod2 is not among the pods of rule dutch" in refused.message
    volume = {"volume": {"size": 1, "availability_zone": "az2"}}
    refused = await gateway.volumes.post("/volumes", volume)
    assert refused.status == 400
    assert "rule dutch" in refused.message
    body = {"server": {"name": "s", "flavorRef": "1", "imageRef": cloud.image_id,
                       "networks": "none", "availability_zone": "az2"}}  # fmt: skip
    others = await gateway.post("/servers", body, version="2.90", user="other")
    others.ok(202)


async def test_rules_hold_whatever_filters_are_named(
    gateway: Gateway, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    CONF.set_override("filters", ["enabled"], group="scheduling")
    await rule(gateway, "not-there", "forbid", {"region_name": ["pod1", "pod2"]})
    (await serve(gateway)).ok(202)
    assert where(cloud) == {"pod3": 1}
    CONF.clear_override("filters", group="scheduling")


async def test_a_rule_for_a_domain(gateway: Gateway, cloud: Cloud) -> None:
    await rule(gateway, "d", "forbid", {"availability_zone": ["az1"]}, domain_id="default")
    await rule(gateway, "e", "forbid", {"availability_zone": ["az2"]}, domain_id="elsewhere")
    (await serve(gateway)).ok(202)
    assert where(cloud) == {"pod2": 1}


async def test_rules_for_images_and_flavors(gateway: Gateway, cloud: Cloud) -> None:
    await rule(gateway, "gpu", "allow", {"region_name": ["pod2"]},
               property={"of": "image", "name": "hw_gpu", "value": "yes"})  # fmt: skip
    (await serve(gateway, "az1")).ok(202)
    cloud.images[cloud.image_id]["hw_gpu"] = "yes"
    refused = await serve(gateway, "az1")
    assert refused.status == 400
    assert "rule gpu" in refused.message
    (await serve(gateway)).ok(202)
    assert where(cloud)["pod2"] == 1
    cloud.glance.fail(Kind.CUT)
    assert (await serve(gateway)).status == 504, "what cannot be judged is not let through"
    cloud.heal()

    flavor = {"flavor": {"id": "9", "name": "nine", "ram": 1, "vcpus": 1, "disk": 0}}
    (await gateway.post("/flavors", flavor, user="admin")).ok(200)
    specs = {"extra_specs": {"tier": "gold"}}
    (await gateway.post("/flavors/9/os-extra_specs", specs, user="admin")).ok(200)
    await rule(gateway, "gold", "forbid", {"region_name": ["pod2"]},
               property={"of": "flavor", "name": "tier", "value": "gold"})  # fmt: skip
    cloud.images[cloud.image_id]["hw_gpu"] = "no"
    refused = await serve(gateway, "az2", flavorRef="9")
    assert "pod2 is forbidden by rule gold" in refused.message


async def test_a_projects_own_default_zone(gateway: Gateway, cloud: Cloud) -> None:
    await rule(gateway, "home", "default", {"availability_zone": ["az2"]},
               project_id=cloud.project_id)  # fmt: skip
    for _ in range(3):
        (await serve(gateway)).ok(202)
    assert where(cloud) == {"pod2": 3}
    (await serve(gateway, "az1")).ok(202)
    assert sum(where(cloud).values()) == 4
    await gateway.set_pod("pod2", state="draining")
    (await serve(gateway)).ok(202)
    assert where(cloud)["pod2"] == 3, "a zone that takes nothing is no obstacle"


async def test_a_volume_is_moved_to_no_forbidden_pod(gateway: Gateway, cloud: Cloud) -> None:
    body = {"volume": {"size": 1, "availability_zone": "az1"}}
    volume = (await gateway.volumes.post("/volumes", body)).ok(202)["volume"]["id"]
    await gateway.idle()
    await rule(gateway, "no", "forbid", {"region_name": ["pod2"]}, project_id=cloud.project_id)
    for wanted in ({"region_name": "pod2"}, {"availability_zone": "az2"}):
        refused = await gateway.manage("POST", f"/volumes/{volume}/move", {"move": wanted})
        assert refused.status == 400
        assert "forbidden by rule no" in refused.message


async def test_which_pods_a_project_may_use(gateway: Gateway, cloud: Cloud) -> None:
    made = await as_json(
        gateway, "multiregion rule create dutch --allow --project demo --pod pod1 --pod pod3"
    )
    assert made["pods"] == {"region_name": ["pod1", "pod3"]}
    await as_json(gateway, "multiregion rule create home --default --project demo --zone az1")
    rows = await as_json(gateway, "multiregion pod list --project demo")
    told = [(row["Region"], row["Allowed"], row["Why Not"], row["Default"]) for row in rows]
    assert told == [
        ("pod1", True, None, True),
        ("pod2", False, "is not among the pods of rule dutch", False),
        ("pod3", True, None, True),
    ]
    mine = await as_json(
        gateway, f"multiregion pod list --project {cloud.project_id}", user="member",
        project="demo",
    )  # fmt: skip
    assert mine == rows
    other = await openstack(
        gateway, f"multiregion pod list --project {cloud.project_id}", user="other",
        project="other",
    )  # fmt: skip
    assert other.status == 1
    assert "tricircle:rules:get_all_projects" in other.err
    listed = await as_json(gateway, "multiregion rule list")
    assert [row["Name"] for row in listed] == ["dutch", "home"]
    assert (await as_json(gateway, "multiregion rule show dutch"))["id"] == made["id"]
    assert (await openstack(gateway, "multiregion rule delete dutch home")).status == 0
    assert await as_json(gateway, "multiregion rule list") == []


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"effect": "maybe"}, "'maybe' is not one of"),
        ({"pods": {}}, "pods"),
        ({"pods": {"region_name": []}}, "pods.region_name"),
        ({"project_id": "p", "domain_id": "d"}, "for a project or for a domain, not for both"),
        ({"project_id": "a b"}, "is no id"),
        ({"property": {"of": "moon", "name": "a", "value": "b"}}, "'moon' is not one of"),
        ({"effect": "default"}, "names one availability zone, and nothing else"),
        ({"x": 1}, "'x' was unexpected"),
    ],
)
async def test_what_is_no_rule(gateway: Gateway, body: dict[str, Any], words: str) -> None:
    good = {"name": "r", "effect": "allow", "pods": {"region_name": ["pod1"]}}
    refused = await gateway.manage("POST", "/rules", {"rule": {**good, **body}})
    assert refused.status == 400
    assert words in refused.message
    assert (await gateway.manage("POST", "/rules", {"rule": good})).ok(201)
    assert (await gateway.manage("POST", "/rules", {"rule": good})).status == 409
    for method, path in (("POST", "/rules"), ("GET", "/rules"), ("DELETE", "/rules/x")):
        answer = await gateway.manage(method, path, {"rule": good}, user="member")
        assert answer.status == 403
    assert (await gateway.manage("DELETE", "/rules/x")).status == 404
