# SPDX-License-Identifier: Apache-2.0
"""Waits for pods, each given up once its pod is found down."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

_Result = TypeVar("_Result")

# Seconds between looks at the health of the pods that are waited for.
_PAUSE = 1.0


class Waits:
    """All waits of a process. One timer looks after them: one a request would cost more."""

    def __init__(self, down: Callable[[str], bool]) -> None:
        """``down`` tells of a pod, by its id, whether it was found down."""
        self._down = down
        self._waits: dict[asyncio.Timeout, str] = {}
        self._looks: asyncio.TimerHandle | None = None

    async def wait(self, pod_id: str, answer: Coroutine[Any, Any, _Result]) -> _Result:
        """What ``answer`` gives. Raises TimeoutError once the pod is found down."""
        if self._looks is None:
            self._looks = asyncio.get_running_loop().call_later(_PAUSE, self._look)
        async with asyncio.timeout(None) as wait:
            self._waits[wait] = pod_id
            try:
                return await answer
            finally:
                self._waits.pop(wait, None)

    def _look(self) -> None:
        loop = asyncio.get_running_loop()
        found = {pod_id: self._down(pod_id) for pod_id in set(self._waits.values())}
        for wait in [wait for wait, pod_id in self._waits.items() if found[pod_id]]:
            del self._waits[wait]
            wait.reschedule(loop.time())
        self._looks = loop.call_later(_PAUSE, self._look) if self._waits else None
