# SPDX-License-Identifier: Apache-2.0
"""What all of a Cinder's collections share: who sees what, filters, order, pages, links."""

import ast
import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from aiohttp import web

from tests.functional.fakes.http import Exchange, FakeService, Refusal, new_id, reply, utc_now
from tests.functional.fakes.keystone import Keystone
from tests.functional.fakes.rights import found, visible
from tricircle.gateway.lists import collation

Object = dict[str, Any]
Show = Callable[[Object, Exchange], Object]

DB_MAX_INT = 0x7FFFFFFF
MAX_LIMIT = 1000
#: Until here unknown filters are passed over, from here on refused to users.
STRICT_FILTERS, LIKE_FILTERS, WITH_COUNT = (3, 31), (3, 34), (3, 45)
_TRUE = ("true", "1", "yes", "on", "t", "y")


@dataclasses.dataclass(frozen=True)
class Kind:
    """One collection. ``sorts`` is {sort key: field of an item}; ``paged`` is the microversion from
    which it has pages; ``oldest_first`` says how it is sorted before that; ``filters`` are what
    users may filter by.
    """

    key: str
    name: str
    missing: str
    sorts: Mapping[str, str]
    filters: tuple[str, ...]
    path: str = ""
    links: str | None = ""
    paged: tuple[int, int] = (3, 0)
    oldest_first: bool = False
    counted: bool = False


def _fields(*names: str, **others: str) -> dict[str, str]:
    common = ("id", "created_at", "updated_at", "status", *names)
    return {name: name for name in common} | others


_NAMED = {"display_name": "name", "display_description": "description"}
KINDS = {
    kind.key: kind
    for kind in (
        Kind(
            "volume", "volumes", "Volume {} could not be found.",
            _fields("size", "name", "bootable", "availability_zone", "source_volid", "snapshot_id",
                    "user_id", "multiattach", "host", **_NAMED),
            ("name", "status", "metadata", "bootable", "migration_status", "availability_zone",
             "group_id", "size", "created_at", "updated_at", "consumes_quota"),
            counted=True,
        ),
        Kind(
            "snapshot", "snapshots", "Snapshot {} could not be found.",
            _fields("name", "volume_id", "user_id", volume_size="size", **_NAMED),
            ("name", "status", "volume_id", "metadata", "availability_zone", "consumes_quota"),
            counted=True,
        ),
        Kind(
            "backup", "backups", "Backup {} could not be found.",
            _fields("size", "name", "volume_id", "snapshot_id", "user_id", **_NAMED),
            ("name", "status", "volume_id"),
            counted=True,
        ),
        Kind(
            "transfer", "transfers", "Transfer {} could not be found.",
            _fields("volume_id", display_name="name"), (), "os-volume-transfer",
            paged=(3, 59), oldest_first=True,
        ),
        Kind(
            "attachment", "attachments",
            "Volume attachment could not be found with filter: attachment_id = {}.",
            _fields("volume_id", attach_status="status"),
            ("volume_id", "status", "instance_id", "attach_status"), links=None,
        ),
        Kind(
            "group", "groups", "Group {} could not be found.",
            _fields("name", "description", "availability_zone", "user_id"), ("name",),
            links="group_links",
        ),
        Kind(
            "group_snapshot", "group_snapshots", "GroupSnapshot {} could not be found.",
            _fields("name", "description", "user_id"), ("name", "status", "group_id"),
            links="group_snapshot_links", paged=(3, 29),
        ),
        Kind(
            "message", "messages", "Message {} could not be found.",
            {name: name for name in ("id", "created_at", "event_id", "request_id",
                                     "resource_type", "resource_uuid", "message_level")},
            ("resource_uuid", "resource_type", "event_id", "request_id", "message_level"),
            paged=(3, 5),
        ),
    )
}  # fmt: skip


def since(exchange: Exchange, *version: int) -> None:
    """A route that is not there yet."""
    if exchange.version < version:
        raise Refusal(404, "The resource could not be found.")


def true(text: Any) -> bool:
    return str(text).strip().lower() in _TRUE


def stamp() -> str:
    return utc_now().strftime("%Y-%m-%dT%H:%M:%S.%f")


