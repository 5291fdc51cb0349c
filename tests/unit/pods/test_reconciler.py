# SPDX-License-Identifier: Apache-2.0
"""The reconcile loop: each row ends as its reconciler says, and no row holds up another."""

from collections.abc import Callable, Mapping

import pytest

from tricircle.conf import CONF
from tricircle.db import realizations
from tricircle.db.outcomes import Gone, Outcome, Realized, Requeue
from tricircle.db.realizations import Key, Row
from tricircle.db.work_queue import WorkQueue, own_queue
from tricircle.pods.deadline import Deadline
from tricircle.pods.errors import PodRefused, PodUnreachable
from tricircle.pods.pod import Pod
from tricircle.pods.reconciler import NotYet, Worker, requeue

POD = Pod("p", "Pod1", "az1")
Work = Callable[[], Outcome]


class Known:
    """Reconciles rows of two services as it is told to, by their ids."""

    kinds: Mapping[str, str] = {"flavor": "compute", "volume_type": "volume"}

    def __init__(self, **work: Work) -> None:
        self.work = work
        self.deadlines: list[float] = []

    def reconcile(self, pod: Pod, row: Row, deadline: Deadline) -> Outcome:
        self.deadlines.append(deadline.remaining("a test"))
        return self.work[row.resource_id]()


def fails(error: Exception) -> Work:
    def work() -> Outcome:
        raise error

    return work


def want(queue: WorkQueue, *ids: str, kind: str = "flavor") -> None:
    for one in ids:
        key = Key(kind, one)
        queue.transact(lambda tx, k=key: realizations.ensure(tx, queue.table, k, POD.id, None))


def row(queue: WorkQueue, one: str, kind: str = "flavor") -> Row:
    found = queue.get(Key(kind, one), POD.id)
    assert found is not None
    return found


def test_each_row_ends_by_itself(db: None) -> None:
    queue = own_queue()
    want(queue, "right", "waits", "refused", "broken", "last")
    known = Known(
        right=lambda: Realized("there"),
        waits=lambda: Requeue(30),
        refused=fails(PodRefused("Pod1", 400, "no")),
        broken=fails(ZeroDivisionError("a mistake of ours")),
        last=lambda: Realized("there, too"),
    )
    assert Worker(queue, [known]).run(POD) == 3
    assert [row(queue, one).pod_resource_id for one in ("right", "last")] == ["there", "there, too"]
    assert row(queue, "right").next_try_at is None
    assert (row(queue, "waits").last_error, row(queue, "waits").attempts) == (None, 0)
    assert row(queue, "refused").last_error == "Pod Pod1: no (HTTP 400)"
    assert row(queue, "broken").last_error == "Pod Pod1: ZeroDivisionError: a mistake of ours"
    assert all(row(queue, one).claimed_by is None for one in known.work)
    assert max(known.deadlines) < CONF.reconciler.claim_seconds
    assert Worker(queue, [known]).run(POD) == 0


def test_what_is_gone_is_forgotten_unless_it_is_wanted_again(db: None) -> None:
    queue = own_queue()
    want(queue, "a", "b")
    for key in (Key("flavor", "a"), Key("flavor", "b")):
        queue.transact(lambda tx, k=key: realizations.retire(tx, queue.table, k))

    def wanted_again() -> Outcome:
        want(queue, "b")
        return Gone()

    Worker(queue, [Known(a=Gone, b=wanted_again)]).run(POD)
    assert queue.get(Key("flavor", "a"), POD.id) is None
    assert not row(queue, "b").absent
    assert row(queue, "b").next_try_at is not None


def test_only_services_that_answer_are_worked_on(db: None) -> None:
    queue = own_queue()
    want(queue, "f")
    want(queue, "v", kind="volume_type")
    worker = Worker(queue, [Known(f=lambda: Realized("f"), v=lambda: Realized("v"))])
    assert worker.run(POD, {"volume"}) == 1
    assert row(queue, "f").pod_resource_id is None
    assert worker.run(POD) == 1


@pytest.mark.parametrize(
    ("error", "absent", "most"),
    [
        (NotYet("its network first"), False, 0.5),
        (PodRefused("Pod1", 409, "in use"), True, 0.5),
        (PodUnreachable("Pod1", "nobody there"), False, 16.0),
        (PodRefused("Pod1", 409, "in use"), False, None),
        (KeyError("a mistake"), False, None),
    ],
)
def test_when_it_is_tried_again(
    db: None, error: Exception, absent: bool, most: float | None
) -> None:
    queue = own_queue()
    want(queue, "f")
    found = row(queue, "f")
    found.absent = absent
    after = requeue(POD, found, error).after
    assert (after is None) == (most is None)
    assert after is None or most is None or after <= most
