# SPDX-License-Identifier: Apache-2.0
"""Tokens good for the client's own call only: application credentials with access rules."""

from tricircle.gateway.call import Call
from tricircle.gateway.threads import KEYSTONE


async def beside(call: Call) -> dict[str, str]:
    """The headers of a call of ours on the way to what a client asked.

    Our service token beside a restricted one says that the user calls through us: the rules are
    then not held against this very call. His rights decide as before.
    """
    if not call.context.restricted:
        return {}
    return {"X-Service-Token": await KEYSTONE.run(call.services.identity.token)}
