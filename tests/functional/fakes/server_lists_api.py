# SPDX-License-Identifier: Apache-2.0
"""Lists of servers: filters, order, pages, links, as Nova has them."""

import datetime
import functools
import re
from typing import Any

from aiohttp import web

from tests.functional.fakes.http import Exchange, Refusal, reply, route
from tests.functional.fakes.server_documents import ServerDocuments
from tests.functional.fakes.server_store import VM_STATES, Object, Server
from tricircle.gateway.lists import collation

#: sort keys a user may name -> the attribute of Server
SORT_KEYS = {
    "created_at": "created",
    "updated_at": "updated",
    "launched_at": "launched",
    "uuid": "id",
    "display_name": "name",
    "display_description": "description",
    "availability_zone": "zone",
    "key_name": "key_name",
    "hostname": "hostname",
    "image_ref": "image_id",
    "project_id": "project_id",
    "user_id": "user_id",
    "vm_state": "vm_state",
    "task_state": "task_state",
    "power_state": "power_state",
    "progress": "progress",
    "config_drive": "config_drive",
    "host": "host",
    "node": "host",
    "launch_index": "launch_index",
    "root_device_name": "root_device_name",
    "locked": "locked",
}
MEMBER_FILTERS = {
    "reservation_id", "name", "status", "image", "flavor", "ip", "changes-since", "all_tenants",
}  # fmt: skip
LATER_FILTERS = {
    (2, 5): {"ip6"},
    (2, 26): {"tags", "tags-any", "not-tags", "not-tags-any"},
    (2, 66): {"changes-before"},
    (2, 73): {"locked"},
    (2, 83): {"availability_zone", "config_drive", "key_name", "created_at", "launched_at",
              "terminated_at", "power_state", "task_state", "vm_state", "progress", "user_id"},
}  # fmt: skip
PAGING = {"limit", "marker", "sort_key", "sort_dir", "deleted", "tenant_id", "project_id"}
KNOWN_FILTERS = (
    MEMBER_FILTERS.union(*LATER_FILTERS.values())
    | PAGING
    | {"host", "node", "hostname", "uuid", "description", "image_ref", "soft_deleted"}
)


def moment(text: str) -> datetime.datetime:
    found = datetime.datetime.fromisoformat(text)
    return found.astimezone(datetime.UTC).replace(tzinfo=None) if found.tzinfo else found


def sort_value(server: Server, key: str) -> tuple[bool, Any]:
    """NULL sorts before everything, as in MySQL."""
    value = getattr(server, SORT_KEYS[key])
    if isinstance(value, datetime.datetime):
        value = value.replace(microsecond=0)
    elif isinstance(value, str):
        value = collation.key(value)
    return (value is not None, value)


