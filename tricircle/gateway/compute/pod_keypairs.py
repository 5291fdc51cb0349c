# SPDX-License-Identifier: Apache-2.0
"""Keypairs in pods where a user has no account before they come.

There xjob cannot bring them: a user's key is made in such a pod when a server first needs it, with
the account that asks for the server, from the public half that is written down. Where all users of
a project are one account its name there tells theirs apart.
"""

from urllib.parse import quote

from tricircle.db import definitions as store
from tricircle.gateway.call import Call, Version
from tricircle.gateway.threads import in_thread
from tricircle.gateway.upstream.forward import forward
from tricircle.gateway.upstream.pod_request import PodRequest
from tricircle.pods.definitions import keypair_key
from tricircle.pods.pod import Pod

_PATH = "/os-keypairs"
# The first that takes a key's type; names may hold @ and the dot from the other on.
_TYPED: Version = (2, 2)
_NAMES: Version = (2, 92)


async def ensure(call: Call, pod: Pod, name: str | None) -> None:
    """See that the caller's key is in a pod, as it is now. Raises PodError, Refused.

    Of one that is written down nowhere the pod itself says what there is to say.
    """
    if not name or pod.is_shared:
        return
    access = call.services.identity.accesses.of(pod)
    if access.makes_users:
        return
    user_id = call.context.user_id
    known = await in_thread(store.get, "keypair", keypair_key(user_id, name))
    if known is None:
        return
    there = name + access.key_suffix(user_id)
    version = _NAMES if any(letter in there for letter in "@.") else _TYPED
    one = PodRequest.of(call).get(f"{_PATH}/{quote(there, safe='')}").at(version)
    shown = await forward(call, pod, one)
    if shown.ok:
        if shown.json()["keypair"].get("public_key") == known.body["public_key"]:
            return
        (await forward(call, pod, one.delete(one.path))).raise_for_status()
    body = {"keypair": {**known.body, "name": there}}
    made = await forward(call, pod, one.post(_PATH, body))
    # Another server that needs it was faster.
    if made.status != 409:
        made.raise_for_status()
