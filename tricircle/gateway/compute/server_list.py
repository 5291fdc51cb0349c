# SPDX-License-Identifier: Apache-2.0
"""Lists of servers: every pod's, merged as Nova merges its cells'.

Only documents of ``servers/detail`` hold what servers are sorted by, so mostly pods are asked for
those and the brief list is cut out of them.
"""

import dataclasses
import itertools
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, urlencode

import orjson
from aiohttp import web

from tricircle.conf import CONF
from tricircle.db import routings
from tricircle.gateway import links, lookup, scatter
from tricircle.gateway.call import Call
from tricircle.gateway.compute import pod_groups, reservations, zones
from tricircle.gateway.compute.versions import ID
from tricircle.gateway.errors import Fault, from_pod_error
from tricircle.gateway.forward import ask_any, forward, reply, rewrite_links
from tricircle.gateway.paging import Cursor, Item, MarkerLost, Merged, Order, Page, Source, merge
from tricircle.gateway.scatter import Refused
from tricircle.gateway.threads import in_thread
from tricircle.pods.errors import PodError, PodUnreachable
from tricircle.pods.pod import Pod

# Nova's rules begin at these microversions.
_PARTIAL_RECORDS = (2, 69)
_ZONE_FILTER_FOR_ALL = (2, 83)
_PAGING = ("limit", "marker", "sort_key", "sort_dir")

# Nova's sort keys and where a document shows their values; what it does not show counts as equal.
_ATTRIBUTE = "OS-EXT-SRV-ATTR:"
_SHOWN = {
    "access_ip_v4": "accessIPv4",
    "access_ip_v6": "accessIPv6",
    "auto_disk_config": "OS-DCF:diskConfig",
    "availability_zone": zones.FIELD,
    "config_drive": "config_drive",
    "created_at": "created",
    "display_description": "description",
    "display_name": "name",
    "host": f"{_ATTRIBUTE}host",
    "hostname": f"{_ATTRIBUTE}hostname",
    "image_ref": "image",
    "kernel_id": f"{_ATTRIBUTE}kernel_id",
    "key_name": "key_name",
    "launch_index": f"{_ATTRIBUTE}launch_index",
    "launched_at": "OS-SRV-USG:launched_at",
    "locked": "locked",
    "node": f"{_ATTRIBUTE}hypervisor_hostname",
    "power_state": "OS-EXT-STS:power_state",
    "progress": "progress",
    "project_id": "tenant_id",
    "ramdisk_id": f"{_ATTRIBUTE}ramdisk_id",
    "root_device_name": f"{_ATTRIBUTE}root_device_name",
    "task_state": "OS-EXT-STS:task_state",
    "terminated_at": "OS-SRV-USG:terminated_at",
    "updated_at": "updated",
    "user_id": "user_id",
    "uuid": "id",
    "vm_state": "OS-EXT-STS:vm_state",
}
_BRIEF = {"uuid", "display_name"}


async def brief(call: Call) -> web.Response:
    """GET /servers."""
    if (found := await reservations.listed(call, detailed=False)) is not None:
        return found
    return await _List(call, detailed=False).answer()


async def detail(call: Call) -> web.Response:
    """GET /servers/detail."""
    if (found := await reservations.listed(call, detailed=True)) is not None:
        return found
    return await _List(call, detailed=True).answer()


