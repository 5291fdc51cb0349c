# SPDX-License-Identifier: Apache-2.0
"""What storage projects use, and that limits hold whoever asks at the same time."""

import datetime

import pytest

from tricircle.db import models, pods, routings, storage
from tricircle.db.errors import OverLimit
from tricircle.db.storage import Use

pytestmark = pytest.mark.usefixtures("db")

VOLUME = Use("volume", 5, "fast")


def made(resource_id: str = "v", use: Use = VOLUME, project: str = "p", pod: str = "pod") -> str:
    row_id = storage.reserve(project, use, {})
    storage.confirm(row_id, resource_id, pod, use)
    return row_id


def used(project: str = "p") -> dict[str, int]:
    return {name: number for name, number in storage.used(project).items() if number}


@pytest.mark.parametrize(
    ("use", "amounts"),
    [
        (VOLUME, {"volumes": 1, "gigabytes": 5, "volumes_fast": 1, "gigabytes_fast": 5}),
        (Use("volume", 5), {"volumes": 1, "gigabytes": 5}),
        (
            Use("snapshot", 5, "fast"),
            {"snapshots": 1, "gigabytes": 5, "snapshots_fast": 1, "gigabytes_fast": 5},
        ),
        (Use("backup", 5), {"backups": 1, "backup_gigabytes": 5}),
        (Use("group"), {"groups": 1}),
    ],
)
def test_what_things_use(use: Use, amounts: dict[str, int]) -> None:
    assert use.amounts() == amounts
    storage.reserve("p", use, {})
    assert used() == amounts
    assert used("q") == {}


def test_from_the_wish_to_the_end() -> None:
    row_id = storage.reserve("p", VOLUME, {})
    assert used()["volumes"] == 1
    assert storage.get("volume", "v") is None
    storage.confirm(row_id, "v", "pod", Use("volume", 6, "slow"))
    storage.give_back(row_id)  # too late: it is made
    row = storage.get("volume", "v")
    assert row is not None
    assert (row.project_id, row.pod_id, row.gigabytes, row.volume_type) == ("p", "pod", 6, "slow")
    assert used()["gigabytes_slow"] == 6
    storage.gone("volume", ["v", "unknown"])
    assert used() == {}


def test_what_is_not_made_is_given_back() -> None:
    row_id = storage.reserve("p", VOLUME, {"volumes": 1})
    storage.give_back(row_id)
    storage.give_back(row_id)
    storage.reserve("p", VOLUME, {"volumes": 1})


def test_what_came_to_nothing_is_swept() -> None:
    made()
    storage.reserve("p", VOLUME, {})
    storage.sweep(60)
    assert used()["volumes"] == 2
    storage.sweep(-1)
    assert used()["volumes"] == 1


@pytest.mark.parametrize(
    ("limits", "over"),
    [
        ({"volumes": 1}, {"volumes"}),
        ({"gigabytes": 9}, {"gigabytes"}),
        ({"volumes_fast": 1, "gigabytes_fast": 9}, {"volumes_fast", "gigabytes_fast"}),
        ({"volumes_slow": 0, "volumes": 2, "gigabytes": 10}, set()),
        ({"volumes": -1, "gigabytes": -1}, set()),
        ({"snapshots": 0, "backups": 0}, set()),
    ],
)
def test_limits(limits: dict[str, int], over: set[str]) -> None:
    made()
    if not over:
        storage.reserve("p", VOLUME, limits)
        return
    with pytest.raises(OverLimit) as refused:
        storage.reserve("p", VOLUME, limits)
    assert {one.resource for one in refused.value.excess} == over
    assert used()["volumes"] == 1
    storage.reserve("q", VOLUME, limits)


def test_grow_and_resize() -> None:
    made()
    with pytest.raises(OverLimit):
        storage.grow("v", 8, {"gigabytes": 7})
    assert used()["gigabytes"] == 5
    assert storage.grow("v", 7, {"gigabytes": 7, "volumes": 1}) == 5
    assert used()["gigabytes"] == 7
    storage.resize("v", 5)
    assert used()["gigabytes_fast"] == 5
    assert storage.grow("unknown", 7, {}) is None


def test_retype() -> None:
    made()
    with pytest.raises(OverLimit):
        storage.retype("v", "slow", {"gigabytes_slow": 4})
    storage.retype("v", "slow", {"gigabytes_slow": 5, "volumes": 0})
    assert used() == {"volumes": 1, "gigabytes": 5, "volumes_slow": 1, "gigabytes_slow": 5}
    storage.retype("v", "slow", {"gigabytes_slow": 0})
    storage.retype("unknown", "slow", {})


def test_hand_over() -> None:
    made()
    made("s", Use("snapshot", 5, "fast"))
    with pytest.raises(OverLimit):
        storage.hand_over("v", "q", {"gigabytes": 4})
    assert used("q") == {}
    assert storage.hand_over("v", "q", {"gigabytes": 5}) == "p"
    assert storage.hand_over("s", "q", {}, "snapshot") == "p"
    assert used() == {}
    assert used("q") == {"volumes": 1, "volumes_fast": 1, "gigabytes": 10, "gigabytes_fast": 10,
                         "snapshots": 1, "snapshots_fast": 1}  # fmt: skip
    assert storage.hand_over("unknown", "q", {}) is None


def test_what_is_seen_is_learned() -> None:
    now = models.now()
    later = now + datetime.timedelta(seconds=60)
    assert storage.learn(VOLUME, "v", "p", "pod", now)
    assert used()["gigabytes"] == 5
    assert storage.learn(Use("volume", 9), "v", "q", "other", later)
    assert used() == {}
    assert used("q") == {"volumes": 1, "gigabytes": 9}
    assert storage.in_pod("pod", "volume") == {}
    assert storage.in_pod("other", "volume").keys() == {"v"}
    assert storage.in_pod("other", "snapshot") == {}
    # What was changed here since the pod was read is newer than that.
    storage.resize("v", 11)
    assert not storage.learn(VOLUME, "v", "p", "pod", now - datetime.timedelta(seconds=60))
    assert used("q")["gigabytes"] == 11


def test_seen_before_it_was_confirmed() -> None:
    row_id = storage.reserve("p", VOLUME, {})
    storage.learn(VOLUME, "v", "p", "pod", models.now())
    storage.confirm(row_id, "v", "pod", VOLUME)
    assert used()["volumes"] == 1


def test_what_is_known_to_be_elsewhere_is_not_learned() -> None:
    here, there = (
        pods.create({"region_name": region, "availability_zone": "az1"}).id
        for region in ("Pod1", "Pod2")
    )
    routings.put("volume", "v", here, "p")
    now = models.now()
    assert not storage.learn(VOLUME, "v", "q", there, now)
    assert storage.get("volume", "v") is None
    assert storage.learn(VOLUME, "v", "p", here, now)
