# SPDX-License-Identifier: Apache-2.0
"""Deletes: the routing goes when the thing is gone from its pod."""

import asyncio
from typing import Any

from aiohttp import web
from oslo_log import log as logging

from tricircle.gateway import lookup
from tricircle.gateway.background import start
from tricircle.gateway.call import Call
from tricircle.gateway.forward import reply
from tricircle.gateway.threads import in_thread
from tricircle.gateway.volume import documents
from tricircle.pods.errors import PodError
from tricircle.pods.pod import Pod

LOG = logging.getLogger(__name__)

# What is gone once a pod has said so; all else goes after the answer.
_AT_ONCE = ("attachment", "transfer", "message")
_ACTIONS = ("os-force_delete", "delete", "os-unmanage")
_PAUSES = (0.2, 0.3, 0.5, *[1.0] * 30, *[5.0] * 18)


async def delete(call: Call) -> web.Response:
    """DELETE of one thing."""
    kind, resource_id = call.route.resource_type, call.params[call.route.id_param]
    answer = await lookup.ask(call, kind, resource_id)
    if answer.ok and kind in _AT_ONCE:
        await lookup.forget(call, kind, resource_id)
    elif answer.ok:
        start(call.services, _follow(call, kind, resource_id, answer.pod))
    return reply(call, answer)


async def action(call: Call) -> web.Response:
    """POST of an action, which may be a delete."""
    kind, resource_id = call.route.resource_type, call.params[call.route.id_param]
    answer = await lookup.ask(call, kind, resource_id)
    if answer.ok and _named(call) in _ACTIONS:
        start(call.services, _follow(call, kind, resource_id, answer.pod))
    return documents.shown(call, answer)


def _named(call: Call) -> Any:
    body = call.json()
    return next(iter(body), None) if isinstance(body, dict) else None


async def _follow(call: Call, kind: str, resource_id: str, pod: Pod) -> None:
    """Wait for the end of it; a later lookup tidies up when this takes too long."""
    for pause in _PAUSES:
        await asyncio.sleep(pause)
        if await _is_gone(call, kind, resource_id, pod):
            await lookup.forget(call, kind, resource_id)
            return


async def _is_gone(call: Call, kind: str, resource_id: str, pod: Pod) -> bool:
    try:
        answer = await call.services.client.request(
            pod,
            "volume",
            "GET",
            lookup.path(kind, resource_id),
            token=await in_thread(call.services.identity.token),
            request_id=call.context.upstream_id,
            version=call.version,
        )
    except PodError as error:
        LOG.info("Whether %s %s is gone is not known yet: %s", kind, resource_id, error)
        return False
    return answer.status == 404
