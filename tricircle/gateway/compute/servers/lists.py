# SPDX-License-Identifier: Apache-2.0
"""Lists of servers: every pod's, merged as Nova merges its cells'."""

import asyncio
import itertools
import re
from collections.abc import Mapping
from urllib.parse import urlencode

from aiohttp import web

from tricircle.conf import CONF
from tricircle.db import routings
from tricircle.gateway.call import Call
from tricircle.gateway.compute import pod_server_groups
from tricircle.gateway.compute.servers import addresses, deletion, reservation_ids, zones
from tricircle.gateway.http import bounds
from tricircle.gateway.http.errors import Fault
from tricircle.gateway.lists import start_hints
from tricircle.gateway.lists.merge import Item
from tricircle.gateway.lists.merged_list import MOST_PAGES, Collection, MergedList
from tricircle.gateway.threads import in_thread
from tricircle.gateway.upstream.forward import forward
from tricircle.gateway.upstream.pod_request import PodRequest
from tricircle.pods.document import pages
from tricircle.pods.pod import Pod

# Nova's rules begin at these microversions.
PARTIAL_RECORDS = (2, 69)
_ZONE_FILTER_FOR_ALL = (2, 83)

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
# What says where a server stands in a list; with the second such a list has those that are gone.
_PLACING = {"sort_key", "sort_dir", "all_tenants"}
_EVER = "1970-01-01T00:00:00Z"
_SERVERS = Collection("servers", "server", "/servers", _SHOWN, "/servers/detail")


async def brief(call: Call) -> web.Response:
    """GET /servers."""
    if (found := await reservation_ids.listed(call, detailed=False)) is not None:
        return found
    return await _Servers(call, _SERVERS, detailed=False).answer()


async def detail(call: Call) -> web.Response:
    """GET /servers/detail."""
    if (found := await reservation_ids.listed(call, detailed=True)) is not None:
        return found
    return await _Servers(call, _SERVERS, detailed=True).answer()


class _Servers(MergedList):
    """One list of servers."""

    keeps_gone = True

    def pods(self) -> list[Pod]:
        """The pods whose zone the filter lets through."""
        pods = super().pods()
        if not self._filters_zone():
            return pods
        wanted = [_pattern(value) for value in self.call.query.getall("availability_zone")]
        zones = {pod.availability_zone for pod in pods}
        named = {zone for zone in zones if any(one.search(zone) for one in wanted)}
        return [pod for pod in pods if pod.availability_zone in named]

    def _filters_zone(self) -> bool:
        """Whether Nova would heed the zone filter rather than ignore it."""
        allowed = self.call.context.is_admin or self.call.at_least(_ZONE_FILTER_FOR_ALL)
        return allowed and "availability_zone" in self.call.query

    def dropped(self) -> set[str]:
        return super().dropped() | ({"availability_zone"} if self._filters_zone() else set())

    def _keys(self) -> list[str]:
        return [key.strip() for key in self.call.query.getall("sort_key", [])] or ["created_at"]

    def order(self) -> list[tuple[str, bool]]:
        """Nova's over its cells: the keys asked for, then the id, which every pod sorts by too."""
        keys = self._keys()
        directions = [one.strip() for one in self.call.query.getall("sort_dir", [])] or ["desc"]
        directions += [directions[0]] * (len(keys) - len(directions))
        if "uuid" not in keys:
            keys.append("uuid")
            directions.append("asc")
        pairs = zip(keys, directions, strict=False)
        # Beyond a key that no document shows, only the pods know the order.
        seen = itertools.takewhile(lambda pair: pair[0] in _SHOWN, pairs)
        return [(key, way == "desc") for key, way in seen]

    def source_path(self) -> str:
        brief = not self.detailed and _BRIEF.issuperset(self._keys())
        return "/servers" if brief else "/servers/detail"

    def translate(self, pod: Pod, item: Item) -> None:
        zones.show(pod, item)

    def show(self, pod: Pod, item: Item) -> Item:
        if self.detailed:
            return item
        # Nova's own partial records have a status and no name.
        second = "name" if "name" in item else "status"
        return {name: item[name] for name in ("id", second, "links")}

    async def finish(self, items: list[tuple[Pod, Item]]) -> None:
        there = {item["id"] for _, item in items if item.get("status") != deletion.ENDED}
        await deletion.settle_unseen(self.call, there)
        await asyncio.gather(
            addresses.show(self.call, *(item for _, item in items)),
            pod_server_groups.show(*items),
        )

    def marker(self) -> str | None:
        """Of several Nova takes the last; an empty one is none."""
        return self.call.query.getall("marker", [""])[-1] or None

    async def gone(self, pod: Pod, marker: str, before: str | None) -> Item | None:
        kept = [pair for pair in self.call.query.items() if pair[0] in _PLACING]
        kept += [("changes-since", _EVER), ("limit", str(CONF.gateway.max_limit))]
        for _ in pages(pod.region_name, "servers", MOST_PAGES):
            query = urlencode([*kept, *([("marker", before)] if before else [])])
            answer = await forward(
                self.call, pod, PodRequest.of(self.call).get("/servers/detail", query)
            )
            servers = answer.json()["servers"] if answer.ok else []
            for server in servers:
                if server["id"] == marker:
                    self.translate(pod, server)
                    return dict(server)
            if not servers:
                break
            before = servers[-1]["id"]
        return None

    async def near(self, item: Item) -> Mapping[str, str]:
        return await start_hints.of(self.call, "server", self.order(), item["created"])

    def tells_missing(self) -> bool:
        """Partial records."""
        version = self.call.version or (0, 0)
        return version >= PARTIAL_RECORDS and set(self.call.query) <= {"all_tenants"}

    async def missing(self, away: set[Pod], room: int) -> list[Item]:
        """What the routings know of servers in pods that do not answer, as Nova shows them."""
        context = self.call.context
        filters = {"resource_type": "server"}
        if not (context.is_admin and _truthy(self.call.query.get("all_tenants"))):
            filters["project_id"] = context.project_id
        records: list[Item] = []
        for pod in sorted(away, key=lambda pod: pod.region_name):
            wanted = filters | {"pod_id": pod.id}
            rows = await in_thread(routings.page, wanted, max(room - len(records), 0))
            for row in rows:
                record: Item = {"id": row.resource_id, "status": "UNKNOWN"}
                if self.detailed:
                    record["tenant_id"] = row.project_id or ""
                    record["created"] = row.created_at.strftime("%Y-%m-%dT%H:%M:%SZ")
                records.append(record | {"links": self._links(row.resource_id)})
        return records

    def _links(self, server: str) -> list[dict[str, str]]:
        path = self.call.with_project(f"/servers/{server}")
        return [
            {"rel": "self", "href": f"{self.call.root}{self.call.base}{path}"},
            {"rel": "bookmark", "href": f"{self.call.root}{path}"},
        ]


def _pattern(text: str) -> re.Pattern[str]:
    if not bounds.is_quick(text):
        raise Fault(400, "The filter availability_zone is too long, or repeats too much.")
    try:
        return re.compile(text)
    except (re.error, OverflowError):
        return re.compile(re.escape(text))


def _truthy(text: str | None) -> bool:
    return text is not None and text.strip().lower() in ("", "1", "t", "true", "on", "y", "yes")
