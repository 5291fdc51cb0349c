# SPDX-License-Identifier: Apache-2.0
"""In a region of many pods a project's lists ask those in which it has something, and now and then
all; an id that nobody has is not asked for again and again."""

import collections
from collections.abc import Iterator

import pytest

from tests.functional.fakes.cloud import Cloud
from tests.functional.fakes.faults import Kind
from tests.functional.gateway_harness import Gateway
from tricircle.conf import CONF
from tricircle.db import bindings, routings, whereabouts

AWAY = "X-Tricircle-Unavailable-Pods"
UNKNOWN = "00000000-0000-0000-0000-00000000dead"


@pytest.fixture
def many(gateway: Gateway, cloud: Cloud) -> Iterator[None]:
    """Three pods are many, and all of them were asked just now."""
    CONF.set_override("lists_ask_all", 0, group="gateway")
    for service in ("compute", "volume"):
        assert whereabouts.claim_look(cloud.project_id, service, 60)
    yield
    CONF.clear_override("lists_ask_all", group="gateway")


def asked(cloud: Cloud, service: str = "compute") -> dict[str, int]:
    """How many calls each pod had."""
    calls = cloud.journal.find("pod")
    cloud.journal.clear()
    regions = (entry.service.partition("/") for entry in calls)
    return dict(collections.Counter(region for region, _, name in regions if name == service))


async def listed(gateway: Gateway, query: str = "", user: str = "member") -> list[str]:
    path = f"/servers/detail{query}"
    return [one["name"] for one in (await gateway.get(path, user=user)).ok()["servers"]]


async def test_the_pods_a_project_is_in_are_asked(
    gateway: Gateway, cloud: Cloud, many: None
) -> None:
    here = cloud.pods["pod2"].nova.add_server("here")
    routings.put("server", here.id, gateway.pod_ids["pod2"], cloud.project_id)
    cloud.journal.clear()
    for query in ("", "?sort_key=created_at&limit=5", "?status=ACTIVE", f"?marker={here.id}"):
        answer = await gateway.get(f"/servers/detail{query}")
        assert AWAY not in answer.headers
        answer.ok()
        assert asked(cloud).keys() == {"pod2"}
    bindings.ensure(cloud.project_id, gateway.pod_ids["pod1"])
    assert await listed(gateway) == ["here"]
    assert asked(cloud) == {"pod1": 1, "pod2": 1}


async def test_all_are_asked_where_more_than_a_projects_own_may_be_shown(
    gateway: Gateway, cloud: Cloud, many: None
) -> None:
    for user, query in (
        ("admin", "?all_tenants=1"),
        ("admin", f"?project_id={cloud.project_id}&all_tenants=1"),
        ("member", "?changes-since=2020-01-01T00:00:00Z"),
        ("admin", "?status=deleted"),
    ):
        (await gateway.get(f"/servers/detail{query}", user=user)).ok()
        assert asked(cloud).keys() == {"pod1", "pod2", "pod3"}, query


async def test_what_is_made_straight_in_a_pod_shows_with_the_next_look(
    gateway: Gateway, cloud: Cloud, many: None
) -> None:
    for name in ("theirs", "theirs too"):
        cloud.pods["pod3"].nova.add_server(name)
    assert await listed(gateway) == []
    asked(cloud)
    # Who looks for it by name is told at once.
    assert await listed(gateway, "?name=theirs%20too") == ["theirs too"]
    assert asked(cloud).keys() == {"pod1", "pod2", "pod3"}
    assert whereabouts.of(cloud.project_id, "compute").pods == {gateway.pod_ids["pod3"]}
    assert sorted(await listed(gateway)) == ["theirs", "theirs too"]
    assert asked(cloud) == {"pod3": 1}


async def test_a_look_is_due_again(gateway: Gateway, cloud: Cloud, many: None) -> None:
    cloud.pods["pod3"].nova.add_server("theirs")
    CONF.set_override("look_elsewhere_seconds", 0.0, group="gateway")
    assert await listed(gateway, "?limit=1") == ["theirs"]
    CONF.clear_override("look_elsewhere_seconds", group="gateway")
    asked(cloud)
    assert await listed(gateway, "?limit=1") == ["theirs"]
    assert asked(cloud) == {"pod3": 1}


