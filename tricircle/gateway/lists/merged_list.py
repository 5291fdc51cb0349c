# SPDX-License-Identifier: Apache-2.0
"""Lists of what lives in pods: every pod's, merged in sort order, a page at a time.

A service says by a subclass what is its own about lists; a collection is a value. Mostly only the
documents of a detailed list hold what is sorted by, so pods are asked for those and a brief list
is cut out of them.
"""

import asyncio
import dataclasses
import functools
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any
from urllib.parse import quote, urlencode

from aiohttp import web
from oslo_log import log as logging

from tricircle.conf import CONF
from tricircle.gateway.call import Call
from tricircle.gateway.failures import from_pod_error
from tricircle.gateway.http.errors import Fault
from tricircle.gateway.http.responses import respond
from tricircle.gateway.lists import completeness, links
from tricircle.gateway.lists.merge import (
    Cursor,
    Item,
    MarkerLost,
    Merged,
    Order,
    Page,
    Position,
    Source,
    merge,
    place,
)
from tricircle.gateway.transport.client import Refused
from tricircle.gateway.upstream import host_names, lookup, scatter, whereabouts
from tricircle.gateway.upstream.forward import ask_any, forward, reply, rewrite_links
from tricircle.gateway.upstream.pod_request import PodRequest
from tricircle.pods.document import MISREAD, pages
from tricircle.pods.errors import PodError, PodUnreachable
from tricircle.pods.pod import Pod

LOG = logging.getLogger(__name__)

# Of one pod, for one page of the whole list: more are only for one that never ends.
MOST_PAGES = 1000
# By these every database sorts alike; text and missing values each has in an order of its own.
_ALIKE = {"created_at", "id", "uuid"}
# {field: {what Nova shows: what its database has, and sorts by}}
_STORED: dict[str, dict[str, bool | None]] = {
    "OS-DCF:diskConfig": {"MANUAL": False, "AUTO": True},
    "accessIPv4": {"": None},
    "accessIPv6": {"": None},
    "image": {"": None},
}

# For a page that pods will refuse, whatever it begins with.
_BEGINNING = Cursor(((), ""), {})


@dataclasses.dataclass(frozen=True, slots=True)
class Collection:
    """One list: ``name`` is its key in documents, ``item`` the resource type, which is also the
    key of one item's document. ``shown`` is {sort key: where a document shows its value}.
    """

    name: str
    item: str
    path: str
    shown: Mapping[str, str]
    detail_path: str | None = None  # where items show what they are sorted by; None: everywhere
    links: str | None = None  # the key of the link to the next page; None: "<name>_links"
    linked: bool = True  # whether there is such a link at all

    @property
    def links_key(self) -> str:
        return self.links or f"{self.name}_links"


