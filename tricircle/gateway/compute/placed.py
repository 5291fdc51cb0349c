# SPDX-License-Identifier: Apache-2.0
"""In which pod the volumes and snapshots are that a new server is to have."""

import asyncio
import dataclasses
import re
from collections.abc import Sequence
from urllib.parse import quote

from oslo_log import log as logging

from tricircle.conf import CONF
from tricircle.db import routings
from tricircle.gateway import restricted
from tricircle.gateway.call import Call
from tricircle.gateway.threads import in_thread
from tricircle.pods.errors import PodError
from tricircle.pods.pod import Pod

LOG = logging.getLogger(__name__)

_COLLECTIONS = {"volume": "volumes", "snapshot": "snapshots"}
# The catalogue may have a project in the endpoint: ours, where the user's is needed.
_VERSION = re.compile(r"^(.*/v3)(/.*)?$")


async def find(call: Call, needs: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """(what, region name) for those of ``needs`` that no routing knows and a pod has.

    One that is found nowhere is left to the pod, which says so in its own words.
    """
    found = await asyncio.gather(*(_find(call, kind, item) for kind, item in needs))
    return [place for place in found if place is not None]


async def _find(call: Call, kind: str, item: str) -> tuple[str, str] | None:
    pods = call.services.answering()
    if kind not in _COLLECTIONS or len(pods) < 2:
        return None
    if await in_thread(routings.get, kind, item) is not None:
        return None  # the scheduler reads that itself
    found = await asyncio.gather(*(_has(call, pod, kind, item) for pod in pods))
    regions = [pod.region_name for pod, has in zip(pods, found, strict=True) if has]
    return (f"{kind} {item}", regions[0]) if regions else None


async def _has(call: Call, pod: Pod, kind: str, item: str) -> bool:
    try:
        base = _VERSION.sub(r"\1", pod.endpoint("volume"))
        answer = await call.services.client.request(
            dataclasses.replace(pod, endpoints={"volume": base}),
            "volume",
            "GET",
            f"/{call.context.project_id}/{_COLLECTIONS[kind]}/{quote(item, safe='')}",
            token=call.context.token,
            headers=await restricted.beside(call),
            request_id=call.context.upstream_id,
            deadline=CONF.gateway.list_deadline,
        )
    except PodError as error:
        LOG.info("Whether %s %s is there is not known: %s", kind, item, error)
        return False
    return answer.status == 200
