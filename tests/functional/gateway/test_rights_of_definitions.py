# SPDX-License-Identifier: Apache-2.0
"""Definitions are removed and spread only for who may: a pod must have done it for them."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.functional.fakes.cloud import Cloud
from tests.functional.gateway.volume.test_types import group_type, make, qos
from tests.functional.gateway_harness import Answer, Gateway
from tricircle.db import definitions as store

ADMIN: dict[str, Any] = {"user": "admin", "version": "3.71"}
STRANGERS = (
    "other", "reader", "unscoped", "domain reader", "system reader"
)  # fmt: skip
Made = tuple[str, str, str]


async def _flavor(gateway: Gateway) -> Made:
    body = {"flavor": {"name": "big", "ram": 512, "vcpus": 2, "disk": 10, "id": "7"}}
    (await gateway.post("/flavors", body, user="admin")).ok(200)
    return "flavor", "7", "/flavors/7"


async def _keypair(gateway: Gateway) -> Made:
    body = {"keypair": {"name": "prod", "public_key": "ssh-rsa AAAA me"}}
    (await gateway.post("/os-keypairs", body)).ok(200)
    user = gateway.cloud.keystone.users["member"].id
    return "keypair", f"{user}/prod", f"/os-keypairs/prod?user_id={user}"


async def _volume_type(gateway: Gateway) -> Made:
    key = await make(gateway)
    return "volume_type", key, f"/types/{key}"


async def _group_type(gateway: Gateway) -> Made:
    key = await group_type(gateway)
    return "group_type", key, f"/group_types/{key}"


async def _qos_specs(gateway: Gateway) -> Made:
    key = await qos(gateway)
    return "qos_specs", key, f"/qos-specs/{key}"


async def _default_type(gateway: Gateway) -> Made:
    project = gateway.cloud.project_id
    body = {"default_type": {"volume_type": await make(gateway)}}
    (await gateway.volumes.put(f"/default-types/{project}", body, **ADMIN)).ok(200)
    return "default_type", project, f"/default-types/{project}"


KINDS = [_flavor, _keypair, _volume_type, _group_type, _qos_specs, _default_type]
OF_COMPUTE = (_flavor, _keypair)


def there(cloud: Cloud, kind: str) -> dict[str, list[Any]]:
    """What each pod has of a kind, by its own names."""
    found: dict[str, list[Any]] = {}
    for region, pod in cloud.pods.items():
        tables: dict[str, Any] = {
            "flavor": pod.nova.flavors,
            "keypair": pod.nova.keypairs,
            "volume_type": pod.cinder.types,
            "group_type": pod.cinder.group_types,
            "qos_specs": pod.cinder.qos,
            "default_type": pod.cinder.defaults,
        }
        found[region] = sorted(tables[kind])
    return found


def lose(cloud: Cloud, kind: str, key: str, *regions: str) -> None:
    """A definition goes behind our back, whatever a pod calls it."""
    table = {"volume_type": "types", "group_type": "group_types", "qos_specs": "qos"}
    for region in regions:
        pod = cloud.pods[region]
        if kind == "flavor":
            del pod.nova.flavors[key]
        elif kind == "keypair":
            user, _, name = key.partition("/")
            del pod.nova.keypairs[user, name]
        elif kind == "default_type":
            del pod.cinder.defaults[key]
        else:
            items = getattr(pod.cinder, table[kind])
            names = {"volume_type": "fast", "group_type": "grouped", "qos_specs": "limited"}
            (own,) = [id for id, item in items.items() if item["name"] == names[kind]]
            del items[own]


async def delete(gateway: Gateway, make: Any, path: str, user: str, version: str) -> Answer:
    of_compute = make in OF_COMPUTE
    api = gateway if of_compute else gateway.volumes
    return await api.delete(path, user=user, version=version)


def versions(make: Any) -> tuple[str, ...]:
    return ("2.1", "2.9", "2.10", "2.104") if make in OF_COMPUTE else ("3.0", "3.10", "3.71")


@pytest.mark.parametrize("lost", [False, True], ids=["there", "lost by the first pod"])
@pytest.mark.parametrize("make", KINDS)
async def test_strangers_remove_nothing(
    gateway: Gateway, cloud: Cloud, make: Callable[[Gateway], Awaitable[Made]], lost: bool
) -> None:
    kind, key, path = await make(gateway)
    if lost:
        lose(cloud, kind, key, "pod1")
    before = there(cloud, kind)
    cloud.journal.clear()
    for user in STRANGERS:
        for version in versions(make):
            told = await delete(gateway, make, path, user, version)
            assert told.status in (403, 404), (user, version, told.body)
    assert there(cloud, kind) == before
    assert store.get(kind, key) is not None
    ours = {t.id for t in cloud.keystone.tokens.values() if t.user.name == "tricircle"}
    assert not [
        entry
        for entry in cloud.journal.find("pod")
        if entry.headers.get("X-Auth-Token") in ours and entry.method != "GET"
    ]


@pytest.mark.parametrize("lost", [("pod1",), ("pod1", "pod2"), ("pod1", "pod2", "pod3")])
@pytest.mark.parametrize("make", KINDS)
async def test_who_may_removes_what_pods_have_lost(
    gateway: Gateway,
    cloud: Cloud,
    make: Callable[[Gateway], Awaitable[Made]],
    lost: tuple[str, ...],
) -> None:
    kind, key, path = await make(gateway)
    clean = there(cloud, kind)
    lose(cloud, kind, key, *lost)
    told = await delete(gateway, make, path, "admin", versions(make)[-1])
    assert told.status < 300, told.body
    left = there(cloud, kind)
    assert all(len(left[region]) == len(clean[region]) - 1 for region in cloud.pods)
    assert store.get(kind, key) is None
    assert (await delete(gateway, make, path, "admin", versions(make)[-1])).status in (
        202,
        204,
        404,
    )


async def test_a_pod_that_is_away_may_have_it(gateway: Gateway, cloud: Cloud) -> None:
    _, key, path = await _flavor(gateway)
    lose(cloud, "flavor", key, "pod1", "pod2")
    await asyncio.to_thread(cloud.pods["pod3"].stop)
    told = await gateway.delete(path, user="admin")
    await asyncio.to_thread(cloud.pods["pod3"].start)
    assert told.status == 503
    assert "pod3" in told.message
    assert store.get("flavor", key) is not None


@pytest.mark.parametrize("version", ["2.10", "2.104"])
async def test_of_two_users_named_nova_takes_the_first(
    gateway: Gateway, cloud: Cloud, version: str
) -> None:
    """So a yes to the removal of one's own key is none to that of another's."""
    body = {"keypair": {"name": "prod", "public_key": "ssh-rsa AAAA me"}}
    ids = {name: cloud.keystone.users[name].id for name in ("member", "other")}
    for user in ids:
        (await gateway.post("/os-keypairs", body, user=user)).ok(200)
    both = [("user_id", ids["member"]), ("user_id", ids["other"])]
    told = await gateway.delete("/os-keypairs/prod", user="other", version=version, query=both)
    assert told.status == 403
    told = await gateway.delete(
        "/os-keypairs/prod", user="other", version=version, query=both[::-1]
    )
    assert told.status == 204
    assert there(cloud, "keypair") == {region: [(ids["member"], "prod")] for region in cloud.pods}


@pytest.mark.parametrize("user", ["member", "other", "reader", "unscoped"])
async def test_what_a_pod_had_before_is_spread_for_who_may_make_it(
    gateway: Gateway, cloud: Cloud, user: str
) -> None:
    """That a pod has it already is no yes; that another makes it is one."""
    flavor = cloud.pods["pod1"].nova.add_flavor("9", name="old")
    body = {"flavor": {"name": "old", "ram": 64, "vcpus": 1, "disk": 1, "id": "9"}}
    told = await gateway.post("/flavors", body, user=user)
    assert told.status == 403
    assert store.get("flavor", "9") is None
    told = await gateway.post("/flavors", body, user="admin")
    assert told.status == 409
    assert {pod.nova.flavors["9"]["ram"] for pod in cloud.pods.values()} == {flavor["ram"]}
