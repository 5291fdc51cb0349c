# SPDX-License-Identifier: Apache-2.0
"""Lists of volumes and of all that is made of them: every pod's, merged."""

import itertools
from collections.abc import Awaitable, Callable, Mapping

from aiohttp import web

from tricircle.db import backup_copies
from tricircle.gateway.call import Call
from tricircle.gateway.http import bounds
from tricircle.gateway.http.errors import Fault
from tricircle.gateway.http.responses import respond
from tricircle.gateway.lists import start_hints
from tricircle.gateway.lists.merge import Item, Page
from tricircle.gateway.lists.merged_list import MOST_PAGES, Collection, MergedList
from tricircle.gateway.threads import in_thread
from tricircle.gateway.transport.client import PodResponse
from tricircle.gateway.upstream import lookup, scatter
from tricircle.gateway.volume import documents
from tricircle.pods.document import pages
from tricircle.pods.pod import Pod

Fetch = Callable[[str | None, int], Awaitable[Page]]

# Cinder's sort keys and where a document shows their values.
_SHOWN = {
    name: name
    for name in ("id", "status", "size", "name", "description", "created_at", "updated_at",
                 "volume_id", "snapshot_id", "user_id")
} | {"display_name": "name", "display_description": "description"}  # fmt: skip
_VOLUME = _SHOWN | {
    name: name
    for name in (documents.ZONE, "bootable", "source_volid", "multiattach", "replication_status")
}


def _collection(
    name: str,
    item: str,
    path: str,
    brief: tuple[str, ...] = ("id", "name"),
    links: str | None = None,
    **shown: str,
) -> tuple[Collection, tuple[str, ...]]:
    """A collection that has a detailed list, and what its brief list shows."""
    return Collection(name, item, path, _SHOWN | shown, f"{path}/detail", links), brief


_LINKED = ("id", "name", "links")
_TRANSFER = ("id", "volume_id", "name", "links")
_COLLECTIONS: dict[str, tuple[Collection, tuple[str, ...]]] = {
    "volumes": (
        Collection("volumes", "volume", "/volumes", _VOLUME, "/volumes/detail"),
        _LINKED,
    ),
    "snapshots": _collection("snapshots", "snapshot", "/snapshots", (), volume_size="size"),
    "backups": _collection("backups", "backup", "/backups", _LINKED),
    "groups": (
        Collection("groups", "group", "/groups", _VOLUME, "/groups/detail", links="group_links"),
        ("id", "name"),
    ),
    "group_snapshots": _collection(
        "group_snapshots", "group_snapshot", "/group_snapshots", links="group_snapshot_links"
    ),
    "consistencygroups": _collection(
        "consistencygroups",
        "consistencygroup",
        "/consistencygroups",
        links="consistencygroup_links",
    ),
    "cgsnapshots": _collection("cgsnapshots", "cgsnapshot", "/cgsnapshots"),
    "volume-transfers": _collection("transfers", "transfer", "/volume-transfers", _TRANSFER),
    "os-volume-transfer": _collection("transfers", "transfer", "/os-volume-transfer", _TRANSFER),
    # Their documents do not show when they were made, by which pods sort them.
    "attachments": (
        Collection(
            "attachments", "attachment", "/attachments",
            {"id": "id", "status": "status", "volume_id": "volume_id"}, "/attachments/detail",
            linked=False,
        ),
        ("id", "status", "instance", "volume_id"),
    ),
    "messages": (
        Collection("messages", "message", "/messages",
                   {name: name for name in ("id", "event_id", "created_at", "request_id",
                                            "resource_type", "resource_uuid", "message_level")}),
        (),
    ),
}  # fmt: skip
# The microversions from which on these lists have pages and are sorted as asked for, and whether
# before that the latest come first. All come at once then, whatever else the query says.
_PAGED = {
    "transfer": ((3, 59), False),
    "group_snapshot": ((3, 29), True),
    "message": ((3, 5), True),
}
_ALL = 1 << 30
_NO_FILTERS = {"all_tenants", "with_count", "limit", "marker", "offset", "sort", "sort_key",
               "sort_dir"}  # fmt: skip


async def brief(call: Call) -> web.Response:
    """GET of a collection."""
    return await _list(call, detailed=False)


async def detail(call: Call) -> web.Response:
    """GET of a collection with ``detail``."""
    return await _list(call, detailed=True)


async def _list(call: Call, *, detailed: bool) -> web.Response:
    collection, shown = _COLLECTIONS[call.path.split("/")[1]]
    return await _List(call, collection, shown, detailed=detailed).answer()


