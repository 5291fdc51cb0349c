# SPDX-License-Identifier: Apache-2.0
"""Limits: what is used in all pods together, against the quota each pod has."""

import orjson
from aiohttp import web

from tricircle.gateway.call import Call
from tricircle.gateway.errors import Fault, from_pod_error
from tricircle.gateway.forward import reply
from tricircle.gateway.scatter import gather


async def show(call: Call) -> web.Response:
    """GET /limits: one pod's document, with its ``total…Used`` summed over the pods."""
    gathered = await gather(call, call.services.serving())
    if not gathered.answers:
        for error in gathered.away.values():
            raise from_pod_error(error)
        raise Fault(503, "There is no pod in use to answer this.")
    first = gathered.answers[0]
    if not first.ok:
        return reply(call, first)
    document = first.json()
    absolute = document["limits"]["absolute"]
    for name in absolute:
        if name.startswith("total") and name.endswith("Used"):
            absolute[name] = sum(
                answer.json()["limits"]["absolute"].get(name, 0) for answer in gathered.good
            )
    return reply(call, first, body=orjson.dumps(document))
