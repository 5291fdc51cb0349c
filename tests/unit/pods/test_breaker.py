# SPDX-License-Identifier: Apache-2.0
import pytest

from tricircle.conf import CONF
from tricircle.pods.breaker import Breaker, Breakers


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


def _fail(breaker: Breaker, times: int = CONF.pods.breaker_failures) -> None:
    for _ in range(times):
        breaker.failure()


def test_opens_after_failures_in_a_row(breaker: Breaker) -> None:
    _fail(breaker, CONF.pods.breaker_failures - 1)
    assert breaker.allow()
    assert not breaker.open
    breaker.failure()
    assert breaker.open
    assert not breaker.allow()


def test_a_success_between_starts_the_count_anew(breaker: Breaker) -> None:
    _fail(breaker, CONF.pods.breaker_failures - 1)
    breaker.success()
    _fail(breaker, CONF.pods.breaker_failures - 1)
    assert breaker.allow()


def test_one_trial_after_a_while(breaker: Breaker, clock: Clock) -> None:
    _fail(breaker)
    clock.now += CONF.pods.breaker_seconds
    assert [breaker.allow() for _ in range(3)] == [True, False, False]
    breaker.success()
    assert breaker.allow()
    assert not breaker.open


def test_a_failed_trial_waits_again(breaker: Breaker, clock: Clock) -> None:
    _fail(breaker)
    clock.now += CONF.pods.breaker_seconds
    assert breaker.allow()
    clock.now += 1
    breaker.failure()
    clock.now += CONF.pods.breaker_seconds - 0.5
    assert not breaker.allow()
    clock.now += 0.5
    assert breaker.allow()


def test_what_somebody_else_found_since_ends_the_wait(breaker: Breaker, clock: Clock) -> None:
    _fail(breaker)
    clock.now += 1
    breaker.told("a probe before it failed", age=2.0)
    assert not breaker.allow()
    breaker.told("one after", age=0.5)
    assert [breaker.allow() for _ in range(3)] == [True, True, True]
    breaker.failure()
    clock.now += 1
    breaker.told("one after", age=0.5)  # by a clock that is ahead: it is the same one
    assert not breaker.allow()


def test_a_trial_that_never_reports_does_not_lock_the_pod_out(
    breaker: Breaker, clock: Clock
) -> None:
    _fail(breaker)
    clock.now += CONF.pods.breaker_seconds
    assert breaker.allow()
    clock.now += CONF.pods.breaker_seconds
    assert breaker.allow()


def test_pods_do_not_share_one() -> None:
    breakers = Breakers()
    _fail(breakers["a", "compute"])
    assert breakers["a", "compute"] is breakers["a", "compute"]
    assert not breakers["a", "compute"].allow()
    assert breakers["b", "compute"].allow()


def test_rests_until_a_trial_is_due(breaker: Breaker, clock: Clock) -> None:
    assert not breaker.resting
    _fail(breaker)
    assert breaker.resting
    clock.now += CONF.pods.breaker_seconds
    assert breaker.open
    assert not breaker.resting
