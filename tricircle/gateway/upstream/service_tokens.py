# SPDX-License-Identifier: Apache-2.0
"""Service tokens: a caller's goes on with the caller's call, ours only beside restricted tokens.

Cinder lets whoever shows one delete an attachment under a running server; so one must never be
added to what a user asks for.
"""

import re

from tricircle.conf import CONF
from tricircle.gateway.call import Call
from tricircle.gateway.transport import service_user
from tricircle.pods import rights

_RIGHTS = {"compute": rights.BESIDE_COMPUTE, "volume": rights.BESIDE_VOLUME}

_HEADER = "X-Service-Token"
_READS = ("GET", "HEAD")
# Where Cinder lets services do more than users: never with our token.
_GUARDED = re.compile(r"/attachments(/.*)?|/volumes/[^/]+/action")


def own(call: Call) -> dict[str, str]:
    """The headers of the caller's own call on its way to a pod: the service that made it."""
    return {_HEADER: call.context.service_token} if call.context.service_token else {}


async def beside(call: Call, service: str, method: str, path: str) -> dict[str, str]:
    """The headers of a call that we make, with the user's token, on the way to what a client asked.

    ``path`` is below version and project. Our service token beside a restricted one says that the
    user calls through us: the token's access rules are then not held against this call, but the
    user's rights are. A read has the caller's own service token instead, if there is one: without
    it the user's token may have expired.
    """
    if method in _READS and call.context.service_token:
        return own(call)
    if not call.context.restricted or (method not in _READS and _GUARDED.fullmatch(path)):
        return {}
    token, right = call.services.identity.token, _RIGHTS[service]
    if not right.stands_for(method, path):
        return {}
    region = CONF.tricircle_identity.region_name
    return {_HEADER: await service_user.ask(region, token, right, method, path)}
