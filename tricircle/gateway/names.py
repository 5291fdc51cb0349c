# SPDX-License-Identifier: Apache-2.0
"""Ids that definitions have in a pod where those are not the ids users know.

Cinder makes the ids of volume types, group types and QoS specs itself. Users know them by the id
of the first pod that had them; wherever such an id occurs in what is sent to another pod it is
turned to the pod's own, and back in what comes from there.
"""

import re
import time
from collections.abc import Mapping

from tricircle.db import definitions as store
from tricircle.gateway.threads import in_thread
from tricircle.pods import definitions

_UUID = re.compile(rb"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
# Seconds that ids are believed; changes of this process are seen at once.
_BELIEVED = 1.0


class Translation:
    """Between users and one pod; ``inside`` is {id users know: id there}."""

    def __init__(self, inside: Mapping[str, str]) -> None:
        self.inside = inside
        self._inward = {key.encode(): there.encode() for key, there in inside.items()}
        self._outward = {there: key for key, there in self._inward.items()}

    def inward(self, text: bytes) -> bytes:
        """A path, a query or a body for the pod."""
        return _UUID.sub(lambda found: self._inward.get(found[0], found[0]), text)

    def outward(self, text: bytes) -> bytes:
        """A body from the pod."""
        return _UUID.sub(lambda found: self._outward.get(found[0], found[0]), text)


class Names:
    """The translations of all pods, read from the database."""

    def __init__(self) -> None:
        self._read_at = float("-inf")
        self._by_pod: dict[str, Translation] = {}

    async def of(self, pod_id: str) -> Translation | None:
        """The translation for a pod; None where nothing differs."""
        if time.monotonic() - self._read_at > _BELIEVED:
            found = await in_thread(store.names, definitions.NAMED)
            self._by_pod = {pod: Translation(names) for pod, names in found.items()}
            self._read_at = time.monotonic()
        return self._by_pod.get(pod_id)

    def forget(self) -> None:
        """Something has changed."""
        self._read_at = float("-inf")
