# SPDX-License-Identifier: Apache-2.0
"""Flavors and keypairs: the same in every pod, also in one that was away."""

import asyncio
from typing import Any

import pytest

from tests.functional.fakes.cloud import Cloud
from tests.functional.fakes.faults import Kind
from tests.functional.gateway_harness import Gateway
from tricircle.conf import CONF
from tricircle.db.work_queue import own_queue
from tricircle.gateway.threads import Pool
from tricircle.gateway.upstream import mirror
from tricircle.pods.reconciler import Worker
from tricircle.pods.rest import PodServices
from tricircle.xjob.definitions import Definitions

FLAVOR = {"name": "big", "ram": 512, "vcpus": 2, "disk": 10}


async def xjob(gateway: Gateway) -> None:
    """The reconciler's turn for definitions, in every pod."""
    gateway.close_breakers()
    await gateway.refresh()
    worker = Worker(own_queue(), [Definitions(PodServices(gateway.services.identity))])
    for pod in gateway.services.registry.all():
        await asyncio.to_thread(worker.run, pod)


def flavors(cloud: Cloud) -> list[dict[str, Any]]:
    """The flavor called big as each pod has it."""
    return [
        flavor
        for pod in cloud.pods.values()
        for flavor in pod.nova.flavors.values()
        if flavor["name"] == "big"
    ]


async def create(gateway: Gateway, **more: Any) -> str:
    answer = await gateway.post("/flavors", {"flavor": {**FLAVOR, **more}}, user="admin")
    return str(answer.ok(200)["flavor"]["id"])


async def test_a_flavor_is_in_every_pod(gateway: Gateway, cloud: Cloud) -> None:
    flavor_id = await create(gateway)
    found = flavors(cloud)
    assert len(found) == 3
    assert {flavor["id"] for flavor in found} == {flavor_id}
    shown = (await gateway.get(f"/flavors/{flavor_id}")).ok()["flavor"]
    assert shown["ram"] == 512
    for link in shown["links"]:
        assert link["href"].startswith(gateway.compute)
    listed = (await gateway.get("/flavors/detail")).ok()["flavors"]
    assert {flavor["name"] for flavor in listed} == {"m1.nano", "big"}
    (await gateway.delete(f"/flavors/{flavor_id}", user="admin")).ok(202)
    assert flavors(cloud) == []
    assert (await gateway.get(f"/flavors/{flavor_id}")).status == 404


async def test_extra_specs_and_access(gateway: Gateway, cloud: Cloud) -> None:
    flavor_id = await create(gateway, **{"os-flavor-access:is_public": False})
    path = f"/flavors/{flavor_id}"
    specs = {"extra_specs": {"hw:a": "1", "hw:b": "2"}}
    assert (await gateway.post(f"{path}/os-extra_specs", specs, user="admin")).ok(200) == specs
    (await gateway.put(f"{path}/os-extra_specs/hw:a", {"hw:a": "3"}, user="admin")).ok(200)
    (await gateway.delete(f"{path}/os-extra_specs/hw:b", user="admin")).ok(200)
    assert [flavor["extra_specs"] for flavor in flavors(cloud)] == [{"hw:a": "3"}] * 3
    access = {"addTenantAccess": {"tenant": cloud.project_id}}
    (await gateway.post(f"{path}/action", access, user="admin")).ok(200)
    assert [flavor["access"] for flavor in flavors(cloud)] == [{cloud.project_id}] * 3
    assert (await gateway.get(path)).status == 200
    again = await gateway.post(f"{path}/action", access, user="admin")
    assert again.status == 409
    access = {"removeTenantAccess": {"tenant": cloud.project_id}}
    (await gateway.post(f"{path}/action", access, user="admin")).ok(200)
    assert [flavor["access"] for flavor in flavors(cloud)] == [set()] * 3


async def test_only_admins_change_flavors(gateway: Gateway, cloud: Cloud) -> None:
    flavor_id = await create(gateway)
    for user in ("member", "reader", "other"):
        answer = await gateway.post("/flavors", {"flavor": {**FLAVOR, "name": "x"}}, user=user)
        assert answer.status == 403
        assert (await gateway.delete(f"/flavors/{flavor_id}", user=user)).status == 403
        specs = {"extra_specs": {"a": "1"}}
        path = f"/flavors/{flavor_id}/os-extra_specs"
        assert (await gateway.post(path, specs, user=user)).status == 403
    assert [flavor["extra_specs"] for flavor in flavors(cloud)] == [{}] * 3


async def test_a_flavor_that_exists_is_409(gateway: Gateway, cloud: Cloud) -> None:
    await create(gateway, id="7")
    answer = await gateway.post("/flavors", {"flavor": {**FLAVOR, "id": "7"}}, user="admin")
    assert answer.status == 409
    bad = await gateway.post("/flavors", {"flavor": {"name": "no ram"}}, user="admin")
    assert bad.status == 400
    assert len(flavors(cloud)) == 3


