# SPDX-License-Identifier: Apache-2.0
"""Moves of volumes: one at a time, called off in time or not at all, and where a volume is then."""

import pytest

from tricircle.db import definitions, models, moves, pods, routings, session, storage
from tricircle.db.errors import Duplicate
from tricircle.db.storage import Use
from tricircle.db.work_queue import WorkQueue

pytestmark = pytest.mark.usefixtures("db")
USE = Use("volume", 1, "t")


@pytest.fixture
def two() -> tuple[str, str]:
    made = [pods.create({"region_name": f"Pod{n}", "availability_zone": f"az{n}"}) for n in (1, 2)]
    return made[0].id, made[1].id


@pytest.fixture
def rows() -> WorkQueue:
    return WorkQueue(models.Realization, session.write)


def due(rows: WorkQueue, pod_id: str) -> list[str]:
    return [row.resource_id for row in rows.due(pod_id, 10, (moves.KIND,))]


def test_a_move_is_a_job_of_the_new_pod(two: tuple[str, str], rows: WorkQueue) -> None:
    moves.begin("v", "p", *two)
    assert due(rows, two[1]) == ["v"]
    assert due(rows, two[0]) == []
    with pytest.raises(Duplicate):
        moves.begin("v", "p", *two)
    found = moves.under_way("v")
    assert found is not None
    assert (found.state, found.target_pod_id) == ("preparing", two[1])
    # Nobody is to look for it there under another id yet.
    assert definitions.names((moves.KIND,)) == {}


def test_what_the_steps_found_is_kept_together(two: tuple[str, str]) -> None:
    moves.begin("v", "p", *two)
    moves.save("v", "uploading", {"outside": "v"})
    moves.save("v", "copying", {"image": "i"})
    found = moves.get("v")
    assert found is not None
    assert (found.state, found.detail) == ("copying", {"outside": "v", "image": "i"})


@pytest.mark.parametrize("reached", ["copying", "handing over"])
def test_what_was_called_off_in_the_middle_of_a_step_stays_so(
    two: tuple[str, str], rows: WorkQueue, reached: str
) -> None:
    moves.begin("v", "p", *two)
    moves.save("v", "verifying", {})
    assert moves.call_off("v", "no more")
    moves.save("v", reached, {"inside": "w"})
    found = moves.get("v")
    assert found is not None
    assert (found.state, found.reason) == (moves.UNDOING, "no more")
    assert due(rows, two[1]) == ["v"]
    moves.save("v", moves.UNDONE, {})
    moves.begin("v", "p", *two)


@pytest.mark.parametrize("state", ["handing over", "removing", "done", moves.UNDONE])
def test_it_can_be_too_late_to_call_it_off(two: tuple[str, str], state: str) -> None:
    assert not moves.call_off("v", "there is none")
    moves.begin("v", "p", *two)
    moves.save("v", state, {})
    assert not moves.call_off("v", "too late")


def test_a_volume_that_has_arrived_is_in_its_new_pod_under_its_old_id(
    two: tuple[str, str],
) -> None:
    first, second = two
    routings.put("volume", "v", first, "p")
    storage.learn(USE, "v", "p", first, models.now())
    moves.begin("v", "p", first, second)
    moves.arrive("v", second, "w", USE)
    routing, row = routings.get("volume", "v"), storage.get("volume", "v")
    assert routing is not None
    assert row is not None
    assert (routing.pod_id, row.pod_id) == (second, second)
    assert definitions.names((moves.KIND,)) == {second: {"v": "w"}}
    found = moves.get("v")
    assert found is not None
    assert found.state == "removing"
    # And back again.
    moves.save("v", "done", {})
    moves.begin("v", "p", second, first)
    moves.arrive("v", first, "x", USE)
    assert definitions.names((moves.KIND,)) == {first: {"v": "x"}}
    moves.forget("v")
    assert definitions.names((moves.KIND,)) == {}


def test_what_was_forgotten_with_the_old_pod_is_written_anew(two: tuple[str, str]) -> None:
    first, second = two
    routings.put("volume", "v", first, "p")
    storage.learn(USE, "v", "p", first, models.now())
    moves.begin("v", "p", first, second)
    pods.delete(first, force=True)
    assert storage.used("p")["gigabytes"] == 0
    moves.arrive("v", second, "w", USE)
    routing = routings.get("volume", "v")
    assert routing is not None
    assert (routing.pod_id, routing.project_id) == (second, "p")
    assert storage.used("p")["gigabytes_t"] == 1
    assert list(storage.in_pod(second, "volume")) == ["v"]


def test_a_move_toward_a_pod_that_is_forgotten_has_ended(two: tuple[str, str]) -> None:
    for volume in ("v", "w"):
        moves.begin(volume, "p", *two)
    moves.begin("x", "p", *reversed(two))
    moves.save("w", "done", {})
    pods.delete(two[1], force=True)
    found = {volume: moves.get(volume) for volume in "vwx"}
    assert {volume: row and row.state for volume, row in found.items()} == {
        "v": moves.UNDONE, "w": "done", "x": "preparing",
    }  # fmt: skip
    assert found["v"] is not None
    assert "--read-write" in str(found["v"].reason)