class _List(MergedList):
    """One list of a collection of Cinder's."""

    def __init__(
        self, call: Call, collection: Collection, brief: tuple[str, ...], *, detailed: bool
    ) -> None:
        super().__init__(call, collection, detailed=detailed)
        self._brief = brief

    def pods(self) -> list[Pod]:
        """The pods whose zone the filter lets through."""
        pods = super().pods()
        if not self._filters_zone():
            return pods
        wanted = self.call.query.getall(documents.ZONE)
        return [pod for pod in pods if pod.availability_zone in wanted]

    def _filters_zone(self) -> bool:
        return documents.ZONE in self.call.query and documents.ZONE in self.collection.shown

    def dropped(self) -> set[str]:
        if not self.is_paged():
            return set()
        zone = {documents.ZONE} if self._filters_zone() else set()
        return super().dropped() | {"offset"} | zone

    def _fetcher(self, pod: Pod) -> Fetch:
        fetch = super()._fetcher(pod)
        return fetch if self.collection.item != "backup" else self._own_only(pod, fetch)

    def _own_only(self, pod: Pod, fetch: Fetch) -> Fetch:
        """Without the records of other pods' backups, which only administrators would see."""

        async def own(marker: str | None, limit: int) -> Page:
            copies = await in_thread(backup_copies.in_pod, pod.id)
            items: list[Item] = []
            for _ in pages(pod.region_name, "backups", MOST_PAGES):
                page = await fetch(marker, limit - len(items))
                if pod.id in self.counts and self._shows_all():
                    self.counts[pod.id] -= len(copies)
                items += [item for item in page.items if item["id"] not in copies]
                if not page.more or not page.items or len(items) >= limit:
                    break
                marker = page.items[-1]["id"]
            return Page(items, page.more)

        return own

    def _shows_all(self) -> bool:
        """Whether a pod's list and count are those of all projects, whatever there is."""
        return "all_tenants" in self.call.query and self.call.query.keys() <= _NO_FILTERS

    def limit(self) -> int | None:
        return super().limit() if self.is_paged() else _ALL

    def has_next(self, items: list[Item], limit: int) -> bool:
        # Where pods count, Cinder goes by how many there are in all: the last page has a link too.
        if self.counts:
            return bool(items) and sum(self.counts.values()) >= limit
        return super().has_next(items, limit) and self.is_paged()

    def skipped(self) -> int | None:
        if not self.is_paged():
            return 0
        return bounds.whole(self.call.query.get("offset", "0"), bounds.STORED)

    def order(self) -> list[tuple[str, bool]]:
        """The keys asked for, then when a thing was made and its id, as the first is sorted."""
        pairs = self._asked()
        first = pairs[0][1]
        known = {key for key, _ in pairs}
        pairs += [(key, first) for key in ("created_at", "id") if key not in known]
        # Beyond a key that no document shows, only the pods know the order.
        return list(itertools.takewhile(lambda pair: pair[0] in self.collection.shown, pairs))

    def is_paged(self) -> bool:
        since, _ = _PAGED.get(self.collection.item, ((3, 0), True))
        return (self.call.version or (3, 0)) >= since

    def _asked(self) -> list[tuple[str, bool]]:
        query = self.call.query
        if not self.is_paged():
            return [("created_at", _PAGED[self.collection.item][1])]
        if given := query.get("sort", "").strip():
            parts = [part.partition(":") for part in given.split(",")]
            return [(key.strip(), (way.strip() or "desc") == "desc") for key, _, way in parts]
        key, way = query.get("sort_key", "created_at"), query.get("sort_dir", "desc")
        return [(key.strip(), way.strip() == "desc")]

    def source_path(self) -> str:
        # What the brief list shows of most collections is not enough to sort by.
        return super().source_path() if self._brief or self.detailed else self.collection.path

    async def near(self, item: Item) -> Mapping[str, str]:
        made_at = item.get("created_at")
        return await start_hints.of(self.call, self.collection.item, self.order(), made_at)

    def is_lost(self, answer: PodResponse, marker: str) -> bool:
        return answer.status in (400, 404) and marker in answer.message()

    def no_marker(self, marker: str) -> Fault:
        return lookup.missing(self.call, self.collection.item, marker)

    def translate(self, pod: Pod, item: Item) -> None:
        documents.show(pod, item)

    def show(self, pod: Pod, item: Item) -> Item:
        if self.detailed or not self._brief:
            return item
        return {name: item[name] for name in self._brief if name in item}


async def summary(call: Call) -> web.Response:
    """GET /volumes/summary: the sums, and each metadata key with all values it has anywhere."""
    told = await scatter.everywhere(call)
    total: Item = {}
    for answer in told.good_or_raise():
        for name, value in answer.json()["volume-summary"].items():
            if isinstance(value, dict):
                merged = total.setdefault(name, {})
                for key, values in value.items():
                    merged[key] = [*merged.get(key, ()), *values]
            else:
                total[name] = total.get(name, 0) + value
    for key, values in total.get("metadata", {}).items():
        # All are text, unless a pod is out of its mind.
        total["metadata"][key] = list(dict.fromkeys(map(str, values)))
    return respond({"volume-summary": total})
