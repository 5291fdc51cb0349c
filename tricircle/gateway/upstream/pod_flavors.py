# SPDX-License-Identifier: Apache-2.0
"""Flavors in a pod that lets Tricircle make none: users name the region's, and one of the pod's own
of that name and those sizes stands for it.
"""

import dataclasses
from typing import Any

import orjson

from tricircle.db import definitions
from tricircle.gateway.threads import in_thread
from tricircle.gateway.transport.client import PodResponse
from tricircle.gateway.upstream.pod_request import PodRequest
from tricircle.pods.pod import Pod

_SERVICE, _NAMED = "compute", "flavorRef"
#: What names a flavor in the bodies of requests.
_PLACES = ("server", "resize")


async def inward(pod: Pod, request: PodRequest) -> PodRequest:
    """A request with the flavor that the pod has."""
    if pod.is_privileged or request.service != _SERVICE or request.method != "POST":
        return request
    document = _read(request.body)
    place = next((one for one in _PLACES if _NAMED in _object(document.get(one))), None)
    if place is None:
        return request
    named = document[place][_NAMED]
    known = await in_thread(definitions.names, ("flavor",), pod.id)
    there = known.get(pod.id, {}).get(str(named).rpartition("/")[2], named)
    return request.with_body({**document, place: {**document[place], _NAMED: there}})


async def outward(pod: Pod, request: PodRequest, answer: PodResponse) -> PodResponse:
    """An answer with the flavors that users know; newer ones tell none's id."""
    if pod.is_privileged or request.service != _SERVICE or b'"flavor"' not in answer.body:
        return answer
    document = _read(answer.body)
    known = await in_thread(definitions.names, ("flavor",), pod.id)
    ours = {there: key for key, there in known.get(pod.id, {}).items()}
    listed = document.get("servers")
    for server in [document.get("server"), *(listed if isinstance(listed, list) else ())]:
        flavor = _object(_object(server).get("flavor"))
        if (key := ours.get(str(flavor.get("id")))) is None:
            continue
        there, flavor["id"] = flavor["id"], key
        for link in map(_object, flavor.get("links") or ()):
            link["href"] = str(link.get("href")).removesuffix(f"/{there}") + f"/{key}"
    return dataclasses.replace(answer, body=orjson.dumps(document))


def _read(body: Any) -> dict[str, Any]:
    if isinstance(body, bytes):
        try:
            body = orjson.loads(body)
        except orjson.JSONDecodeError:
            return {}
    return _object(body)


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
