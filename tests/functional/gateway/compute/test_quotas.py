# SPDX-License-Identifier: Apache-2.0
"""Quotas over pods: limits told and set as Nova does, and held by all pods together."""

import asyncio
import contextlib
from typing import Any

import pytest

from tests.functional.fakes.cloud import Cloud
from tests.functional.fakes.faults import Kind
from tests.functional.gateway_harness import Answer, Gateway
from tricircle.conf import CONF
from tricircle.db import allocations, operations, whereabouts
from tricircle.pods.errors import PodError
from tricircle.pods.rest import PodServices
from tricircle.xjob.storage import Storage
from tricircle.xjob.usage import Usage

FILES = {"injected_files", "injected_file_content_bytes", "injected_file_path_bytes"}
NETWORK = {"fixed_ips", "floating_ips", "security_groups", "security_group_rules"}
GROUPS = {"server_groups", "server_group_members"}
ALWAYS = {"instances", "cores", "ram", "key_pairs", "metadata_items"}


async def make(gateway: Gateway, user: str = "member", **more: Any) -> Answer:
    server = {
        "name": "one",
        "imageRef": gateway.cloud.image_id,
        "flavorRef": "1",
        "networks": "none",
        **more,
    }
    return await gateway.post("/servers", {"server": server}, version="2.50", user=user)


async def limit(gateway: Gateway, project: str = "", **limits: Any) -> Answer:
    project = project or gateway.cloud.project_id
    body = {"quota_set": limits}
    return await gateway.put(f"/os-quota-sets/{project}", body, user="admin", version="2.50")


async def quota(gateway: Gateway, part: str = "", version: str = "2.50", **more: Any) -> Any:
    path = f"/os-quota-sets/{gateway.cloud.project_id}{part}"
    return (await gateway.get(path, version=version, **more)).ok(200)["quota_set"]


async def used(gateway: Gateway) -> dict[str, int]:
    found = await quota(gateway, "/detail")
    return {name: found[name]["in_use"] for name in ("instances", "cores", "ram")}


def _usage(gateway: Gateway) -> Usage:
    services = PodServices(gateway.services.identity)
    return Usage(services, Storage(services))


async def audit(gateway: Gateway) -> None:
    worker = _usage(gateway)
    for pod in gateway.services.answering("compute"):
        with contextlib.suppress(PodError):  # it is away
            await asyncio.to_thread(worker.audit, pod)


async def look(gateway: Gateway) -> None:
    """What xjob does about servers that are to be looked at, their time having come."""
    for pod in gateway.services.answering("compute"):
        for row in await asyncio.to_thread(allocations.in_pod, pod.id):
            await asyncio.to_thread(allocations.look, row, -1)
        await asyncio.to_thread(_usage(gateway).run, pod)


def untouched(cloud: Cloud) -> bool:
    return all(pod.nova.quota_changes == [] for pod in cloud.pods.values())


# -- told and set as Nova does -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("version", "names"),
    [
        ("2.1", ALWAYS | FILES | NETWORK | GROUPS),
        ("2.36", ALWAYS | FILES | GROUPS),
        ("2.57", ALWAYS | GROUPS),
    ],
)
async def test_a_quota_set_at_each_microversion(
    gateway: Gateway, cloud: Cloud, version: str, names: set[str]
) -> None:
    shown = await quota(gateway, version=version)
    assert set(shown) == {"id", *names}
    assert (shown["id"], shown["instances"]) == (cloud.project_id, CONF.quota.instances)
    assert (shown["key_pairs"], shown["server_groups"]) == (100, 10)
    detailed = await quota(gateway, "/detail", version=version)
    assert set(detailed) == {"id", *names}
    assert detailed["instances"] == {"limit": CONF.quota.instances, "in_use": 0, "reserved": 0}
    assert await quota(gateway, "/defaults", version=version) == shown
    wanted = {"quota_set": {"cores": "7"}}
    path = f"/os-quota-sets/{cloud.project_id}"
    answer = await gateway.put(path, wanted, version=version, user="admin")
    changed = {**{k: v for k, v in shown.items() if k != "id"}, "cores": 7}
    assert answer.ok(200)["quota_set"] == changed
    assert await quota(gateway, version=version) == {"id": cloud.project_id, **changed}
    assert await quota(gateway, "/defaults", version=version) == shown
    (await gateway.delete(path, user="admin")).ok(202)
    assert await quota(gateway, version=version) == shown
    assert untouched(cloud)


