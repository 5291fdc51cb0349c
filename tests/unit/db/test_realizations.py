# SPDX-License-Identifier: Apache-2.0
"""The work queue: who works on what, and what is dirty."""

import datetime
import threading
import time
from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from tricircle.conf import CONF
from tricircle.db import models, realizations, session
from tricircle.db.realizations import Key, Row
from tricircle.db.work_queue import Busy, WorkQueue

KEY, POD = Key("network", "n1"), "p1"


@pytest.fixture
def queue(db: None) -> Iterator[WorkQueue]:
    made = WorkQueue(models.Realization, session.write)
    yield made
    for token in made._leases.held():  # there is no database to renew them in
        made._leases.drop(token)


def ensure(queue: WorkQueue, key: Key = KEY, pod: str = POD) -> bool:
    made: bool = queue.transact(
        lambda tx: realizations.ensure(tx, models.Realization, key, pod, "project")
    )
    return made


def change(queue: WorkQueue, function: object, key: Key = KEY) -> int:
    number: int = queue.transact(lambda tx: function(tx, models.Realization, key))  # type: ignore[operator]
    return number


def row(queue: WorkQueue) -> Row:
    found = queue.get(KEY, POD)
    assert found is not None
    return found


def claimed(queue: WorkQueue) -> Row:
    found = queue.claim(row(queue).id)
    assert found is not None
    return found


def later(queue: WorkQueue, seconds: float) -> None:
    """As if so much time had passed since the one row was written."""
    past, moved = datetime.timedelta(seconds=seconds), {}
    for name in ("claimed_until", "next_try_at"):
        if (moment := getattr(row(queue), name)) is not None:
            moved[name] = moment - past
    queue.transact(lambda tx: tx.execute(sa.update(models.Realization).values(moved)))


def test_a_row_is_made_once(queue: WorkQueue) -> None:
    assert ensure(queue) is True
    assert ensure(queue) is False
    assert [found.id for found in queue.due(POD, 10)] == [row(queue).id]
    assert queue.due("another", 10) == []


