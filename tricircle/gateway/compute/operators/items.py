# SPDX-License-Identifier: Apache-2.0
"""One hypervisor or service: by UUID, and by number in the microversions that have those."""

from typing import Any
from urllib.parse import quote

from aiohttp import web

from tricircle.gateway.call import Call
from tricircle.gateway.compute.operators import documents, lists
from tricircle.gateway.http.responses import respond
from tricircle.gateway.transport.client import PodResponse
from tricircle.gateway.upstream import broadcast, host_names, integer_ids, scatter
from tricircle.gateway.upstream.forward import ask_any, forward, reply, reply_with, rewrite_links
from tricircle.gateway.upstream.pod_request import PodRequest

_FOUND = lists.Collection("hypervisors", documents.hypervisor)


async def hypervisor(call: Call) -> web.Response:
    """GET /os-hypervisors/{id} and its uptime."""
    return _shown(call, await _ask(call, "hypervisor"), "hypervisor", documents.hypervisor)


async def search(call: Call) -> web.Response:
    """GET /os-hypervisors/{pattern}/search and /servers."""
    pod, plain = host_names.split(call, call.params["id"])
    if pod is None:
        return await lists.whole(call, _FOUND)
    path = integer_ids.path(call, "id", quote(plain, safe=""))
    return await lists.whole(call, _FOUND, within=pod, path=path)


async def statistics(call: Call) -> web.Response:
    """GET /os-hypervisors/statistics: the sums."""
    told = await scatter.everywhere(call)
    total: dict[str, int] = {}
    for answer in told.good_or_raise():
        for name, value in answer.json()["hypervisor_statistics"].items():
            total[name] = total.get(name, 0) + (value or 0)
    return respond({"hypervisor_statistics": total})


async def change_service(call: Call) -> web.Response:
    """PUT /os-services/{id}; before there were UUIDs {id} is an action, a body names the host."""
    if not _has_uuids(call):
        return await _act_on_service(call)
    return _shown(call, await _ask(call, "service"), "service", documents.service)


async def delete_service(call: Call) -> web.Response:
    """DELETE /os-services/{id}."""
    return reply(call, await _ask(call, "service"))


async def baremetal_node(call: Call) -> web.Response:
    """GET /os-baremetal-nodes/{id}."""
    return reply(call, await broadcast.ask(call, "baremetal node", call.params["id"]))


async def console(call: Call) -> web.Response:
    """GET /os-console-auth-tokens/{id}: where a console is, for who has its token."""
    return reply(call, await broadcast.anywhere(call))


async def _act_on_service(call: Call) -> web.Response:
    body = call.json()
    name = body.get("host") if isinstance(body, dict) else None
    if not isinstance(name, str):
        return reply(call, await ask_any(call))
    pod, plain = await host_names.holder(call, name)
    request = PodRequest.of(call).with_body({**body, "host": plain})
    if pod is None:
        return reply(call, await ask_any(call, request))
    return reply(call, await forward(call, pod, request))


def _has_uuids(call: Call) -> bool:
    return call.at_least(documents.UUIDS)


async def _ask(call: Call, kind: str) -> PodResponse:
    if _has_uuids(call):
        return await broadcast.ask(call, kind, call.params["id"])
    return await integer_ids.ask(call)


def _shown(call: Call, answer: PodResponse, key: str, show: Any) -> web.Response:
    if not answer.ok or not answer.body:
        return reply(call, answer)
    document = answer.json(rewrite_links(call, answer.pod, answer.body))
    show(call, answer.pod, document[key])
    return reply_with(call, answer, document)
