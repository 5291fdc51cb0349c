# SPDX-License-Identifier: Apache-2.0
"""One sorted list out of many: pages of pods merged lazily, and where the next page begins.

All items have one total order: by the sort values a client can see, then by the rank of the pod,
then as the pod itself gives them. A pod's own order must agree with the visible values; then a
page after a marker needs no more than the marker's values and rank to find its place in any pod.
"""

import asyncio
import collections
import dataclasses
import functools
import heapq
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Self

Item = dict[str, Any]
Position = tuple[tuple[Any, ...], str]


class MarkerLost(Exception):
    """A pod does not know the marker it was given."""


@functools.total_ordering
class _Descending:
    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __lt__(self, other: Self) -> bool:
        return bool(other.value < self.value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Descending) and bool(other.value == self.value)

    __hash__ = None  # type: ignore[assignment]


@dataclasses.dataclass(frozen=True, slots=True)
class Order:
    """What items are sorted by: (value of an item, whether descending), most important first.

    None sorts below everything, as in MariaDB and SQLite; text as MariaDB's general collation
    has it, which compares capitals.
    """

    fields: Sequence[tuple[Callable[[Item], Any], bool]]

    def key(self, item: Item) -> tuple[Any, ...]:
        return tuple(_comparable(value(item), descending) for value, descending in self.fields)


def _comparable(value: Any, descending: bool) -> Any:
    if isinstance(value, str):
        value = value.upper()
    # The type's name keeps values of different types comparable.
    plain = (0, "", 0) if value is None else (1, type(value).__name__, value)
    return _Descending(plain) if descending else plain


@dataclasses.dataclass(frozen=True, slots=True)
class Page:
    """Items as a pod sorts them, and whether it has more after them."""

    items: list[Item]
    more: bool


@dataclasses.dataclass(frozen=True, slots=True)
class Source:
    """One pod's list. ``fetch(marker, limit)`` may raise MarkerLost; ``key`` names the markers."""

    id: str
    rank: str
    fetch: Callable[[str | None, int], Awaitable[Page]]
    key: str = "id"


@dataclasses.dataclass(frozen=True, slots=True)
class Cursor:
    """Where a page begins: after ``position``. ``after`` has, for the pods where that is known,
    the id of the last item before it (None: it is before all of that pod's items)."""

    position: Position
    after: Mapping[str, str | None]


@dataclasses.dataclass(frozen=True, slots=True)
class Merged:
    """A page of the whole: (source id, item) pairs, its end, and the sources that failed."""

    items: list[tuple[str, Item]]
    end: Cursor | None
    failed: dict[str, Exception]


class _Stream:
    """What is left of one source, a page of it in memory at a time."""

    def __init__(self, source: Source, order: Order, limit: int) -> None:
        self.source = source
        self.last: str | None = None  # id of the last item taken
        self._order = order
        self._limit = limit
        self._items: collections.deque[Item] = collections.deque()
        self._fetched: str | None = None
        self._more = True

    async def begin(self, cursor: Cursor | None, most: int) -> None:
        if cursor is None:
            await self.fill()
            return
        if self.source.id in cursor.after:
            self.last = self._fetched = cursor.after[self.source.id]
            try:
                await self.fill()
                return
            except MarkerLost:
                self.last = self._fetched = None
        limit, self._limit = self._limit, most
        while await self.fill():
            while self._items and self.position() <= cursor.position:
                self.take()
            if self._items:
                break
        self._limit = limit

    async def fill(self) -> bool:
        """Have an item in memory; whether there is one."""
        while not self._items and self._more:
            page = await self.source.fetch(self._fetched, self._limit)
            self._items.extend(page.items)
            self._more = page.more and bool(page.items)
            if page.items:
                self._fetched = page.items[-1][self.source.key]
        return bool(self._items)

    def position(self) -> Position:
        return self._order.key(self._items[0]), self.source.rank

    def take(self) -> Item:
        item = self._items.popleft()
        self.last = item[self.source.key]
        return item


async def merge(
    sources: Sequence[Source],
    order: Order,
    limit: int,
    most: int,
    cursor: Cursor | None = None,
    *,
    tolerated: tuple[type[Exception], ...],
) -> Merged:
    """The first ``limit`` items of all sources after ``cursor``.

    At most a page of ``limit`` items a source is held (``most`` while a place is looked for). A
    source that raises one of ``tolerated`` is left out from there on and reported in ``failed``.
    """
    streams = [_Stream(source, order, limit) for source in sources]
    failed: dict[str, Exception] = {}
    begun = await asyncio.gather(
        *(stream.begin(cursor, most) for stream in streams), return_exceptions=True
    )
    heap: list[tuple[Position, int, _Stream]] = []
    for index, (stream, outcome) in enumerate(zip(streams, begun, strict=True)):
        if isinstance(outcome, tolerated):
            failed[stream.source.id] = outcome
        elif isinstance(outcome, BaseException):
            raise outcome
        elif await stream.fill():
            heap.append((stream.position(), index, stream))
    heapq.heapify(heap)
    taken: list[tuple[str, Item]] = []
    end: Position | None = None
    while heap and len(taken) < limit:
        end, index, stream = heap[0]
        taken.append((stream.source.id, stream.take()))
        try:
            left = len(taken) == limit or await stream.fill()
        except tolerated as error:
            failed[stream.source.id], left = error, False
        if left and len(taken) < limit:
            heapq.heapreplace(heap, (stream.position(), index, stream))
        else:
            heapq.heappop(heap)
    after = {one.source.id: one.last for one in streams if one.source.id not in failed}
    return Merged(taken, None if end is None else Cursor(end, after), failed)