def test_a_claim_is_one_workers(queue: WorkQueue) -> None:
    ensure(queue)
    wanted = row(queue).id
    found = []
    threads = [threading.Thread(target=lambda: found.append(queue.claim(wanted))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len([one for one in found if one is not None]) == 1
    assert queue.due(POD, 10) == []


def test_a_claim_runs_out(queue: WorkQueue) -> None:
    ensure(queue)
    first = claimed(queue)
    later(queue, CONF.reconciler.lease_seconds + 1)
    second = claimed(queue)
    assert second.attempts == 2
    # The one whose claim ran out can do no harm.
    assert queue.realized(first, "x") is False
    assert queue.failed(first, "late") is False
    assert queue.realized(second, "there") is True
    assert row(queue).pod_resource_id == "there"


def test_many_are_claimed_at_once(queue: WorkQueue) -> None:
    keys = [Key("port", f"p{number}") for number in range(4)]
    for key in keys:
        ensure(queue, key)
    ids = [found.id for key in keys if (found := queue.get(key, POD))]
    taken, later = queue.claim(ids[0]), queue.claim(ids[1])
    assert taken is not None
    assert later is not None
    queue.failed(later, "not now", 60)
    # Neither another's nor what is to wait, unless it is asked for by name.
    assert {one.id for one in queue.claim_all(ids, due=True)} == {*ids[2:]}
    assert queue.claim(ids[1], due=True) is None
    mine = queue.claim(ids[1])
    assert mine is not None
    tokens = {one.claimed_by for key in keys if (one := queue.get(key, POD))}
    assert len(tokens) == 4
    assert queue.claim_all([]) == []


def test_what_is_new_in_a_pod(queue: WorkQueue) -> None:
    keys = [Key("port", name) for name in ("new", "there", "unwanted")]
    for key in keys:
        ensure(queue, key)
    for key, work in zip(keys[1:], ("created", "failed"), strict=True):
        found = queue.get(key, POD)
        assert found is not None
        mine = queue.claim(found.id)
        assert mine is not None
        getattr(queue, work)(mine, "some word")
        queue.release(mine)
    change(queue, realizations.retire, keys[2])
    queue.requeue_now(POD)
    assert {one.resource_id for one in queue.due(POD, 10)} == {"new", "there", "unwanted"}
    assert [one.resource_id for one in queue.due(POD, 10, new=True)] == ["new"]
    assert queue.due(POD, 10, ("network",), new=True) == []


@pytest.fixture
def short_leases() -> Iterator[None]:
    CONF.set_override("lease_seconds", 0.9, group="reconciler")
    yield
    CONF.clear_override("lease_seconds", group="reconciler")


def test_a_claim_lasts_while_its_worker_lives(queue: WorkQueue, short_leases: None) -> None:
    ensure(queue)
    first = claimed(queue)
    # As a worker that died would leave it: nobody renews what another process has claimed.
    another = WorkQueue(models.Realization, session.write)
    for _ in range(2):
        until, deadline = row(queue).claimed_until, time.monotonic() + 10
        while row(queue).claimed_until == until:
            assert time.monotonic() < deadline, "a claim is not renewed"
            time.sleep(0.05)
        assert another.claim(first.id) is None
    queue._leases.drop(first.claimed_by)
    deadline = time.monotonic() + 10
    while another.claim(first.id) is None:
        assert time.monotonic() < deadline, "a dead worker's row is not free"
        time.sleep(0.1)
    assert queue.realized(first, "x") is False


def test_no_claim_lasts_for_ever(queue: WorkQueue, short_leases: None) -> None:
    CONF.set_override("claim_seconds", 1, group="reconciler")
    try:
        ensure(queue)
        forgotten = claimed(queue)
        deadline = time.monotonic() + 10
        while queue.claim(forgotten.id) is None:
            assert time.monotonic() < deadline, "forgotten work keeps its claim"
            time.sleep(0.1)
    finally:
        CONF.clear_override("claim_seconds", group="reconciler")


def test_nothing_is_renewed_after_the_work(queue: WorkQueue) -> None:
    ensure(queue)
    queue.created(claimed(queue), "there")
    assert len(queue._leases.held()) == 1
    queue.realized(row(queue), "there")
    assert queue._leases.held() == {}
    change(queue, realizations.touch)
    queue.failed(claimed(queue), "no")
    queue.requeue_now(POD)
    change(queue, realizations.retire)
    queue.gone(claimed(queue))
    with queue.exclusive(KEY):
        assert len(queue._leases.held()) == 1
    assert queue._leases.held() == {}


def test_who_is_alone_is_in_no_pod(queue: WorkQueue) -> None:
    """Nobody forgets the lock with the rows of pods that are no more, and lets a second one in."""
    ensure(queue)
    with queue.exclusive(Key("bridge", "a router")):
        assert queue.pod_ids() == {POD}
        with pytest.raises(Busy), queue.exclusive(Key("bridge", "a router")):
            pass
    assert queue.pod_ids() == {POD}


def test_clean_rows_are_no_work(queue: WorkQueue) -> None:
    ensure(queue)
    queue.realized(claimed(queue), "there")
    assert row(queue).next_try_at is None
    assert row(queue).attempts == 0
    assert queue.claim(row(queue).id) is None
    assert change(queue, realizations.touch) == 1
    assert len(queue.due(POD, 10)) == 1


def test_a_change_during_the_work_stays(queue: WorkQueue) -> None:
    ensure(queue)
    working = claimed(queue)
    change(queue, realizations.touch)
    queue.realized(working, "there")
    assert row(queue).realized_revision == 1
    assert row(queue).wanted_revision == 2
    assert len(queue.due(POD, 10)) == 1


def test_what_is_changed_during_a_rest_is_kept_for_after_it(queue: WorkQueue) -> None:
    ensure(queue)
    queue.realized(claimed(queue), "there", 60)
    change(queue, realizations.touch)
    assert queue.due(POD, 10) == []
    # Nor is it anybody else's, of whatever process.
    assert WorkQueue(models.Realization, session.write).claim(row(queue).id) is None
    later(queue, 60)
    assert queue.due(POD, 10) != [], "what was changed is lost"
    after = claimed(queue)
    assert after.attempts == 1
    assert after.wanted_revision == 2


def test_a_rest_is_over_when_nothing_was_changed(queue: WorkQueue) -> None:
    ensure(queue)
    queue.realized(claimed(queue), "there", 60)
    later(queue, 60)
    assert queue.due(POD, 10) == []
    change(queue, realizations.touch)
    assert len(queue.due(POD, 10)) == 1


@pytest.fixture
def slowly() -> Iterator[None]:
    """Ten seconds to the first retry, a hundred between later ones at the most."""
    CONF.set_override("backoff_first", 10, group="reconciler")
    CONF.set_override("backoff_most", 100, group="reconciler")
    yield
    CONF.clear_override("backoff_first", group="reconciler")
    CONF.clear_override("backoff_most", group="reconciler")


def fail_after(queue: WorkQueue, seconds: float) -> float:
    """The work fails once more, ``seconds`` after it did first; how long the next try waits."""
    since = models.now() - datetime.timedelta(seconds=seconds)
    table = models.Realization
    if row(queue).failing_since:
        queue.transact(lambda tx: tx.execute(sa.update(table).values(failing_since=since)))
    queue.failed(claimed(queue), "Pod p1: no")
    return float((row(queue).next_try_at - models.now()).total_seconds())  # type: ignore[operator]


def test_failures_wait_longer_and_longer(queue: WorkQueue, slowly: None) -> None:
    ensure(queue)
    assert 7 < fail_after(queue, 0) <= 10
    assert row(queue).last_error == "Pod p1: no"
    assert 22 < fail_after(queue, 30) <= 31
    assert 70 < fail_after(queue, 500) <= 100
    assert queue.due(POD, 10) == []
    since = row(queue).failing_since
    queue.requeue_now(POD)
    assert len(queue.due(POD, 10)) == 1
    queue.failed(claimed(queue), "again")
    assert row(queue).failing_since == since
    queue.realized(claimed(queue), "there")
    assert row(queue).failing_since is row(queue).last_error is None


def test_what_was_tried_often_at_first_does_not_wait_the_longest(
    queue: WorkQueue, slowly: None
) -> None:
    ensure(queue)
    for _ in range(20):
        queue.failed(claimed(queue), "Pod p1: in use", delay=0)
    assert row(queue).attempts == 20
    assert fail_after(queue, 12) < 13


def test_what_is_not_wanted_any_more_begins_anew(queue: WorkQueue, slowly: None) -> None:
    ensure(queue)
    fail_after(queue, 0)
    fail_after(queue, 500)
    change(queue, realizations.retire)
    assert fail_after(queue, 0) <= 10


def test_only_some_are_hurried(queue: WorkQueue, slowly: None) -> None:
    ensure(queue)
    queue.failed(claimed(queue), "Pod p1: no")
    queue.requeue_now(POD, [Key("network", "another")])
    queue.requeue_now(POD, [])
    assert queue.due(POD, 10) == []
    queue.requeue_now(POD, [KEY])
    assert len(queue.due(POD, 10)) == 1


def test_gone(queue: WorkQueue) -> None:
    ensure(queue)
    queue.realized(claimed(queue), "there")
    assert change(queue, realizations.retire) == 1
    assert change(queue, realizations.touch) == 0
    assert queue.gone(claimed(queue)) is True
    assert queue.get(KEY, POD) is None


def test_wanted_again_during_the_removal(queue: WorkQueue) -> None:
    ensure(queue)
    queue.realized(claimed(queue), "there")
    change(queue, realizations.retire)
    working = claimed(queue)
    assert ensure(queue) is True
    assert queue.gone(working) is False
    after = row(queue)
    assert (after.absent, after.pod_resource_id, after.realized_revision) == (False, None, None)
    assert len(queue.due(POD, 10)) == 1


def test_lookups(queue: WorkQueue) -> None:
    ensure(queue)
    ensure(queue, Key("network", "n2"))
    queue.realized(claimed(queue), "there")
    assert queue.mapped("network", ["n1", "n2"], POD) == {"n1": "there"}
    assert queue.wanted("network", ["n1", "n2", "n3"], POD) == {"n1", "n2"}
    assert queue.mapped("network", [], POD) == {}
    queue.forget_pod(POD)
    assert queue.wanted("network", ["n1", "n2"], POD) == set()


def test_what_is_right(queue: WorkQueue) -> None:
    other = Key("subnet", "n1")
    ensure(queue)
    assert queue.in_sync([KEY, other], POD) == set()
    queue.realized(claimed(queue), "there")
    ensure(queue, other)
    assert queue.in_sync([KEY, other], POD) == {KEY}
    assert queue.in_sync([KEY], "another") == queue.in_sync([], POD) == set()
    change(queue, realizations.touch)
    assert queue.in_sync([KEY], POD) == set()
    change(queue, realizations.retire)
    assert queue.in_sync([KEY], POD) == set()
