# SPDX-License-Identifier: Apache-2.0
"""The store of realizations: who works on what, and what is dirty."""

import datetime
import threading
import time
from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from tricircle.conf import CONF
from tricircle.db import models, realizations, session
from tricircle.db.realizations import Key, Row
from tricircle.db.store import Busy, Store

KEY, POD = Key("network", "n1"), "p1"


@pytest.fixture
def store(db: None) -> Iterator[Store]:
    made = Store(models.Realization, session.write)
    yield made
    for token in made._leases.held():  # there is no database to renew them in
        made._leases.drop(token)


def ensure(store: Store, key: Key = KEY, pod: str = POD) -> bool:
    made: bool = store.transact(
        lambda tx: realizations.ensure(tx, models.Realization, key, pod, "project")
    )
    return made


def change(store: Store, function: object, key: Key = KEY) -> int:
    number: int = store.transact(lambda tx: function(tx, models.Realization, key))  # type: ignore[operator]
    return number


def row(store: Store) -> Row:
    found = store.get(KEY, POD)
    assert found is not None
    return found


def claimed(store: Store) -> Row:
    found = store.claim(row(store).id)
    assert found is not None
    return found


def later(store: Store, seconds: float) -> None:
    """As if so much time had passed since the one row was written."""
    past, moved = datetime.timedelta(seconds=seconds), {}
    for name in ("claimed_until", "next_try_at"):
        if (moment := getattr(row(store), name)) is not None:
            moved[name] = moment - past
    store.transact(lambda tx: tx.execute(sa.update(models.Realization).values(moved)))


def test_a_row_is_made_once(store: Store) -> None:
    assert ensure(store) is True
    assert ensure(store) is False
    assert [found.id for found in store.due(POD, 10)] == [row(store).id]
    assert store.due("another", 10) == []


