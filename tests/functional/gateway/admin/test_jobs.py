# SPDX-License-Identifier: Apache-2.0
"""What is pending, failing and why, from both tables of realizations; and what was repaired."""

import datetime
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from tests.functional.gateway.admin.conftest import PROJECT, ROOT
from tricircle.conf import CONF
from tricircle.db import jobs as table
from tricircle.db import models, realizations, repairs, session
from tricircle.db.realizations import Key
from tricircle.db.work_queue import WorkQueue

OTHER = "e" * 32
JOBS = f"{ROOT}/jobs"
DEFINITIONS = WorkQueue(models.Realization, session.write)
NETWORK = WorkQueue(table.NeutronRealization, lambda: session.write(session.NEUTRON))


@pytest.fixture
def neutron(db: None, tmp_path: Path) -> Iterator[None]:
    """Central Neutron's database, with our table in it."""
    url = f"sqlite:///{tmp_path}/neutron.sqlite"
    CONF.set_override("neutron_connection", url, group="tricircle_database")
    table.NeutronRealization.metadata.create_all(session.engine(session.NEUTRON))
    yield
    CONF.clear_override("neutron_connection", group="tricircle_database")


def want(queue: WorkQueue, key: Key, pod_id: str, project_id: str | None = PROJECT) -> str:
    """The id of the row that wants a resource in a pod."""
    queue.transact(lambda tx: realizations.ensure(tx, queue.table, key, pod_id, project_id))
    row = queue.get(key, pod_id)
    assert row is not None
    return row.id


def fail(queue: WorkQueue, row_id: str, why: str, delay: float = 300) -> None:
    row = queue.claim(row_id)
    assert row is not None
    assert queue.failed(row, why, delay)


def finish(queue: WorkQueue, row_id: str) -> None:
    row = queue.claim(row_id)
    assert row is not None
    assert queue.realized(row, "there")


async def names(api: Any, query: str = "", **more: Any) -> set[str]:
    status, document = await api("GET", f"{JOBS}{query}", **more)
    assert status == 200, document
    return {job["resource_id"] for job in document["jobs"]}


async def test_a_failing_job_tells_why_and_when_it_is_tried_again(api, neutron) -> None:
    pod = await api.pod("Pod1")
    port = want(NETWORK, Key("port", "p1"), pod["id"])
    for _ in range(2):
        fail(NETWORK, port, "Pod Pod1: 409 no")
    status, document = await api("GET", f"{JOBS}/{port}")
    assert status == 200
    job = document["job"]
    now = models.now()
    waits = datetime.datetime.fromisoformat(job.pop("next_try_at").rstrip("Z")) - now
    since = now - datetime.datetime.fromisoformat(job.pop("failing_since").rstrip("Z"))
    assert 290 < waits.total_seconds() <= 300
    assert 0 <= since.total_seconds() < 10
    assert job.pop("created_at")
    assert job == {
        "id": port,
        "state": "failing",
        "action": "create",
        "resource_type": "port",
        "resource_id": "p1",
        "pod_id": pod["id"],
        "region_name": "Pod1",
        "pod_resource_id": None,
        "project_id": PROJECT,
        "attempts": 2,
        "last_error": "Pod Pod1: 409 no",
    }


async def test_what_is_done_is_no_job(api, neutron) -> None:
    pod = await api.pod()
    row = want(NETWORK, Key("port", "p1"), pod["id"])
    assert await names(api) == {"p1"}
    finish(NETWORK, row)
    assert await names(api) == set()
    assert (await api("GET", f"{JOBS}/{row}"))[0] == 404
    assert (await api("PUT", f"{JOBS}/{row}"))[0] == 404


async def test_filters_over_both_tables(api, neutron) -> None:
    one, two = await api.pod("Pod1"), await api.pod("Pod2")
    want(DEFINITIONS, Key("flavor", "f1"), one["id"], None)
    failing = want(NETWORK, Key("port", "p1"), one["id"])
    want(NETWORK, Key("port", "p2"), two["id"], OTHER)
    working = want(NETWORK, Key("network", "n1"), two["id"])
    fail(NETWORK, failing, "no")
    assert NETWORK.claim(working)
    for query, expected in (
        ("", {"f1", "p1", "p2", "n1"}),
        ("?resource_type=port", {"p1", "p2"}),
        ("?resource_id=p2", {"p2"}),
        (f"?pod_id={one['id']}", {"f1", "p1"}),
        ("?region_name=Pod2", {"p2", "n1"}),
        ("?region_name=Nowhere", set()),
        (f"?project_id={OTHER}", {"p2"}),
        ("?state=failing", {"p1"}),
        ("?state=working", {"n1"}),
        ("?state=pending", {"f1", "p2"}),
        ("?state=pending&resource_type=port", {"p2"}),
    ):
        assert await names(api, query) == expected, query
        _, document = await api("GET", JOBS + query)
        for job in document["jobs"]:
            assert table.state(table.get(job["id"])) == job["state"]  # type: ignore[arg-type]
    status, document = await api("GET", f"{JOBS}?state=broken")
    assert status == 400
    assert "pending, working, failing" in document["error"]["message"]
    assert (await api("GET", f"{JOBS}?colour=red"))[0] == 400


async def test_actions(api, neutron) -> None:
    pod = await api.pod()
    rows = {name: want(NETWORK, Key("network", name), pod["id"]) for name in ("u", "d", "c")}
    want(NETWORK, Key("network", "n"), pod["id"])
    for row in rows.values():
        finish(NETWORK, row)
    change, retire = realizations.touch, realizations.retire
    NETWORK.transact(lambda tx: change(tx, NETWORK.table, Key("network", "u")))
    NETWORK.transact(lambda tx: retire(tx, NETWORK.table, Key("network", "d")))
    _, document = await api("GET", JOBS)
    actions = {job["resource_id"]: job["action"] for job in document["jobs"]}
    assert actions == {"n": "create", "u": "update", "d": "delete"}


