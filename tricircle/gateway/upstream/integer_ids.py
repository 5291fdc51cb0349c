# SPDX-License-Identifier: Apache-2.0
"""Integer ids: each pod counts from 1, users see numbers that no two pods share.

The number a user sees is the pod's own times 10,000 plus the number of the pod. So it can be
turned back without having been written down, and it stays when pods come and go.
"""

import dataclasses
import re
from typing import Any

import orjson

from tricircle.db.pods import MOST_NUMBERS
from tricircle.gateway.call import Call
from tricircle.gateway.http import bounds
from tricircle.gateway.http.errors import Fault
from tricircle.gateway.transport.client import PodResponse
from tricircle.gateway.upstream.forward import ask_any, forward
from tricircle.gateway.upstream.pod_request import PodRequest
from tricircle.pods.pod import Pod

_BASE = MOST_NUMBERS + 1
# A pod's own ids begin at 1: this is one that no pod has.
NOBODYS = 0


def outward(pod: Pod, number: int) -> int:
    """What users see for a pod's own ``number``."""
    return number * _BASE + pod.number


def inward(call: Call, number: int) -> tuple[Pod | None, int]:
    """The pod and its own number for what a user named; (None, NOBODYS) when it is no pod's."""
    own, of_pod = divmod(number, _BASE)
    for pod in call.services.registry.all():
        if pod.number == of_pod and own != NOBODYS:
            return pod, own
    return None, NOBODYS


def parse(text: str) -> int | None:
    """The number in a path or a query; None for what is none."""
    return bounds.whole(text)


async def ask(call: Call) -> PodResponse:
    """Forward the call to the pod whose number its path names, in the pod's own number.

    What is no number, or no pod's, any pod refuses in its words. Raises Fault 503, PodUnreachable,
    PodTimeout.
    """
    number = parse(call.params["id"])
    if number is None:
        return await ask_any(call)
    pod, own = inward(call, number)
    request = PodRequest.of(call).with_path(path(call, "id", own))
    if pod is None:
        answer = await ask_any(call, request)
    elif not pod.in_use:
        raise Fault(503, f"Pod {pod.region_name}, which holds {number}, is in maintenance.")
    else:
        answer = await forward(call, pod, request)
    return answer if answer.ok else refused(answer, own, number)


def path(call: Call, param: str, value: object) -> str:
    """The call's path with another value for one of its parameters."""
    segments = call.path.split("/")
    segments[call.route.path.split("/").index(f"{{{param}}}")] = str(value)
    return "/".join(segments)


def refused(answer: PodResponse, inside: int, outside: int) -> PodResponse:
    """A refusal whose text speaks of the number the user named."""
    if not answer.body:
        return answer
    document: Any = answer.json()
    pattern = re.compile(rf"(?<![\w-]){inside}(?![\w-])")
    for part in document.values() if isinstance(document, dict) else ():
        if isinstance(part, dict) and isinstance(part.get("message"), str):
            part["message"] = pattern.sub(str(outside), part["message"])
    return dataclasses.replace(answer, body=orjson.dumps(document))
