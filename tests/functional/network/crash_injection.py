# SPDX-License-Identifier: Apache-2.0
"""Ends whoever works, as if the process were killed, after any call or write."""

from collections.abc import Callable
from typing import Any

import pytest

from tricircle.db.work_queue import WorkQueue
from tricircle.network.pod_api.neutron_client import PodNeutron


class Dies(BaseException):
    """The process ends here: nothing after this line is done."""


class Killer:
    """Kills after the n-th call to a pod or write of a row, counted from zero."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.left: int | None = None
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
            if self.left is not None:
                if self.left == 0:
                    raise Dies
                self.left -= 1
            return result

        return call

    def dies(self, step: int, work: Callable[[], object]) -> bool:
        """Whether the work died at that step, counted from zero; False: it ended before."""
        self.left = step
        try:
            work()
        except Dies:
            return True
        finally:
            self.left = None
        return False
