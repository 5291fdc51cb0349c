# SPDX-License-Identifier: Apache-2.0
"""When a service of a pod counts as down: slow is not gone."""

import datetime
from collections.abc import Iterator

import pytest

from tricircle.conf import CONF
from tricircle.pods import availability
from tricircle.pods.availability import Availability, Health
from tricircle.pods.breaker import Breaker, Breakers
from tricircle.pods.errors import PodError, PodTimeout, PodUnreachable
from tricircle.pods.pod import DOWN, UNKNOWN, UP, Pod

LATE = PodTimeout("Pod1", "its compute API did not answer within 5 s")
REFUSED = PodUnreachable("Pod1", "its compute API: no connection (Connection refused)")


@pytest.fixture(autouse=True)
def settings() -> Iterator[None]:
    CONF.set_override("probe_interval", 5, group="pods")
    CONF.set_override("probe_deadline", 5, group="pods")
    CONF.set_override("probe_failures", 3, group="pods")
    yield
    for name in ("probe_interval", "probe_deadline", "probe_failures"):
        CONF.clear_override(name, group="pods")


class World:
    """One service of a pod, seen from one process, and a clock that the test moves."""

    def __init__(self) -> None:
        self.seconds = 1000.0
        self.health = Health()
        self.breakers = Breakers()
        self.breaker = Breaker(lambda: self.seconds)
        self.breakers._breakers["p1", "compute"] = self.breaker
        self.availability = Availability(self.breakers, self.now)

    def now(self) -> datetime.datetime:
        return datetime.datetime(2026, 1, 1) + datetime.timedelta(seconds=self.seconds)

    @property
    def pod(self) -> Pod:
        stored = {"compute": self.health.stored()} if self.health.found_at else {}
        return Pod("p1", "Pod1", "az1", services=stored)

    @property
    def is_down(self) -> bool:
        return self.availability.is_down(self.pod, "compute")

    def probe(
        self, found: PodUnreachable | None, took: float = 5, answer: int | None = None
    ) -> str:
        """A probe ends; meanwhile this process may have had an ``answer``. The state then."""
        began = self.now()
        if answer is not None:
            self.seconds += took / 2
            self.breaker.answered(answer)
            took /= 2
        self.seconds += took
        if found is None:
            self.health = availability.answered(self.now())
        else:
            last = self.availability.last_answer(self.pod, "compute")
            self.health = availability.failed(self.health, found, began, self.now(), last)
        return self.health.state


@pytest.fixture
def world() -> World:
    return World()


def test_one_late_probe_or_two_are_forgiven_three_in_a_row_are_not(world: World) -> None:
    world.probe(None)
    assert [world.probe(LATE) for _ in range(2)] == [UP, UP]
    assert not world.is_down
    assert world.probe(LATE) == DOWN
    assert world.is_down


def test_an_answered_probe_between_starts_the_count_anew(world: World) -> None:
    for _ in range(4):
        assert [world.probe(found) for found in (None, LATE, LATE)] == [UP, UP, UP]


@pytest.mark.parametrize("answer", [200, 202, 404, 409, 501])
def test_any_answer_to_a_user_proves_that_it_lives(world: World, answer: int) -> None:
    world.probe(None)
    for _ in range(10):
        assert world.probe(LATE, answer=answer) == UP
    assert world.health.misses == 0


@pytest.mark.parametrize("answer", [500, 502, 503, 504])
def test_what_a_proxy_says_or_a_service_without_database_proves_nothing(
    world: World, answer: int
) -> None:
    world.probe(None)
    assert [world.probe(LATE, answer=answer) for _ in range(3)] == [UP, UP, DOWN]
    assert world.is_down


def test_an_answer_between_two_probes_starts_the_count_anew(world: World) -> None:
    world.probe(None)
    for _ in range(2):
        world.probe(LATE)
    world.seconds += 1
    world.breaker.answered(200)
    world.seconds += 1
    assert [world.probe(LATE) for _ in range(3)] == [UP, UP, DOWN]


def test_a_refused_connection_counts_at_once(world: World) -> None:
    world.probe(None)
    assert world.probe(REFUSED, took=0.1) == DOWN
    assert world.is_down
    # A late answer is no reason to think that it is back.
    assert world.probe(LATE) == DOWN
    assert world.probe(None) == UP


