# SPDX-License-Identifier: Apache-2.0
"""The services of Nova, of all pods together: for operators and their tools."""

from typing import Any

import orjson
from aiohttp import web

from tricircle.gateway.call import Call
from tricircle.gateway.errors import Fault, from_pod_error
from tricircle.gateway.forward import reply
from tricircle.gateway.scatter import gather
from tricircle.pods.pod import Pod

# The zone of services that run no servers; each pod has one of its own and it means nothing here.
_INTERNAL = "internal"


async def list_services(call: Call) -> web.Response:
    """GET /os-services: every pod's, pod by pod, those with servers in the zone users know."""
    told = await gather(call, sorted(call.services.serving(), key=lambda pod: pod.region_name))
    if not told.good:
        if told.answers:
            return reply(call, told.answers[0])
        for error in told.away.values():
            raise from_pod_error(error)
        raise Fault(503, "There is no pod in use to answer this.")
    services = [
        _shown(answer.pod, service) for answer in told.good for service in answer.json()["services"]
    ]
    return web.Response(body=orjson.dumps({"services": services}), content_type="application/json")


def _shown(pod: Pod, service: dict[str, Any]) -> dict[str, Any]:
    if service.get("zone") not in (None, _INTERNAL):
        service["zone"] = pod.availability_zone
    return service
