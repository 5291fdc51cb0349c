# SPDX-License-Identifier: Apache-2.0
"""In which pod the things are that a new one is to be beside, whatever service they are of."""

import asyncio
from collections.abc import Sequence
from urllib.parse import quote

from oslo_log import log as logging

from tricircle.conf import CONF
from tricircle.db import backup_copies, routings
from tricircle.gateway.call import Call
from tricircle.gateway.http.errors import Fault
from tricircle.gateway.threads import in_thread
from tricircle.gateway.upstream.forward import forward
from tricircle.gateway.upstream.pod_request import PodRequest
from tricircle.pods.errors import PodError
from tricircle.pods.pod import Pod

LOG = logging.getLogger(__name__)

# {resource type: (its service, path of one below the project)}
_PLACES = {
    "volume": ("volume", "volumes"),
    "snapshot": ("volume", "snapshots"),
    "backup": ("volume", "backups"),
    "server": ("compute", "servers"),
}


async def find(call: Call, needs: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """(what, region name) for those of ``needs`` that no routing knows and a pod has.

    One that is found nowhere is left to the pod, which says so in its own words.
    """
    found = await asyncio.gather(*(_find(call, kind, item) for kind, item in needs))
    return [place for place in found if place is not None]


async def where(call: Call, kind: str, item: str) -> Pod | None:
    """The pod that has a thing, by its routing or by asking; None when none is known to."""
    row = await in_thread(routings.get, kind, item)
    if row is not None:
        return call.services.registry.get(row.pod_id)
    return await _asked(call, kind, item)


async def _find(call: Call, kind: str, item: str) -> tuple[str, str] | None:
    if kind not in _PLACES or len(call.services.answering(_PLACES[kind][0])) < 2:
        return None
    if await in_thread(routings.get, kind, item) is not None:
        return None  # the scheduler reads that itself
    pod = await _asked(call, kind, item)
    return (f"{kind} {item}", pod.region_name) if pod is not None else None


async def _asked(call: Call, kind: str, item: str) -> Pod | None:
    service, _ = _PLACES[kind]
    copies = await in_thread(backup_copies.pods_with, item) if kind == "backup" else set()
    pods = [pod for pod in call.services.answering(service) if pod.id not in copies]
    found = await asyncio.gather(*(_has(call, pod, kind, item) for pod in pods))
    return next((pod for pod, has in zip(pods, found, strict=True) if has), None)


async def _has(call: Call, pod: Pod, kind: str, item: str) -> bool:
    service, collection = _PLACES[kind]
    request = PodRequest("GET", f"/{collection}/{quote(item, safe='')}", service)
    try:
        answer = await forward(call, pod, request.within(CONF.gateway.list_deadline))
    except PodError as error:
        LOG.info("Whether %s %s is there is not known: %s", kind, item, error)
        return False
    return answer.status == 200


def different_pods(server: str, its_pod: Pod, volume: str, pod: Pod, why: str) -> Fault:
    """A volume is attached in its own pod only. 400, as what is asked can never be done.

    ``server`` begins the sentence that says where the server is.
    """
    return Fault(
        400,
        f"{server} in pod {its_pod.region_name} (availability zone "
        f"{its_pod.availability_zone}) and volume {volume} is in pod {pod.region_name} "
        f"(availability zone {pod.availability_zone}). A volume is attached in its own pod only, "
        f"and this one does not follow the server: {why} Have an administrator move it, make the "
        "server in the volume's zone, or make a volume in the server's zone from an image of "
        "this one.",
    )