@pytest.mark.parametrize("how", ["stopped", "hanging", "failing"])
async def test_a_pod_that_was_away_gets_what_it_missed(
    gateway: Gateway, cloud: Cloud, how: str
) -> None:
    old = await create(gateway)
    pod = cloud.pods["pod2"]
    if how == "stopped":
        await asyncio.to_thread(pod.stop)
    else:
        pod.fail(Kind.HANG if how == "hanging" else Kind.ERROR)
    (await gateway.delete(f"/flavors/{old}", user="admin")).ok(202)
    new = await create(gateway, id="new", **{"os-flavor-access:is_public": False})
    specs = {"extra_specs": {"a": "1"}}
    (await gateway.post(f"/flavors/{new}/os-extra_specs", specs, user="admin")).ok(200)
    key = {"keypair": {"name": "k", "public_key": "ssh-rsa AAAA me"}}
    (await gateway.post("/os-keypairs", key, version="2.2")).ok(201)
    assert [flavor["id"] for flavor in flavors(cloud)].count("new") == 2
    # What lacks something is not asked what there is.
    assert (await gateway.get("/flavors/new", user="admin")).status == 200
    if how == "stopped":
        await asyncio.to_thread(pod.start)
    pod.heal()
    # As xjob does for a pod that is back.
    await asyncio.to_thread(own_queue().requeue_now, gateway.pod_ids["pod2"])
    await xjob(gateway)
    assert [flavor["id"] for flavor in flavors(cloud)] == ["new"] * 3
    assert pod.nova.flavors["new"]["extra_specs"] == {"a": "1"}
    assert [name for _, name in pod.nova.keypairs] == ["k"]


async def test_what_no_thread_is_free_for_comes_later(
    gateway: Gateway, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pod has it already: who is told 503 then asks again for what there is."""
    monkeypatch.setattr(mirror, "PODS", Pool("calls to pods", lambda: 1))
    CONF.set_override("thread_queue", 0, group="gateway")
    await create(gateway)
    assert len(flavors(cloud)) == 2
    await xjob(gateway)
    assert len(flavors(cloud)) == 3


async def test_a_keypair_is_in_every_pod(gateway: Gateway, cloud: Cloud) -> None:
    made = (await gateway.post("/os-keypairs", {"keypair": {"name": "k"}})).ok(200)["keypair"]
    assert "PRIVATE KEY" in made["private_key"]
    keys = [pod.nova.keypairs for pod in cloud.pods.values()]
    user = cloud.keystone.users["member"].id
    assert {found[user, "k"]["public_key"] for found in keys} == {made["public_key"]}
    assert {found[user, "k"]["fingerprint"] for found in keys} == {made["fingerprint"]}
    shown = (await gateway.get("/os-keypairs/k")).ok()["keypair"]
    assert shown["public_key"] == made["public_key"]
    assert "private_key" not in shown
    assert (await gateway.get("/os-keypairs/k", user="other")).status == 404
    listed = (await gateway.get("/os-keypairs")).ok()["keypairs"]
    assert [one["keypair"]["name"] for one in listed] == ["k"]
    assert (await gateway.post("/os-keypairs", {"keypair": {"name": "k"}})).status == 409
    (await gateway.delete("/os-keypairs/k")).ok(202)
    assert [list(pod.nova.keypairs) for pod in cloud.pods.values()] == [[], [], []]
    assert (await gateway.delete("/os-keypairs/k")).status == 404


async def test_two_users_may_have_keys_of_one_name(gateway: Gateway, cloud: Cloud) -> None:
    for user in ("member", "other"):
        body = {"keypair": {"name": "k", "public_key": f"ssh-rsa {user}"}}
        (await gateway.post("/os-keypairs", body, user=user)).ok(200)
    (await gateway.delete("/os-keypairs/k", user="other")).ok(202)
    for pod in cloud.pods.values():
        ((_, key),) = pod.nova.keypairs.items()
        assert key["public_key"] == "ssh-rsa member"


@pytest.mark.parametrize("kind", [Kind.CUT_AFTER, Kind.HANG_AFTER, Kind.GARBAGE_AFTER])
@pytest.mark.parametrize("region", ["pod1", "pod2", "pod3"])
async def test_a_lost_answer_makes_no_difference(
    gateway: Gateway, cloud: Cloud, kind: Kind, region: str
) -> None:
    cloud.pods[region].nova.fail(kind, "POST", "/flavors$", times=1)
    await gateway.post("/flavors", {"flavor": {**FLAVOR, "id": "7"}}, user="admin")
    cloud.pods[region].heal()
    again = await gateway.post("/flavors", {"flavor": {**FLAVOR, "id": "7"}}, user="admin")
    assert again.status in (200, 409)
    await xjob(gateway)
    assert [flavor["id"] for flavor in flavors(cloud)] == ["7"] * 3