async def test_pages_over_both_tables(api, neutron) -> None:
    pod = await api.pod()
    wanted = set()
    for number in range(5):
        wanted.add(want(NETWORK, Key("port", f"p{number}"), pod["id"]))
        wanted.add(want(DEFINITIONS, Key("flavor", f"f{number}"), pod["id"]))
    path, seen = f"{JOBS}?limit=3&region_name=Pod1", []
    while path:
        status, document = await api("GET", path)
        assert status == 200
        assert 0 < len(document["jobs"]) <= 3
        seen += [job["id"] for job in document["jobs"]]
        # A job that is done meanwhile does not break the list.
        last = document["jobs"][-1]
        finish(NETWORK if last["resource_type"] == "port" else DEFINITIONS, last["id"])
        links = document.get("jobs_links")
        base = str(api.client.make_url("")).rstrip("/")
        path = links[0]["href"].removeprefix(base) if links else None
    assert len(seen) == 10
    assert set(seen) == wanted


async def test_retrying(api, neutron) -> None:
    pod = await api.pod()
    for queue, key in ((NETWORK, Key("port", "p1")), (DEFINITIONS, Key("flavor", "f1"))):
        row = want(queue, key, pod["id"])
        fail(queue, row, "no")
        assert queue.due(pod["id"], 10) == []
        for body in ({"job": {"state": "done"}}, {"other": {}}, []):
            assert (await api("PUT", f"{JOBS}/{row}", body))[0] == 400, body
        assert (await api("PUT", f"{JOBS}/{row}", as_="member"))[0] == 403
        assert queue.due(pod["id"], 10) == []
        status, document = await api("PUT", f"{JOBS}/{row}")
        assert status == 202
        # It fails until it is known to be right; its history stays.
        assert (document["job"]["state"], document["job"]["attempts"]) == ("failing", 1)
        assert [due.id for due in queue.due(pod["id"], 10)] == [row]
        assert (await api("PUT", f"{JOBS}/{row}", {"job": {}}))[0] == 202


async def test_whose_jobs(api, neutron) -> None:
    pod = await api.pod()
    mine = want(NETWORK, Key("port", "mine"), pod["id"])
    theirs = want(NETWORK, Key("port", "theirs"), pod["id"], OTHER)
    want(DEFINITIONS, Key("flavor", "nobodys"), pod["id"], None)
    for who in ("reader", "member"):
        assert await names(api, as_=who) == {"mine"}
        assert (await api("GET", f"{JOBS}?project_id={OTHER}", as_=who))[0] == 403
        assert (await api("GET", f"{JOBS}/{mine}", as_=who))[0] == 200
        assert (await api("GET", f"{JOBS}/{theirs}", as_=who))[0] == 404
    for who in ("admin", "system-reader"):
        assert await names(api, as_=who) == {"mine", "theirs", "nobodys"}
        assert (await api("GET", f"{JOBS}/{theirs}", as_=who))[0] == 200


async def test_without_central_neutrons_database_the_answer_says_what_it_lacks(api) -> None:
    pod = await api.pod()
    row = want(DEFINITIONS, Key("flavor", "f1"), pod["id"])
    answer = await api.client.get(JOBS, headers={"X-Auth-Token": "admin"})
    assert answer.headers["X-Tricircle-Left-Out"] == "network"
    assert [job["id"] for job in (await answer.json())["jobs"]] == [row]
    status, document = await api("GET", f"{JOBS}/none")
    assert status == 404
    assert "cannot be seen from here" in document["error"]["message"]


async def test_with_it_nothing_is_left_out(api, neutron) -> None:
    answer = await api.client.get(JOBS, headers={"X-Auth-Token": "admin"})
    assert "X-Tricircle-Left-Out" not in answer.headers


async def test_repairs_the_newest_first(api) -> None:
    one, two = await api.pod("Pod1"), await api.pod("Pod2")
    for number in range(5):
        repairs.add(one["id"], Key("port", f"p{number}"), PROJECT, f"POST /ports {number}")
    repairs.add(two["id"], Key("network", "n"), OTHER, "PUT /networks/n (name)")
    path, seen = f"{ROOT}/repairs?limit=2", []
    while path:
        _, document = await api("GET", path)
        seen += document["repairs"]
        links = document.get("repairs_links")
        base = str(api.client.make_url("")).rstrip("/")
        path = links[0]["href"].removeprefix(base) if links else None
    assert [repair["resource_id"] for repair in seen] == ["n", "p4", "p3", "p2", "p1", "p0"]
    assert (seen[0]["region_name"], seen[0]["done"]) == ("Pod2", "PUT /networks/n (name)")
    for query, who, expected in (
        ("?region_name=Pod2", "admin", ["n"]),
        ("?resource_id=p3", "admin", ["p3"]),
        ("?resource_type=network", "reader", []),
        ("?limit=1", "reader", ["p4"]),
    ):
        _, document = await api("GET", f"{ROOT}/repairs{query}", as_=who)
        assert [repair["resource_id"] for repair in document["repairs"]] == expected
    assert (await api("GET", f"{ROOT}/repairs?marker=none"))[0] == 400


async def test_old_repairs_are_forgotten(api) -> None:
    repairs.add("p", Key("port", "old"), PROJECT, "x")
    with session.write() as tx:
        tx.execute(sa.update(models.Repair).values(created_at=models.now() - repairs.KEPT))
    repairs.add("p", Key("port", "new"), PROJECT, "x")
    repairs.forget_old()
    assert [repair.resource_id for repair in repairs.page()] == ["new"]
