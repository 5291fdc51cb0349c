# SPDX-License-Identifier: Apache-2.0
"""What a gateway process remembers: an index of an index, and places in lists.

Both may be stale or forgotten at any time; whoever uses them can do without.
"""

import collections
import time
from collections.abc import Callable, Hashable, Iterator
from typing import Generic, TypeVar

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")

_MOST = 100_000
_MOST_CURSORS = 10_000
# Callers that are remembered to have asked for one thing.
_MOST_ASKING = 100


class Recent(Generic[_Key, _Value]):
    """A dictionary that forgets what was not used for longest."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._values: collections.OrderedDict[_Key, _Value] = collections.OrderedDict()

    def get(self, key: _Key) -> _Value | None:
        if key in self._values:
            self._values.move_to_end(key)
        return self._values.get(key)

    def put(self, key: _Key, value: _Value) -> None:
        self._values[key] = value
        self._values.move_to_end(key)
        if len(self._values) > self._most:
            self._values.popitem(last=False)

    def drop(self, key: _Key) -> None:
        self._values.pop(key, None)

    def __iter__(self) -> Iterator[_Key]:
        return iter(self._values)


class RoutingCache:
    """Pod ids of resources as seen last."""

    def __init__(self, most: int = _MOST) -> None:
        self._pods: Recent[tuple[str, str], str] = Recent(most)

    def get(self, resource_type: str, resource_id: str) -> str | None:
        return self._pods.get((resource_type, resource_id))

    def put(self, resource_type: str, resource_id: str, pod_id: str) -> None:
        self._pods.put((resource_type, resource_id), pod_id)

    def drop(self, resource_type: str, resource_id: str) -> None:
        self._pods.drop((resource_type, resource_id))


class Nowhere:
    """What all pods said they do not have, to whom: good for a few seconds.

    A client that waits for the end of something asks for it again and again; others make ids up.
    """

    def __init__(self, most: int = _MOST, clock: Callable[[], float] = time.monotonic) -> None:
        self._seen: Recent[tuple[str, str], dict[Hashable, float]] = Recent(most)
        self._clock = clock

    def put(self, resource_type: str, resource_id: str, who: Hashable) -> None:
        asked = self._seen.get((resource_type, resource_id)) or {}
        if len(asked) < _MOST_ASKING:
            self._seen.put((resource_type, resource_id), {**asked, who: self._clock()})

    def has(self, resource_type: str, resource_id: str, who: Hashable, seconds: float) -> bool:
        """Whether this caller was told so less than so many seconds ago."""
        asked = self._seen.get((resource_type, resource_id)) or {}
        return self._clock() - asked.get(who, float("-inf")) < seconds

    def drop(self, resource_type: str, resource_id: str) -> None:
        """It is somewhere now."""
        self._seen.drop((resource_type, resource_id))


class CursorCache(Recent[tuple[str, ...], object]):
    """Where the pages clients are likely to ask for next begin in each pod."""

    def __init__(self, most: int = _MOST_CURSORS) -> None:
        super().__init__(most)
