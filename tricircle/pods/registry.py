# SPDX-License-Identifier: Apache-2.0
"""The pods, kept in memory so that no request waits for the database to know them."""

import threading
import time
from typing import Self

from oslo_log import log as logging

from tricircle.conf import CONF
from tricircle.db import pods
from tricircle.pods.pod import Pod
from tricircle.pods.versions import CHOSEN, Range, common

LOG = logging.getLogger(__name__)


class Registry:
    """A snapshot of all pods, by region name. Empty until the first ``refresh()``.

    ``all``, ``get``, ``by_region`` and ``offered`` never block; a snapshot is replaced whole, so
    threads and the event loop may read it at any time.
    """

    def __init__(self) -> None:
        self._pods: tuple[Pod, ...] = ()
        self._by_id: dict[str, Pod] = {}
        self._offered: dict[str, Range | None] = {}
        self._left_out: dict[str, list[str]] = {}
        self._read_at = float("-inf")
        self._lock = threading.Lock()

    def all(self) -> list[Pod]:
        return list(self._pods)

    def get(self, pod_id: str) -> Pod | None:
        return self._by_id.get(pod_id)

    def by_region(self, region_name: str) -> Pod | None:
        return next((pod for pod in self._pods if pod.region_name == region_name), None)

    def offered(self, service: str) -> Range | None:
        """The versions of a service that all pods in use have, each as it was seen last.

        None where no pod has told any. A pod that has nothing of what those before it have is left
        out (its own prober refuses such a range, so it must have been stored otherwise).
        """
        return self._offered.get(service)

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
        for service in CHOSEN:
            self._agree(service)

    def _agree(self, service: str) -> None:
        told = [
            (pod, offered)
            for pod in self._pods
            if pod.in_use and (offered := pod.offers(service)) is not None
        ]
        self._offered[service] = found = common(offered for _, offered in told)
        odd = [
            f"{pod.region_name} ({offered})"
            for pod, offered in told
            if found is not None and offered.shared(found) is None
        ]
        if odd and odd != self._left_out.get(service):
            names = ", ".join(odd)
            LOG.warning("Pods with nothing of versions %s of %s: %s", found, service, names)
        self._left_out[service] = odd
