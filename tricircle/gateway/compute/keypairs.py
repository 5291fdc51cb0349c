# SPDX-License-Identifier: Apache-2.0
"""Keypairs: a user's public keys, the same in every pod.

A key that Nova makes is made once, by the first pod; only its public half goes to the others.
"""

from aiohttp import web

from tricircle.conf import CONF
from tricircle.db import quotas
from tricircle.db.errors import OverLimit
from tricircle.gateway.call import Call
from tricircle.gateway.compute.quota import project_quota
from tricircle.gateway.http import bounds
from tricircle.gateway.http.errors import Fault
from tricircle.gateway.parameters import KEYPAIR_USER
from tricircle.gateway.threads import in_thread
from tricircle.gateway.upstream import mirror
from tricircle.pods.definitions import keypair_key

_KIND = "keypair"


async def create(call: Call) -> web.Response:
    """POST /os-keypairs."""
    keypair = call.member("keypair")
    if keypair is None or not isinstance(keypair.get("name"), str):
        return await mirror.change(call, _KIND, None)
    # Before that Nova refuses a body that names a user.
    others = keypair.get("user_id") if KEYPAIR_USER.heeded(call) else None
    user_id = str(others or call.context.user_id)
    if len(user_id) > bounds.LONGEST_OWNER:
        raise Fault(400, f"No user has an id of more than {bounds.LONGEST_OWNER} letters.")
    key = keypair_key(user_id, keypair["name"].strip())
    if user_id != call.context.user_id and not call.context.is_admin:
        # Pods let no such caller do it: another's limit is not used up until they say so.
        return await mirror.change(call, _KIND, key)
    limits = (await project_quota.held(call, call.context.project_id, call.context.user_id)).all
    believed = 2 * CONF.gateway.request_deadline
    try:
        aside = await in_thread(quotas.set_aside_keypair, user_id, limits["key_pairs"], believed)
    except OverLimit:
        raise Fault(403, "Quota exceeded, too many key pairs.") from None
    try:
        return await mirror.change(call, _KIND, key)
    finally:
        await in_thread(quotas.release, aside)


async def delete(call: Call) -> web.Response:
    """DELETE /os-keypairs/{id}, of another user where ``user_id`` says so."""
    user_id = KEYPAIR_USER.of(call) or call.context.user_id
    return await mirror.remove(call, _KIND, keypair_key(user_id, call.params["id"]))
