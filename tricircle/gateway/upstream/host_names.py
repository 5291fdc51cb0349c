# SPDX-License-Identifier: Apache-2.0
"""Hosts of pods by name. Two pods may have a host of one name: ``name@Region`` tells which.

Where only one pod has a host its name alone is enough.
"""

from urllib.parse import urlencode

from tricircle.gateway.call import Call
from tricircle.gateway.http.errors import Fault
from tricircle.gateway.upstream import scatter
from tricircle.gateway.upstream.pod_request import PodRequest
from tricircle.pods.pod import Pod

# Filters of lists that name a host.
_FILTERS = ("host", "node", "source_compute", "hypervisor_hostname_pattern")
# The first microversion whose list of hypervisors is searched by name.
_SEARCHED = (2, 53)


def split(call: Call, name: str) -> tuple[Pod | None, str]:
    """The pod that a name of a host tells, if it does, and the name the pod has for it."""
    plain, at, region = name.rpartition("@")
    pod = call.services.registry.by_region(region) if at else None
    return (pod, plain) if pod is not None else (None, name)


def narrowed(call: Call) -> tuple[Pod | None, str]:
    """The pod that a list's filter by host tells, if it does, and the query for pods."""
    told, pairs = filtered(call)
    return told, call.raw_query if told is None else urlencode(pairs)


def filtered(call: Call) -> tuple[Pod | None, list[tuple[str, str]]]:
    """The same, the query in pairs."""
    told: Pod | None = None
    pairs: list[tuple[str, str]] = []
    for name, value in call.query.items():
        pod, plain = split(call, value) if name in _FILTERS else (None, value)
        told = told or pod
        pairs.append((name, plain))
    return told, pairs


def inward(call: Call, pod: Pod, name: str) -> str:
    """A name of a host as a pod is to be told it: one of another pod it shall not take for its."""
    told, plain = split(call, name)
    return plain if told is not None and told.id == pod.id else name


async def holders(call: Call, name: str, *, node: bool = False) -> tuple[list[Pod], str]:
    """The pods that have a compute host (or a ``node``), and its name there.

    None when no pod has it, or none tells the caller. Raises Fault 503 when one that may have it
    is away.
    """
    pod, plain = split(call, name)
    if pod is not None:
        return [pod], plain
    if node:
        path, query, version = "/os-hypervisors", {"hypervisor_hostname_pattern": name}, _SEARCHED
    else:
        path, query, version = "/os-services", {"host": name, "binary": "nova-compute"}, (2, 1)
    request = PodRequest.of(call).get(path, urlencode(query)).at(version)
    told = await scatter.everywhere(call, request)
    key, field = ("hypervisors", "hypervisor_hostname") if node else ("services", "host")
    having = [
        answer.pod
        for answer in told.good
        if any(item[field] == name for item in answer.json()[key])
    ]
    if not having and told.away and (told.good or not told.answers):
        raise scatter.maybe_away(told.away)
    return having, plain


async def holder(call: Call, name: str) -> tuple[Pod | None, str]:
    """The one pod that has a host, None when no pod has it, and its name there.

    Raises Fault 400 when several have one of that name, 503 when one that may have it is away.
    """
    pod, plain = split(call, name)
    if pod is not None:
        return pod, plain
    request = PodRequest.of(call).get("/os-services", urlencode({"host": name}))
    told = await scatter.everywhere(call, request)
    having = [answer.pod for answer in told.good if answer.json()["services"]]
    if len(having) > 1:
        raise ambiguous(name, having)
    if not having and told.good and told.away:
        raise scatter.maybe_away(told.away)
    return (having[0] if having else None), plain


def ambiguous(name: str, pods: list[Pod]) -> Fault:
    """Several pods have a host of this name, and which is meant was not said."""
    regions = ", ".join(pod.region_name for pod in pods)
    return Fault(
        400,
        f"Host {name} is in several pods ({regions}); name it {name}@{pods[0].region_name} to "
        "say which.",
    )
