# SPDX-License-Identifier: Apache-2.0
"""Server groups over pods: kept together, spread out, shown as Nova shows them."""

import asyncio
from typing import Any

import pytest
import sqlalchemy as sa

from tests.functional.fakes.cloud import Cloud
from tests.functional.fakes.faults import Kind
from tests.functional.fakes.server_groups_api import ServerGroup
from tests.functional.gateway_harness import Answer, Gateway
from tricircle.db import allocations, jobs, models, operations, pods, repairs, session
from tricircle.db import server_groups as table
from tricircle.db.work_queue import own_queue
from tricircle.pods import markers
from tricircle.pods import server_groups as pod_groups
from tricircle.pods.reconciler import Worker
from tricircle.pods.rest import PodServices
from tricircle.xjob.server_groups import ServerGroups
from tricircle.xjob.storage import Storage
from tricircle.xjob.usage import Usage

RULES = {"max_server_per_host": 2}


async def group(gateway: Gateway, policy: str = "affinity", **more: Any) -> str:
    body = {"server_group": {"name": "g", "policy": policy, **more}}
    answer = await gateway.post("/os-server-groups", body, version="2.64")
    return str(answer.ok(200)["server_group"]["id"])


async def make(gateway: Gateway, group_id: str, **more: Any) -> Answer:
    server = {
        "name": "one",
        "imageRef": gateway.cloud.image_id,
        "flavorRef": "1",
        "networks": "none",
        "availability_zone": "az1",
        **more,
    }
    body = {"server": server, "os:scheduler_hints": {"group": group_id}}
    return await gateway.post("/servers", body, version="2.71")


async def shown(gateway: Gateway, group_id: str, **more: Any) -> Any:
    more.setdefault("version", "2.64")
    return (await gateway.get(f"/os-server-groups/{group_id}", **more)).ok()["server_group"]


def counts(cloud: Cloud) -> dict[str, int]:
    return {region: len(pod.nova.live()) for region, pod in cloud.pods.items()}


async def tidy(gateway: Gateway) -> None:
    """What xjob does about groups, once in every pod."""
    worker = Worker(own_queue(), [ServerGroups(PodServices(gateway.services.identity))])
    for pod in gateway.services.answering("compute"):
        await asyncio.to_thread(worker.run, pod)


# -- as Nova shows them --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("version", "body", "expected"),
    [
        ("2.1", {"policies": ["affinity"]}, {"policies": ["affinity"], "metadata": {}}),
        ("2.13", {"policies": ["affinity"]}, {"policies": ["affinity"], "metadata": {}}),
        (
            "2.15",
            {"policies": ["soft-affinity"]},
            {"policies": ["soft-affinity"], "metadata": {}},
        ),
        ("2.64", {"policy": "soft-affinity"}, {"policy": "soft-affinity", "rules": {}}),
        (
            "2.64",
            {"policy": "anti-affinity", "rules": {"max_server_per_host": "2"}},
            {"policy": "anti-affinity", "rules": RULES},
        ),
    ],
)
async def test_each_microversion_has_its_own_shape(
    gateway: Gateway, cloud: Cloud, version: str, body: Any, expected: Any
) -> None:
    wanted = {"server_group": {"name": "g", **body}}
    made = (await gateway.post("/os-server-groups", wanted, version=version)).ok(200)
    document = made["server_group"]
    owner = {"project_id": cloud.project_id, "user_id": cloud.keystone.users["member"].id}
    whole = {"name": "g", "members": [], **expected, **(owner if version != "2.1" else {})}
    assert document == {"id": document["id"], **whole}
    assert await shown(gateway, document["id"], version=version) == document
    listed = (await gateway.get("/os-server-groups", version=version)).ok()
    assert listed == {"server_groups": [document]}
    assert all(pod.nova.server_groups == {} for pod in cloud.pods.values())


