# SPDX-License-Identifier: Apache-2.0
"""No pod holds more than a share of the threads in which central Neutron serves its users.

A thread that is to wait for a pod takes one of the pod's places. When all are taken it waits for
one, as long as the pod answers; once the pod has been silent for longer than it usually takes, all
who wait are told so and go, and who comes after them is told at once. A pod whose calls failed
again and again is asked by a thread of its own whether it is back: no request waits for that.
"""

import contextlib
import importlib
import threading
import time
from collections.abc import Callable, Iterator

from oslo_log import log

from tricircle.conf import CONF
from tricircle.pods.breaker import Breaker
from tricircle.pods.deadline import DeadlinePassed
from tricircle.pods.errors import PodError, PodNotAsked

LOG = log.getLogger(__name__)

# Of a process that does not tell how many threads it has.
_PLACES = 4
# Seconds of silence that mean nothing, and how many of a pod's slow answers do not.
_SILENCE, _SLOW = 2.0, 4.0


class Bulkhead:
    """One pod's, in this process. Thread-safe.

    ``breaker`` is that of the calls made inside. ``look`` asks the pod whether it is back, and
    raises PodError or DeadlinePassed.
    """

    def __init__(
        self,
        region: str,
        breaker: Breaker,
        look: Callable[[], object],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._region, self._breaker, self._look, self._clock = region, breaker, look, clock
        self._places = places()
        self._changed = threading.Condition()
        self._inside: dict[int, float] = {}
        self._looking = False

    @contextlib.contextmanager
    def place(self) -> Iterator[None]:
        """The thread waits for the pod inside. Raises PodNotAsked, at once or after a moment."""
        mine = threading.get_ident()
        if mine in self._inside:
            yield  # One thread needs one place, however many things it asks.
            return
        self._enter(mine)
        try:
            yield
        finally:
            with self._changed:
                del self._inside[mine]
                self._changed.notify()

    def _enter(self, mine: int) -> None:
        with self._changed:
            while True:
                if self._breaker.open:
                    self._look_again()
                    raise self._refusal("failed repeatedly and is left alone for a moment")
                if len(self._inside) < self._places:
                    break
                if (left := self._patience - self._silence) <= 0:
                    number = len(self._inside)
                    raise self._refusal(f"does not answer, and {number} requests wait for it")
                self._changed.wait(left)
            self._inside[mine] = self._clock()

    @property
    def _patience(self) -> float:
        """Seconds of silence after which the pod counts as one that does not answer."""
        usual = max(_SILENCE, _SLOW * self._breaker.slowest)
        return min(usual, float(CONF.reconciler.bind_call_deadline))

    @property
    def _silence(self) -> float:
        """Seconds for which it has answered nothing, though somebody waited."""
        return min(self._breaker.silence, self._clock() - min(self._inside.values()))

    def _refusal(self, why: str) -> PodNotAsked:
        return PodNotAsked(self._region, f"its Neutron {why}")

    def _look_again(self) -> None:
        if self._looking or self._breaker.resting:
            return
        self._looking = True
        name = f"{self._region}-back"
        threading.Thread(target=self._look_once, name=name, daemon=True).start()

    def _look_once(self) -> None:
        try:
            self._look()
        except (PodError, DeadlinePassed) as error:
            LOG.info("%s", error)
        except Exception:
            LOG.exception("Whether pod %s is back is not known", self._region)
        finally:
            self._looking = False


class Bulkheads:
    """Those of a process, by pod. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[str, Bulkhead] = {}

    def of(self, pod_id: str, make: Callable[[], Bulkhead]) -> Bulkhead:
        with self._lock:
            if (known := self._known.get(pod_id)) is None:
                known = self._known[pod_id] = make()
            return known


def places() -> int:
    """How many threads of this process may wait for one pod at the same time."""
    given: int = CONF.reconciler.request_threads_per_pod
    return given or max(1, _threads() // 2)


def _threads() -> int:
    """How many the process has to serve requests; twice _PLACES where it does not tell."""
    try:
        uwsgi = importlib.import_module("uwsgi")  # Only there inside of uWSGI.
    except ImportError:
        return 2 * _PLACES
    return int(uwsgi.opt.get("threads", 1))
