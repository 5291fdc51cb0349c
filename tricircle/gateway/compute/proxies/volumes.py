# SPDX-License-Identifier: Apache-2.0
"""Nova's proxies to volumes and their snapshots: those of all pods, in their Cinders."""

from typing import Any
from urllib.parse import quote, urlencode

from aiohttp import web

from tricircle.conf import CONF
from tricircle.gateway.call import Call
from tricircle.gateway.http.errors import Fault
from tricircle.gateway.http.responses import respond
from tricircle.gateway.lists import links
from tricircle.gateway.transport.client import PodResponse
from tricircle.gateway.upstream import broadcast, scatter, scheduling
from tricircle.gateway.upstream.forward import ask_any, forward, reply, reply_with, rewrite_links
from tricircle.gateway.upstream.pod_request import PodRequest
from tricircle.pods.pod import Pod
from tricircle.scheduling.request import Request
from tricircle.scheduling.zones import Zone

Item = dict[str, Any]

_KINDS = {"os-volumes": "volume", "os-snapshots": "snapshot"}
_ZONE = "availabilityZone"
# What Nova says where its Cinder has no room: then another pod may take it.
_FULL = (403, 413)


async def list_all(call: Call) -> web.Response:
    """GET /os-volumes, /os-snapshots, and in detail."""
    limit, offset = links.page_size(call), links.offset(call)
    if limit is None or offset is None:
        return reply(call, await ask_any(call))
    kept = [pair for pair in call.query.items() if pair[0] not in ("limit", "offset")]
    told = await scatter.everywhere(call, PodRequest.of(call).with_query(urlencode(kept)))
    name = f"{_kind(call)}s"
    found = [_shown(one.pod, item) for one in told.good_or_raise() for item in one.json()[name]]
    # No limit at all is what Nova takes a limit of 0 for.
    return respond({name: found[offset : offset + limit if limit else None]})


async def one(call: Call) -> web.Response:
    """GET and DELETE of /os-volumes/{id} and /os-snapshots/{id}."""
    return _reply(call, await broadcast.ask(call, _kind(call), call.params["id"]))


async def create(call: Call) -> web.Response:
    """POST /os-volumes: in a pod of the zone, or where the snapshot is that it is made from."""
    wanted = call.member("volume")
    zone = wanted.get("availability_zone", "") if wanted is not None else None
    if wanted is None or not isinstance(zone, str):
        return reply(call, await ask_any(call))
    snapshot = wanted.get("snapshot_id")
    needs = (("snapshot", snapshot),) if isinstance(snapshot, str) else ()
    request = Request(
        project_id=call.context.project_id,
        zone=Zone(zone or None),
        required_pods=await scheduling.required_pods(call, needs),
        what="volume",
    )
    pods = (await scheduling.choose(call, request)).pods
    refusal: PodResponse | None = None
    for pod in pods[: CONF.scheduling.max_attempts]:
        answer = await forward(call, pod, PodRequest.of(call).with_body(_toward(pod, wanted)))
        if answer.status not in _FULL or "exceeded" not in answer.message().lower():
            return _reply(call, answer)
        refusal = refusal or answer
    if refusal is None:
        raise Fault(503, "No pod could make the volume.")
    return _reply(call, refusal)


def _toward(pod: Pod, wanted: Item) -> Item:
    """The body of a create for a pod, in its own name of the zone."""
    inside = {key: value for key, value in wanted.items() if key != "availability_zone"}
    if wanted.get("availability_zone") and pod.pod_availability_zone:
        inside["availability_zone"] = pod.pod_availability_zone
    return {"volume": inside}


async def create_snapshot(call: Call) -> web.Response:
    """POST /os-snapshots: in the pod of the volume."""
    volume = (call.member("snapshot") or {}).get("volume_id")
    if not isinstance(volume, str):
        return reply(call, await ask_any(call))
    request = PodRequest.of(call).get(f"/os-volumes/{quote(volume, safe='')}")
    pod = (await scatter.everywhere(call, request)).good_or_raise()[0].pod
    return _reply(call, await forward(call, pod))


def _kind(call: Call) -> str:
    return _KINDS[call.path.split("/")[1]]


def _reply(call: Call, told: PodResponse) -> web.Response:
    if not told.ok or not told.body:
        return reply(call, told)
    document = told.json(rewrite_links(call, told.pod, told.body))
    item = document[_kind(call)]
    if call.method == "POST":
        broadcast.remember(call, _kind(call), item["id"], told.pod)
    _shown(told.pod, item)
    return reply_with(call, told, document)


def _shown(pod: Pod, item: Item) -> Item:
    if item.get(_ZONE) and item[_ZONE] == pod.pod_availability_zone:
        item[_ZONE] = pod.availability_zone
    return item
