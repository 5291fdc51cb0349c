# SPDX-License-Identifier: Apache-2.0
"""What every process tells of the pods as it sees them."""

from collections.abc import Callable, Iterable

from tricircle.db import session
from tricircle.pods.breaker import Breakers
from tricircle.pods.pod import DOWN, UP, Pod
from tricircle.telemetry import metrics
from tricircle.telemetry.metrics import Labels

_UP = {UP: 1.0, DOWN: 0.0}


def tell(pods: Callable[[], Iterable[Pod]], breakers: Breakers) -> None:
    """Have the numbers of these pods told; ``pods()`` may block."""

    def open_breakers() -> dict[Labels, float]:
        names = {pod.id: pod.region_name for pod in pods()}
        return {
            (names[pod_id], service): float(breaker.open)
            for (pod_id, service), breaker in breakers.all().items()
            if pod_id in names
        }

    metrics.tell(metrics.POD_UP, lambda: _up(pods()))
    metrics.tell(metrics.POD_STATE, lambda: _states(pods()))
    metrics.tell(metrics.BREAKER_OPEN, open_breakers)
    metrics.tell(metrics.CONNECTIONS, session.connections)


def _up(pods: Iterable[Pod]) -> dict[Labels, float]:
    return {
        (pod.region_name, service): _UP[stored["state"]]
        for pod in pods
        for service, stored in pod.services.items()
        if stored["state"] in _UP
    }


def _states(pods: Iterable[Pod]) -> dict[Labels, float]:
    return {(pod.region_name, pod.availability_zone, pod.state): 1.0 for pod in pods}
