# SPDX-License-Identifier: Apache-2.0
"""The older list of hosts, and what is done to one of them."""

from urllib.parse import quote

from aiohttp import web

from tricircle.gateway.call import Call
from tricircle.gateway.compute.operators import documents
from tricircle.gateway.http.responses import respond
from tricircle.gateway.upstream import host_names, integer_ids, scatter
from tricircle.gateway.upstream.forward import ask_any, forward, reply
from tricircle.gateway.upstream.pod_request import PodRequest


async def list_all(call: Call) -> web.Response:
    """GET /os-hosts. The zone asked for is one users know, so it is looked at here."""
    wanted = call.query.get("zone")
    told = await scatter.everywhere(call, PodRequest.of(call).with_query(""))
    found = [
        documents.host(call, answer.pod, item)
        for answer in told.good_or_raise()
        for item in answer.json()["hosts"]
    ]
    shown = [item for item in found if not wanted or item["zone"] == wanted]
    return respond({"hosts": shown})


async def host(call: Call) -> web.Response:
    """GET and PUT /os-hosts/{id}, and its power actions: in the pod that has the host."""
    pod, plain = await host_names.holder(call, call.params["id"])
    path = integer_ids.path(call, "id", quote(plain, safe=""))
    request = PodRequest.of(call).with_path(path)
    if pod is None:
        return reply(call, await ask_any(call, request))
    return reply(call, await forward(call, pod, request))