@dataclasses.dataclass(slots=True)
class _List:
    """One list request."""

    call: Call
    detailed: bool

    async def answer(self) -> web.Response:
        call = self.call
        limit = links.page_size(call)
        if not limit or not call.services.serving():
            return reply(call, await ask_any(call))
        pods = self._pods()
        answering = call.services.answering()
        asked = [pod for pod in pods if pod in answering]
        away: set[Pod] = set(pods) - set(asked)
        merged = await self._merge(asked, limit)
        by_id = {pod.id: pod for pod in pods}
        away |= {by_id[source] for source in merged.failed}
        if asked and len(merged.failed) == len(asked):
            refusals = [one for one in merged.failed.values() if isinstance(one, Refused)]
            if refusals:
                return reply(call, refusals[0].answer)
        for source, item in merged.items:
            call.services.routings.put("server", item["id"], source)
        servers = [self._shown(by_id[source], item) for source, item in merged.items]
        sources = [by_id[source] for source, _ in merged.items]
        await pod_groups.show(*zip(sources, servers, strict=True))
        if away and self._takes_partial_records():
            servers = await self._partial_records(away, limit - len(servers)) + servers
        elif away and len(away) == len(pods):
            raise self._nobody(away, merged)
        scatter.tell_away(call, away)
        document: dict[str, Any] = {"servers": servers}
        if len(servers) >= min(limit, CONF.gateway.max_limit):
            path = "/servers/detail" if self.detailed else "/servers"
            document["servers_links"] = links.to_next(call, path, servers[-1]["id"])
        return web.Response(body=orjson.dumps(document), content_type="application/json")

    def _nobody(self, away: set[Pod], merged: Merged) -> Fault:
        for error in merged.failed.values():
            if isinstance(error, PodError):
                return from_pod_error(error)
        names = ", ".join(sorted(pod.region_name for pod in away))
        return Fault(503, f"No pod answers: {names}. Try again later.", {"Retry-After": "5"})

    # What is asked

    def _pods(self) -> list[Pod]:
        """The pods whose zone the filter lets through, those in maintenance too: they are away."""
        pods = sorted(self.call.services.registry.all(), key=lambda pod: pod.region_name)
        if not self._filters_zone():
            return pods
        wanted = [_pattern(value) for value in self.call.query.getall("availability_zone")]
        return [pod for pod in pods if any(one.search(pod.availability_zone) for one in wanted)]

    def _filters_zone(self) -> bool:
        """Whether Nova would heed the zone filter rather than ignore it."""
        allowed = self.call.context.is_admin or (self.call.version or (0, 0)) >= (
            _ZONE_FILTER_FOR_ALL
        )
        return allowed and "availability_zone" in self.call.query

    def _query(self, marker: str | None, limit: int) -> str:
        dropped = {"limit", "marker"} | ({"availability_zone"} if self._filters_zone() else set())
        kept = [(name, value) for name, value in self.call.query.items() if name not in dropped]
        kept.append(("limit", str(limit)))
        if marker is not None:
            kept.append(("marker", marker))
        return urlencode(kept)

    def _keys(self) -> list[str]:
        return [key.strip() for key in self.call.query.getall("sort_key", [])] or ["created_at"]

    def _order(self) -> Order:
        """Nova's over its cells: the keys asked for, then the id, which every pod sorts by too."""
        keys = self._keys()
        directions = [one.strip() for one in self.call.query.getall("sort_dir", [])] or ["desc"]
        directions += [directions[0]] * (len(keys) - len(directions))
        if "uuid" not in keys:
            keys.append("uuid")
            directions.append("asc")
        pairs = list(zip(keys, directions, strict=False))
        # Beyond a key that no document shows, only the pods know the order.
        seen = itertools.takewhile(lambda pair: pair[0] in _SHOWN, pairs)
        return Order([(_value(key), way == "desc") for key, way in seen])

    # How pods are asked

    async def _merge(self, pods: list[Pod], limit: int) -> Merged:
        order = self._order()
        marker = self.call.query.get("marker")
        cursor = await self._cursor(marker, order) if marker is not None else None
        sources = [Source(pod.id, pod.region_name, self._fetcher(pod)) for pod in pods]
        merged = await merge(
            sources, order, limit, CONF.gateway.max_limit, cursor, tolerated=(PodError, Refused)
        )
        if merged.end is not None:
            key = self._cursor_key(merged.items[-1][1]["id"])
            self.call.services.cursors.put(key, merged.end)
        return merged

    def _fetcher(self, pod: Pod) -> Callable[[str | None, int], Any]:
        brief = not self.detailed and _BRIEF.issuperset(self._keys())
        path = "/servers" if brief else "/servers/detail"

        async def fetch(marker: str | None, limit: int) -> Page:
            query = self._query(marker, limit)
            answer = await scatter.ask(self.call, pod, path=path, query=query)
            if isinstance(answer, PodError):
                raise answer
            if not answer.ok:
                if answer.status == 400 and marker is not None and marker in answer.message():
                    raise MarkerLost(marker)
                raise Refused(answer)
            document = answer.json(rewrite_links(self.call, pod, answer.body))
            if not isinstance(document, dict) or not isinstance(document.get("servers"), list):
                raise PodUnreachable(pod.region_name, "answered something that is no server list.")
            return Page(document["servers"], "servers_links" in document)

        return fetch

    async def _cursor(self, marker: str, order: Order) -> Cursor:
        """Where the page after ``marker`` begins: remembered, or found by its sort values."""
        kept = self.call.services.cursors.get(self._cursor_key(marker))
        if isinstance(kept, Cursor):
            return kept
        try:
            pod = await lookup.find(self.call, "server", marker)
        except Fault as fault:
            raise _no_marker(marker) if fault.status == 404 else fault from None
        item: Item = {"id": marker}
        if order.fields:
            answer = await forward(
                self.call, pod, path=f"/servers/{quote(marker, safe='')}", query=""
            )
            if answer.status == 404:
                raise _no_marker(marker)
            if not answer.ok:
                raise PodUnreachable(pod.region_name, answer.message())
            item = answer.json()["server"]
        return Cursor((order.key(item), pod.region_name), {pod.id: marker})

    def _cursor_key(self, marker: str) -> tuple[str, ...]:
        """A place is that of a caller's view: project, rights, filters and sort order."""
        context = self.call.context
        kept = sorted(
            (name, value)
            for name, value in self.call.query.items()
            if name not in ("limit", "marker") and not name.startswith("sort_")
        )
        order = [pair for pair in self.call.query.items() if pair[0].startswith("sort_")]
        who = (context.project_id, str(context.is_admin))
        return (*who, urlencode(kept), urlencode(order), marker)

    # What is answered

    def _shown(self, pod: Pod, item: Item) -> Item:
        if self.detailed:
            return zones.show(pod, item)
        # Nova's own partial records have a status and no name.
        second = "name" if "name" in item else "status"
        return {name: item[name] for name in ("id", second, "links")}

    def _takes_partial_records(self) -> bool:
        version = self.call.version or (0, 0)
        return version >= _PARTIAL_RECORDS and set(self.call.query) <= {"all_tenants"}

    async def _partial_records(self, away: set[Pod], most: int) -> list[Item]:
        """What the routings know of servers in pods that do not answer, as Nova shows them."""
        context = self.call.context
        filters = {"resource_type": "server"}
        if not (context.is_admin and _truthy(self.call.query.get("all_tenants"))):
            filters["project_id"] = context.project_id
        records: list[Item] = []
        for pod in sorted(away, key=lambda pod: pod.region_name):
            wanted = filters | {"pod_id": pod.id}
            rows = await in_thread(routings.page, wanted, max(most - len(records), 0))
            for row in rows:
                record: Item = {"id": row.resource_id, "status": "UNKNOWN"}
                if self.detailed:
                    record["tenant_id"] = row.project_id or ""
                    record["created"] = row.created_at.strftime("%Y-%m-%dT%H:%M:%SZ")
                records.append(record | {"links": self._links(row.resource_id)})
        return records

    def _links(self, server: str) -> list[dict[str, str]]:
        path = self.call.on_pod(f"/servers/{server}")
        return [
            {"rel": "self", "href": f"{self.call.root}/{ID}{path}"},
            {"rel": "bookmark", "href": f"{self.call.root}{path}"},
        ]


def _value(key: str) -> Callable[[Item], Any]:
    name = _SHOWN[key]

    def value(item: Item) -> Any:
        found = item.get(name)
        if isinstance(found, dict):
            found = found.get("id")
        # Documents show an empty text where the database has no value.
        return None if found == "" else found

    return value


def _pattern(text: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except re.error:
        return re.compile(re.escape(text))


def _truthy(text: str | None) -> bool:
    return text is not None and text.strip().lower() in ("", "1", "t", "true", "on", "y", "yes")


def _no_marker(marker: str) -> Fault:
    return Fault(400, f"marker [{marker}] not found")
