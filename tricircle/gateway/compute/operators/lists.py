# SPDX-License-Identifier: Apache-2.0
"""Lists of what operators see, of all pods together, pod by pod.

A collection is a row of the table; what is not like the others is in a module of its own.
"""

import dataclasses
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from tricircle.db import hosts as db_hosts
from tricircle.gateway.call import Call, Version
from tricircle.gateway.compute.operators import documents
from tricircle.gateway.compute.operators.documents import Item
from tricircle.gateway.compute.servers.lists import PARTIAL_RECORDS
from tricircle.gateway.http.responses import respond
from tricircle.gateway.lists import completeness, links, sequential
from tricircle.gateway.threads import in_thread
from tricircle.gateway.transport.client import PodResponse, Refused
from tricircle.gateway.upstream import host_names, integer_ids, scatter
from tricircle.gateway.upstream.forward import ask_any, reply, rewrite_links
from tricircle.gateway.upstream.pod_request import PodRequest
from tricircle.pods.pod import Pod

_HOSTS = "nova-compute"


@dataclasses.dataclass(frozen=True, slots=True)
class Collection:
    """``name`` is the key of the list; ``paged`` the first microversion with limit and marker;
    ``missing`` what is shown of a pod that does not answer.
    """

    name: str
    show: Callable[[Call, Pod, Item], Item]
    paged: Version | None = None
    missing: Callable[[Call, Pod], Awaitable[list[Item]]] | None = None


async def _unknown(call: Call, pod: Pod) -> list[Item]:
    """Nova's partial records of services, for the hosts the pod had when it was seen last."""
    wanted = call.query.get("host")
    if not call.at_least(PARTIAL_RECORDS) or call.query.get("binary", _HOSTS) != _HOSTS:
        return []
    named = await in_thread(db_hosts.names, pod.id)
    plain = wanted and host_names.split(call, wanted)[1]
    return [
        {"binary": _HOSTS, "host": name, "status": "UNKNOWN"}
        for name in named
        if plain in (None, name)
    ]


_COLLECTIONS = {
    "os-hypervisors": Collection("hypervisors", documents.hypervisor, paged=(2, 33)),
    "os-baremetal-nodes": Collection("nodes", lambda call, pod, item: item),
    "os-services": Collection("services", documents.service, missing=_unknown),
}


async def merged(call: Call) -> web.Response:
    """GET of a collection: each pod's items, the pods by region."""
    collection = _COLLECTIONS[call.path.split("/")[1]]
    if _in_pages(call, collection):
        return await _page(call, collection)
    return await whole(call, collection)


async def whole(
    call: Call,
    collection: Collection,
    query: str | None = None,
    within: Pod | None = None,
    path: str | None = None,
) -> web.Response:
    """All items of all pods, or of the one that a filter by host or ``within`` tells."""
    if within is None:
        told = await asked(call, query)
    else:
        request = PodRequest.of(call)
        told = await scatter.gather(call, [within], request.with_path(path or request.path))
    found = {one.pod: items(call, collection, one) for one in told.good_or_raise()}
    if collection.missing is not None:
        found |= {pod: await collection.missing(call, pod) for pod in told.away}
    shown = [one for pod in sorted(found, key=lambda pod: pod.region_name) for one in found[pod]]
    completeness.require(call, shown, told.away)
    return respond({collection.name: shown})


async def asked(call: Call, query: str | None = None) -> scatter.Gathered:
    """The list as every pod has it, or the one that a filter by host tells."""
    only, narrowed = host_names.narrowed(call)
    request = PodRequest.of(call).with_query(narrowed if query is None else query)
    if only is None:
        return await scatter.everywhere(call, request)
    return await scatter.gather(call, [only], request)


def items(call: Call, collection: Collection, told: PodResponse) -> list[Item]:
    """A pod's items as users see them."""
    document = told.json(rewrite_links(call, told.pod, told.body))
    return [collection.show(call, told.pod, item) for item in document[collection.name]]


def _in_pages(call: Call, collection: Collection) -> bool:
    """Whether Nova pages this request. A search by name it does not, and refuses to be asked to."""
    if collection.paged is None or not call.at_least(collection.paged):
        return False
    return call.path == call.route.path and "hypervisor_hostname_pattern" not in call.query


async def _page(call: Call, collection: Collection) -> web.Response:
    limit = links.page_size(call)
    if not limit:
        return reply(call, await ask_any(call))
    marker, holder, number, own = call.query.get("marker"), None, None, 0
    if marker is not None and (number := integer_ids.parse(marker)) is not None:
        holder, own = integer_ids.inward(call, number)
        marker = str(own)

    def read(document: Any) -> list[Item]:
        found: list[Item] = document[collection.name]
        return found

    try:
        found = await sequential.page(call, read, limit, marker, holder)
    except Refused as refused:
        if number is None:
            raise
        return reply(call, integer_ids.refused(refused.answer, own, number))
    shown = [collection.show(call, pod, item) for pod, item in found]
    document: dict[str, Any] = {collection.name: shown}
    if len(shown) == limit:
        document[f"{collection.name}_links"] = links.to_next(call, call.path, shown[-1]["id"])
    return respond(document)
