# SPDX-License-Identifier: Apache-2.0
"""The store of realizations: who works on what, and what is dirty."""

import datetime
import threading

import pytest
import sqlalchemy as sa

from tricircle.conf import CONF
from tricircle.db import models, realizations, session
from tricircle.db.realizations import Key, Row, Store

KEY, POD = Key("network", "n1"), "p1"


@pytest.fixture
def store(db: None) -> Store:
    return Store(models.Realization, session.write)


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
    past = models.now() - datetime.timedelta(seconds=1)
    store.transact(lambda tx: tx.execute(sa.update(models.Realization).values(claimed_until=past)))
    second = claimed(store)
    assert second.attempts == 2
    # The one whose claim ran out can do no harm.
    assert store.realized(first, "x") is False
    assert store.failed(first, "late") is False
    assert store.realized(second, "there") is True
    assert row(store).pod_resource_id == "there"


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


def test_failures_wait_longer_and_longer(store: Store) -> None:
    CONF.set_override("backoff_first", 10, group="reconciler")
    CONF.set_override("backoff_most", 100, group="reconciler")
    try:
        ensure(store)
        waits = []
        for _ in range(6):
            store.failed(claimed(store), "Pod p1: no")
            waits.append((row(store).next_try_at - models.now()).total_seconds())  # type: ignore[operator]
        assert row(store).last_error == "Pod p1: no"
        assert 7 < waits[0] <= 10
        assert 14 < waits[1] <= 20
        assert 70 < waits[5] <= 100
        assert store.due(POD, 10) == []
        since = row(store).failing_since
        store.hurry(POD)
        assert len(store.due(POD, 10)) == 1
        store.failed(claimed(store), "again")
        assert row(store).failing_since == since
        store.realized(claimed(store), "there")
        assert row(store).failing_since is row(store).last_error is None
    finally:
        CONF.clear_override("backoff_first", group="reconciler")
        CONF.clear_override("backoff_most", group="reconciler")


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