class Store(FakeService):
    """``items`` is {kind: {id: item}}; an item has all its fields, whatever version shows them."""

    keystone: Keystone
    zone: str

    def prepare_store(self) -> None:
        self.items: dict[str, dict[str, Object]] = {key: {} for key in KINDS}

    def put(self, kind: str, project: str, user: str, **values: Any) -> Object:
        """Make an item behind everybody's back; ``project`` and ``user`` are ids."""
        item: Object = {
            "id": new_id(),
            "name": None,
            "description": None,
            "status": "available",
            "created_at": stamp(),
            "updated_at": None,
            "project_id": project,
            "user_id": user,
            "metadata": {},
            **values,
        }
        self.items[kind][item["id"]] = item
        return item

    def owner(self, user: str) -> tuple[str, str]:
        """(project id, user id) of a user, by the name of both."""
        token = self.keystone.issue(user)
        return token.project_id, token.user.id

    def find(self, exchange: Exchange, kind: str, item_id: str) -> Object:
        """One that the caller may see, or 404."""
        item = self.items[kind].get(item_id)
        if item is None or not visible(exchange, item["project_id"]):
            raise Refusal(404, KINDS[kind].missing.format(item_id))
        found(exchange, item["project_id"])
        return item

    def touch(self, item: Object) -> None:
        item["updated_at"] = stamp()

    def links_to(self, exchange: Exchange, path: str, item_id: str) -> list[Object]:
        project = exchange.token.project_id
        in_url = f"/{project}" if f"/{project}/" in exchange.http.path else ""
        return [
            {"rel": "self", "href": f"{self.url}/v3{in_url}/{path}/{item_id}"},
            {"rel": "bookmark", "href": f"{self.url}{in_url}/{path}/{item_id}"},
        ]

    # -- lists -------------------------------------------------------------------------------

    def listed(self, exchange: Exchange, key: str, show: Show) -> web.Response:
        """A collection as asked for."""
        kind, query = KINDS[key], dict(exchange.query)
        found = self._visible(exchange, key, query)
        paged = exchange.version >= kind.paged
        limit = MAX_LIMIT
        if paged:
            limit, marker, offset = _page(query)
            order = _order(kind, query)
            counting = kind.counted and exchange.version >= WITH_COUNT
            count = counting and true(query.pop("with_count", ""))
        else:
            order = [("created_at", not kind.oldest_first), ("id", not kind.oldest_first)]
            marker, offset, count = None, 0, False
        if paged or kind.oldest_first:
            found = _filtered(exchange, kind, found, query)
        found = _sorted(found, order)
        total = len(found)
        if marker is not None:
            found = self._after(kind, found, order, marker)
        found = found[offset:][:limit]
        body: Object = {kind.name: [show(item, exchange) for item in found]}
        asked = int(exchange.query.get("limit", MAX_LIMIT))
        if kind.links is not None and found and asked <= (total if count else len(found)):
            url = exchange.http.url.update_query(marker=found[-1]["id"])
            path = f"{self.url}/v3/{kind.path or kind.name}?{url.raw_query_string}"
            body[kind.links or f"{kind.name}_links"] = [{"rel": "next", "href": path}]
        if count:
            body["count"] = total
        return reply(body)

    def _visible(self, exchange: Exchange, key: str, query: Object) -> list[Object]:
        every = true(query.pop("all_tenants", "")) and exchange.token.is_admin
        mine = exchange.token.project_id
        return [one for one in self.items[key].values() if every or one["project_id"] == mine]

    def _after(
        self, kind: Kind, found: list[Object], order: list[tuple[str, bool]], marker: str
    ) -> list[Object]:
        """What sorts after the marker, which need not be in the list itself."""
        if marker not in self.items[kind.key]:
            raise Refusal(404, kind.missing.format(marker))
        item = self.items[kind.key][marker]
        kept = [one for one in found if one["id"] != marker]
        placed = _sorted([*kept, item], order)
        return placed[placed.index(item) + 1 :]