@pytest.mark.parametrize(
    ("version", "names"),
    [
        ("2.49", ALWAYS | FILES | NETWORK),
        ("2.50", ALWAYS | FILES | GROUPS),
        ("2.57", ALWAYS | GROUPS),
    ],
)
async def test_a_quota_class_at_each_microversion(
    gateway: Gateway, cloud: Cloud, version: str, names: set[str]
) -> None:
    path = "/os-quota-class-sets/default"
    shown = (await gateway.get(path, version=version, user="admin")).ok(200)["quota_class_set"]
    assert set(shown) == {"id", *names}
    body = {"quota_class_set": {"ram": 1, "instances": 2}}
    answer = await gateway.put(path, body, version=version, user="admin")
    changed = {**{k: v for k, v in shown.items() if k != "id"}, "ram": 1, "instances": 2}
    assert answer.ok(200) == {"quota_class_set": changed}
    again = (await gateway.get(path, version=version, user="admin")).ok(200)["quota_class_set"]
    assert again == {"id": "default", **changed}
    assert (await quota(gateway))["instances"] == 2
    await limit(gateway, instances=3)
    assert (await quota(gateway))["instances"] == 3
    assert untouched(cloud)


async def test_who_may_do_what_is_as_the_pods_have_it(gateway: Gateway, cloud: Cloud) -> None:
    path = f"/os-quota-sets/{cloud.project_id}"
    body = {"quota_set": {"cores": 1}}
    for user in ("member", "reader", "other"):
        assert (await gateway.put(path, body, user=user)).status == 403
        assert (await gateway.delete(path, user=user)).status == 403
        assert (await gateway.get("/os-quota-class-sets/default", user=user)).status == 403
    assert (await gateway.get(path, user="reader")).status == 200
    assert (await gateway.get(path, user="other")).status == 403
    unknown = await gateway.put("/os-quota-sets/nobody", body, user="admin")
    assert unknown.status == 400
    assert (await gateway.get("/limits", user="other", query={"tenant_id": "x"})).status == 403


@pytest.mark.parametrize(
    ("version", "body"),
    [
        ("2.1", {"quota_set": {"cores": -2}}),
        ("2.1", {"quota_set": {"cores": "many"}}),
        ("2.1", {"quota_set": {"cores": 2**31}}),
        ("2.1", {"quota_set": {"cars": 2}}),
        ("2.1", {"other": {}}),
        ("2.36", {"quota_set": {"floating_ips": 1}}),
        ("2.57", {"quota_set": {"injected_files": 1}}),
    ],
)
async def test_what_nova_refuses_is_refused(
    gateway: Gateway, cloud: Cloud, version: str, body: Any
) -> None:
    path = f"/os-quota-sets/{cloud.project_id}"
    assert (await gateway.put(path, body, version=version, user="admin")).status == 400
    assert untouched(cloud)


async def test_a_strange_query_is_refused_from_2_75(gateway: Gateway, cloud: Cloud) -> None:
    path = f"/os-quota-sets/{cloud.project_id}"
    for version, status in (("2.74", 200), ("2.75", 400)):
        for at in (path, f"{path}/detail", "/limits"):
            answer = await gateway.get(at, query={"strange": "1"}, version=version)
            assert answer.status == status


async def test_less_than_is_used_must_be_forced(gateway: Gateway) -> None:
    for _ in range(2):
        (await make(gateway)).ok(202)
    refused = await limit(gateway, instances=1)
    assert (refused.status, refused.message) == (
        400,
        "Quota limit 1 for instances must be greater than or equal to already used and reserved 2.",
    )
    assert (await quota(gateway))["instances"] == CONF.quota.instances
    (await limit(gateway, instances=1, force=True)).ok(200)
    assert (await quota(gateway))["instances"] == 1
    (await limit(gateway, instances=-1)).ok(200)


