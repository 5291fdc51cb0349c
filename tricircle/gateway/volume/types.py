# SPDX-License-Identifier: Apache-2.0
"""Volume types, group types and QoS specs: the same in every pod, under one id for users."""

import dataclasses
from urllib.parse import urlencode

from aiohttp import web

from tricircle.db import definitions as store
from tricircle.gateway import parameters
from tricircle.gateway.call import Call, Version
from tricircle.gateway.http.errors import Fault
from tricircle.gateway.threads import in_thread
from tricircle.gateway.transport.client import PodResponse
from tricircle.gateway.upstream import mirror, scatter
from tricircle.gateway.upstream.pod_request import PodRequest

# The kind of each collection, which is also the key of its documents.
_KINDS = {"types": "volume_type", "group_types": "group_type", "qos-specs": "qos_specs"}
_PARAMS = {"types": "type_id", "group_types": "group_type_id"}


@dataclasses.dataclass(frozen=True, slots=True)
class _Use:
    """Where what is of a type is found, and what Cinder says while there is something."""

    path: str
    key: str
    filter: str
    version: Version
    refusal: str


_USES = {
    "volume_type": _Use(
        "/volumes/detail",
        "volumes",
        "volume_type_id",
        (3, 0),
        "Target volume type is still in use.",
    ),
    "group_type": _Use(
        "/groups/detail", "groups", "group_type_id", (3, 13), "Target group type is still in use."
    ),
}


def _kind(call: Call) -> str:
    return _KINDS[call.path.split("/")[1]]


def _key(call: Call) -> str:
    collection = call.path.split("/")[1]
    return call.params.get(_PARAMS.get(collection, "id")) or call.params["id"]


async def create(call: Call) -> web.Response:
    """POST of a new one; users know it by the id the first pod gives it."""
    kind = _kind(call)

    def made(answer: PodResponse) -> str:
        return str(answer.json()[kind]["id"])

    return await mirror.change(call, kind, made)


async def change(call: Call) -> web.Response:
    """Any change of one, or of what hangs below it."""
    return await mirror.change(call, _kind(call), _key(call))


async def delete(call: Call) -> web.Response:
    """DELETE of one that nothing in any pod is of."""
    kind, key = _kind(call), _key(call)
    if kind in _USES:
        await _refuse_used(call, _USES[kind], key)
    return await mirror.remove(call, kind, key)


async def _refuse_used(call: Call, use: _Use, key: str) -> None:
    """A pod refuses to delete what it uses itself; the first one asked is to refuse for all."""
    version = max(call.version or use.version, use.version)
    query = urlencode({"all_tenants": 1, "limit": 1, use.filter: key})
    request = PodRequest.of(call).get(use.path, query).at(version)
    told = await scatter.gather(call, call.answering, request)
    # Who may not see is not told either: the pod will refuse it anyway.
    for answer in told.good if call.context.is_admin else ():
        if answer.json()[use.key]:
            raise Fault(400, use.refusal)


async def associate(call: Call) -> web.Response:
    """GET that gives QoS specs to a volume type, or takes them from it."""
    return await mirror.change(call, "volume_type", parameters.QOS_VOLUME_TYPE.of(call) or None)


async def disassociate_all(call: Call) -> web.Response:
    """GET that takes QoS specs from all volume types."""
    answers: list[PodResponse] = []

    def told(answer: PodResponse) -> str:
        answers.append(answer)
        return call.params["id"]

    response = await mirror.change(call, "qos_specs", told)
    for row in await in_thread(store.list_all, "volume_type") if answers else ():
        if row.body.get("qos_specs") == call.params["id"]:
            await mirror.spread(call, "volume_type", row.key, answers[0].pod)
    return response


async def set_default(call: Call) -> web.Response:
    """PUT of a project's default volume type."""
    return await mirror.change(call, "default_type", call.params["id"])


async def unset_default(call: Call) -> web.Response:
    """DELETE of a project's default volume type."""
    return await mirror.remove(call, "default_type", call.params["id"])