def _page(query: Object) -> tuple[int, str | None, int]:
    try:
        limit = int(query.pop("limit", MAX_LIMIT))
    except ValueError:
        raise Refusal(400, "limit param must be an integer") from None
    if limit < 0:
        raise Refusal(400, "limit param must be positive")
    try:
        offset = int(query.pop("offset", 0))
    except ValueError:
        raise Refusal(400, "offset must be an integer") from None
    if offset < 0:
        raise Refusal(400, "offset must be >= 0")
    if offset > DB_MAX_INT:
        raise Refusal(400, f"offset must be <= {DB_MAX_INT}")
    return min(limit, MAX_LIMIT), query.pop("marker", None), offset


def _order(kind: Kind, query: Object) -> list[tuple[str, bool]]:
    """(field, whether descending); created_at and id, as the first is sorted, come last."""
    if "sort" in query and ("sort_key" in query or "sort_dir" in query):
        raise Refusal(400, "The 'sort_key' and 'sort_dir' parameters are deprecated and cannot be "
                           "used with the 'sort' parameter.")  # fmt: skip
    if "sort" in query:
        parts = [part.partition(":") for part in query.pop("sort").strip().split(",")]
        pairs = [(key.strip(), way.strip() or "desc") for key, _, way in parts]
    else:
        key, way = query.pop("sort_key", "created_at"), query.pop("sort_dir", "desc")
        pairs = [(key.strip(), way.strip())]
    if any(way not in ("asc", "desc") for _, way in pairs):
        raise Refusal(400, "Invalid input received: Unknown sort direction, must be 'desc' or "
                           "'asc'.")  # fmt: skip
    known = {key for key, _ in pairs}
    pairs += [(key, pairs[0][1]) for key in ("created_at", "id") if key not in known]
    if any(key not in kind.sorts for key, _ in pairs):
        raise Refusal(400, "Invalid input received: Sort key supplied is invalid")
    return [(kind.sorts[key], way == "desc") for key, way in pairs]


def _sorted(items: list[Object], order: list[tuple[str, bool]]) -> list[Object]:
    for field, descending in reversed(order):

        def key(item: Object, field: str = field) -> tuple[bool, Any]:
            # Nothing comes before everything; text as MariaDB compares it.
            value = item[field]
            value = collation.key(value) if isinstance(value, str) else value
            return value is not None, 0 if value is None else value

        items = sorted(items, key=key, reverse=descending)
    return items


def _filtered(exchange: Exchange, kind: Kind, items: list[Object], query: Object) -> list[Object]:
    admin, strict = exchange.token.is_admin, exchange.version >= STRICT_FILTERS
    known = set(kind.filters)
    if exchange.version >= LIKE_FILTERS:
        known |= {f"{name}~" for name in ("name", "status") if name in known}
    # Transfers take whatever they are given.
    if not admin and not kind.oldest_first:
        strange = [name for name in query if name not in known]
        if strange and strict:
            names = ",".join(strange)
            raise Refusal(400, f"Invalid filters {names} are found in query options.")
        query = {name: value for name, value in query.items() if name in known}
    for name, value in query.items():
        items = [item for item in items if _fits(item, name, value)]
    return items


_COLUMNS = {"instance_id": "instance", "attach_status": "status", "consumes_quota": "use_quota",
            "group_type_id": "group_type"}  # fmt: skip


def _fits(item: Object, name: str, value: str) -> bool:
    field = _COLUMNS.get(name, name)
    if name.endswith("~"):
        return value in str(item[name[:-1]] or "")
    if field not in item:
        return False
    have = item[field]
    if field == "metadata":
        wanted = ast.literal_eval(value)
        return all(have.get(key) == one for key, one in wanted.items())
    if field in ("created_at", "updated_at") and ":" in value[:4]:
        return all(_compares(have, *part.split(":", 1)) for part in value.split(","))
    if isinstance(have, bool):
        return have == true(value)
    return have is not None and str(have) == value


def _compares(have: str | None, way: str, value: str) -> bool:
    if have is None:
        return False
    mine, other = have[:19], value[:19]
    found = {"gt": mine > other, "gte": mine >= other, "lt": mine < other, "lte": mine <= other,
             "eq": mine == other, "neq": mine != other}  # fmt: skip
    return found[way]
