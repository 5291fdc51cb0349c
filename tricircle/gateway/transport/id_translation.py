# SPDX-License-Identifier: Apache-2.0
"""Ids that things have in a pod where those are not the ids users know.

Cinder makes the ids of volume types, group types and QoS specs itself. Users know them by the id
of the first pod that had them, and a volume that was moved by the one it had before; wherever
such an id occurs in what is sent to another pod it is turned to the pod's own, and back in what
comes from there.
"""

import asyncio
import re
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import orjson
from oslo_db import exception as db_exc

from tricircle.db import definitions as store
from tricircle.db import image_copies, moves
from tricircle.gateway.threads import in_thread
from tricircle.pods import definitions

_UUID = re.compile(rb"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
# What is called otherwise in a pod, by the service in whose calls it occurs. A volume that was
# moved keeps the id its users know; a server's block devices and Nova's volumes name their type.
_KINDS = {
    "volume": (*definitions.NAMED, moves.KIND),
    "compute": ("volume_type", moves.KIND),
}
# Seconds that ids are believed; changes of this process are seen at once.
_BELIEVED = 1.0
# Seconds that reading them anew is waited for, where older ones are known.
_PATIENCE = 0.5
# Seconds after which they are read although nothing seems to have changed: clocks may differ.
_REREAD = 30.0


class Translation:
    """Between users and one pod; ``inside`` is {id users know: id there}, ``images`` {id there:
    image} of those that stand for images: what a request names of them is turned elsewhere.
    """

    def __init__(self, inside: Mapping[str, str], images: Mapping[str, str] | None = None) -> None:
        self.inside = inside
        self._inward = {key.encode(): there.encode() for key, there in inside.items()}
        self._outward = {there: key for key, there in self._inward.items()}
        self._outward |= {there.encode(): key.encode() for there, key in (images or {}).items()}

    def knows(self, there: str) -> bool:
        """Whether an id there stands for another that users know."""
        return there.encode() in self._outward

    def request(
        self, path: str, query: str | Mapping[str, Any] | None, body: Any
    ) -> tuple[str, str | None, bytes | None]:
        """What is sent to the pod."""
        if query is not None and not isinstance(query, str):
            query = urlencode(query)
        path = self.inward(path.encode()).decode()
        query = self.inward(query.encode()).decode() if query else query
        if body is None:
            return path, query, None
        return path, query, self.inward(body if isinstance(body, bytes) else orjson.dumps(body))

    def inward(self, text: bytes) -> bytes:
        """A path, a query or a body for the pod."""
        return _UUID.sub(lambda found: self._inward.get(found[0], found[0]), text)

    def outward(self, text: bytes) -> bytes:
        """A body from the pod."""
        return _UUID.sub(lambda found: self._outward.get(found[0], found[0]), text)


def _heed(reading: "asyncio.Task[None]") -> None:
    """Take note of an error: asyncio complains of one that nobody waited for."""
    if not reading.cancelled():
        reading.exception()


class Names:
    """The translations of all pods, read from the database; all of them only when one changed.

    There are as many as there are definitions and [gateway] followed_volumes in each pod.
    """

    def __init__(self) -> None:
        self._read_at = self._all_read_at = float("-inf")
        self._state: object = None
        self._reading: asyncio.Task[None] | None = None
        self._known: dict[tuple[str, str], Translation] = {}

    async def of(self, service: str, pod_id: str) -> Translation | None:
        """The translation for a service of a pod; None where nothing differs."""
        if service not in _KINDS:
            return None
        if time.monotonic() - self._read_at > _BELIEVED:
            # Many who come at once wait for one who reads.
            if self._reading is None:
                self._reading = asyncio.ensure_future(self._read())
                self._reading.add_done_callback(_heed)
            await self._wait(self._reading)
        return self._known.get((service, pod_id))

    async def _wait(self, reading: "asyncio.Task[None]") -> None:
        """Wait for what is being read; while the database is away, what was known is used."""
        known = self._read_at > float("-inf")
        try:
            async with asyncio.timeout(_PATIENCE if known else None):
                await asyncio.shield(reading)
        except (TimeoutError, db_exc.DBError):
            if not known:
                raise

    async def _read(self) -> None:
        this, began = asyncio.current_task(), time.monotonic()
        try:
            state = self._state if began - self._all_read_at < _REREAD else None
            state, known = await in_thread(_read, state)
            # Not what was read while something changed.
            if self._reading is this:
                self._read_at, self._state = began, state
                if known is not None:
                    self._known, self._all_read_at = known, began
        finally:
            if self._reading is this:
                self._reading = None

    def forget(self) -> None:
        """Something has changed."""
        self._read_at, self._reading, self._state = float("-inf"), None, None


def _read(known: object) -> tuple[object, dict[tuple[str, str], Translation] | None]:
    """A state of the rows, and the translations unless that is ``known``."""
    kinds = {kind for kinds in _KINDS.values() for kind in kinds}
    state = (*store.names_state(kinds), image_copies.names_state())
    return state, None if state == known else _all()


def _all() -> dict[tuple[str, str], Translation]:
    images = image_copies.names()
    found = {}
    for service, kinds in _KINDS.items():
        names = store.names(kinds)
        for pod in names.keys() | images.keys():
            found[service, pod] = Translation(names.get(pod, {}), images.get(pod))
    return found