@pytest.mark.parametrize(
    ("version", "body"),
    [
        ("2.14", {"name": "g", "policies": ["soft-affinity"]}),
        ("2.15", {"name": "g", "policies": ["affinity", "anti-affinity"]}),
        ("2.15", {"name": "", "policies": ["affinity"]}),
        ("2.15", {"name": " g", "policies": ["affinity"]}),
        ("2.15", {"policies": ["affinity"]}),
        ("2.15", {"name": "g", "policies": ["legacy"]}),
        ("2.63", {"name": "g", "policy": "affinity"}),
        ("2.64", {"name": "g", "policy": "affinity", "rules": RULES}),
        ("2.64", {"name": "g", "policy": "anti-affinity", "rules": {"max_server_per_host": 0}}),
        ("2.64", {"name": "g", "policy": "anti-affinity", "rules": {"other": 1}}),
    ],
)
async def test_what_nova_refuses_is_refused(
    gateway: Gateway, cloud: Cloud, version: str, body: Any
) -> None:
    answer = await gateway.post("/os-server-groups", {"server_group": body}, version=version)
    assert answer.status == 400
    assert (await gateway.get("/os-server-groups", version="2.64")).ok() == {"server_groups": []}
    assert all(pod.nova.server_groups == {} for pod in cloud.pods.values())


async def test_a_reader_may_only_look(gateway: Gateway) -> None:
    kept = await group(gateway)
    body = {"server_group": {"name": "g", "policy": "affinity"}}
    assert (
        await gateway.post("/os-server-groups", body, version="2.64", user="reader")
    ).status == 403
    assert (await gateway.delete(f"/os-server-groups/{kept}", user="reader")).status == 403
    assert (await shown(gateway, kept, user="reader"))["id"] == kept


async def test_another_project_knows_nothing_of_it(gateway: Gateway) -> None:
    kept = await group(gateway)
    for answer in (
        await gateway.get(f"/os-server-groups/{kept}", user="other"),
        await gateway.delete(f"/os-server-groups/{kept}", user="other"),
    ):
        assert answer.status == 404
        assert answer.message == f"Instance group {kept} could not be found."
    assert (await gateway.get("/os-server-groups", user="other")).ok()["server_groups"] == []
    everyones = {"all_projects": "true"}
    answer = await gateway.get("/os-server-groups", user="other", query=everyones)
    assert answer.ok()["server_groups"] == []
    answer = await gateway.get("/os-server-groups", user="admin", query=everyones)
    assert [one["id"] for one in answer.ok()["server_groups"]] == [kept]
    assert (await shown(gateway, kept, user="admin"))["id"] == kept
    server = {"name": "one", "imageRef": gateway.cloud.image_id, "flavorRef": "1"}
    body = {"server": server, "os:scheduler_hints": {"group": kept}}
    refused = await gateway.post("/servers", body, user="other")
    assert (refused.status, refused.message) == (400, answer_text(kept))


def answer_text(group_id: str) -> str:
    return f"Instance group {group_id} could not be found."


async def test_pages_are_by_limit_and_offset(gateway: Gateway) -> None:
    made = [await group(gateway) for _ in range(5)]
    for query, expected in (
        ({"limit": "2"}, made[:2]),
        ({"limit": "2", "offset": "1"}, made[1:3]),
        ({"offset": "4"}, made[4:]),
        ({"limit": "0"}, made),
        ({"offset": "9"}, []),
    ):
        listed = (await gateway.get("/os-server-groups", query=query)).ok()["server_groups"]
        assert [one["id"] for one in listed] == expected
    for query in ({"limit": "-1"}, {"offset": "x"}):
        assert (await gateway.get("/os-server-groups", query=query)).status == 400
    strange = {"strange": "1"}
    assert (await gateway.get("/os-server-groups", query=strange, version="2.74")).status == 200
    assert (await gateway.get("/os-server-groups", query=strange, version="2.75")).status == 400
    path = f"/os-server-groups/{made[0]}"
    assert (await gateway.get(path, query=strange, version="2.101")).status == 200
    assert (await gateway.get(path, query=strange, version="2.102")).status == 400


# -- what they do --------------------------------------------------------------------------------


async def test_affinity_keeps_servers_on_one_host_of_one_pod(
    gateway: Gateway, cloud: Cloud
) -> None:
    kept = await group(gateway)
    made = [(await make(gateway, kept)).ok(202)["server"]["id"] for _ in range(4)]
    (region,) = [region for region, number in counts(cloud).items() if number]
    pod = cloud.pods[region].nova
    assert {server.host for server in pod.live()} == {"host1"}
    assert (await shown(gateway, kept))["members"] == made
    ((inside, one),) = pod.server_groups.items()
    assert (markers.named(one.name), one.project_id) == (kept, cloud.project_id)
    assert inside != kept
    for server_id in made:
        answer = await gateway.get(f"/servers/{server_id}", version="2.71")
        assert answer.ok()["server"]["server_groups"] == [kept]