def test_a_claim_is_one_workers(store: Store) -> None:
    ensure(store)
    wanted = row(store).id
    found = []
    threads = [threading.Thread(target=lambda: found.append(store.claim(wanted))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len([one for one in found if one is not None]) == 1
    assert store.due(POD, 10) == []


def test_a_claim_runs_out(store: Store) -> None:
    ensure(store)
    first = claimed(store)
    later(store, CONF.reconciler.lease_seconds + 1)
    second = claimed(store)
    assert second.attempts == 2
    # The one whose claim ran out can do no harm.
    assert store.realized(first, "x") is False
    assert store.failed(first, "late") is False
    assert store.realized(second, "there") is True
    assert row(store).pod_resource_id == "there"


def test_many_are_claimed_at_once(store: Store) -> None:
    keys = [Key("port", f"p{number}") for number in range(4)]
    for key in keys:
        ensure(store, key)
    ids = [found.id for key in keys if (found := store.get(key, POD))]
    taken, later = store.claim(ids[0]), store.claim(ids[1])
    assert taken is not None
    assert later is not None
    store.failed(later, "not now", 60)
    # Neither another's nor what is to wait, unless it is asked for by name.
    assert {one.id for one in store.claim_all(ids, due=True)} == {*ids[2:]}
    assert store.claim(ids[1], due=True) is None
    mine = store.claim(ids[1])
    assert mine is not None
    tokens = {one.claimed_by for key in keys if (one := store.get(key, POD))}
    assert len(tokens) == 4
    assert store.claim_all([]) == []


def test_what_is_new_in_a_pod(store: Store) -> None:
    keys = [Key("port", name) for name in ("new", "there", "unwanted")]
    for key in keys:
        ensure(store, key)
    for key, work in zip(keys[1:], ("created", "failed"), strict=True):
        found = store.get(key, POD)
        assert found is not None
        mine = store.claim(found.id)
        assert mine is not None
        getattr(store, work)(mine, "some word")
        store.release(mine)
    change(store, realizations.retire, keys[2])
    store.hurry(POD)
    assert {one.resource_id for one in store.due(POD, 10)} == {"new", "there", "unwanted"}
    assert [one.resource_id for one in store.due(POD, 10, new=True)] == ["new"]
    assert store.due(POD, 10, ("network",), new=True) == []


@pytest.fixture
def short_leases() -> Iterator[None]:
    CONF.set_override("lease_seconds", 0.9, group="reconciler")
    yield
    CONF.clear_override("lease_seconds", group="reconciler")


def test_a_claim_lasts_while_its_worker_lives(store: Store, short_leases: None) -> None:
    ensure(store)
    first = claimed(store)
    # As a worker that died would leave it: nobody renews what another process has claimed.
    another = Store(models.Realization, session.write)
    for _ in range(2):
        until, deadline = row(store).claimed_until, time.monotonic() + 10
        while row(store).claimed_until == until:
            assert time.monotonic() < deadline, "a claim is not renewed"
            time.sleep(0.05)
        assert another.claim(first.id) is None
    store._leases.drop(first.claimed_by)
    deadline = time.monotonic() + 10
    while another.claim(first.id) is None:
        assert time.monotonic() < deadline, "a dead worker's row is not free"
        time.sleep(0.1)
    assert store.realized(first, "x") is False


def test_no_claim_lasts_for_ever(store: Store, short_leases: None) -> None:
    CONF.set_override("claim_seconds", 1, group="reconciler")
    try:
        ensure(store)
        forgotten = claimed(store)
        deadline = time.monotonic() + 10
        while store.claim(forgotten.id) is None:
            assert time.monotonic() < deadline, "forgotten work keeps its claim"
            time.sleep(0.1)
    finally:
        CONF.clear_override("claim_seconds", group="reconciler")


def test_nothing_is_renewed_after_the_work(store: Store) -> None:
    ensure(store)
    store.created(claimed(store), "there")
    assert len(store._leases.held()) == 1
    store.realized(row(store), "there")
    assert store._leases.held() == {}
    change(store, realizations.touch)
    store.failed(claimed(store), "no")
    store.hurry(POD)
    change(store, realizations.retire)
    store.gone(claimed(store))
    with store.alone(KEY):
        assert len(store._leases.held()) == 1
    assert store._leases.held() == {}


def test_who_is_alone_is_in_no_pod(store: Store) -> None:
    """Nobody forgets the lock with the rows of pods that are no more, and lets a second one in."""
    ensure(store)
    with store.alone(Key("bridge", "a router")):
        assert store.pod_ids() == {POD}
        with pytest.raises(Busy), store.alone(Key("bridge", "a router")):
            pass
    assert store.pod_ids() == {POD}


def test_clean_rows_are_no_work(store: Store) -> None:
    ensure(store)
    store.realized(claimed(store), "there")
    assert row(store).next_try_at is None
    assert row(store).attempts == 0
    assert store.claim(row(store).id) is None
    assert change(store, realizations.touch) == 1
    assert len(store.due(POD, 10)) == 1


def test_a_change_during_the_work_stays(store: Store) -> None:
    ensure(store)
    working = claimed(store)
    change(store, realizations.touch)
    store.realized(working, "there")
    assert row(store).realized_revision == 1
    assert row(store).wanted_revision == 2
    assert len(store.due(POD, 10)) == 1


def test_what_is_changed_during_a_rest_is_kept_for_after_it(store: Store) -> None:
    ensure(store)
    store.realized(claimed(store), "there", 60)
    change(store, realizations.touch)
    assert store.due(POD, 10) == []
    # Nor is it anybody else's, of whatever process.
    assert Store(models.Realization, session.write).claim(row(store).id) is None
    later(store, 60)
    assert store.due(POD, 10) != [], "what was changed is lost"
    after = claimed(store)
    assert after.attempts == 1
    assert after.wanted_revision == 2


def test_a_rest_is_over_when_nothing_was_changed(store: Store) -> None:
    ensure(store)
    store.realized(claimed(store), "there", 60)
    later(store, 60)
    assert store.due(POD, 10) == []
    change(store, realizations.touch)
    assert len(store.due(POD, 10)) == 1


@pytest.fixture
def slowly() -> Iterator[None]:
    """Ten seconds to the first retry, a hundred between later ones at the most."""
    CONF.set_override("backoff_first", 10, group="reconciler")
    CONF.set_override("backoff_most", 100, group="reconciler")
    yield
    CONF.clear_override("backoff_first", group="reconciler")
    CONF.clear_override("backoff_most", group="reconciler")


def fail_after(store: Store, seconds: float) -> float:
    """The work fails once more, ``seconds`` after it did first; how long the next try waits."""
    since = models.now() - datetime.timedelta(seconds=seconds)
    table = models.Realization
    if row(store).failing_since:
        store.transact(lambda tx: tx.execute(sa.update(table).values(failing_since=since)))
    store.failed(claimed(store), "Pod p1: no")
    return float((row(store).next_try_at - models.now()).total_seconds())  # type: ignore[operator]


def test_failures_wait_longer_and_longer(store: Store, slowly: None) -> None:
    ensure(store)
    assert 7 < fail_after(store, 0) <= 10
    assert row(store).last_error == "Pod p1: no"
    assert 22 < fail_after(store, 30) <= 31
    assert 70 < fail_after(store, 500) <= 100
    assert store.due(POD, 10) == []
    since = row(store).failing_since
    store.hurry(POD)
    assert len(store.due(POD, 10)) == 1
    store.failed(claimed(store), "again")
    assert row(store).failing_since == since
    store.realized(claimed(store), "there")
    assert row(store).failing_since is row(store).last_error is None


def test_what_was_tried_often_at_first_does_not_wait_the_longest(
    store: Store, slowly: None
) -> None:
    ensure(store)
    for _ in range(20):
        store.failed(claimed(store), "Pod p1: in use", delay=0)
    assert row(store).attempts == 20
    assert fail_after(store, 12) < 13


def test_what_is_not_wanted_any_more_begins_anew(store: Store, slowly: None) -> None:
    ensure(store)
    fail_after(store, 0)
    fail_after(store, 500)
    change(store, realizations.retire)
    assert fail_after(store, 0) <= 10


def test_only_some_are_hurried(store: Store, slowly: None) -> None:
    ensure(store)
    store.failed(claimed(store), "Pod p1: no")
    store.hurry(POD, [Key("network", "another")])
    store.hurry(POD, [])
    assert store.due(POD, 10) == []
    store.hurry(POD, [KEY])
    assert len(store.due(POD, 10)) == 1


def test_gone(store: Store) -> None:
    ensure(store)
    store.realized(claimed(store), "there")
    assert change(store, realizations.retire) == 1
    assert change(store, realizations.touch) == 0
    assert store.gone(claimed(store)) is True
    assert store.get(KEY, POD) is None


def test_wanted_again_during_the_removal(store: Store) -> None:
    ensure(store)
    store.realized(claimed(store), "there")
    change(store, realizations.retire)
    working = claimed(store)
    assert ensure(store) is True
    assert store.gone(working) is False
    after = row(store)
    assert (after.absent, after.pod_resource_id, after.realized_revision) == (False, None, None)
    assert len(store.due(POD, 10)) == 1


def test_lookups(store: Store) -> None:
    ensure(store)
    ensure(store, Key("network", "n2"))
    store.realized(claimed(store), "there")
    assert store.mapped("network", ["n1", "n2"], POD) == {"n1": "there"}
    assert store.wanted("network", ["n1", "n2", "n3"], POD) == {"n1", "n2"}
    assert store.mapped("network", [], POD) == {}
    store.forget_pod(POD)
    assert store.wanted("network", ["n1", "n2"], POD) == set()


def test_what_is_right(store: Store) -> None:
    other = Key("subnet", "n1")
    ensure(store)
    assert store.right([KEY, other], POD) == set()
    store.realized(claimed(store), "there")
    ensure(store, other)
    assert store.right([KEY, other], POD) == {KEY}
    assert store.right([KEY], "another") == store.right([], POD) == set()
    change(store, realizations.touch)
    assert store.right([KEY], POD) == set()
    change(store, realizations.retire)
    assert store.right([KEY], POD) == set()
