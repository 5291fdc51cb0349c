# SPDX-License-Identifier: Apache-2.0
import datetime

import pytest
import sqlalchemy as sa

from tests.unit.db.test_pods import make
from tricircle.db import bindings, models, pods, routings, session
from tricircle.db.errors import Duplicate, NotFound, UnknownMarker

pytestmark = pytest.mark.usefixtures("db")


def test_put_get_and_delete() -> None:
    pod = make()
    assert routings.get("server", "s") is None
    routings.put("server", "s", pod.id, "p", {"ports": ["a"]})
    found = routings.get("server", "s")
    assert (found.pod_id, found.project_id, found.detail) == (pod.id, "p", {"ports": ["a"]})
    routings.delete("server", "s")
    routings.delete("server", "s")
    assert routings.get("server", "s") is None


def test_putting_again_moves_it_and_keeps_what_is_not_said() -> None:
    one, two = make("Pod1"), make("Pod2")
    routings.put("server", "s", one.id, "p", {"ports": ["a"]})
    routings.put("server", "s", two.id, None)
    found = routings.get("server", "s")
    assert (found.pod_id, found.project_id, found.detail) == (two.id, "p", {"ports": ["a"]})
    routings.put("server", "s", two.id, "q", {})
    found = routings.get("server", "s")
    assert (found.project_id, found.detail) == ("q", {})


def test_ports_of_a_server_come_and_go() -> None:
    pod = make()
    routings.change_ports("s", ["a"])
    assert routings.get("server", "s") is None
    routings.put("server", "s", pod.id, "p", {"ports": ["a"], "other": 1})
    routings.change_ports("s", ["b", "a"])
    routings.change_ports("s", remove=["a", "x"])
    assert routings.get("server", "s").detail == {"ports": ["b"], "other": 1}


def test_a_pod_that_is_gone_gets_no_routing() -> None:
    routings.put("server", "s", "gone", "p")
    assert routings.get("server", "s") is None


def test_two_learn_the_same_id_at_once(blind) -> None:
    """Our look saw nothing, and the other one's row is there when ours is inserted."""
    pod, other = make("Pod1"), make("Pod2")
    routings.put("server", "s", other.id, "theirs", {"ports": ["x"]})
    with blind("get"):
        routings.put("server", "s", pod.id, "ours")
    found = routings.get("server", "s")
    assert (found.pod_id, found.project_id, found.detail) == (pod.id, "ours", {"ports": ["x"]})
    with session.read() as tx:
        assert tx.scalar(sa.select(sa.func.count()).select_from(models.Routing)) == 1


def test_pages_also_cut_between_types_of_one_id() -> None:
    pod = make()
    keys = [(kind, f"id{number}") for number in range(3) for kind in ("port", "server")]
    for kind, name in keys:
        routings.put(kind, name, pod.id, "p")
    seen: list[tuple[str, str]] = []
    marker = None
    while rows := routings.page(limit=1, marker=marker):
        seen += [(row.resource_type, row.resource_id) for row in rows]
        marker = f"{seen[-1][0]}:{seen[-1][1]}"
    assert seen == keys
    assert [row.resource_id for row in routings.page(marker="id1")] == ["id2", "id2"]
    with pytest.raises(UnknownMarker):
        routings.page(marker="volume:id1")


def test_page_filters_and_find() -> None:
    one, two = make("Pod1"), make("Pod2")
    routings.put("server", "s", one.id, "p")
    routings.put("volume", "v", two.id, "q")
    routings.put("server", "v", two.id, "q")
    assert [row.resource_id for row in routings.page({"pod_id": one.id})] == ["s"]
    assert [row.resource_id for row in routings.page({"project_id": "p"})] == ["s"]
    found = routings.page({"resource_id": "v", "resource_type": "volume"})
    assert [(row.resource_type, row.pod_id) for row in found] == [("volume", two.id)]
    assert [row.resource_type for row in routings.find("v")] == ["server", "volume"]
    assert routings.counts(two.id) == {"server": 1, "volume": 1}


def test_bindings() -> None:
    one, two = make("Pod1"), make("Pod2")
    assert bindings.ensure("p", one.id)
    assert not bindings.ensure("p", one.id)
    bound = bindings.create("p", two.id)
    with pytest.raises(Duplicate):
        bindings.create("p", two.id)
    with pytest.raises(NotFound):
        bindings.create("p", "gone")
    with pytest.raises(NotFound):
        bindings.ensure("p", "gone")
    assert bindings.pods_of("p") == {one.id, two.id}
    assert [row.id for row in bindings.page({"pod_id": two.id})] == [bound.id]
    assert bindings.get(bound.id).project_id == "p"
    bindings.delete(bound.id)
    assert bindings.pods_of("p") == {one.id}
    with pytest.raises(NotFound):
        bindings.delete(bound.id)


def test_a_project_that_has_nothing_left_in_a_pod_is_not_bound_to_it_for_long() -> None:
    one, two, three = make("Pod1"), make("Pod2"), make("Pod3")
    for pod in (one, two):
        bindings.ensure("p", pod.id)
    bindings.create("p", three.id)
    routings.put("server", "s", one.id, "p")
    routings.put("volume", "v", two.id, "another")
    routings.put("message", "m", two.id, "p")
    assert bindings.fade(60, "", 9) == ""
    assert bindings.in_order("p") == [three.id, one.id, two.id]
    # A few at a time.
    seen, after = 0, bindings.fade(-1, "", 1)
    while after:
        seen, after = seen + 1, bindings.fade(-1, after, 1)
    assert seen == 3
    assert bindings.in_order("p") == [three.id, one.id]
    routings.delete("server", "s")
    bindings.fade(-1, "", 9)
    assert bindings.in_order("p") == [three.id]


def test_what_was_written_near_a_moment() -> None:
    ids = [
        pods.create({"region_name": name, "availability_zone": "az1"}).id for name in ("n1", "n2")
    ]
    begin = models.now()
    with session.write() as tx:
        for pod in ids:
            for minute in range(10):
                tx.add(
                    models.Routing(
                        resource_type="server",
                        resource_id=f"{pod[:8]}-{minute}",
                        pod_id=pod,
                        project_id="p" if pod == ids[0] else "other",
                        created_at=begin + datetime.timedelta(minutes=minute),
                    )
                )
    moment = begin + datetime.timedelta(minutes=5)
    name = ids[0][:8]
    assert routings.near("server", "p", ids, moment, after=True) == {ids[0]: f"{name}-7"}
    assert routings.near("server", "p", ids, moment, after=False) == {ids[0]: f"{name}-3"}
    late = begin + datetime.timedelta(minutes=8)
    assert routings.near("server", "p", ids, late, after=True) == {}