def test_one_that_is_down_is_back_with_its_first_answer_to_anybody(world: World) -> None:
    world.probe(REFUSED)
    world.seconds += 1
    world.breaker.answered(200)
    assert not world.is_down, "in this process, at once"
    told = availability.heard(world.health, world.now())
    assert told.state == UP, "in the others, as soon as they are told"
    world.health = told
    assert world.probe(LATE) == UP


def test_an_answer_from_before_proves_nothing(world: World) -> None:
    world.breaker.answered(200)
    world.seconds += 1
    answered_at = world.now()
    world.seconds += 1
    world.probe(REFUSED)
    assert world.is_down
    assert availability.heard(world.health, answered_at) is world.health


def test_what_is_well_is_not_written_again(world: World) -> None:
    world.probe(None)
    world.seconds += 1
    assert availability.heard(world.health, world.now()) is world.health


def test_what_was_found_long_ago_is_not_believed(world: World) -> None:
    """Whoever probes has been away: nothing is down after a restart until it is found so."""
    for _ in range(3):
        world.probe(LATE)
    assert world.is_down
    world.seconds += 5 * 5 + 5 + 1
    assert not world.is_down
    # Old time-outs do not count either.
    assert world.probe(LATE) == UNKNOWN
    assert not world.is_down


def test_one_that_stays_silent_stays_down_between_probes(world: World) -> None:
    """However long a probe lasts beside the time between two."""
    CONF.set_override("probe_interval", 0.2, group="pods")
    for _ in range(3):
        world.probe(LATE)
    for _ in range(5):
        world.seconds += 4.9
        assert world.is_down, "while the next probe goes on"
        world.seconds -= 4.9
        assert world.probe(LATE) == DOWN


def test_what_another_process_found_meanwhile_stands(world: World) -> None:
    began = world.now()
    world.probe(None)
    world.seconds += 1
    for error in (LATE, REFUSED):
        assert availability.failed(world.health, error, began, world.now()) is world.health


def test_each_service_is_judged_by_itself(world: World) -> None:
    world.probe(REFUSED)
    assert world.availability.is_down(world.pod, "compute")
    for service in ("network", "volume"):
        assert not world.availability.is_away(world.pod, service)


def test_one_left_alone_after_failures_is_away_and_not_down(world: World) -> None:
    for _ in range(CONF.pods.breaker_failures):
        world.breaker.failure()
    assert world.availability.is_away(world.pod, "compute")
    assert not world.is_down


def test_one_left_alone_is_taken_up_once_another_process_finds_it_up(world: World) -> None:
    for _ in range(CONF.pods.breaker_failures):
        world.breaker.failure()
    world.seconds += 1
    world.availability.take_up(world.pod, "compute")
    assert world.breaker.open, "nobody has looked"
    world.health = Health(DOWN, found_at=world.now())
    world.availability.take_up(world.pod, "compute")
    assert world.breaker.open, "it is down"
    world.health = availability.answered(world.now())
    world.availability.take_up(world.pod, "compute")
    assert not world.breaker.open


def test_a_pod_is_as_its_worst_service_is() -> None:
    moment = datetime.datetime(2026, 1, 1)
    well, slow = availability.answered(moment, 7.0), availability.answered(moment, 11.0)
    gone = Health(DOWN, error="gone", found_at=moment)
    found = availability.summary({"compute": well, "network": slow, "volume": well})
    assert found == {"health": UP, "last_error": "", "latency_ms": 11.0}
    found = availability.summary({"compute": well, "network": gone, "volume": well})
    assert found == {"health": DOWN, "last_error": "gone", "latency_ms": None}
    found = availability.summary({"compute": well, "network": well, "volume": gone})
    assert found == {"health": UP, "last_error": "gone", "latency_ms": 7.0}
    assert availability.summary({})["health"] == UNKNOWN


def test_what_is_kept_is_read_back(world: World) -> None:
    world.probe(LATE)
    assert Health.read(world.health.stored()) == world.health
    assert Health.read(None) == Health()


def test_who_is_refused_learns_which_service_is_down(world: World) -> None:
    world.probe(REFUSED)
    error: PodError = availability.down(world.pod, "compute")
    assert str(error) == (
        "Pod Pod1: its compute service is down (its compute API: no connection "
        "(Connection refused))."
    )
