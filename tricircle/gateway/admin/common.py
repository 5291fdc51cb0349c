# SPDX-License-Identifier: Apache-2.0
"""What the resources of the Admin API share: authorization, bodies, pages."""

import dataclasses
import datetime
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar
from urllib.parse import urlencode

import jsonschema
from aiohttp import web
from oslo_utils import strutils

from tricircle.conf import CONF
from tricircle.db import pods
from tricircle.db.errors import UnknownMarker
from tricircle.gateway.authorization import allows as allows
from tricircle.gateway.authorization import authorize as authorize
from tricircle.gateway.call import Call
from tricircle.gateway.http import bounds
from tricircle.gateway.http.errors import Fault
from tricircle.gateway.http.responses import respond
from tricircle.gateway.threads import in_thread

ROOT = "/tricircle/v1.0"
# Tells that the jobs of central Neutron's resources are not among those shown or counted.
LEFT_OUT = {"X-Tricircle-Left-Out": "network"}
_Row = TypeVar("_Row")
Schema = Mapping[str, Any]


def when(time: datetime.datetime | None) -> str | None:
    """A time of the database as the API tells it."""
    return None if time is None else time.isoformat(timespec="seconds") + "Z"


async def visible_project(call: Call, resources: str, asked: str | None) -> str | None:
    """The project to look at when a caller asks for one, or for all (None).

    A caller who may not see every project sees the own one. Raises Fault 403 when another one is
    asked for, or when nothing may be seen.
    """
    await authorize(call, f"{resources}:get")
    rule = f"{resources}:get_all_projects"
    if await allows(call, rule):
        return asked
    own = call.context.project_id
    if not own or asked not in (None, own):
        raise Fault(403, f"Policy doesn't allow tricircle:{rule} to be performed.")
    return own


def body(call: Call, key: str, schema: Schema) -> dict[str, Any]:
    """What a body ``{key: {…}}`` holds, held against ``schema``. Raises Fault 400, readable."""
    document = call.json()
    whole = {
        "type": "object",
        "properties": {key: schema},
        "required": [key],
        "additionalProperties": False,
    }
    validator = jsonschema.Draft202012Validator(whole)
    error = jsonschema.exceptions.best_match(validator.iter_errors(document))
    if error is not None:
        where = ".".join(str(part) for part in error.absolute_path)
        said = error.schema.get("description") if error.validator == "pattern" else None
        text = f"{error.instance!r} {said}" if said else error.message
        raise Fault(400, f"Invalid body{f': {where}' if where else ''}: {text}")
    content: dict[str, Any] = document[key]
    return content


def flag(call: Call, name: str) -> bool:
    """A boolean of the query; false when it is not there. Raises Fault 400."""
    try:
        return bool(strutils.bool_from_string(call.query.get(name, "false"), strict=True))
    except ValueError:
        raise Fault(400, f"The query parameter {name} must be true or false.") from None


@dataclasses.dataclass(frozen=True, slots=True)
class Page:
    """What a list was asked for: ``filters`` by name, at most ``limit`` items after ``marker``."""

    filters: dict[str, str]
    limit: int
    marker: str | None


def page(call: Call, filters: Iterable[str]) -> Page:
    """The page a query asks for; ``filters`` are the names it may have. Raises Fault 400."""
    allowed = {*filters, "limit", "marker"}
    if unknown := sorted(set(call.query) - allowed):
        known = ", ".join(sorted(allowed))
        raise Fault(400, f"Unknown query parameter: {', '.join(unknown)}. Known are {known}.")
    given = {name: call.query[name] for name in filters if name in call.query}
    most = CONF.gateway.max_limit
    text = call.query.get("limit", str(most))
    limit = bounds.clamped(text, most)
    if limit is None:
        raise Fault(400, f"limit must be a whole number that is not negative, not {text!r}.")
    return Page(given, limit, call.query.get("marker"))


async def listed(
    call: Call,
    name: str,
    wanted: Page,
    read: Callable[[Mapping[str, str], int, str | None], Sequence[_Row]],
    filters: Mapping[str, str],
    view: Callable[[_Row], dict[str, Any]],
    marker_of: Callable[[_Row], str],
) -> web.Response:
    """One page of ``name``, with a link to the next one when there is more.

    ``read`` is a query function (filters, limit, marker); it is asked for one row too many.
    """
    shown, more = await rows_of(wanted, read, filters)
    await know_pods(call, {row.pod_id for row in shown if hasattr(row, "pod_id")})
    marker = marker_of(shown[-1]) if more else None
    return paged(call, name, [view(row) for row in shown], marker)


async def rows_of(
    wanted: Page,
    read: Callable[[Mapping[str, str], int, str | None], Sequence[_Row]],
    filters: Mapping[str, str],
) -> tuple[Sequence[_Row], bool]:
    """The rows of a page, and whether there are more after them. Raises Fault 400."""
    try:
        rows = await in_thread(read, filters, wanted.limit + 1, wanted.marker)
    except UnknownMarker:
        raise Fault(400, f"Marker {wanted.marker} could not be found.") from None
    shown = rows[: wanted.limit]
    return shown, bool(shown) and len(rows) > len(shown)


def paged(
    call: Call, name: str, documents: list[dict[str, Any]], marker: str | None
) -> web.Response:
    """A page of documents; with a ``marker`` there are more after it."""
    document: dict[str, Any] = {name: documents}
    if marker is not None:
        query = [pair for pair in call.query.items() if pair[0] != "marker"]
        query.append(("marker", marker))
        href = f"{call.root}{ROOT}/{name}?{urlencode(query)}"
        document[f"{name}_links"] = [{"rel": "next", "href": href}]
    return respond(document)


async def list_projects(
    call: Call,
    name: str,
    filters: Iterable[str],
    read: Callable[[Mapping[str, str], int, str | None], Sequence[_Row]],
    view: Callable[[_Row], dict[str, Any]],
    marker_of: Callable[[_Row], str],
) -> web.Response:
    """One page of what belongs to projects: the caller sees the own one's, or every one's.

    ``filters`` are the names the query may have; of them ``region_name`` stands for a pod_id.
    """
    wanted = page(call, filters)
    project_id = await visible_project(call, name, wanted.filters.get("project_id"))
    found = await pod_filters(wanted.filters)
    if found is None:
        return respond({name: []})
    if project_id is not None:
        found["project_id"] = project_id
    return await listed(call, name, wanted, read, found, view, marker_of)


async def pod_filters(filters: Mapping[str, str]) -> dict[str, str] | None:
    """``filters`` with a region_name turned to its pod_id; None when they can match nothing."""
    found = dict(filters)
    region = found.pop("region_name", None)
    if region is not None:
        pod = await in_thread(pods.by_region, region)
        if pod is None or found.get("pod_id", pod.id) != pod.id:
            return None
        found["pod_id"] = pod.id
    return found


async def know_pods(call: Call, pod_ids: Iterable[str]) -> None:
    """Make sure ``placed`` knows these pods: another process may have registered one just now."""
    registry = call.services.registry
    if any(registry.get(pod_id) is None for pod_id in pod_ids):
        await in_thread(registry.refresh)


def placed(call: Call, pod_id: str) -> dict[str, Any]:
    """The part of a document that names a pod."""
    pod = call.services.registry.get(pod_id)
    return {"pod_id": pod_id, "region_name": pod.region_name if pod else None}
