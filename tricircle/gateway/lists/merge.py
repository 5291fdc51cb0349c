# SPDX-License-Identifier: Apache-2.0
"""One sorted list out of many: pages of pods merged lazily, and where the next page begins.

All items have one total order: by the sort values a client can see, then by the rank of the pod,
then as the pod itself gives them. What a pod gives after a greater item counts as that one: so a
pod whose database sorts text in a way of its own stands in its own order, and pages still hold
every item once. A page after a marker needs no more than the marker's place to find where it
begins in any pod.
"""

import asyncio
import collections
import contextlib
import dataclasses
import functools
import heapq
import operator
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Self

from tricircle.gateway.lists import collation

Item = dict[str, Any]
Position = tuple[tuple[Any, ...], str]

# A source is asked for its even share of a page, half as much again, and so many more.
_SPARE = 10


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

    None sorts below everything, as in MariaDB and SQLite; text as in the tables of most pods.
    """

    fields: Sequence[tuple[Callable[[Item], Any], bool]]

    def key(self, item: Item) -> tuple[Any, ...]:
        return tuple(_comparable(value(item), descending) for value, descending in self.fields)


def _comparable(value: Any, descending: bool) -> Any:
    if isinstance(value, str):
        value = collation.key(value)
    elif isinstance(value, list | dict):
        value = repr(value)  # a pod's mistake, which must not be everybody's
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
    """One pod's list. ``fetch(marker, limit)`` may raise MarkerLost; ``key`` names the markers.
    ``show(marker)`` is one item alone, whatever the list leaves out; None when it is gone."""

    id: str
    rank: str
    fetch: Callable[[str | None, int], Awaitable[Page]]
    show: Callable[[str], Awaitable[Item | None]] | None = None
    key: str = "id"


@dataclasses.dataclass(frozen=True, slots=True)
class Cursor:
    """Where a page begins: after ``position``, the greatest before it. ``after`` has, for the pods
    where that is known, the id of the last item before it (None: it is before all of that pod's
    items), ``near`` that of an item likely to be a little before it: where to begin to look."""

    position: Position
    after: Mapping[str, str | None]
    near: Mapping[str, str] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, slots=True)
class Merged:
    """A page of the whole: (source id, item) pairs, its end, and the sources that failed, of so
    many that were ``asked``. ``seen`` has an item's id of each source that has any."""

    items: list[tuple[str, Item]]
    end: Cursor | None
    failed: dict[str, Exception]
    asked: int
    seen: dict[str, str]


class _Stream:
    """What is left of one source, some of it in memory."""

    def __init__(self, source: Source, order: Order) -> None:
        self.source = source
        self.last: str | None = None  # id of the last item taken
        self.seen: str | None = None  # id of any item
        self.items: collections.deque[Item] = collections.deque()
        self.more = True
        self._order = order
        self._fetched: str | None = None
        self._got = 0

    async def begin(self, cursor: Cursor | None, share: int, most: int) -> None:
        if cursor is None:
            await self.fetch(share)
            return
        if self.source.id in cursor.after:
            self.last = self._fetched = cursor.after[self.source.id]
            try:
                await self.fetch(share)
                return
            except MarkerLost:
                self.last = self._fetched = None
        near = cursor.near.get(self.source.id)
        begun = near is not None and await self._begin_near(near, cursor.position, share)
        while True:
            if not begun:
                await self.fetch(most)
            begun = False
            while self.items and self.position() <= cursor.position:
                self.take()
            if self.items or not self.more:
                return

    async def _begin_near(self, near: str, position: Position, share: int) -> bool:
        """Begin after an item that is before a position; whether it is, and so this is right."""
        self._fetched = near
        with contextlib.suppress(MarkerLost):
            await self.fetch(share)
            if await self._is_before(near, position):
                return True
        self.items.clear()
        self._fetched, self.more = None, True
        return False

    async def _is_before(self, near: str, position: Position) -> bool:
        """Whether an item is: what follows may show it, else its own document does."""
        if self.items and self.position() <= position:
            return True
        # A filter lets so few through that the next may be far behind.
        item = await self.source.show(near) if self.source.show is not None else None
        return item is not None and (self._order.key(item), self.source.rank) <= position

    async def fetch(self, limit: int) -> None:
        """Have more items in memory, at most ``limit``, if there are any."""
        page = await self.source.fetch(self._fetched, limit)
        self.items.extend(page.items)
        self._got = len(page.items)
        self.more = page.more and bool(page.items)
        if page.items:
            self.seen = self._fetched = page.items[-1][self.source.key]

    @property
    def runs_low(self) -> bool:
        """Whether the better part of what was fetched last is used."""
        return self.more and len(self.items) <= self._got // 2

    def position(self) -> Position:
        return self._order.key(self.items[0]), self.source.rank

    def take(self) -> Item:
        item = self.items.popleft()
        self.last = item[self.source.key]
        return item


