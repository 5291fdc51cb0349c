# SPDX-License-Identifier: Apache-2.0
"""May a service of a pod be used? The one rule of it, for every process.

A pod's service (compute, network, volume) is down once a probe of it was refused, or once [pods]
probe_failures probes in a row had no answer in time while it answered nothing else either: slow is
not gone. Any answer to anybody proves that it lives. What was found is believed for some probes
only: after that, whoever probes is away.
"""

import dataclasses
import datetime
from collections.abc import Callable, Mapping
from typing import Any, Self

from tricircle.conf import CONF
from tricircle.db.models import now
from tricircle.pods.breaker import Breakers
from tricircle.pods.errors import PodTimeout, PodUnreachable
from tricircle.pods.pod import DOWN, OPTIONAL, UNKNOWN, UP, Pod

# What was found is believed until this many more probes should have been made.
_PROBES = 5

Moment = datetime.datetime


@dataclasses.dataclass(frozen=True, slots=True)
class Health:
    """What is known of one service of a pod, as ``models.Pod.services`` keeps it.

    ``misses`` are the probes in a row that had no answer in time, ``error`` tells operators what
    went wrong last, ``latency_ms`` is that of the last probe if it was answered, ``found_at`` (UTC,
    no zone) is since when nothing else is known.
    """

    state: str = UNKNOWN
    misses: int = 0
    error: str = ""
    latency_ms: float | None = None
    found_at: Moment | None = None

    @classmethod
    def read(cls, stored: Mapping[str, Any] | None) -> Self:
        if not stored:
            return cls()
        found_at = datetime.datetime.fromisoformat(stored["found_at"])
        return cls(**{**stored, "found_at": found_at})

    def stored(self) -> dict[str, Any]:
        assert self.found_at is not None
        return {**dataclasses.asdict(self), "found_at": self.found_at.isoformat()}

    def is_believed(self, moment: Moment) -> bool:
        if self.found_at is None:
            return False
        # A pod whose probe goes on still is not probed anew.
        each = max(CONF.pods.probe_interval, CONF.pods.probe_deadline)
        seconds = _PROBES * each + CONF.pods.probe_deadline
        return (moment - self.found_at).total_seconds() < seconds


def answered(moment: Moment, latency_ms: float | None = None) -> Health:
    """The health of a service that answered."""
    return Health(UP, latency_ms=latency_ms, found_at=moment)


def failed(
    before: Health,
    error: PodUnreachable,
    began: Moment,
    ended: Moment,
    last_answer: Moment | None = None,
) -> Health:
    """The health of a service after a probe of it failed.

    ``last_answer`` is when the service answered anything at all in this process.
    """
    if before.state == UP and not before.misses and before.found_at and before.found_at > began:
        return before  # another process had an answer meanwhile
    if not isinstance(error, PodTimeout):
        return Health(DOWN, error=error.detail, found_at=ended)
    if last_answer is not None and last_answer >= began:
        return answered(ended)
    known = before if before.is_believed(began) else Health()
    heard = last_answer is not None and known.found_at is not None and last_answer > known.found_at
    misses = 1 if heard else known.misses + 1
    down = misses >= CONF.pods.probe_failures or (known.state == DOWN and not heard)
    state = DOWN if down else UP if heard else known.state
    # What is answered after it began proves life.
    return Health(state, misses, error.detail, found_at=began)


def heard(before: Health, last_answer: Moment) -> Health:
    """The health of a service that answered something at a moment."""
    if before.found_at is None or before.found_at >= last_answer:
        return before
    return answered(last_answer) if before.misses or before.state == DOWN else before


def summary(services: Mapping[str, Health]) -> dict[str, Any]:
    """The columns ``health``, ``last_error`` and ``latency_ms`` of a whole pod: that of its
    worst service. Only services that every pod has make it down.
    """
    required = [health for name, health in services.items() if name not in OPTIONAL]
    states = {health.state for health in required}
    state = DOWN if DOWN in states else UP if states == {UP} else UNKNOWN
    latencies = [health.latency_ms for health in required]
    slowest = None if None in latencies else max(filter(None, latencies), default=None)
    errors = [health.error for health in services.values() if health.error]
    return {"health": state, "last_error": "; ".join(errors), "latency_ms": slowest}


class Availability:
    """The rule, with what this process itself knows of the pods. Thread-safe, never blocks."""

    def __init__(self, breakers: Breakers, clock: Callable[[], Moment] = now) -> None:
        self._breakers, self._clock = breakers, clock

    def is_down(self, pod: Pod, service: str) -> bool:
        """Whether a service was found down, and has answered nothing here since."""
        stored = pod.services.get(service)
        if stored is None or stored["state"] != DOWN:
            return False
        health, moment = Health.read(stored), self._clock()
        if health.found_at is None or not health.is_believed(moment):
            return False
        age = (moment - health.found_at).total_seconds()
        return age <= self._breakers[pod.id, service].silence

    def is_away(self, pod: Pod, service: str) -> bool:
        """Whether there is no use in asking a service now: down, or left alone after failures."""
        return self.is_down(pod, service) or self._breakers[pod.id, service].resting

    def take_up(self, pod: Pod, service: str) -> None:
        """Leave a service alone no longer if somebody found it up after it failed here."""
        stored = pod.services.get(service)
        if stored is None or stored["state"] != UP:
            return
        health = Health.read(stored)
        if health.found_at is not None:
            age = (self._clock() - health.found_at).total_seconds()
            self._breakers[pod.id, service].told(stored["found_at"], age)

    def last_answer(self, pod: Pod, service: str) -> Moment | None:
        """When a service answered anything at all in this process."""
        silence = self._breakers[pod.id, service].silence
        if silence == float("inf"):
            return None
        return self._clock() - datetime.timedelta(seconds=silence)


def down(pod: Pod, service: str) -> PodUnreachable:
    """The error for a service that is down."""
    why = Health.read(pod.services.get(service)).error.rstrip(".")
    return PodUnreachable(pod.region_name, f"its {service} service is down ({why}).")