@pytest.mark.parametrize("version", ["2.1", "2.36", "2.39", "2.57"])
async def test_limits_are_over_all_pods(gateway: Gateway, cloud: Cloud, version: str) -> None:
    for zone in ("az1", "az2"):
        (await make(gateway, availability_zone=zone)).ok(202)
    (await limit(gateway, cores=40)).ok(200)
    answer = await gateway.get("/limits", version=version)
    absolute = answer.ok(200)["limits"]["absolute"]
    expected = {
        "maxTotalCores": 40, "maxTotalInstances": 1000, "maxServerMeta": 128,
        "totalInstancesUsed": 2, "totalCoresUsed": 2, "totalRAMUsed": 128,
        "maxServerGroups": 10, "totalServerGroupsUsed": 0, "maxTotalKeypairs": 100,
    }  # fmt: skip
    assert expected.items() <= absolute.items()
    assert ("maxImageMeta" in absolute) == (version in ("2.1", "2.36"))
    assert ("maxPersonality" in absolute) == (version != "2.57")
    other = (await gateway.get("/limits", user="other")).ok()["limits"]["absolute"]
    assert other["totalInstancesUsed"] == 0
    query = {"tenant_id": cloud.project_id}
    seen = (await gateway.get("/limits", user="admin", query=query)).ok()["limits"]["absolute"]
    assert seen["totalInstancesUsed"] == 2


# -- held ----------------------------------------------------------------------------------------


async def test_a_limit_is_for_all_pods_together(gateway: Gateway, cloud: Cloud) -> None:
    (await limit(gateway, instances=3)).ok(200)
    for zone in ("az1", "az2", "az1"):
        (await make(gateway, availability_zone=zone)).ok(202)
    refused = await make(gateway, availability_zone="az2")
    assert (refused.status, refused.message) == (
        403,
        "Quota exceeded for instances: Requested 1, but already used 3 of 3 instances",
    )
    assert len(cloud.pods["pod2"].nova.live()) == 1
    (await make(gateway, user="other")).ok(202)
    listed = (await gateway.get("/servers")).ok()["servers"]
    (await gateway.delete(f"/servers/{listed[0]['id']}")).ok(204)
    await gateway.idle()
    (await make(gateway)).ok(202)
    assert await used(gateway) == {"instances": 3, "cores": 3, "ram": 192}
    assert operations.stale(-1) == []


@pytest.mark.parametrize(
    ("limits", "told"),
    [
        ({"cores": 3}, "cores: Requested 2, but already used 2 of 3 cores"),
        ({"ram": 200}, "ram: Requested 128, but already used 128 of 200 ram"),
        (
            {"ram": 200, "cores": 3},
            "cores, ram: Requested 2, 128, but already used 2, 128 of 3, 200 cores, ram",
        ),
        ({"instances": 3}, "instances: Requested 2, but already used 2 of 3 instances"),
    ],
)
async def test_every_resource_is_held(gateway: Gateway, limits: dict[str, int], told: str) -> None:
    (await make(gateway, min_count=2)).ok(202)
    (await limit(gateway, **limits)).ok(200)
    refused = await make(gateway, min_count=2)
    assert (refused.status, refused.message) == (403, f"Quota exceeded for {told}")


async def test_of_many_as_many_as_there_is_room_for(gateway: Gateway, cloud: Cloud) -> None:
    (await limit(gateway, instances=4)).ok(200)
    (await make(gateway)).ok(202)
    refused = await make(gateway, min_count=4, max_count=6)
    assert refused.message == (
        "Quota exceeded for instances: Requested 4-6, but already used 1 of 4 instances"
    )
    (await make(gateway, name="many", min_count=2, max_count=6)).ok(202)
    names = [s.name for pod in cloud.pods.values() for s in pod.nova.live()]
    assert sorted(names) == ["many-1", "many-2", "many-3", "one"]
    assert (await used(gateway))["instances"] == 4


async def test_requests_at_once_do_not_pass_a_limit_together(
    gateway: Gateway, cloud: Cloud
) -> None:
    (await limit(gateway, instances=5)).ok(200)
    for pod in cloud.pods.values():
        pod.nova.fail(Kind.SLOW, "POST", "/servers$", seconds=0.3)
    answers = await asyncio.gather(*(make(gateway) for _ in range(12)))
    assert sorted(answer.status for answer in answers) == [202] * 5 + [403] * 7
    assert sum(len(pod.nova.live()) for pod in cloud.pods.values()) == 5