async def test_a_hint_is_told_as_it_was_given(gateway: Gateway, cloud: Cloud) -> None:
    hinted = await group(gateway, "anti-affinity")
    made = [(await make(gateway, hinted)).ok(202)["server"]["id"] for _ in range(2)]
    for groups in ([hinted], []):
        for server_id in made:
            shown = (await gateway.get(f"/servers/{server_id}", version="2.100")).ok()["server"]
            assert shown["scheduler_hints"] == {"group": [hinted]}
            assert shown["server_groups"] == groups
        listed = (await gateway.get("/servers/detail", version="2.100")).ok()["servers"]
        assert [server["scheduler_hints"] for server in listed] == [{"group": [hinted]}] * 2
        # It stays told when the group is no more, and pods have let go of theirs.
        if groups:
            (await gateway.delete(f"/os-server-groups/{hinted}")).ok(204)
            await tidy(gateway)


async def test_affinity_never_leaves_its_pod(gateway: Gateway, cloud: Cloud) -> None:
    kept = await group(gateway)
    (await make(gateway, kept)).ok(202)
    (region,) = [region for region, number in counts(cloud).items() if number]
    cloud.pods[region].nova.quotas["instances"] = 1
    assert (await make(gateway, kept)).status == 403
    other = {"pod1": "az2", "pod3": "az2", "pod2": "az1"}[region]
    answer = await make(gateway, kept, availability_zone=other)
    assert answer.status == 400
    assert "to be together" in answer.message
    assert counts(cloud)[region] == sum(counts(cloud).values()) == 1


async def test_first_members_at_once_meet_in_one_pod(gateway: Gateway, cloud: Cloud) -> None:
    kept = await group(gateway)
    answers = await asyncio.gather(*(make(gateway, kept) for _ in range(6)))
    assert {answer.status for answer in answers} == {202}
    assert sorted(counts(cloud).values()) == [0, 0, 6]
    groups = [pod.nova.server_groups for pod in cloud.pods.values()]
    assert sorted(map(len, groups)) == [0, 0, 1]


async def test_anti_affinity_spreads_over_pods_and_hosts(gateway: Gateway, cloud: Cloud) -> None:
    spread = await group(gateway, "anti-affinity")
    for _ in range(6):
        (await make(gateway, spread)).ok(202)
    assert counts(cloud) == {"pod1": 3, "pod2": 0, "pod3": 3}
    for region in ("pod1", "pod3"):
        hosts = {server.host for server in cloud.pods[region].nova.live()}
        assert hosts == {"host1", "host2", "host3"}


async def test_a_small_pod_gets_no_more_than_it_has_hosts(gateway: Gateway, cloud: Cloud) -> None:
    for region, number in (("pod1", 1), ("pod3", 4)):
        nova = cloud.pods[region].nova
        nova.hosts = [f"{region}-host{index}" for index in range(number)]
        nova.hypervisors.clear()
        for host in nova.hosts:
            nova.add_host(host)
    spread = await group(gateway, "anti-affinity")
    for _ in range(5):
        (await make(gateway, spread)).ok(202)
    assert counts(cloud) == {"pod1": 1, "pod2": 0, "pod3": 4}
    assert len({server.host for server in cloud.pods["pod3"].nova.live()}) == 4


async def test_many_at_once_are_spread_too(gateway: Gateway, cloud: Cloud) -> None:
    spread = await group(gateway, "anti-affinity", rules=RULES)
    (await make(gateway, spread, min_count=6, max_count=6)).ok(202)
    # Two on each of the two hosts of the one, then in the other.
    assert sorted(counts(cloud).values()) == [0, 2, 4]
    assert counts(cloud)["pod2"] == 0
    assert len((await shown(gateway, spread))["members"]) == 6
    for region in ("pod1", "pod3"):
        (inside,) = cloud.pods[region].nova.server_groups.values()
        assert (inside.policy, inside.rules) == ("anti-affinity", RULES)


