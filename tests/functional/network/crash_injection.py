# SPDX-License-Identifier: Apache-2.0
"""Ends whoever works, as if the process were killed, after any call or write."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.functional.network.snapshots import Snapshot
from tests.functional.network.stage import Stage
from tricircle.db.work_queue import WorkQueue
from tricircle.network.pod_api.neutron_client import PodNeutron


class Dies(BaseException):
    """The process ends here: nothing after this line is done."""


class Killer:
    """Kills after the n-th call to a pod or write of a row, counted from zero."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._after: Callable[[], None] | None = None
        for cls, name in (
            (PodNeutron, "_call"),
            (WorkQueue, "claim_all"),
            (WorkQueue, "created"),
            (WorkQueue, "realized"),
            (WorkQueue, "gone"),
            (WorkQueue, "release"),
        ):
            monkeypatch.setattr(cls, name, self._wrapped(getattr(cls, name)))

    def _wrapped(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **more: Any) -> Any:
            result = function(*args, **more)
            if self._after is not None:
                self._after()
            return result

        return call

    def dies(self, step: int, work: Callable[[], object]) -> bool:
        """Whether the work died at that step, counted from zero; False: it ended before."""
        left = step

        def after() -> None:
            nonlocal left
            if left == 0:
                raise Dies
            left -= 1

        try:
            self._do(work, after)
        except Dies:
            return True
        return False

    def deaths(
        self, stage: Stage, work: Callable[[], object], every: int = 1, least: int = 0
    ) -> Iterator[int]:
        """Give, for each ``every``-th step of the work, the world in which whoever did it died
        there, and at last the one in which nobody did; what is given is the step.

        It is done once: worlds are put back. It must take more than ``least`` steps.
        """
        steps, moments = 0, dict[int, Snapshot]()

        def after() -> None:
            nonlocal steps
            if steps % every == 0:
                moments[steps] = Snapshot(stage)
            steps += 1

        self._do(work, after)
        assert steps > least
        moments[steps] = Snapshot(stage)
        for step in list(moments):
            moments.pop(step).restore()
            print(f"whoever worked died at step {step} of {steps}")  # seen where a test fails
            yield step

    def _do(self, work: Callable[[], object], after: Callable[[], None]) -> None:
        self._after = after
        try:
            work()
        finally:
            self._after = None
