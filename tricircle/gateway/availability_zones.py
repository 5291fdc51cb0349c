# SPDX-License-Identifier: Apache-2.0
"""Availability zones: Tricircle's, each with what its pods have."""

from typing import Any

from aiohttp import web

from tricircle.gateway.call import Call
from tricircle.gateway.failures import from_pod_error
from tricircle.gateway.http.responses import respond
from tricircle.gateway.upstream.forward import reply
from tricircle.gateway.upstream.scatter import gather
from tricircle.pods.pod import Pod

# Nova's own services are in a zone of this name; it is no zone for servers.
_INTERNAL = "internal"

Entry = dict[str, Any]


async def list(call: Call) -> web.Response:
    """GET /os-availability-zone, and in Nova with the hosts of every pod, for administrators."""
    pods = call.serving
    gathered = await gather(call, pods)
    if refused := [answer for answer in gathered.answers if not answer.ok]:
        return reply(call, refused[0])
    if not gathered.answers and gathered.away:
        raise from_pod_error(next(iter(gathered.away.values())))
    zones: dict[str, Entry] = {pod.availability_zone: _empty(call, pod) for pod in pods}
    for pod in gathered.away:
        # That a pod is slow makes its zone no worse a place for what is to be made.
        if pod.takes_new and not call.services.availability.is_down(pod, call.service):
            zones[pod.availability_zone]["zoneState"] = {"available": True}
    for answer in gathered.good:
        for told in answer.json()["availabilityZoneInfo"]:
            _add(call, zones, answer.pod, told)
    document = {"availabilityZoneInfo": [zones[name] for name in sorted(zones)]}
    return respond(document)


def _empty(call: Call, pod: Pod) -> Entry:
    entry: Entry = {"zoneName": pod.availability_zone, "zoneState": {"available": False}}
    return entry | {"hosts": None} if call.service == "compute" else entry


def _add(call: Call, zones: dict[str, Entry], pod: Pod, told: Entry) -> None:
    """Add what a pod tells of one of its zones to the zone it is for users."""
    name = told["zoneName"]
    if name == _INTERNAL:
        zone = zones.setdefault(_INTERNAL, {**_empty(call, pod), "zoneName": _INTERNAL})
    elif pod.pod_availability_zone in ("", name):
        zone = zones[pod.availability_zone]
    else:
        return
    if told["zoneState"]["available"] and (name == _INTERNAL or pod.takes_new):
        zone["zoneState"] = {"available": True}
    if told.get("hosts"):
        hosts = zone["hosts"] or {}
        for host, services in told["hosts"].items():
            # Two pods may each have a host of one name.
            hosts[host if host not in hosts else f"{host}@{pod.region_name}"] = services
        zone["hosts"] = hosts
