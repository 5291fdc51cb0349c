# SPDX-License-Identifier: Apache-2.0
"""What a gateway process remembers: an index of an index, and places in lists.

Both may be stale or forgotten at any time; whoever uses them can do without.
"""

import collections
from collections.abc import Iterator
from typing import Generic, TypeVar

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")

_MOST = 100_000
_MOST_CURSORS = 10_000


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


class CursorCache(Recent[tuple[str, ...], object]):
    """Where the pages clients are likely to ask for next begin in each pod."""

    def __init__(self, most: int = _MOST_CURSORS) -> None:
        super().__init__(most)
