# SPDX-License-Identifier: Apache-2.0
"""Snapshots Nova takes of volumes for Cinder: in the pod whose server has the volume."""

from aiohttp import web

from tricircle.gateway.call import Call
from tricircle.gateway.transport.client import PodResponse
from tricircle.gateway.upstream import broadcast
from tricircle.gateway.upstream.forward import reply

# What Nova says when none of its servers has the volume.
_NOT_HERE = "No volume Block Device Mapping"


async def act(call: Call) -> web.Response:
    """POST /os-assisted-volume-snapshots, DELETE /os-assisted-volume-snapshots/{id}."""
    return reply(call, await broadcast.anywhere(call, _is_not_here))


def _is_not_here(answer: PodResponse) -> bool:
    return answer.status == 404 or _NOT_HERE in answer.message()
