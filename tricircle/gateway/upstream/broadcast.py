# SPDX-License-Identifier: Apache-2.0
"""What lives in one pod and is not written down: every pod is asked to do it, one can.

For things of operators (hypervisors, services), of which a pod alone knows what it has. Where one
was seen last is remembered in the process and is only a shortcut.
"""

from collections.abc import Callable

from tricircle.conf import CONF
from tricircle.gateway.call import Call
from tricircle.gateway.transport.client import PodResponse
from tricircle.gateway.upstream import scatter
from tricircle.gateway.upstream.forward import forward
from tricircle.gateway.upstream.pod_request import PodRequest
from tricircle.pods.pod import Pod


async def ask(call: Call, kind: str, name: str) -> PodResponse:
    """The answer of the pod that has ``name`` of a ``kind``.

    Raises Refused with what a pod without it says when none has it, Fault 502, 503 and 504, also
    when a pod that may have it is away.
    """
    if (known := _remembered(call, kind, name)) is not None:
        answer = await forward(call, known)
        if not scatter.is_absent(answer):
            return answer
        call.services.routings.drop(kind, name)
    answer = await anywhere(call)
    if answer.ok:
        remember(call, kind, name, answer.pod)
    return answer


async def anywhere(
    call: Call, absent: Callable[[PodResponse], bool] = scatter.is_absent
) -> PodResponse:
    """The same without remembering where.

    ``absent`` tells that a pod has no such thing, and so has not done anything.
    """
    # A change takes the time it takes; nobody waits for a slow pod to say that it has nothing.
    deadline = CONF.gateway.list_deadline if call.method == "GET" else CONF.gateway.request_deadline
    told = await scatter.everywhere(call, PodRequest.of(call).within(deadline))
    return told.good_or_raise(absent)[0]


def remember(call: Call, kind: str, name: str, pod: Pod) -> None:
    """Where a thing was seen. Who is thought to have it keeps it until they say otherwise."""
    if call.services.routings.get(kind, name) is None:
        call.services.routings.put(kind, name, pod.id)


def _remembered(call: Call, kind: str, name: str) -> Pod | None:
    pod_id = call.services.routings.get(kind, name)
    pod = call.services.registry.get(pod_id) if pod_id else None
    return pod if pod is not None and pod.in_use else None
