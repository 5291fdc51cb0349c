# SPDX-License-Identifier: Apache-2.0
"""What operators see of all pods together, and do to the hosts of one."""

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from aiohttp import web

from tricircle.gateway.call import Call
from tricircle.gateway.http.responses import accepted, respond
from tricircle.gateway.lists import completeness
from tricircle.gateway.upstream import broadcast, integer_ids, lookup, scatter
from tricircle.gateway.upstream import host_names as names
from tricircle.gateway.upstream.forward import ask_any, forward, reply
from tricircle.gateway.upstream.pod_request import PodRequest
from tricircle.gateway.volume import documents
from tricircle.pods.pod import Pod

Item = dict[str, Any]


async def services(call: Call) -> web.Response:
    """GET /os-services."""
    return await _merged(call, "services", _zoned)


async def hosts(call: Call) -> web.Response:
    """GET /os-hosts."""
    return await _merged(call, "hosts", _zoned)


async def pools(call: Call) -> web.Response:
    """GET /scheduler-stats/get_pools."""
    return await _merged(call, "pools")


async def clusters(call: Call) -> web.Response:
    """GET /clusters, and in detail."""
    return await _merged(call, "clusters")


async def _merged(
    call: Call, key: str, show: Callable[[Pod, Item], Item] = lambda pod, item: item
) -> web.Response:
    """All items of all pods, by region, or of the one that a filter by host tells."""
    only, query = names.narrowed(call)
    request = PodRequest.of(call).with_query(query)
    if only is None:
        told = await scatter.everywhere(call, request)
    else:
        told = await scatter.gather(call, [only], request)
    good = told.good_or_raise()
    found = [show(one.pod, item) for one in good for item in one.json()[key]]
    completeness.require(call, found, told.away)
    return respond({key: found})


def _zoned(pod: Pod, item: Item) -> Item:
    if item.get("zone"):
        item["zone"] = pod.availability_zone
    return item


async def change_service(call: Call) -> web.Response:
    """PUT of what is to be with the services of a host, in the pod that has it."""
    body = call.json()
    host = body.get("host") if isinstance(body, dict) else None
    if not isinstance(host, str):
        # A cluster, or nothing that is anybody's.
        return await change_cluster(call)
    pod, plain = await _holder(call, host)
    request = PodRequest.of(call).with_body({**body, "host": plain})
    if pod is None:
        return reply(call, await ask_any(call, request))
    return reply(call, await forward(call, pod, request))


async def logs(call: Call) -> web.Response:
    """PUT that reads or sets log levels of the services named, wherever they are."""
    good = (await scatter.everywhere(call)).good_or_raise()
    if not any(answer.body for answer in good):
        return accepted()
    return respond({"log_levels": [one for answer in good for one in answer.json()["log_levels"]]})


async def host(call: Call) -> web.Response:
    """What a path or, in the older form, a body names by its host."""
    named = call.params.get("id")
    if named is None:
        return await change_service(call)
    pod, plain = await _holder(call, named)
    path = integer_ids.path(call, "id", quote(plain, safe=""))
    request = PodRequest.of(call).with_path(path)
    if pod is None:
        return reply(call, await ask_any(call, request))
    return reply(call, await forward(call, pod, request))


async def cluster(call: Call) -> web.Response:
    """GET /clusters/{id}, which is a name."""
    return reply(call, await broadcast.ask(call, "cluster", call.params["id"]))


async def change_cluster(call: Call) -> web.Response:
    """PUT that names a cluster in its body: the pod that has it does it."""
    return reply(call, await broadcast.anywhere(call))


async def cleanup(call: Call) -> web.Response:
    """POST /workers/cleanup: every pod's services that match clean up."""
    told = await scatter.everywhere(call)
    total: Item = {}
    for answer in told.good_or_raise():
        for key, items in answer.json().items():
            total.setdefault(key, []).extend(items)
    response = respond(total)
    response.set_status(202)
    return response


async def manageable(call: Call) -> web.Response:
    """GET of what a host has that is not managed."""
    host = call.query.get("host")
    pod, _ = await _holder(call, host) if host else (None, "")
    if pod is None:
        return reply(call, await ask_any(call))
    _, query = names.narrowed(call)
    return reply(call, await forward(call, pod, PodRequest.of(call).with_query(query)))


async def manage_volume(call: Call) -> web.Response:
    """POST of a volume to be managed, which is on a host."""
    body = call.json()
    wanted = body.get("volume") if isinstance(body, dict) else None
    host = wanted.get("host") if isinstance(wanted, dict) else None
    if not isinstance(wanted, dict) or not isinstance(host, str):
        return reply(call, await ask_any(call))
    pod, plain = await _holder(call, host)
    inside: Item = {**wanted, "host": plain}
    if pod is None:
        request = PodRequest.of(call).with_body({**body, "volume": inside})
        return reply(call, await ask_any(call, request))
    if inside.get(documents.ZONE):
        inside[documents.ZONE] = pod.pod_availability_zone or None
    return await _managed(call, "volume", pod, {**body, "volume": inside})


async def manage_snapshot(call: Call) -> web.Response:
    """POST of a snapshot to be managed, which is one of a volume."""
    volume = (call.member("snapshot") or {}).get("volume_id")
    if not isinstance(volume, str):
        return reply(call, await ask_any(call))
    return await _managed(call, "snapshot", await lookup.find(call, "volume", volume), call.json())


async def _managed(call: Call, kind: str, pod: Pod, body: Item) -> web.Response:
    answer = await forward(call, pod, PodRequest.of(call).with_body(body))
    if answer.ok:
        new = await lookup.learned(kind, answer.json()[kind]["id"], pod)
        await lookup.remember(call, kind, new, pod, project_id=call.context.project_id)
    return documents.shown(call, answer)


async def _holder(call: Call, host: str) -> tuple[Pod | None, str]:
    """The pod that has a host, and its name there. A pool of the host is on it."""
    plain, mark, pool = host.partition("#")
    pod, name = await names.holder(call, plain)
    return pod, f"{name}{mark}{pool}"
