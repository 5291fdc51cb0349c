# SPDX-License-Identifier: Apache-2.0
"""The one place that says with which tokens a pod is asked (``for_request``).

A pod with a Keystone of its own is shown a token of that one; nothing of ours goes there.

A token of the service user is had only for what the request's ``Right`` stands for, which names
who proved it. Beside the caller's own token there may be a service token: theirs goes on with what
they sent, ours goes only beside restricted tokens. Cinder lets whoever shows one delete an
attachment under a running server; so one must never be added to what a user asks for.
"""

import dataclasses
import re
from urllib.parse import unquote

from tricircle.gateway.call import Call
from tricircle.gateway.http.context import Context
from tricircle.gateway.transport import service_user
from tricircle.gateway.transport.foreign_ids import ForeignIds
from tricircle.gateway.upstream.pod_request import PodRequest
from tricircle.pods import rights
from tricircle.pods.access.base import ADMIN, OWNER, READER, Proof, Who, level_of
from tricircle.pods.errors import IDENTITY, NoAccess
from tricircle.pods.pod import Pod

_RIGHTS = {"compute": rights.BESIDE_COMPUTE, "volume": rights.BESIDE_VOLUME}

_HEADER = "X-Service-Token"
# Nothing that whoever resolves it on the way may take for the path of something else.
_KEYPAIRS = re.compile(r"/os-keypairs(/(?!\.{1,2}\Z)[^/%]+)?")
_READS = ("GET", "HEAD")
# Where Cinder lets services do more than users: never with our token.
_GUARDED = re.compile(r"/attachments(/.*)?|/volumes/[^/]+/action")


@dataclasses.dataclass(slots=True)
class Shown:
    """What a pod is shown with a request: a token, the headers beside it, and, where the pod has a
    Keystone of its own, the project of the token there and what turns ids. ``who`` is whom an
    account there stands for; None for our own.
    """

    token: str = dataclasses.field(repr=False)
    headers: dict[str, str]
    project_id: str
    foreign: ForeignIds | None = None
    who: Who | None = None


async def for_request(call: Call, pod: Pod, request: PodRequest) -> Shown:
    """What ``pod`` is shown with a request.

    Raises NoRight for what the request's right does not stand for, NoAccess when the pod does not
    let the caller in, PodUnreachable when Keystone or a thread is not to be had.
    """
    if not pod.is_shared:
        return await _foreign(call, pod, request)
    if request.right is None:
        return Shown(call.context.token, await _beside(call, request), call.context.project_id)
    token, asked = call.services.identity.token, (request.method, request.path, request.body)
    return Shown(await service_user.ask(pod.region_name, token, request.right, *asked), {}, "")


async def _foreign(call: Call, pod: Pod, request: PodRequest) -> Shown:
    """What a pod with a Keystone of its own is shown: nothing of ours, nor of the caller's."""
    accesses, region = call.services.identity.accesses, pod.region_name
    if request.right is not None:
        asked = (request.method, request.path, request.body)
        ask = call.services.identity.pod_token
        token, project_id = await service_user.ask(region, ask, pod, request.right, *asked)
        return Shown(token, {}, project_id, ForeignIds(accesses.ids(pod), region))
    who, access = _who(call, pod, request), accesses.of(pod)
    access.admit(who)
    suffix = access.key_suffix(call.context.user_id)
    got = await call.services.exchanges.token(accesses, pod, who, call.context.upstream_id)
    foreign = ForeignIds(accesses.ids(pod), region, suffix)
    return Shown(got.token, {}, got.project_id, foreign, who)


def _who(call: Call, pod: Pod, request: PodRequest) -> Who:
    """Whom a pod is to let in. Raises NoAccess for somebody without a project or a level.

    Keypairs are a user's whatever their role in a project, and a user of a pod's own Keystone for
    each level would have others at each: they are asked for at the level that owns things.
    """
    context = call.context
    access = call.services.identity.accesses.of(pod)
    levels = access.levels
    level = level_of(context.roles, levels)
    may_raise = access.by_user and OWNER in levels
    if level == READER and may_raise and _KEYPAIRS.fullmatch(unquote(request.path)):
        level = OWNER
    if level is None or not context.project_id:
        text = "lets nobody in who has none of the roles it knows in a project"
        raise NoAccess(pod.region_name, text)
    if not access.by_level:
        if level == READER and request.method not in _READS:
            text = "makes and changes nothing for who may only read"
            raise NoAccess(pod.region_name, text)
        return Who("", context.project_id, context.project_name, OWNER)
    proof = _proof(call.context)
    return Who(context.user_id, context.project_id, context.project_name, level, proof)


def _proof(context: Context) -> Proof:
    """The caller's token, for our own Keystone to vouch for them by."""
    return Proof(
        context.token,
        context.user_name,
        context.user_domain_name,
        context.project_domain_name,
        context.roles,
        context.restricted,
    )


async def ensure(call: Call, pod: Pod) -> None:
    """See that the caller's project is in a pod before anything is made for it there.

    Raises NoAccess, PodUnreachable.
    """
    if not pod.is_shared:
        await _foreign(call, pod, PodRequest.of(call))


def is_lowered(call: Call, shown: Shown) -> bool:
    """Whether the caller is an administrator here and not in the pod."""
    return shown.who is not None and call.context.is_admin and shown.who.level != ADMIN


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
    token, right = call.services.identity.token, _RIGHTS.get(request.service)
    if right is None or not right.stands_for(method, path):
        return {}
    return {_HEADER: await service_user.ask(IDENTITY, token, right, method, path)}