class MergedList:
    """One request for a list. A subclass must give ``order``; the rest suits most lists.

    ``keeps_gone`` says whether pods still know a marker that is deleted.
    """

    keeps_gone = False

    def __init__(self, call: Call, collection: Collection, *, detailed: bool) -> None:
        self.call, self.collection, self.detailed = call, collection, detailed
        # A filter by host is an administrator's: others' is not heeded.
        named = host_names.filtered(call) if call.context.is_admin else (None, call.query.items())
        self._by_host: tuple[Pod | None, Iterable[tuple[str, str]]] = named
        self.counts: dict[str, int] = {}  # {pod id: how many it has in all}, where pods tell

    # What a service says of its lists

    def pods(self) -> list[Pod]:
        """The pods that may have items, those in maintenance too: they are away."""
        told, _ = self._by_host
        pods = (pod for pod in self.call.pods if told is None or pod.id == told.id)
        return sorted(pods, key=lambda pod: pod.region_name)

    def skipped(self) -> int | None:
        """How many items before the page are left out (None: a pod is to refuse)."""
        return 0

    def limit(self) -> int | None:
        """How many items at most (None: a pod is to refuse; 0: there are none)."""
        return links.page_size(self.call)

    def has_next(self, items: list[Item], limit: int) -> bool:
        """Whether a link to the next page goes with these."""
        return len(items) >= min(limit, CONF.gateway.max_limit)

    def dropped(self) -> set[str]:
        """Parameters of the query that pods are not told."""
        return {"limit", "marker"}

    def order(self) -> list[tuple[str, bool]]:
        """(sort key, whether descending) by which pods sort; ends where only they know."""
        raise NotImplementedError

    def source_path(self) -> str:
        """The list that pods are asked for."""
        return self.collection.detail_path or self.collection.path

    def is_paged(self) -> bool:
        """Whether pods give it in pages; else they give all of it at once."""
        return True

    def is_lost(self, answer: Any, marker: str) -> bool:
        """Whether a pod's refusal says that it does not know the marker."""
        return answer.status == 400 and marker in answer.message()

    def marker(self) -> str | None:
        """The last item of the page before; None for the first page."""
        return self.call.query.get("marker")

    def no_marker(self, marker: str) -> Fault:
        return Fault(400, f"marker [{marker}] not found")

    def translate(self, pod: Pod, item: Item) -> None:
        """Let an item say what users know instead of what its pod does."""

    def show(self, pod: Pod, item: Item) -> Item:
        """What of a translated item users see."""
        return item

    async def finish(self, items: list[tuple[Pod, Item]]) -> None:
        """Whatever is to be done to the shown items together."""

    def tells_missing(self) -> bool:
        """Whether ``missing`` stands for the items of pods that are away."""
        return False

    async def missing(self, away: set[Pod], room: int) -> list[Item]:
        """What is known of items in pods that do not answer."""
        return []

    async def gone(self, pod: Pod, marker: str, before: str | None) -> Item | None:
        """What a pod knows of a marker that it shows no more; ``before`` comes just before it."""
        return None

    async def near(self, item: Item) -> Mapping[str, str]:
        """{pod id: an item of it that may be a little before ``item``}, where one is known."""
        return {}

    # How a list is made

    async def answer(self) -> web.Response:
        call = self.call
        limit, skipped = self.limit(), self.skipped()
        if not limit or skipped is None or not call.serving:
            return reply(call, await ask_any(call))
        pods = self.pods()
        answering = call.answering
        asked = [pod for pod in pods if pod in answering]
        away: set[Pod] = set(pods) - set(asked)
        merged = await self._first(asked, limit + skipped)
        by_id = {pod.id: pod for pod in pods}
        away |= {by_id[source] for source in merged.failed}
        if merged.failed and len(merged.failed) == merged.asked:
            refusals = [one for one in merged.failed.values() if isinstance(one, Refused)]
            if refusals:
                raise refusals[0]
        page = [(by_id[source], item) for source, item in merged.items[skipped:]]
        page = [(pod, shown) for pod, item in page if (shown := self._seen(pod, item, away))]
        await self.finish(page)
        items = [item for _, item in page]
        if away and self.tells_missing():
            items = await self.missing(away, limit - len(items)) + items
        elif away and len(away) == len(pods):
            raise self._nobody(away, merged)
        completeness.require(call, items, away)
        scatter.tell_away(call, away)
        return self._respond(items, limit)

    def _seen(self, pod: Pod, item: Item, away: set[Pod]) -> Item | None:
        """An item as users see it; None when it makes no sense: its pod then counts as away."""
        try:
            return self.show(pod, item)
        except MISREAD as error:
            LOG.warning("Pod %s: an item of %s is odd: %r", pod.region_name, self._path(), error)
            away.add(pod)
            return None

    def _respond(self, items: list[Item], limit: int) -> web.Response:
        document: dict[str, Any] = {self.collection.name: items}
        if self.collection.linked and self.has_next(items, limit):
            document[self.collection.links_key] = links.to_next(
                self.call, self._path(), items[-1]["id"]
            )
        if self.counts:
            document["count"] = sum(self.counts.values())
        return respond(document)

    def _nobody(self, away: set[Pod], merged: Merged) -> Fault:
        for error in merged.failed.values():
            if isinstance(error, PodError):
                return from_pod_error(error)
        names = ", ".join(sorted(pod.region_name for pod in away))
        return Fault(503, f"No pod answers: {names}. Try again later.", {"Retry-After": "5"})

    # How pods are asked

    def _path(self) -> str:
        detailed = self.detailed and self.collection.detail_path
        return detailed or self.collection.path

    def _query(self, marker: str | None, limit: int) -> str:
        dropped = self.dropped()
        kept = [(name, value) for name, value in self._by_host[1] if name not in dropped]
        if not self.is_paged():
            return urlencode(kept)
        kept.append(("limit", str(limit)))
        if marker is not None:
            kept.append(("marker", marker))
        return urlencode(kept)

    def _order(self) -> Order:
        shown = self.collection.shown
        return Order([(_value(shown[key]), descending) for key, descending in self.order()])

    async def _first(self, pods: list[Pod], limit: int) -> Merged:
        """The page, of all ``pods``: those are asked in which the project has something."""
        choice = whereabouts.Choice(pods)
        if self.collection.item in self.call.resource_types and self._by_host[0] is None:
            choice = await whereabouts.choose(self.call, pods)
        merged = await self._merge(choice, limit)
        if choice.others and not merged.items and completeness.names_one(self.call):
            # Who finds nothing of a name makes it: it may have been made straight in a pod.
            choice = whereabouts.Choice(pods, known=choice.known)
            merged = await self._merge(choice, limit)
        if choice.learns:
            await whereabouts.learn(self.call, self.collection.item, choice, merged.seen)
        return merged

    async def _merge(self, choice: whereabouts.Choice, limit: int) -> Merged:
        order = self._order()
        marker = self.marker() if self.is_paged() else None
        cursor = await self._cursor(marker, order) if marker is not None else None
        # Something of the page before was there.
        before = {pod_id for pod_id, last in cursor.after.items() if last} if cursor else set()
        pods = [*choice.first, *(pod for pod in choice.others if pod.id in before)]
        sources = [self._source(pod) for pod in sorted(pods, key=lambda pod: pod.region_name)]
        merged = await merge(
            sources, order, limit, CONF.gateway.max_limit, cursor, tolerated=(PodError, Refused)
        )
        if merged.end is not None:
            key = self._cursor_key(merged.items[-1][1]["id"])
            self.call.services.cursors.put(key, merged.end)
        return merged

    def _source(self, pod: Pod) -> Source:
        shown = functools.partial(self._shown, pod)
        return Source(pod.id, pod.region_name, self._fetcher(pod), shown)

    def _fetcher(self, pod: Pod) -> Callable[[str | None, int], Awaitable[Page]]:
        name, path = self.collection.name, self.source_path()
        turns = pages(pod.region_name, name, MOST_PAGES)

        async def fetch(marker: str | None, limit: int) -> Page:
            next(turns)
            # No pod is asked for more than a page at once.
            limit = min(limit, CONF.gateway.max_limit)
            request = PodRequest.of(self.call).get(path, self._query(marker, limit))
            answer = await scatter.ask(self.call, pod, request)
            if isinstance(answer, PodError):
                raise answer
            if not answer.ok:
                if marker is not None and self.is_lost(answer, marker):
                    raise MarkerLost(marker)
                raise Refused(answer)
            document = answer.json(rewrite_links(self.call, pod, answer.body))
            if not isinstance(document, dict) or not isinstance(document.get(name), list):
                raise PodUnreachable(pod.region_name, f"answered something that has no {name}.")
            if isinstance(document.get("count"), int):
                self.counts[pod.id] = document["count"]
            items = document[name]
            for item in items:
                if not isinstance(item, dict) or not isinstance(item.get("id"), str):
                    raise PodUnreachable(pod.region_name, f"answered with {name} without ids.")
                self.translate(pod, item)
            if not self.is_paged():
                return Page(items, more=False)
            full = len(items) >= limit
            linked = self.collection.linked
            return Page(items, self.collection.links_key in document if linked else full)

        return fetch

    async def _cursor(self, marker: str, order: Order) -> Cursor:
        """Where the page after ``marker`` begins: remembered, or found by its sort values."""
        kept = self.call.services.cursors.get(self._cursor_key(marker))
        if isinstance(kept, Cursor):
            return kept
        if not lookup.is_uuid(marker):
            raise self.no_marker(marker)
        try:
            pod = await lookup.find(self.call, self.collection.item, marker)
            item = await self._shown(pod, marker)
        except Fault as fault:
            if fault.status != 404:
                raise
            item = None
        if item is None:
            return await self._after_gone(marker, order)
        position = (order.key(item), pod.region_name)
        if not _ALIKE.issuperset(key for key, _ in self.order()):
            position, _ = await self._place(pod, order, marker, item)
        return Cursor(position, {pod.id: marker}, await self.near(item))

    async def _after_gone(self, marker: str, order: Order) -> Cursor:
        """Where the page after an item begins that no pod shows. Raises Fault 400, 503."""
        if not self.keeps_gone:
            raise self.no_marker(marker)
        asked = {pod: self._source(pod).fetch(marker, 1) for pod in self.call.answering}
        answers = await asyncio.gather(*asked.values(), return_exceptions=True)
        told = dict(zip(asked, answers, strict=True))
        for pod, answer in told.items():
            if isinstance(answer, Page):
                position, before = await self._place(pod, order, marker, None)
                if before != marker and (item := await self.gone(pod, marker, before)):
                    position = max(position, (order.key(item), pod.region_name))
                return Cursor(position, {pod.id: marker})
            if not isinstance(answer, MarkerLost | PodError | Refused):
                raise answer
        if any(isinstance(answer, Refused) for answer in told.values()):
            return _BEGINNING
        away = [pod for pod in self.call.pods if not isinstance(told.get(pod), MarkerLost)]
        raise scatter.maybe_away(away) if away else self.no_marker(marker)

    async def _place(
        self, pod: Pod, order: Order, marker: str, item: Item | None
    ) -> tuple[Position, str | None]:
        try:
            return await place(self._source(pod), order, marker, item, CONF.gateway.max_limit)
        except MarkerLost:
            raise self.no_marker(marker) from None
        except PodError as error:
            raise from_pod_error(error) from None
        except Refused:
            return _BEGINNING.position, marker

    async def _shown(self, pod: Pod, item_id: str) -> Item | None:
        """The document of one item of a pod; None when the pod has no such item."""
        path = f"{self.collection.path}/{quote(item_id, safe='')}"
        answer = await forward(self.call, pod, PodRequest.of(self.call).get(path))
        if answer.status == 404:
            return None
        if not answer.ok:
            raise PodUnreachable(pod.region_name, answer.message())
        item: Item = answer.json()[self.collection.item]
        self.translate(pod, item)
        return item

    def _cursor_key(self, marker: str) -> tuple[str, ...]:
        """A place is that of a caller's view: list, project, rights, filters and sort order."""
        context = self.call.context
        pairs = self.call.query.items()
        filters = sorted(
            (name, value)
            for name, value in pairs
            if name not in ("limit", "marker", "offset") and not name.startswith("sort")
        )
        order = [pair for pair in pairs if pair[0].startswith("sort")]
        who = (self.collection.name, context.project_id, str(context.is_admin))
        return (*who, urlencode(filters), urlencode(order), marker)


def _value(name: str) -> Callable[[Item], Any]:
    stored = _STORED.get(name, {})

    def value(item: Item) -> Any:
        found = item.get(name)
        if isinstance(found, dict):
            found = found.get("id")
        return stored.get(found, found) if isinstance(found, str) else found

    return value
