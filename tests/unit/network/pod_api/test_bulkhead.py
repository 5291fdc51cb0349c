# SPDX-License-Identifier: Apache-2.0
"""How many threads may wait for one pod, and when they are told that it does not answer."""

import threading
from collections.abc import Callable, Iterator

import pytest

from tricircle.conf import CONF
from tricircle.network.pod_api import bulkhead
from tricircle.network.pod_api.bulkhead import Bulkhead, Bulkheads
from tricircle.pods.breaker import Breaker
from tricircle.pods.errors import PodNotAsked, PodTimeout


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> Breaker:
    return Breaker(clock)


@pytest.fixture(autouse=True)
def two_places() -> Iterator[None]:
    CONF.set_override("request_threads_per_pod", 2, group="reconciler")
    yield
    CONF.clear_override("request_threads_per_pod", group="reconciler")


@pytest.fixture
def held(made: Bulkhead) -> Iterator[threading.Event]:
    """Two threads are inside until the event is set."""
    go, entered = threading.Event(), threading.Semaphore(0)

    def wait() -> None:
        with made.place():
            entered.release()
            go.wait()

    threads = [threading.Thread(target=wait) for _ in range(2)]
    for thread in threads:
        thread.start()
        entered.acquire()
    yield go
    go.set()
    for thread in threads:
        thread.join()


def nothing() -> None: ...


@pytest.fixture
def made(breaker: Breaker, clock: Clock) -> Bulkhead:
    return Bulkhead("pod1", breaker, nothing, clock)


def _in(made: Bulkhead) -> None:
    with made.place():
        pass


def test_who_comes_beyond_the_share_of_a_silent_pod_is_told_at_once(
    made: Bulkhead, held: threading.Event, clock: Clock
) -> None:
    clock.now += 60
    with pytest.raises(PodNotAsked, match="Neutron does not answer, and 2 requests wait for it"):
        _in(made)


def test_who_comes_beyond_the_share_waits_for_a_pod_that_answers(
    made: Bulkhead, held: threading.Event, clock: Clock, breaker: Breaker
) -> None:
    clock.now += 60
    breaker.answered(200)
    threading.Timer(0.05, held.set).start()
    _in(made)


@pytest.mark.parametrize(("seconds", "patience"), [(0.1, 2.0), (3.0, 12.0), (30.0, 15.0)])
def test_a_slow_pod_is_silent_for_longer(
    made: Bulkhead, held: threading.Event, clock: Clock, breaker: Breaker, seconds: float,
    patience: float,
) -> None:  # fmt: skip
    breaker.answered(200, seconds)
    clock.now += patience - 0.05
    threading.Timer(0.01, lambda: setattr(clock, "now", clock.now + 0.1)).start()
    with pytest.raises(PodNotAsked, match="does not answer"):
        _in(made)  # It has waited until the pod's time was over, not less.
    assert clock.now > 100 + patience


def test_a_thread_inside_needs_no_second_place(made: Bulkhead) -> None:
    with made.place(), made.place(), made.place():
        pass


def test_a_pod_that_is_left_alone_is_looked_at_by_no_request(
    breaker: Breaker, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[int] = []
    answer: list[Callable[[], None]] = [breaker.failure]

    def look() -> None:
        looks.append(threading.get_ident())
        answer[0]()
        if breaker.open:
            raise PodTimeout("pod1", "silence")

    made = Bulkhead("pod1", breaker, look, clock)
    ended = _look_ends(made, monkeypatch)
    for _ in range(CONF.pods.breaker_failures):
        breaker.failure()
    for _ in range(2):
        with pytest.raises(PodNotAsked, match="left alone"):
            _in(made)
    assert looks == []  # It is not time yet.
    for success in (False, True):
        answer[0] = breaker.success if success else breaker.failure
        clock.now += CONF.pods.breaker_seconds
        with pytest.raises(PodNotAsked, match="left alone"):
            _in(made)
        assert ended.acquire(timeout=30)
    _in(made)
    assert len(looks) == 2
    assert threading.get_ident() not in looks


def _look_ends(made: Bulkhead, monkeypatch: pytest.MonkeyPatch) -> threading.Semaphore:
    ended, look_once = threading.Semaphore(0), made._look_once

    def look() -> None:
        look_once()
        ended.release()

    monkeypatch.setattr(made, "_look_once", look)
    return ended


def test_half_of_the_threads_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    CONF.clear_override("request_threads_per_pod", group="reconciler")
    assert bulkhead.places() == 4
    for threads, share in ((1, 1), (2, 1), (8, 4)):
        monkeypatch.setattr(bulkhead, "_threads", lambda threads=threads: threads)
        assert bulkhead.places() == share


def test_a_pod_has_one(breaker: Breaker) -> None:
    known = Bulkheads()
    first = known.of("1", lambda: Bulkhead("pod1", breaker, nothing))
    assert known.of("1", lambda: Bulkhead("pod1", breaker, nothing)) is first
    assert known.of("2", lambda: Bulkhead("pod2", breaker, nothing)) is not first
