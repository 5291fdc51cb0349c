# SPDX-License-Identifier: Apache-2.0
"""Migrations: those of all pods in one list, and those of one server, by numbers no two share."""

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, urlencode

from aiohttp import web

from tricircle.conf import CONF
from tricircle.gateway.call import Call
from tricircle.gateway.compute.operators import documents, lists
from tricircle.gateway.http.errors import Fault
from tricircle.gateway.http.responses import respond
from tricircle.gateway.lists import completeness, links
from tricircle.gateway.lists.merge import Cursor, MarkerLost, Merged, Order, Page, Source, merge
from tricircle.gateway.transport.client import Refused
from tricircle.gateway.upstream import host_names, integer_ids, lookup, scatter
from tricircle.gateway.upstream.forward import ask_any, reply, reply_with, rewrite_links
from tricircle.gateway.upstream.pod_request import PodRequest
from tricircle.pods.document import pages
from tricircle.pods.errors import PodError
from tricircle.pods.pod import Pod

# Pages, and UUIDs to name where one begins, are from here on.
_PAGED = (2, 59)
_COLLECTION = lists.Collection("migrations", documents.migration)
# The latest first, as each pod has them too.
_MOST_PAGES = 1000
_ORDER = Order([(lambda item: item["created_at"], True)])


async def list_all(call: Call) -> web.Response:
    """GET /os-migrations."""
    if not call.at_least(_PAGED):
        return await lists.whole(call, _COLLECTION)
    limit = links.page_size(call)
    if not limit:
        return reply(call, await ask_any(call))
    only, query = host_names.narrowed(call)
    pods = {pod.id: pod for pod in ([only] if only else call.services.registry.all())}
    merged = await _merged(call, pods, query, limit)
    shown = [documents.migration(call, pods[source], item) for source, item in merged.items]
    document: dict[str, Any] = {"migrations": shown}
    if len(shown) == limit and merged.end is not None:
        marker = shown[-1]["uuid"]
        call.services.cursors.put(_cursor_key(call, marker), merged.end)
        document["migrations_links"] = links.to_next(call, call.path, marker)
    return respond(document)


async def _merged(call: Call, pods: dict[str, Pod], query: str, limit: int) -> Merged:
    """A page of all pods' migrations. Raises Refused; Fault when no pod answers."""
    marker = call.query.get("marker") or None
    cursor = None if marker is None else await _cursor(call, list(pods.values()), marker)
    merged = await merge(
        [
            Source(pod.id, pod.region_name, _fetcher(call, pod, query), key="uuid")
            for pod in pods.values()
        ],
        _ORDER,
        limit,
        CONF.gateway.max_limit,
        cursor,
        tolerated=(PodError, Refused),
    )
    away = {pods[id]: error for id, error in merged.failed.items() if isinstance(error, PodError)}
    refused = [error for error in merged.failed.values() if isinstance(error, Refused)]
    if len(merged.failed) == len(pods):
        raise refused[0] if refused else scatter.nobody(away)
    completeness.require(call, merged.items, away)
    scatter.tell_away(call, away)
    return merged


def _fetcher(call: Call, pod: Pod, query: str) -> Callable[[str | None, int], Any]:
    kept = [pair for pair in parse_qsl(query, True) if pair[0] not in ("limit", "marker")]

    async def fetch(marker: str | None, limit: int) -> Page:
        wanted = [*kept, ("limit", str(limit))] + ([("marker", marker)] if marker else [])
        answer = await scatter.ask(call, pod, PodRequest.of(call).with_query(urlencode(wanted)))
        if isinstance(answer, PodError):
            raise answer
        if not answer.ok:
            if answer.status == 400 and marker is not None and marker in answer.message():
                raise MarkerLost(marker)
            raise Refused(answer)
        document = answer.json(rewrite_links(call, pod, answer.body))
        return Page(document["migrations"], "migrations_links" in document)

    return fetch


async def _cursor(call: Call, pods: list[Pod], marker: str) -> Cursor:
    """Where the page after ``marker`` begins: remembered, or looked for in the pod that knows it.

    Nova has no way to ask for one migration, so its list is gone through up to there.
    """
    kept = call.services.cursors.get(_cursor_key(call, marker))
    if isinstance(kept, Cursor):
        return kept
    # Who may see only a project's migrations must say so.
    project = [pair for pair in call.query.items() if pair[0] == "project_id"]
    query = urlencode([*project, ("limit", "1"), ("marker", marker)])
    told = await scatter.gather(call, pods, PodRequest.of(call).with_query(query))
    pod = told.good_or_raise(absent=lambda answer: answer.status == 400)[0].pod
    fetch = _fetcher(call, pod, urlencode(project))
    page, last = Page([], True), None
    for _ in pages(pod.region_name, "migrations", _MOST_PAGES):
        page = await fetch(last, CONF.gateway.max_limit)
        for item in page.items:
            last = item["uuid"]
            if last == marker:
                return Cursor((_ORDER.key(item), pod.region_name), {pod.id: marker})
        if not page.more:
            break
    raise Fault(400, f"Marker {marker} could not be found.")


def _cursor_key(call: Call, marker: str) -> tuple[str, ...]:
    kept = sorted(pair for pair in call.query.items() if pair[0] not in ("limit", "marker"))
    context = call.context
    return ("migrations", context.project_id, str(context.is_admin), urlencode(kept), marker)


# Those of one server


async def list_for_server(call: Call) -> web.Response:
    """GET /servers/{server_id}/migrations."""
    answer = (await lookup.ask(call, "server", call.params["server_id"])).raise_for_status()
    shown = lists.items(call, _COLLECTION, answer)
    return reply_with(call, answer, {"migrations": shown})


async def one_of_server(call: Call) -> web.Response:
    """GET, DELETE and the actions of /servers/{server_id}/migrations/{id}."""
    number = integer_ids.parse(call.params["id"])
    if number is None:
        return reply(call, await lookup.ask(call, "server", call.params["server_id"]))
    pod, own = integer_ids.inward(call, number)
    if pod != await lookup.find(call, "server", call.params["server_id"]):
        own = integer_ids.NOBODYS
    request = PodRequest.of(call).with_path(integer_ids.path(call, "id", own))
    answer = await lookup.ask(call, "server", call.params["server_id"], request)
    if not answer.ok:
        return reply(call, integer_ids.refused(answer, own, number))
    if not answer.body:
        return reply(call, answer)
    document = answer.json()
    documents.migration(call, answer.pod, document["migration"])
    return reply_with(call, answer, document)