@pytest.mark.parametrize("zone", ["az1", None])
async def test_spread_servers_are_where_the_projects_volumes_are(
    gateway: Gateway, cloud: Cloud, zone: str | None
) -> None:
    named = {"availability_zone": zone} if zone else {}
    spread = await group(gateway, "anti-affinity")
    body = {"server": {"name": "one", "imageRef": cloud.image_id, "flavorRef": "1",
                       "networks": "none", **named}}  # fmt: skip
    body["os:scheduler_hints"] = {"group": spread}
    for _ in range(2):
        (await gateway.post("/servers", body, version="2.71")).ok(202)
        volume = {"volume": {"size": 1, "imageRef": cloud.image_id, **named}}
        (await gateway.volumes.post("/volumes", volume)).ok(202)
    used = [region for region, number in counts(cloud).items() if number]
    assert len(used) == 1
    assert [region for region, pod in cloud.pods.items() if pod.cinder.items["volume"]] == used
    assert len({one.host for one in cloud.pods[used[0]].nova.live()}) == 2
    # Its two hosts are used up.
    (await gateway.post("/servers", body, version="2.71")).ok(202)
    assert sorted(counts(cloud).values()) == [0, 1, 2]


@pytest.mark.parametrize("policy", ["soft-affinity", "soft-anti-affinity"])
async def test_soft_policies_are_wishes(gateway: Gateway, cloud: Cloud, policy: str) -> None:
    wish = await group(gateway, policy)
    for _ in range(2):
        (await make(gateway, wish)).ok(202)
    used = sorted(counts(cloud).values())
    # A pod's own Nova sees to its hosts.
    assert used == [0, 0, 2]
    assert len({one.host for pod in cloud.pods.values() for one in pod.nova.live()}) == (
        1 if policy == "soft-affinity" else 2
    )
    for region, number in counts(cloud).items():
        cloud.pods[region].nova.quotas["instances"] = number
    cloud.pods["pod2"].nova.quotas["instances"] = 9
    (await make(gateway, wish, availability_zone="az2")).ok(202)
    assert counts(cloud)["pod2"] == 1


async def test_a_member_that_goes_leaves_the_group(gateway: Gateway, cloud: Cloud) -> None:
    kept = await group(gateway)
    made = (await make(gateway, kept)).ok(202)["server"]["id"]
    (await gateway.delete(f"/servers/{made}")).ok(204)
    await gateway.idle()
    assert (await shown(gateway, kept))["members"] == []
    assert allocations.get(made) is None
    (await make(gateway, kept, availability_zone="az2")).ok(202)


async def test_a_failed_create_leaves_no_member(gateway: Gateway, cloud: Cloud) -> None:
    kept = await group(gateway)
    for pod in cloud.pods.values():
        pod.nova.quotas["instances"] = 0
    assert (await make(gateway, kept)).status == 403
    assert allocations.used(cloud.project_id) == {"cores": 0, "instances": 0, "ram": 0}
    assert operations.stale(-1) == []
    assert (await make(gateway, kept, min_count=2)).status == 403
    assert allocations.used(cloud.project_id)["instances"] == 0
    assert operations.stale(-1) == []


async def test_a_group_deleted_in_a_pod_is_made_again(gateway: Gateway, cloud: Cloud) -> None:
    kept = await group(gateway)
    (await make(gateway, kept)).ok(202)
    (region,) = [region for region, number in counts(cloud).items() if number]
    pod = cloud.pods[region].nova
    pod.server_groups.clear()
    (await make(gateway, kept)).ok(202)
    assert len(pod.server_groups) == 1
    assert counts(cloud)[region] == 2
    assert len((await shown(gateway, kept))["members"]) == 2


async def test_a_lost_answer_makes_no_second_group(gateway: Gateway, cloud: Cloud) -> None:
    kept = await group(gateway)
    for region in ("pod1", "pod3"):
        cloud.pods[region].nova.fail(Kind.CUT_AFTER, "POST", "/os-server-groups", times=1)
    assert (await make(gateway, kept)).status == 503
    for _ in range(2):
        (await make(gateway, kept)).ok(202)
    groups = [len(cloud.pods[region].nova.server_groups) for region in ("pod1", "pod3")]
    assert groups == [1, 1]


async def test_a_restored_database_makes_no_second_group(gateway: Gateway, cloud: Cloud) -> None:
    kept = await group(gateway)
    (await make(gateway, kept)).ok(202)
    (region,) = [region for region, number in counts(cloud).items() if number]
    # As in a backup of before.
    with session.write() as tx:
        tx.execute(sa.delete(models.Realization).where(models.Realization.resource_id == kept))
    pods.were_restored()
    gateway.services.registry.refresh()
    (await make(gateway, kept)).ok(202)
    assert counts(cloud)[region] == 2
    assert len(cloud.pods[region].nova.server_groups) == 1