def _share(limit: int, sources: int) -> int:
    """How many of ``limit`` items to ask of each source at once: seldom will one have more."""
    return min(limit, limit * 3 // (2 * sources) + _SPARE) if sources else limit


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

    Each source is asked for a share of the page first, and for more when it turns out to have it:
    so what is held does not grow with the number of sources (but ``most`` a source while a place
    is looked for). A source that raises one of ``tolerated`` is left out from there on and
    reported in ``failed``.
    """
    streams = [_Stream(source, order) for source in sources]
    failed: dict[str, Exception] = {}
    share = _share(limit, len(streams))
    begin = operator.methodcaller("begin", cursor, share, most)
    await _each(streams, begin, failed, tolerated)
    heap = [
        (stream.position(), index, stream)
        for index, stream in enumerate(streams)
        if stream.items and stream.source.id not in failed
    ]
    heapq.heapify(heap)
    taken: list[tuple[str, Item]] = []
    end = None if cursor is None else cursor.position
    while heap and len(taken) < limit:
        position, index, stream = heap[0]
        end = position if end is None else max(end, position)
        taken.append((stream.source.id, stream.take()))
        room = limit - len(taken)
        if room and not stream.items and stream.more:
            # Whoever is about to run dry as well is asked at the same time.
            low = [one for _, _, one in heap if one.runs_low]
            more = operator.methodcaller("fetch", _share(room, len(low)))
            await _each(low, more, failed, tolerated)
        if room and stream.items:
            heapq.heapreplace(heap, (stream.position(), index, stream))
        else:
            heapq.heappop(heap)
    after = {one.source.id: one.last for one in streams if one.source.id not in failed}
    found = Cursor(end, after) if taken and end is not None else None
    seen = {one.source.id: one.seen for one in streams if one.seen is not None}
    return Merged(taken, found, failed, len(streams), seen)


async def place(
    source: Source, order: Order, marker: str, item: Item | None, most: int
) -> tuple[Position, str | None]:
    """The place of an item of a source: its own, or that of a greater one the source has before;
    and what the source has just before it, or the item itself where it is in the list.

    ``marker`` names it; it need not be in the list. Where nobody can show it (``item`` None), its
    place is that of what the source has before it. Raises MarkerLost.
    """
    found = () if item is None else order.key(item)
    following = await source.fetch(marker, 1)
    ends = {following.items[0][source.key]} if following.items else set()
    stream = _Stream(source, order)
    while stream.more:
        await stream.fetch(most)
        while stream.items and stream.items[0][source.key] not in ends:
            found = max(found, order.key(stream.items[0]))
            stream.take()
            if stream.last == marker:
                return (found, source.rank), marker
        if stream.items:
            break
    return (found, source.rank), stream.last


async def _each(
    streams: Sequence[_Stream],
    work: Callable[[_Stream], Awaitable[None]],
    failed: dict[str, Exception],
    tolerated: tuple[type[Exception], ...],
) -> None:
    """Do ``work`` with all streams at once. One that fails keeps what it has and gets no more."""
    outcomes = await asyncio.gather(*map(work, streams), return_exceptions=True)
    for stream, outcome in zip(streams, outcomes, strict=True):
        if isinstance(outcome, tolerated):
            failed[stream.source.id], stream.more = outcome, False
        elif isinstance(outcome, BaseException):
            raise outcome
