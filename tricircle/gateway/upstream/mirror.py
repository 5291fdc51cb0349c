# SPDX-License-Identifier: Apache-2.0
"""Definitions that are the same in every pod: made, changed and removed through one, then in all.

The first pod is asked with the user's own token: it proves their right, checks the request and
writes the answer. Only a pod that did what was asked proves a right: one that has no such thing
(404), or has it already (409), may not have looked at who asks; then the others are asked. What
the pod then has is written down as the definition, together with the wish to have it in every
pod; those that answer get it before the client has its reply, the others from xjob.
"""

import asyncio
from collections.abc import Awaitable, Callable

from aiohttp import web
from oslo_log import log as logging

from tricircle.conf import CONF
from tricircle.db import definitions as store
from tricircle.db import models
from tricircle.db.errors import NotFound
from tricircle.gateway.call import Call
from tricircle.gateway.failures import from_pod_error, is_overload
from tricircle.gateway.http.errors import Fault
from tricircle.gateway.threads import KEYSTONE, PODS, in_thread
from tricircle.gateway.transport.client import PodResponse
from tricircle.gateway.upstream import scatter
from tricircle.gateway.upstream.forward import forward, reply
from tricircle.gateway.upstream.pod_request import PodRequest
from tricircle.pods import definitions
from tricircle.pods.errors import PodError, PodTimeout
from tricircle.pods.pod import Pod
from tricircle.pods.rest import PodService

LOG = logging.getLogger(__name__)

_KINDS = {
    "flavors": "flavor",
    "os-keypairs": "keypair",
    "types": "volume_type",
    "group_types": "group_type",
    "qos-specs": "qos_specs",
    "default-types": "default_type",
}


async def read(call: Call) -> web.Response:
    """GET of what is mirrored: from a pod that has all of it."""
    kind = _KINDS[call.path.split("/")[1]]
    return reply(call, await _ask_first(call, PodRequest.of(call), kind))


async def change(
    call: Call,
    kind: str,
    key: str | Callable[[PodResponse], str] | None,
    request: PodRequest | None = None,
) -> web.Response:
    """Let the first pod make or change a definition, and all have what it has then.

    ``key`` names the definition, or tells its name from the answer to its create; None when the
    request is too malformed to say.
    """
    request = request or PodRequest.of(call)
    answer = await _ask_first(call, request, kind)
    if key is None or (callable(key) and not answer.ok):
        return reply(call, answer)
    key = key(answer) if callable(key) else key
    # What the pod has already and we have not written down (we died before, or it was there
    # before us) is brought to all pods by the client's second try.
    unknown = answer.status == 409 and await in_thread(store.get, kind, key) is None
    if answer.ok or (unknown and (await _proof(call, answer, request, kind)).ok):
        await spread(call, kind, key, answer.pod)
    return reply(call, answer)


async def spread(call: Call, kind: str, key: str, source: Pod) -> None:
    """Write down what ``source`` has, and bring it to all other pods."""
    try:
        body = await _read(call, kind, key, source)
    except PodError as error:
        raise from_pod_error(error) from None
    if body is None:
        return
    inside = (await _target(call, source, kind)).inside(key)
    at_it = {pod.id: CONF.gateway.request_deadline for pod in _others(call, source, kind)}
    row = await in_thread(store.put, kind, key, body, {source.id: inside}, at_it)

    async def realize(pod: Pod) -> None:
        try:
            target = await _target(call, pod, kind)
            there = await PODS.run(definitions.realize, kind, key, body, target)
        except PodTimeout:
            raise  # It may be at it still.
        except Exception:
            await in_thread(store.due_now, kind, key, pod.id)
            raise
        await in_thread(store.mark_realized, kind, key, row.revision, pod.id, there)

    await _everywhere(call, source, kind, key, realize)
    call.services.names.forget()


async def remove(call: Call, kind: str, key: str) -> web.Response:
    """Let the first pod remove a definition, then all."""
    request = PodRequest.of(call)
    answer = await _ask_first(call, request, kind)
    known = await in_thread(store.get, kind, key)
    if answer.status == 404 and known is not None:
        # This pod has lost it: one that still has it is to say who may remove it.
        answer = await _proof(call, answer, request, kind, by_all=True)
        if answer.status == 404 and await _brought_back(call, known, answer.pod):
            answer = await forward(call, answer.pod, request)
    answer.raise_for_status()
    if known is None and definitions.KINDS[kind].collection is not None:
        # Other pods may have one of its name, but that is another.
        return reply(call, answer)
    if known is None:
        # It was there before us: it must go everywhere all the same, also where a pod is away.
        await in_thread(store.put, kind, key, {})
    try:
        await in_thread(store.delete, kind, key, frozenset({answer.pod.id}))
    except NotFound:
        LOG.debug("%s %s was removed by another at the same time", kind, key)

    async def take_away(pod: Pod) -> None:
        await PODS.run(definitions.remove, kind, key, await _target(call, pod, kind))
        await in_thread(store.mark_gone, kind, key, pod.id)

    await _everywhere(call, answer.pod, kind, key, take_away)
    call.services.names.forget()
    return reply(call, answer)