@pytest.mark.parametrize("kind", [Kind.ERROR, Kind.CUT, Kind.QUOTA, Kind.UNAVAILABLE])
async def test_what_fails_is_given_back(gateway: Gateway, cloud: Cloud, kind: Kind) -> None:
    for pod in cloud.pods.values():
        pod.nova.fail(kind, "POST", "/servers$")
    for more in ({}, {"min_count": 3}):
        assert (await make(gateway, **more)).status >= 400
        assert await asyncio.to_thread(allocations.used, cloud.project_id) == {
            "cores": 0,
            "instances": 0,
            "ram": 0,
        }
        assert operations.stale(-1) == []


async def test_usage_is_right_while_a_pod_is_away(gateway: Gateway, cloud: Cloud) -> None:
    (await limit(gateway, instances=2)).ok(200)
    (await make(gateway, availability_zone="az1")).ok(202)
    (await make(gateway, availability_zone="az2")).ok(202)
    await asyncio.to_thread(cloud.pods["pod2"].stop)
    await gateway.set_health("pod2", "down")
    await audit(gateway)
    assert (await used(gateway))["instances"] == 2
    assert (await gateway.get("/limits")).ok()["limits"]["absolute"]["totalInstancesUsed"] == 2
    assert (await make(gateway, availability_zone="az1")).status == 403


async def test_what_was_there_before_is_learned(gateway: Gateway, cloud: Cloud) -> None:
    old = cloud.pods["pod1"].nova.add_server("old")
    new = cloud.pods["pod2"].nova.add_server("new")
    for pod in cloud.pods.values():
        pod.nova.max_limit = 1
    old.created = old.created.replace(year=2020)
    new.created = new.created.replace(year=2020)
    await audit(gateway)
    assert await used(gateway) == {"instances": 2, "cores": 2, "ram": 128}
    found = whereabouts.of(cloud.project_id, "compute").pods
    assert found == {gateway.pod_ids["pod1"], gateway.pod_ids["pod2"]}
    await look(gateway)
    cloud.pods["pod1"].nova.add_flavor("2", name="big", vcpus=4, ram=512)
    old.flavor_id = "2"
    cloud.pods["pod2"].nova.remove_server(new)
    await audit(gateway)
    assert await used(gateway) == {"instances": 1, "cores": 4, "ram": 512}
    old.status = "SOFT_DELETED"
    await audit(gateway)
    assert await used(gateway) == {"instances": 0, "cores": 0, "ram": 0}


async def test_a_server_that_goes_while_all_are_looked_at(gateway: Gateway, cloud: Cloud) -> None:
    made = (await make(gateway)).ok(202)["server"]["id"]
    (region,) = [region for region, pod in cloud.pods.items() if pod.nova.live()]
    server = cloud.pods[region].nova.servers[made]
    server.created = server.created.replace(year=2020)
    # As the audit would have it that had read the list before: it is written down once more.
    await asyncio.to_thread(allocations.gone, [made])
    await audit(gateway)
    assert (await used(gateway))["instances"] == 1
    row = await asyncio.to_thread(allocations.get, made)
    assert row is not None
    assert row.check_at is not None
    cloud.pods[region].nova.remove_server(server)
    await look(gateway)
    assert (await used(gateway))["instances"] == 0


async def test_a_resize_is_held_and_counted(gateway: Gateway, cloud: Cloud) -> None:
    for pod in cloud.pods.values():
        pod.nova.add_flavor("2", name="big", vcpus=4, ram=512)
    made = (await make(gateway)).ok(202)["server"]["id"]
    await audit(gateway)
    (await limit(gateway, cores=3)).ok(200)
    body = {"resize": {"flavorRef": "2"}}
    refused = await gateway.post(f"/servers/{made}/action", body)
    assert (refused.status, refused.message) == (
        403,
        "Quota exceeded for cores: Requested 3, but already used 1 of 3 cores",
    )
    (await limit(gateway, cores=4)).ok(200)
    (await gateway.post(f"/servers/{made}/action", body)).ok(202)
    assert await used(gateway) == {"instances": 1, "cores": 4, "ram": 512}
    assert (await make(gateway)).status == 403
    await look(gateway)
    assert (await used(gateway))["cores"] == 4
    (await gateway.post(f"/servers/{made}/action", {"revertResize": None})).ok(202)
    await look(gateway)
    assert await used(gateway) == {"instances": 1, "cores": 1, "ram": 64}


