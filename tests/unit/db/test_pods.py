# SPDX-License-Identifier: Apache-2.0
from concurrent.futures import ThreadPoolExecutor

import pytest

from tricircle.db import (
    bindings,
    definitions,
    models,
    operations,
    pod_changes,
    pods,
    routings,
    session,
)
from tricircle.db.errors import Duplicate, InUse, NotFound, UnknownMarker
from tricircle.db.operations import ServerCreate

pytestmark = pytest.mark.usefixtures("db")


def make(region: str = "Pod1", zone: str = "az1") -> models.Pod:
    return pods.create({"region_name": region, "availability_zone": zone})


def test_a_region_is_one_pod() -> None:
    pod = make()
    with pytest.raises(Duplicate, match="Pod1"):
        make()
    assert [row.id for row in pods.list_all()] == [pod.id]
    assert pods.by_region("Pod1").id == pod.id
    assert pods.by_region("pod1") is None


def test_each_pod_has_a_number_that_stays_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    one, two, three = (make(f"Pod{number}") for number in range(3))
    assert [pod.number for pod in (one, two, three)] == [1, 2, 3]
    pods.delete(one.id)
    assert make("Pod4").number == 4
    assert pods.get(two.id).number == 2
    monkeypatch.setattr(pods, "MOST_NUMBERS", 4)
    assert make("Pod5").number == 1


def test_pods_made_at_once_have_different_numbers() -> None:
    with ThreadPoolExecutor(8) as threads:
        made = list(threads.map(make, [f"Pod{number}" for number in range(8)]))
    assert sorted(pod.number for pod in made) == list(range(1, 9))


def test_update() -> None:
    pod = make()
    changed = pods.update(pod.id, {"state": "draining"})
    assert (changed.state, pods.get(pod.id).state) == ("draining", "draining")
    assert changed.updated_at > pod.updated_at
    with pytest.raises(NotFound):
        pods.update("none", {"state": "draining"})


def test_pages_hold_every_pod_once() -> None:
    made = {make(f"Pod{number}").id for number in range(5)}
    seen: list[str] = []
    marker = None
    while rows := pods.page(limit=2, marker=marker):
        assert len(rows) <= 2
        seen += [row.id for row in rows]
        marker = seen[-1]
    assert len(seen) == 5
    assert set(seen) == made


def test_page_filters_and_markers() -> None:
    make("Pod1", "az1")
    two = make("Pod2", "az2")
    assert [row.id for row in pods.page({"availability_zone": "az2"})] == [two.id]
    assert pods.page({"availability_zone": "az2"}, marker=two.id) == []
    with pytest.raises(UnknownMarker):
        pods.page(marker="none")


def test_an_empty_pod_is_deleted_with_its_copies_of_definitions() -> None:
    pod = make()
    definitions.put("flavor", "1", {"ram": 64}, {pod.id: "1"})
    pods.delete(pod.id)
    assert pods.get(pod.id) is None
    with session.read() as tx:
        assert tx.query(models.Realization).count() == 0
    assert definitions.get("flavor", "1") is not None
    with pytest.raises(NotFound):
        pods.delete(pod.id)


def test_a_pod_in_use_is_kept_and_counts_are_told() -> None:
    pod, other = make(), make("Pod2")
    routings.put("server", "s1", pod.id, "p")
    routings.put("server", "s2", pod.id, "p")
    routings.put("volume", "v1", pod.id, "p")
    routings.put("server", "s3", other.id, "p")
    bindings.ensure("p", pod.id)
    operations.begin(ServerCreate(), "p", pod.id)
    with pytest.raises(InUse) as caught:
        pods.delete(pod.id)
    assert caught.value.counts == {"server": 2, "volume": 1, "binding": 1, "creation": 1}
    assert pods.counts(pod.id) == caught.value.counts
    pods.delete(pod.id, force=True)
    assert pods.counts(pod.id) == {}
    assert pods.counts(other.id) == {"server": 1}


def test_deleting_the_last_pod_lets_go_of_deleted_definitions() -> None:
    pod = make()
    definitions.put("flavor", "1", {}, {pod.id: "1"})
    definitions.delete("flavor", "1")
    assert definitions.get_any("flavor", "1").deleted
    pods.delete(pod.id)
    assert definitions.get_any("flavor", "1") is None


def changes(pod: models.Pod) -> list[tuple[str, ...]]:
    found = pod_changes.page({"pod_id": pod.id})
    return [(one.what, one.before, one.after, one.changed_by, one.reason) for one in found]


def test_changes_of_a_state_are_kept() -> None:
    pod, other = make("Pod1"), make("Pod2")
    pods.update(pod.id, {"state": "maintenance", "dc_name": "ams"}, "somebody", "new switches")
    pods.update(pod.id, {"state": "maintenance"}, "somebody", "again")
    pods.update(pod.id, {"state": "enabled"}, "another")
    pods.update(pod.id, {"dc_name": "fra"}, "another")
    assert changes(pod) == [
        ("state", "maintenance", "enabled", "another", ""),
        ("state", "enabled", "maintenance", "somebody", "new switches"),
    ]
    assert changes(other) == []
    pods.delete(pod.id)
    assert changes(pod) == []


def test_what_probes_find_is_kept_when_it_changes() -> None:
    pod = make()

    def probed(state: str, error: str = "") -> None:
        found = {"network": {"state": state, "error": error}}
        pods.write_probe(pod.id, lambda row: {"services": found})

    for state, error in (("up", ""), ("up", ""), ("down", "no"), ("down", "never"), ("up", "")):
        probed(state, error)
    assert changes(pod) == [
        ("network", "down", "up", "probe", ""),
        ("network", "up", "down", "probe", "no"),
        ("network", "unknown", "up", "probe", ""),
    ]


def test_so_many_changes_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pod_changes, "KEPT", 3)
    pod = make()
    for number in range(8):
        pods.update(pod.id, {"state": ("draining", "enabled")[number % 2]}, f"user{number}")
    assert [one[3] for one in changes(pod)] == ["user7", "user6", "user5"]
    newest = pod_changes.page(limit=1)
    assert [one.changed_by for one in pod_changes.page(marker=newest[0].id)] == ["user6", "user5"]
    with pytest.raises(UnknownMarker):
        pod_changes.page(marker="nobody's")
