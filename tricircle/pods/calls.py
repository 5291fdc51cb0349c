# SPDX-License-Identifier: Apache-2.0
"""One call to a service of a pod, as it is counted, timed and traced, whoever makes it."""

import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from tricircle.pods.errors import OF_THE_REGION, PodBroken, PodTimeout, PodUnreachable
from tricircle.telemetry import requests, tracing
from tricircle.telemetry.metrics import POD_CALL_SECONDS, POD_CALLS

# What went wrong, the special before the general.
_OUTCOMES: tuple[tuple[type[BaseException], str], ...] = (
    (PodBroken, "broken"),
    (PodTimeout, "timeout"),
    (PodUnreachable, "unreachable"),
)


class PodCall:
    """``with PodCall(region, service, method) as told:`` around a call that is sent.

    It is sent with ``told.headers``; ``told.status`` is set to that of the answer, or
    ``told.outcome`` to what became of it where the error does not tell. Counted under the pod's
    region name, or "region" where a service of the region's own is asked.
    """

    __slots__ = ("_began", "_region", "_service", "_span", "headers", "outcome", "status")

    def __init__(self, region: str, service: str, method: str) -> None:
        self._region, self._service = _label(region), service
        self.status, self.outcome = 0, ""
        self.headers: Mapping[str, str] = {}
        self._span: Any = None
        about = requests.current()
        if about is None:
            return
        if self._region not in about.pods:
            about.pods.append(self._region)
        self._span = tracing.pod_call(about, self._region, service, method)
        self.headers = about.trace if self._span is None else tracing.headers(self._span)

    def __enter__(self) -> Self:
        self._began = time.monotonic()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        outcome = f"{self.status // 100}xx" if self.status else self.outcome or _outcome(error)
        POD_CALLS.inc(self._region, self._service, outcome)
        POD_CALL_SECONDS.observe(time.monotonic() - self._began, self._region, self._service)
        if self._span is not None:
            tracing.end(self._span, self.status, outcome if not self.status else "")


def left_alone(region: str, service: str) -> None:
    """A call was not made, because such calls failed again and again."""
    POD_CALLS.inc(_label(region), service, "left_alone")


def _label(region: str) -> str:
    return "region" if region in OF_THE_REGION else region


def _outcome(error: BaseException | None) -> str:
    for kind, outcome in _OUTCOMES:
        if isinstance(error, kind):
            return outcome
    return "cancelled" if error is not None and not isinstance(error, Exception) else "unreachable"
