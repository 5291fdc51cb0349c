# SPDX-License-Identifier: Apache-2.0
"""The one place that says with which tokens a pod is asked (``for_request``).

A token of the service user is had only for what the request's ``Right`` stands for, which names
who proved it. Beside the caller's own token there may be a service token: theirs goes on with what
they sent, ours goes only beside restricted tokens. Cinder lets whoever shows one delete an
attachment under a running server; so one must never be added to what a user asks for.
"""

import re

from tricircle.gateway.call import Call
from tricircle.gateway.transport import service_user
from tricircle.gateway.upstream.pod_request import PodRequest
from tricircle.pods import rights
from tricircle.pods.errors import IDENTITY
from tricircle.pods.pod import Pod

_RIGHTS = {"compute": rights.BESIDE_COMPUTE, "volume": rights.BESIDE_VOLUME}

_HEADER = "X-Service-Token"
_READS = ("GET", "HEAD")
# Where Cinder lets services do more than users: never with our token.
_GUARDED = re.compile(r"/attachments(/.*)?|/volumes/[^/]+/action")


async def for_request(call: Call, pod: Pod, request: PodRequest) -> tuple[str, dict[str, str]]:
    """The token that ``pod`` is shown with a request, and the headers that go beside it.

    Raises NoRight for what the request's right does not stand for, PodUnreachable when Keystone or
    a thread is not to be had.
    """
    if request.right is None:
        return call.context.token, await _beside(call, request)
    token, asked = call.services.identity.token, (request.method, request.path, request.body)
    return await service_user.ask(pod.region_name, token, request.right, *asked), {}


async def _beside(call: Call, request: PodRequest) -> dict[str, str]:
    """The service token that goes beside the caller's own token, if any does.

    What the client asked for itself has the token they showed with it. What we ask for on the way
    has ours beside a restricted token. It says that the user calls through us: the token's access
    rules are then not held against this request, but the user's rights are. A read has the caller's
    own service token instead, if there is one: without it the user's token may have expired.
    """
    method, path = request.method, request.path
    own = {_HEADER: call.context.service_token} if call.context.service_token else {}
    if request.clients_own or (method in _READS and own):
        return own
    if not call.context.restricted or (method not in _READS and _GUARDED.fullmatch(path)):
        return {}
    token, right = call.services.identity.token, _RIGHTS[request.service]
    if not right.stands_for(method, path):
        return {}
    return {_HEADER: await service_user.ask(IDENTITY, token, right, method, path)}
