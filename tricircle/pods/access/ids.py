# SPDX-License-Identifier: Apache-2.0
"""Ids of projects and users in one pod, and what is sent and answered with them turned."""

import collections
import threading
from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from tricircle.db import pod_accounts
from tricircle.pods.access import documents
from tricircle.pods.access.documents import ID, Turn

# Ids that are kept in memory, of a pod: what they stand for never changes.
_MOST = 10_000
# Ids in one answer that are looked up at the most.
_MOST_IN_ONE = 20_000


class Ids:
    """What stands for what in one pod, of what was asked for lately. Thread-safe."""

    def __init__(self, pod_id: str) -> None:
        self.pod_id = pod_id
        self._inside: collections.OrderedDict[str, str] = collections.OrderedDict()
        self._outside: collections.OrderedDict[str, str] = collections.OrderedDict()
        self._lock = threading.Lock()

    def note(self, ours: str, there: str) -> None:
        """One id stands for another there."""
        self._keep(self._inside, {ours: there})
        self._keep(self._outside, {there: ours})

    def note_user(self, ours: str, there: str) -> None:
        """An account stands for a user, who may have several."""
        self._keep(self._outside, {there: ours})

    def inside(self, ids: Iterable[str]) -> tuple[dict[str, str], set[str]]:
        """{id of ours: the pod's} of those that are remembered, and the others. Never blocks."""
        return self._remembered(self._inside, ids)

    def outside(self, ids: Iterable[str]) -> tuple[dict[str, str], set[str]]:
        """{id of the pod's: ours} of those that are remembered, and the others. Never blocks."""
        return self._remembered(self._outside, ids)

    def look_inside(self, ids: Iterable[str]) -> dict[str, str]:
        """The same, of others that the database knows. Blocks."""
        found = pod_accounts.there(self.pod_id, ids)
        self._keep(self._inside, found)
        return found

    def look_outside(self, ids: Iterable[str]) -> dict[str, str]:
        """The same the other way round. Blocks."""
        found = pod_accounts.ours(self.pod_id, ids)
        self._keep(self._outside, found)
        return found

    def _remembered(
        self, kept: "collections.OrderedDict[str, str]", ids: Iterable[str]
    ) -> tuple[dict[str, str], set[str]]:
        found, missing = {}, set()
        with self._lock:
            for one in ids:
                if one in kept:
                    kept.move_to_end(one)
                    found[one] = kept[one]
                else:
                    missing.add(one)
        return found, missing

    def _keep(self, kept: "collections.OrderedDict[str, str]", more: Mapping[str, str]) -> None:
        with self._lock:
            kept.update(more)
            while len(kept) > _MOST:
                kept.popitem(last=False)


class Sent:
    """A request as it is meant for a pod. ``body`` is bytes, what JSON can hold, or None."""

    def __init__(self, path: str, query: str, body: Any) -> None:
        self.path, self.query, self._body = path, query, body
        self.document = None if body is None else _read(body)

    def ids(self) -> set[str]:
        """Every id in it."""
        found = [place.value for place in documents.places(self.document)]
        return {*found, *documents.in_path(self.path), *documents.in_query(self.query)}

    def places(self) -> list[documents.Place]:
        """Its body's fields with ids."""
        return list(documents.places(self.document))

    def turn(self, turn: Turn) -> "Sent":
        """Itself, with every id turned."""
        for place in self.places():
            place.put(turn(place.value))
        self.path = documents.turn_path(self.path, turn)
        self.query = documents.turn_query(self.query, turn)
        return self

    def mark_keys(self, suffix: str) -> None:
        documents.mark_keys(self.document, suffix)

    @property
    def body(self) -> bytes | None:
        if self.document is None:
            return self._body if isinstance(self._body, bytes) else None
        return _written(self.document, self._body)


class Told:
    """What a pod answered."""

    def __init__(self, status: int, body: bytes, location: str = "") -> None:
        self.location, self._body = location, body
        # An error is text that the service made; so are links.
        self._text = body.decode("latin-1") if status >= 400 else ""
        self.document = None if status >= 400 or not body else _read(body)

    def ids(self) -> set[str]:
        """Every id in it; of too many the first."""
        found = {place.value for place in documents.places(self.document)}
        for text in (self.location, self._text, *self._links()):
            found.update(ID.findall(text))
        return found if len(found) <= _MOST_IN_ONE else set(sorted(found)[:_MOST_IN_ONE])

    def _links(self) -> Iterable[str]:
        return (place.value for place in documents.links(self.document))

    def unmark_keys(self) -> "Told":
        """Itself, with keypairs named as users do."""
        documents.unmark_keys(self.document)
        return self

    def turn(self, turn: Turn) -> "Told":
        """Itself, with every id turned."""
        for place in list(documents.places(self.document)):
            place.put(turn(place.value))
        for place in list(documents.links(self.document)):
            place.put(documents.turn_text(place.value, turn))
        self.location = documents.turn_text(self.location, turn)
        self._text = documents.turn_text(self._text, turn)
        return self

    @property
    def body(self) -> bytes:
        if self._text:
            return self._text.encode("latin-1")
        return self._body if self.document is None else _written(self.document, self._body)


def _read(body: Any) -> Any:
    """A document of its own; None for what is none."""
    try:
        return orjson.loads(body if isinstance(body, bytes) else orjson.dumps(body))
    except (orjson.JSONDecodeError, orjson.JSONEncodeError):
        return None


def _written(document: Any, body: Any) -> bytes:
    """The document; the body it was read from where that is nested deeper than any service's is."""
    try:
        return orjson.dumps(document)
    except orjson.JSONEncodeError:
        if isinstance(body, bytes):
            return body
        raise
