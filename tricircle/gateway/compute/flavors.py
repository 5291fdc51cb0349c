# SPDX-License-Identifier: Apache-2.0
"""Flavors: the same in every pod, with their extra specs and access lists."""

import uuid

from aiohttp import web

from tricircle.gateway.call import Call
from tricircle.gateway.upstream import mirror
from tricircle.gateway.upstream.pod_request import PodRequest

_KIND = "flavor"


async def create(call: Call) -> web.Response:
    """POST /flavors. The id is chosen here when the client leaves it open, so that all agree."""
    body = call.json()
    flavor = body.get("flavor") if isinstance(body, dict) else None
    if not isinstance(flavor, dict):
        return await mirror.change(call, _KIND, None)
    if flavor.get("id") in (None, "auto"):
        flavor["id"] = str(uuid.uuid4())
    key = str(flavor["id"])
    return await mirror.change(call, _KIND, key, PodRequest.of(call).with_body(body))


async def update(call: Call) -> web.Response:
    """PUT /flavors/{id}: its description."""
    return await mirror.change(call, _KIND, call.params["id"])


async def delete(call: Call) -> web.Response:
    """DELETE /flavors/{id}."""
    return await mirror.remove(call, _KIND, call.params["id"])


async def action(call: Call) -> web.Response:
    """POST /flavors/{id}/action: which projects may use it."""
    return await mirror.change(call, _KIND, call.params["id"])


async def create_extra_specs(call: Call) -> web.Response:
    """POST /flavors/{flavor_id}/os-extra_specs."""
    return await _extra_specs(call)


async def update_extra_spec(call: Call) -> web.Response:
    """PUT /flavors/{flavor_id}/os-extra_specs/{id}."""
    return await _extra_specs(call)


async def delete_extra_spec(call: Call) -> web.Response:
    """DELETE /flavors/{flavor_id}/os-extra_specs/{id}."""
    return await _extra_specs(call)


async def _extra_specs(call: Call) -> web.Response:
    return await mirror.change(call, _KIND, call.params["flavor_id"])