async def test_a_refused_resize_is_given_back(gateway: Gateway, cloud: Cloud) -> None:
    for pod in cloud.pods.values():
        pod.nova.add_flavor("2", name="big", vcpus=4, ram=512)
    made = (await make(gateway)).ok(202)["server"]["id"]
    (await gateway.post(f"/servers/{made}/action", {"lock": None})).ok(202)
    answer = await gateway.post(f"/servers/{made}/action", {"resize": {"flavorRef": "2"}})
    assert answer.status == 409
    await look(gateway)
    assert await used(gateway) == {"instances": 1, "cores": 1, "ram": 64}


async def test_a_users_own_limits(gateway: Gateway, cloud: Cloud) -> None:
    user = cloud.keystone.users["member"].id
    path, query = f"/os-quota-sets/{cloud.project_id}", {"user_id": user}
    (await limit(gateway, instances=5)).ok(200)
    body = {"quota_set": {"instances": 6}}
    refused = await gateway.put(path, body, user="admin", query=query)
    assert refused.message == "Quota limit 6 for instances must be less than or equal to 5."
    body = {"quota_set": {"instances": 1}}
    (await gateway.put(path, body, user="admin", query=query)).ok(200)
    assert (await quota(gateway))["instances"] == 5
    assert (await quota(gateway, query=query))["instances"] == 1
    (await make(gateway)).ok(202)
    assert (await make(gateway)).message == (
        "Quota exceeded for instances: Requested 1, but already used 1 of 1 instances"
    )
    (await gateway.delete(path, user="admin", query=query)).ok(202)
    assert (await quota(gateway))["instances"] == 5
    (await make(gateway)).ok(202)


async def test_server_groups_and_their_members(gateway: Gateway, cloud: Cloud) -> None:
    (await limit(gateway, server_groups=2, server_group_members=2)).ok(200)
    body = {"server_group": {"name": "g", "policy": "soft-affinity"}}
    asked = [gateway.post("/os-server-groups", body, version="2.64") for _ in range(5)]
    answers = await asyncio.gather(*asked)
    assert sorted(answer.status for answer in answers) == [200, 200, 403, 403, 403]
    (told,) = {answer.message for answer in answers if answer.status == 403}
    assert told == "Quota exceeded, too many server groups."
    group = next(a for a in answers if a.status == 200).json["server_group"]["id"]
    server = {"name": "one", "imageRef": cloud.image_id, "flavorRef": "1", "networks": "none"}
    hinted = {"server": server, "os:scheduler_hints": {"group": group}}
    made = [gateway.post("/servers", hinted, version="2.50") for _ in range(4)]
    answers = await asyncio.gather(*made)
    assert sorted(answer.status for answer in answers) == [202, 202, 403, 403]
    (told,) = {answer.message for answer in answers if answer.status == 403}
    assert told == "Quota exceeded, too many servers in group"
    assert (await used(gateway))["instances"] == 2
    assert (await quota(gateway, "/detail"))["server_groups"]["in_use"] == 2


async def test_who_may_make_no_key_of_anothers_uses_up_no_limit(
    gateway: Gateway, cloud: Cloud
) -> None:
    (await limit(gateway, key_pairs=1)).ok(200)
    slow = cloud.pods["pod1"].nova.fail(Kind.SLOW, "POST", "/os-keypairs", times=1, seconds=2)
    key = {"name": "k", "type": "ssh", "public_key": "ssh-rsa AA"}
    theirs = {"keypair": {**key, "user_id": cloud.keystone.users["member"].id}}
    asked = gateway.post("/os-keypairs", theirs, user="other", version="2.90")
    stranger = asyncio.ensure_future(asked)
    await asyncio.to_thread(slow.hit.wait, 5)
    (await gateway.post("/os-keypairs", {"keypair": key}, version="2.90")).ok()
    assert not stranger.done()
    assert (await stranger).status == 403


