# SPDX-License-Identifier: Apache-2.0
"""The pods, kept in memory so that no request waits for the database to know them."""

import threading
import time
from typing import Self

from tricircle.conf import CONF
from tricircle.db import pods
from tricircle.pods.pod import Pod


class Registry:
    """A snapshot of all pods, by region name. Empty until the first ``refresh()``.

    ``all``, ``get`` and ``by_region`` never block; a snapshot is replaced whole, so threads and
    the event loop may read it at any time.
    """

    def __init__(self) -> None:
        self._pods: tuple[Pod, ...] = ()
        self._by_id: dict[str, Pod] = {}
        self._read_at = float("-inf")
        self._lock = threading.Lock()

    def all(self) -> list[Pod]:
        return list(self._pods)

    def get(self, pod_id: str) -> Pod | None:
        return self._by_id.get(pod_id)

    def by_region(self, region_name: str) -> Pod | None:
        return next((pod for pod in self._pods if pod.region_name == region_name), None)

    def refresh(self) -> None:
        """Read the pods anew. Blocks. Raises oslo_db's DBError; the old snapshot then stays."""
        with self._lock:
            self._read()

    def fresh(self) -> Self:
        """Read the pods anew if the snapshot is older than [pods] cache_seconds. Blocks."""
        if self._stale():
            with self._lock:
                # Of many that find it old at once, the first reads for all.
                if self._stale():
                    self._read()
        return self

    def _stale(self) -> bool:
        return time.monotonic() - self._read_at > CONF.pods.cache_seconds

    def _read(self) -> None:
        began = time.monotonic()
        self.replace([Pod.from_row(row) for row in pods.list_all()])
        self._read_at = began

    def replace(self, found: list[Pod]) -> None:
        """Take these pods as the snapshot."""
        self._pods, self._by_id = tuple(found), {pod.id: pod for pod in found}