async def _ask_first(call: Call, request: PodRequest, kind: str) -> PodResponse:
    """Ask the pods in turn, those that have everything first, until one answers.

    A pod that fell silent may have made the change. That is no harm: all are to have it.
    """
    failed: PodError | None = None
    for pod in await _in_turn(call, kind):
        try:
            return await forward(call, pod, request)
        except PodError as error:
            LOG.warning("%s %s: %s", call.method, call.path, error)
            failed = error
    if failed is None:
        raise Fault(503, "There is no pod in use to answer this.")
    raise from_pod_error(failed)


async def _in_turn(call: Call, kind: str) -> list[Pod]:
    """The pods in use, those that have everything first."""
    lacking = await in_thread(store.pods_lacking, kind)
    pods = sorted(call.serving, key=lambda pod: pod.region_name)
    pods.sort(key=lambda pod: (call.is_away(pod), not _takes(call, pod, kind), pod.id in lacking))
    return pods


async def _proof(
    call: Call,
    answer: PodResponse,
    request: PodRequest,
    kind: str,
    *,
    by_all: bool = False,
) -> PodResponse:
    """The answer of the first other pod that says neither 404 nor 409: these prove no right.

    The others are asked in turn; ``answer`` itself, one of the two, is returned when none says
    more. With ``by_all`` that is Fault 503 if a pod was away: it might have said more.
    """
    away: list[Pod] = []
    for pod in await _in_turn(call, kind):
        if pod.id == answer.pod.id:
            continue
        try:
            told = await forward(call, pod, request)
        except PodError as error:
            LOG.warning("%s %s: %s", call.method, call.path, error)
            away.append(pod)
            continue
        if told.status not in (404, 409):
            return told
    if away and by_all:
        raise scatter.maybe_away(away)
    return answer


async def _brought_back(call: Call, known: models.Definition, pod: Pod) -> bool:
    """Make a definition anew in a pod when no pod has it any more; whether that worked.

    So a pod can say who may remove it. No right is needed: the definition is wanted in every pod.
    """
    kind, key = known.kind, known.key
    try:
        target = await _target(call, pod, kind)
        there = await PODS.run(definitions.realize, kind, key, known.body, target)
    except PodError as error:
        LOG.warning("%s %s is in no pod and cannot be made in one: %s", kind, key, error)
        return False
    await in_thread(store.mark_realized, kind, key, known.revision, pod.id, there)
    call.services.names.forget()
    return True


async def _everywhere(
    call: Call, but: Pod, kind: str, key: str, work: Callable[[Pod], Awaitable[None]]
) -> None:
    """Do ``work`` in all other pods that answer; what fails is left to xjob."""

    async def one(pod: Pod) -> None:
        try:
            await work(pod)
        except Exception as error:
            if not isinstance(error, PodError) and not is_overload(error):
                raise
            LOG.warning("%s %s is not right in every pod yet: %s", kind, key, error)

    others = _others(call, but, kind)
    done, late = (
        await asyncio.wait(
            [asyncio.ensure_future(one(pod)) for pod in others], timeout=CONF.gateway.list_deadline
        )
        if others
        else (set(), set())
    )
    for task in late:
        task.cancel()
    # Each is looked at: one that nobody asks is told of in the log, with its traceback.
    failed = [error for task in done if (error := task.exception()) is not None]
    if failed:
        raise failed[0]


def _others(call: Call, but: Pod, kind: str) -> list[Pod]:
    return [pod for pod in call.answering if pod.id != but.id and _takes(call, pod, kind)]


def _takes(call: Call, pod: Pod, kind: str) -> bool:
    """Whether definitions of a kind are brought to a pod at all."""
    try:
        return call.services.identity.accesses.takes(pod, kind)
    except PodError:
        return True  # Whoever tries it says why not.


async def _read(call: Call, kind: str, key: str, pod: Pod) -> definitions.Body | None:
    return await PODS.run(definitions.read, kind, key, await _target(call, pod, kind))


async def _target(call: Call, pod: Pod, kind: str) -> PodService:
    how = definitions.KINDS[kind]
    adapter = await KEYSTONE.run(call.services.identity.adapter, pod, how.right)
    names = await call.services.names.of(how.service, pod.id)
    return PodService(pod, adapter, how.service, names.inside if names else None)
