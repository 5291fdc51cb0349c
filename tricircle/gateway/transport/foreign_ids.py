# SPDX-License-Identifier: Apache-2.0
"""Ids of projects and users turned in what a call asks of a pod with a Keystone of its own."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from tricircle.gateway.threads import in_thread
from tricircle.pods.access.ids import Ids, Sent, Told
from tricircle.pods.access.own_keystone import digest

# Letters of ids that Keystone makes.
_LENGTHS = (32, 64)


class ForeignIds:
    """Turns one request to a pod, and its answer."""

    def __init__(self, ids: Ids, region: str, key_suffix: str = "") -> None:
        """``key_suffix`` is what names of the caller's keypairs end with there."""
        self._ids, self._region, self._key_suffix = ids, region, key_suffix
        # What the pod was told instead of ids that mean nothing there.
        self._invented: dict[str, str] = {}

    async def inward(
        self, path: str, query: str | Mapping[str, Any] | None, body: Any
    ) -> tuple[str, str, bytes | None]:
        """What is sent. An id that means nothing in the pod becomes one that nobody has there, so
        that the pod answers as it does of a stranger's, and is told none of ours.
        """
        if query is not None and not isinstance(query, str):
            query = urlencode(query)
        sent = Sent(path, query or "", body)
        known, missing = self._ids.inside(sent.ids())
        if missing:
            known |= await in_thread(self._ids.look_inside, missing)
        sent.turn(lambda one: known.get(one) or self.stranger(one))
        if self._key_suffix:
            sent.mark_keys(self._key_suffix)
        return sent.path, sent.query, sent.body

    def stranger(self, one: str) -> str:
        """What the pod is told instead of an id that means nothing there."""
        if len(one) not in _LENGTHS:
            return one
        made = digest(self._region, "nobody", one)
        self._invented[made] = one
        return made

    async def outward(self, status: int, body: bytes, location: str) -> Told:
        """What was answered, with our ids."""
        told = Told(status, body, location)
        if self._key_suffix:
            told.unmark_keys()
        known, missing = self._ids.outside(told.ids())
        known |= self._invented
        missing -= known.keys()
        if missing:
            known |= await in_thread(self._ids.look_outside, missing)
        return told.turn(lambda one: known.get(one, one))