@pytest.mark.parametrize("told", ["nonsense", None, []])
async def test_an_odd_answer_makes_no_second_group(
    gateway: Gateway, cloud: Cloud, told: Any
) -> None:
    """Nobody waits for it either: what it left is found and taken at once."""

    def alter(_: Any, document: Any) -> Any:
        return {"server_group": told}

    kept = await group(gateway)
    for region in ("pod1", "pod3"):
        nova = cloud.pods[region].nova
        nova.fail(Kind.ALTERED, "POST", "/os-server-groups", times=1, alter=alter)
    # One pod after the other, or both in one create.
    statuses = []
    async with asyncio.timeout(4):
        while not statuses or statuses[-1] != 202:
            statuses.append((await make(gateway, kept)).status)
    assert len(statuses) <= 3
    assert set(statuses[:-1]) <= {502, 503}
    groups = [len(cloud.pods[region].nova.server_groups) for region in ("pod1", "pod3")]
    assert max(groups) == 1


async def test_what_pods_have_goes_with_the_group(gateway: Gateway, cloud: Cloud) -> None:
    spread = await group(gateway, "anti-affinity")
    made = [(await make(gateway, spread)).ok(202)["server"]["id"] for _ in range(3)]
    cloud.pods["pod3"].stop()
    await gateway.set_health("pod3", "down")
    (await gateway.delete(f"/os-server-groups/{spread}")).ok(204)
    assert (await gateway.get(f"/os-server-groups/{spread}")).status == 404
    await tidy(gateway)
    assert cloud.pods["pod1"].nova.server_groups == {}
    (job,) = jobs.page({"resource_type": "server_group"})
    assert job.pod_id == gateway.pod_ids["pod3"]
    cloud.pods["pod3"].start()
    await gateway.set_health("pod3", "up")
    pod = gateway.services.registry.get(gateway.pod_ids["pod3"])
    assert pod is not None
    own_queue().requeue_now(pod.id)
    await tidy(gateway)
    assert cloud.pods["pod3"].nova.server_groups == {}
    assert jobs.page({"resource_type": "server_group"}) == []
    shown_groups = [
        (await gateway.get(f"/servers/{one}", version="2.71")).ok()["server"]["server_groups"]
        for one in made
    ]
    assert shown_groups == [[]] * 3
    assert (await make(gateway, spread)).message == answer_text(spread)


@pytest.mark.parametrize("signed", [True, False])
async def test_a_group_that_somebody_else_named_so_is_not_ours(
    gateway: Gateway, cloud: Cloud, signed: bool
) -> None:
    """Its name is that of the victim's group, which xjob looks for, and has a member."""
    kept, nova = await group(gateway), cloud.pods["pod1"].nova
    name = pod_groups.name("pod1", kept, cloud.project_id) if signed else f"tricircle:{kept}"
    member = nova.add_server("theirs")
    member.created = member.created.replace(year=2020)
    evil = ServerGroup(name, "f" * 32, "mallory", "affinity", members=[member.id])
    nova.server_groups[evil.id] = evil
    pod = next(pod for pod in gateway.services.answering("compute") if pod.region_name == "pod1")
    await asyncio.to_thread(table.want, kept, pod.id)
    services = PodServices(gateway.services.identity)
    usage = Usage(services, Storage(services))
    for _ in range(2):
        await tidy(gateway)
        await asyncio.to_thread(usage.audit, pod)
    assert table.want(kept, pod.id).pod_resource_id is None
    assert table.members([kept]) == {kept: []}
    (told,) = repairs.page()
    assert (told.resource_type, told.resource_id, told.project_id) == ("server_group", kept, None)
    assert told.done == f"left {evil.id} of project {'f' * 32} alone: its marker is not ours"
    # One that was made for it, even before there was a key, is found.
    ours = ServerGroup(f"tricircle:{kept}", cloud.project_id, "user", "affinity")
    ours.members.append(member.id)
    nova.server_groups[ours.id] = ours
    table.want(kept, pod.id)
    own_queue().requeue_now(pod.id)
    await tidy(gateway)
    await asyncio.to_thread(usage.audit, pod)
    assert table.want(kept, pod.id).pod_resource_id == ours.id
    assert table.members([kept]) == {kept: [member.id]}
    table.delete(kept)
    await tidy(gateway)
    assert list(nova.server_groups) == [evil.id]