async def test_who_looks_is_one_of_all_processes(cloud: Cloud, many: None) -> None:
    assert not whereabouts.claim_look(cloud.project_id, "compute", 60)
    assert whereabouts.claim_look(cloud.project_id, "compute", 0)
    assert whereabouts.claim_look("another", "compute", 60)
    assert not whereabouts.of(cloud.project_id, "compute").is_old(60)
    assert whereabouts.of("a third", "compute").is_old(60)


async def test_pods_that_are_away_are_told_whether_asked_or_not(
    gateway: Gateway, cloud: Cloud, many: None
) -> None:
    bindings.ensure(cloud.project_id, gateway.pod_ids["pod2"])
    cloud.pods["pod2"].nova.fail(Kind.ERROR)
    answer = await gateway.get("/servers/detail")
    assert answer.headers[AWAY] == "pod2"
    # Nobody says that there is none of a name while the pod is away that may have it.
    assert (await gateway.get("/servers/detail?name=theirs")).status == 503


async def test_pages_go_on_where_they_were(gateway: Gateway, cloud: Cloud, many: None) -> None:
    pods = [cloud.pods[region].nova for region in ("pod1", "pod3")]
    made = [pods[number % 2].add_server(f"s{number}").id for number in range(6)]
    for number, server_id in enumerate(made[:2]):
        pod_id = gateway.pod_ids[("pod1", "pod3")[number]]
        routings.put("server", server_id, pod_id, cloud.project_id)
    whole = await listed(gateway)
    assert len(whole) == 6
    paged: list[str] = []
    marker = ""
    while found := (await gateway.get(f"/servers/detail?limit=2{marker}")).ok()["servers"]:
        paged += [one["name"] for one in found]
        marker = f"&marker={found[-1]['id']}"
    assert paged == whole


async def test_volumes_too(gateway: Gateway, cloud: Cloud, many: None) -> None:
    bindings.ensure(cloud.project_id, gateway.pod_ids["pod1"])
    cloud.journal.clear()
    (await gateway.volumes.get("/volumes/detail")).ok()
    assert asked(cloud, "volume") == {"pod1": 1}
    (await gateway.volumes.get("/volumes/detail?all_tenants=1", user="admin")).ok()
    assert asked(cloud, "volume").keys() == {"pod1", "pod2", "pod3"}


async def test_what_nobody_has_is_not_asked_for_again(gateway: Gateway, cloud: Cloud) -> None:
    CONF.set_override("nowhere_seconds", 60.0, group="gateway")
    cloud.journal.clear()
    assert (await gateway.get(f"/servers/{UNKNOWN}")).status == 404
    first = sum(asked(cloud).values())
    for _ in range(5):
        assert (await gateway.get(f"/servers/{UNKNOWN}")).status == 404
    assert first == 4
    assert sum(asked(cloud).values()) == 5
    # Another caller may see what this one may not.
    assert (await gateway.get(f"/servers/{UNKNOWN}", user="admin")).status == 404
    assert sum(asked(cloud).values()) == 4
    CONF.clear_override("nowhere_seconds", group="gateway")


async def test_that_a_pod_did_not_say_is_not_remembered(gateway: Gateway, cloud: Cloud) -> None:
    CONF.set_override("nowhere_seconds", 60.0, group="gateway")
    cloud.pods["pod3"].nova.fail(Kind.ERROR, times=1)
    server = cloud.pods["pod3"].nova.add_server("theirs")
    assert (await gateway.get(f"/servers/{server.id}")).status == 503
    assert (await gateway.get(f"/servers/{server.id}")).status == 200
    CONF.clear_override("nowhere_seconds", group="gateway")


async def test_a_projects_own_pods_are_asked_first(
    gateway: Gateway, cloud: Cloud, many: None
) -> None:
    bindings.ensure(cloud.project_id, gateway.pod_ids["pod3"])
    here, there = (cloud.pods[region].nova.add_server("new") for region in ("pod3", "pod1"))
    cloud.journal.clear()
    (await gateway.get(f"/servers/{here.id}")).ok()
    assert asked(cloud).keys() == {"pod3"}
    (await gateway.get(f"/servers/{there.id}")).ok()