class ServerLists(ServerDocuments):
    """Each filter is a method: ``_by_`` and its name."""

    @route("GET", "/servers")
    def list_servers(self, exchange: Exchange) -> web.Response:
        return self._listed(exchange, "servers", self.brief)

    @route("GET", "/servers/detail")
    def list_details(self, exchange: Exchange) -> web.Response:
        return self._listed(exchange, "servers/detail", self.document)

    def _listed(self, exchange: Exchange, collection: str, show: Any) -> web.Response:
        page = self._page(exchange)
        body: Object = {"servers": [show(server, exchange) for server in page]}
        limit = self._limit(exchange)
        if page and len(page) == limit:
            following = exchange.http.url.update_query(marker=page[-1].id)
            prefix = exchange.http.path[: -len(f"/{collection}")]
            href = f"{self.url}{prefix}/{collection}?{following.raw_query_string}"
            body["servers_links"] = [{"rel": "next", "href": href}]
        return reply(body)

    def _limit(self, exchange: Exchange) -> int:
        text = exchange.query.get("limit", str(self.max_limit))
        if not text.isdigit():
            raise Refusal(
                400, f"Invalid input for query parameters limit. Value: {text}. '{text}' does "
                "not match '^[0-9]*$'",
            )  # fmt: skip
        return min(int(text), self.max_limit)

    def _page(self, exchange: Exchange) -> list[Server]:
        found = self._filtered(exchange)
        order = self._order(exchange)

        def compare(one: Server, other: Server) -> int:
            for key, direction in order:
                left, right = sort_value(one, key), sort_value(other, key)
                if left != right:
                    return (-1 if left < right else 1) * (1 if direction == "asc" else -1)
            return 0

        found.sort(key=functools.cmp_to_key(compare))
        marker = exchange.query.getall("marker", [""])[-1]
        if marker:
            # Its place is known by its values even if the filter, or its end, leaves it out.
            at = self.servers.get(marker)
            if at is None:
                raise Refusal(400, f"marker [{marker}] not found")
            found = [server for server in found if compare(server, at) > 0]
        return found[: self._limit(exchange)]

    def _order(self, exchange: Exchange) -> list[tuple[str, str]]:
        keys = exchange.query.getall("sort_key", [])
        directions = exchange.query.getall("sort_dir", [])
        for key in keys:
            if key not in SORT_KEYS or (key == "locked" and exchange.version < (2, 73)):
                raise Refusal(400, f"Invalid input for query parameters sort_key. Value: {key}.")
            if key in ("host", "node") and not exchange.token.is_admin:
                raise Refusal(403, f"Only administrators can sort servers by {key}")
        if any(direction not in ("asc", "desc") for direction in directions):
            raise Refusal(400, "Unknown sort direction, must be 'desc' or 'asc'.")
        keys, directions = keys or ["created_at"], directions or ["desc"]
        directions += directions[:1] * (len(keys) - len(directions))
        order = list(zip(keys, directions, strict=False))
        return order if "uuid" in keys else [*order, ("uuid", "asc")]

    def _mine(self, server: Server, exchange: Exchange) -> bool:
        every = exchange.query.get("all_tenants", "0").lower() in ("1", "true", "yes", "on", "")
        if "all_tenants" in exchange.query and every:
            return True
        return server.project_id == exchange.token.project_id

    def _filtered(self, exchange: Exchange) -> list[Server]:
        query, version, token = exchange.query, exchange.version, exchange.token
        if "all_tenants" in query and not token.is_admin and query["all_tenants"] not in ("0",):
            raise Refusal(403, "Policy doesn't allow os_compute_api:servers:detail:get_all_tenants "
                               "to be performed.")  # fmt: skip
        unknown = set(query) - KNOWN_FILTERS
        if unknown and version >= (2, 75):
            raise Refusal(400, "Invalid input for query parameters None. Additional properties are "
                               f"not allowed ({sorted(unknown)[0]!r} was unexpected)")  # fmt: skip
        allowed = set(query) - unknown
        if not token.is_admin:
            since = (names for at, names in LATER_FILTERS.items() if version >= at)
            allowed &= MEMBER_FILTERS.union(*since)
        if "status" in query:
            states = [text.upper() for text in query.getall("status")]
            if not set(states) & set(VM_STATES):
                if version >= (2, 38):
                    raise Refusal(400, "Invalid status value")
                return []
        changes = {"changes-since", "changes-before"} & allowed
        with_deleted = changes or query.get("deleted", "").lower() in ("true", "1")
        found = [server for server in self.servers.values() if self._mine(server, exchange)]
        found = [server for server in found if with_deleted or not server.deleted]
        for name in allowed:
            check = getattr(self, f"_by_{name.replace('-', '_')}", None)
            if check is not None:
                found = [server for server in found if check(server, query.getall(name))]
        if token.is_admin:
            for name in {"project_id", "tenant_id"} & set(query):
                found = [server for server in found if server.project_id == query[name]]
        return found

    def _by_name(self, server: Server, values: list[str]) -> bool:
        return re.search(values[0], server.name) is not None

    def _by_status(self, server: Server, values: list[str]) -> bool:
        return server.status in [value.upper() for value in values]

    def _by_flavor(self, server: Server, values: list[str]) -> bool:
        return server.flavor_id == values[0]

    def _by_image(self, server: Server, values: list[str]) -> bool:
        return server.image_id == values[0]

    def _by_host(self, server: Server, values: list[str]) -> bool:
        return server.host == values[0]

    def _by_uuid(self, server: Server, values: list[str]) -> bool:
        return server.id == values[0]

    def _by_key_name(self, server: Server, values: list[str]) -> bool:
        return server.key_name == values[0]

    def _by_availability_zone(self, server: Server, values: list[str]) -> bool:
        return server.zone == values[0]

    def _by_reservation_id(self, server: Server, values: list[str]) -> bool:
        return server.reservation_id == values[0]

    def _by_locked(self, server: Server, values: list[str]) -> bool:
        return server.locked == (values[0].lower() == "true")

    def _by_ip(self, server: Server, values: list[str]) -> bool:
        found = [ip["addr"] for ips in self.addresses(server).values() for ip in ips]
        return any(re.search(values[0], address) for address in found)

    def _by_tags(self, server: Server, values: list[str]) -> bool:
        return set(values[0].split(",")) <= set(server.tags)

    def _by_tags_any(self, server: Server, values: list[str]) -> bool:
        return bool(set(values[0].split(",")) & set(server.tags))

    def _by_not_tags(self, server: Server, values: list[str]) -> bool:
        return not self._by_tags(server, values)

    def _by_not_tags_any(self, server: Server, values: list[str]) -> bool:
        return not self._by_tags_any(server, values)

    def _by_changes_since(self, server: Server, values: list[str]) -> bool:
        return server.updated.replace(microsecond=0) >= moment(values[0])

    def _by_changes_before(self, server: Server, values: list[str]) -> bool:
        return server.updated.replace(microsecond=0) <= moment(values[0])