async def test_key_pairs_are_counted_by_user(gateway: Gateway, cloud: Cloud) -> None:
    (await limit(gateway, key_pairs=2)).ok(200)
    names = ["a", "b", "c", "d"]
    asked = [gateway.post("/os-keypairs", {"keypair": {"name": name}}) for name in names]
    answers = await asyncio.gather(*asked)
    assert sorted(answer.status for answer in answers) == [200, 200, 403, 403]
    (told,) = {answer.message for answer in answers if answer.status == 403}
    assert told == "Quota exceeded, too many key pairs."
    (await gateway.post("/os-keypairs", {"keypair": {"name": "z"}}, user="other")).ok(200)
    kept = (await gateway.get("/os-keypairs")).ok()["keypairs"]
    assert len(kept) == 2
    (await gateway.delete(f"/os-keypairs/{kept[0]['keypair']['name']}")).ok(202)
    (await gateway.post("/os-keypairs", {"keypair": {"name": "e"}})).ok(200)


async def test_metadata_and_files(gateway: Gateway, cloud: Cloud) -> None:
    (await limit(gateway, metadata_items=2, injected_files=1)).ok(200)
    (await limit(gateway, injected_file_content_bytes=3, injected_file_path_bytes=4)).ok(200)
    many = {"a": "1", "b": "2", "c": "3"}
    told = "Maximum number of metadata items exceeds 2"
    refused = await make(gateway, metadata=many)
    assert (refused.status, refused.message) == (403, told)
    file = {"path": "/etc", "contents": "YWJj"}
    for files, words in (
        ([file, file], "Personality file limit exceeded"),
        ([{**file, "path": "/etc/x"}], "Personality file path exceeds maximum 4"),
        ([{**file, "contents": "YWJjZA=="}], "Personality file content exceeds maximum 3"),
    ):
        refused = await make(gateway, personality=files)
        assert (refused.status, refused.message) == (403, words)
    made = (await make(gateway, metadata={"a": "1"}, personality=[file])).ok(202)["server"]["id"]
    path = f"/servers/{made}/metadata"
    (await gateway.post(path, {"metadata": {"a": "2", "b": "2"}})).ok(200)
    for answer in (
        await gateway.post(path, {"metadata": {"c": "3"}}),
        await gateway.put(f"{path}/c", {"meta": {"c": "3"}}),
        await gateway.put(path, {"metadata": many}),
    ):
        assert (answer.status, answer.message) == (403, told)
    (await gateway.put(path, {"metadata": {"c": "3"}})).ok(200)
    assert await used(gateway) == {"instances": 1, "cores": 1, "ram": 64}


# -- from Keystone -------------------------------------------------------------------------------


async def test_limits_from_keystone(gateway: Gateway, cloud: Cloud) -> None:
    CONF.set_override("driver", "unified_limits", "quota")
    CONF.set_override("limits_cache_seconds", 0, "quota")
    try:
        refused = await make(gateway)
        assert refused.status == 403  # servers must have a registered limit
        for name, amount in (("servers", 2), ("class:VCPU", 20)):
            cloud.keystone.limit(name, amount)
        shown = await quota(gateway)
        assert (shown["instances"], shown["cores"], shown["ram"]) == (2, 20, 0)
        (await gateway.post("/os-keypairs", {"keypair": {"name": "a"}})).ok(200)
        assert (shown["key_pairs"], shown["server_groups"]) == (0, 0)
        cloud.keystone.limit("servers", 1, cloud.project_id)
        assert (await quota(gateway))["instances"] == 1
        assert (await quota(gateway, "/defaults"))["instances"] == 2
        (await make(gateway)).ok(202)
        refused = await make(gateway)
        assert (refused.status, refused.message) == (
            403,
            f"Project {cloud.project_id} is over a limit for [Resource servers is over limit of "
            "1 due to current usage 1 and delta 1]",
        )
        # As in Nova: taken, and without effect.
        answer = await limit(gateway, instances=9)
        assert answer.ok(200)["quota_set"]["instances"] == 1
        assert (await make(gateway)).status == 403
        cloud.keystone.fail(Kind.ERROR, "GET", "/v3/limits")
        assert (await make(gateway)).status == 503
    finally:
        CONF.clear_override("driver", "quota")
        CONF.clear_override("limits_cache_seconds", "quota")
