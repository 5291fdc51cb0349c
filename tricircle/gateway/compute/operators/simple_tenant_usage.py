# SPDX-License-Identifier: Apache-2.0
"""What projects have used: the usage of each server in each pod, and the sums over all.

Pods are always asked for the servers, so that a page may end anywhere and its sums still are
those of the servers on it, as with Nova.
"""

from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import urlencode

from aiohttp import web

from tricircle.gateway.call import Call
from tricircle.gateway.http.responses import respond
from tricircle.gateway.lists import links, sequential
from tricircle.gateway.upstream import scatter
from tricircle.gateway.upstream.forward import ask_any, reply
from tricircle.gateway.upstream.pod_request import PodRequest

_PAGED = (2, 40)
# What is summed: the hours alone, and times the size of the server.
_SUMS = {
    "total_hours": None,
    "total_local_gb_usage": "local_gb",
    "total_memory_mb_usage": "memory_mb",
    "total_vcpus_usage": "vcpus",
}
Document = dict[str, Any]
# A project's sums as a pod told them, and the usage of one of the servers in them.
Usage = tuple[Document, Document]


async def list_all(call: Call) -> web.Response:
    """GET /os-simple-tenant-usage: of all projects."""

    def read(document: Document) -> list[Usage]:
        return [(one, usage) for one in document["tenant_usages"] for usage in one["server_usages"]]

    def write(summed: list[Document]) -> Document:
        if call.query.get("detailed") != "1":
            for one in summed:
                del one["server_usages"]
        return {"tenant_usages": summed}

    return await _told(call, read, write, {"detailed": "1"})


async def show(call: Call) -> web.Response:
    """GET /os-simple-tenant-usage/{id}: of one project."""

    def read(document: Document) -> list[Usage]:
        one = document["tenant_usage"]
        return [(one, usage) for usage in one.get("server_usages", ())]

    def write(summed: list[Document]) -> Document:
        return {"tenant_usage": summed[0] if summed else {}}

    return await _told(call, read, write, {})


async def _told(
    call: Call,
    read: Callable[[Document], list[Usage]],
    write: Callable[[list[Document]], Document],
    more: dict[str, str],
) -> web.Response:
    limit = links.page_size(call)
    paged = call.at_least(_PAGED)
    if paged and not limit:
        return reply(call, await ask_any(call))
    if paged and limit:
        found = await sequential.page(call, read, limit, call.query.get("marker"), more=more)
        usages = [usage for _, usage in found]
    else:
        usages = await _whole(call, read, more)
    document = write(_summed(usages))
    if paged and len(usages) == limit:
        (name,) = document
        marker = usages[-1][1]["instance_id"]
        document[f"{name}_links"] = links.to_next(call, call.path, marker)
    return respond(document)


async def _whole(
    call: Call, read: Callable[[Document], list[Usage]], more: dict[str, str]
) -> list[Usage]:
    kept = [pair for pair in call.query.items() if pair[0] not in more]
    request = PodRequest.of(call).with_query(urlencode([*kept, *more.items()]))
    told = await scatter.everywhere(call, request)
    return [usage for answer in told.good_or_raise() for usage in read(answer.json())]


def _summed(usages: Iterable[Usage]) -> list[Document]:
    """The projects in the order they come, each with its servers and their sums."""
    found: dict[str, Document] = {}
    for told, usage in usages:
        zero = {**told, "server_usages": []} | dict.fromkeys(_SUMS, 0)
        one = found.setdefault(told["tenant_id"], zero)
        one["server_usages"].append(usage)
        for name, size in _SUMS.items():
            one[name] += usage["hours"] * (1 if size is None else usage.get(size, 0))
    return list(found.values())
