# SPDX-License-Identifier: Apache-2.0
"""Ask one pod on behalf of a call, and hand its answer back to the client."""

import functools
import re
from typing import Any

import orjson
from aiohttp import web
from multidict import CIMultiDict

from tricircle.gateway.call import Call
from tricircle.gateway.failures import from_pod_error
from tricircle.gateway.http.errors import Fault
from tricircle.gateway.http.headers import REQUEST_ID, is_request_id
from tricircle.gateway.transport import service_user
from tricircle.gateway.transport.client import PodResponse
from tricircle.gateway.upstream import image_copies, image_making, pod_flavors, tokens
from tricircle.gateway.upstream.pod_request import PodRequest
from tricircle.pods import availability
from tricircle.pods.errors import NoAccess, PodError, PodTimeout, PodUnreachable
from tricircle.pods.pod import Pod

# What a client's request may tell a pod; all else ends here.
_REQUEST_HEADERS = ("Accept", "Accept-Language", "Content-Type", "User-Agent")
# What a pod's answer may tell a client; versions and request ids are set by the pipeline.
_ANSWER_HEADERS = ("Content-Type", "Location", "Retry-After", "Warning", "Allow")
_SAFE = ("GET", "HEAD", "OPTIONS")
# Nova's proxy for images, and the microversion from which there is none.
_IMAGES, _IMAGES_END = re.compile(r"/images(/|\Z)"), (2, 36)
_VERSION = re.compile(r"/v\d+(\.\d+)?(/.*)?$")


async def forward(call: Call, pod: Pod, request: PodRequest | None = None) -> PodResponse:
    """Ask ``pod`` for what the client asked us, or for another ``request``, on behalf of a call.

    Fails at once for a pod whose service is down, or is left alone after failures, unless the
    request ignores that. One without a deadline of its own has [gateway] request_deadline,
    whatever probes find meanwhile. Raises PodUnreachable, PodTimeout.
    """
    request = request or PodRequest.of(call)
    is_down = call.services.availability.is_down
    if not request.ignore_breaker and is_down(pod, request.service):
        raise availability.down(pod, request.service)
    shown = await tokens.for_request(call, pod, request)
    request = await pod_flavors.inward(pod, request)
    answer = await _with_images(call, pod, request, shown)
    return await pod_flavors.outward(pod, request, answer)


async def _with_images(
    call: Call, pod: Pod, request: PodRequest, shown: tokens.Shown
) -> PodResponse:
    """The answer, with the images that users know."""
    if not pod.has_own_images:
        return await _shown(call, pod, request, shown)
    if (making := image_making.of(pod, request)) is not None:
        return await image_making.made(
            call, pod, making, lambda inside: _shown(call, pod, inside, shown)
        )
    named = await image_copies.brought(call, pod, request)
    answer = await _shown(call, pod, named.request, shown)
    if await image_copies.are_gone(named, pod, answer):
        named = await image_copies.brought(call, pod, request)
        answer = await _shown(call, pod, named.request, shown)
    return image_copies.outward(named, answer)


async def _shown(call: Call, pod: Pod, request: PodRequest, shown: tokens.Shown) -> PodResponse:
    """The answer to whom a token is for; with a new one where the pod does not know it any more."""
    answer = await _ask(call, pod, request, shown)
    if shown.who is None:
        return answer
    if answer.status == 401:
        # The pod's Keystone has new keys, say. Nothing was done; a new token is tried once.
        call.services.exchanges.drop(pod, shown.who, shown.token)
        shown = await tokens.for_request(call, pod, request)
        answer = await _ask(call, pod, request, shown)
    if answer.status == 403 and tokens.is_lowered(call, shown):
        raise NoAccess(pod.region_name, f"makes nobody an administrator. {answer.message()}")
    return answer


async def _ask(call: Call, pod: Pod, request: PodRequest, shown: tokens.Shown) -> PodResponse:
    headers = shown.headers
    if request.right is None and request.service != "network":
        headers |= {name: call.headers[name] for name in _REQUEST_HEADERS if name in call.headers}
    return await call.services.client.request(
        pod,
        request.service,
        request.method,
        await _project(call, pod, request, shown) + request.path,
        token=shown.token,
        request_id=call.context.upstream_id,
        headers=headers,
        body=request.body,
        query=request.query,
        version=request.version,
        deadline=request.deadline,
        ignore_breaker=request.ignore_breaker,
        foreign=shown.foreign,
    )


async def _project(call: Call, pod: Pod, request: PodRequest, shown: tokens.Shown) -> str:
    """What comes between a pod's endpoint and a path: ``/<project>``, or nothing.

    The client's own URL decides for the service called, so that pods write links of the same form
    as that. A pod that knows no other URLs has it always, and so has another service, of any age;
    but for networks, which have none.
    """
    if request.right is not None:
        below = call.services.identity.below
        return await service_user.ask(pod.region_name, below, pod, request.service)
    if request.service == "network":
        return ""
    project = call.match.project_id
    if not project and (request.service != call.service or pod.wants_project(request.service)):
        project = call.context.project_id
    if project and shown.foreign is not None:
        own = project == call.context.project_id
        project = shown.project_id if own else shown.foreign.stranger(project)
    return f"/{project}" if project else ""


async def ask_any(call: Call, request: PodRequest | None = None) -> PodResponse:
    """Ask one pod that answers, whichever: the answer is the same everywhere.

    Raises Fault 503 when none answers, PodTimeout when a change may have been made in one.
    """
    request = request or PodRequest.of(call)
    # A pod thought away is asked last rather than never: the thought may be old.
    pods = sorted(call.serving, key=call.is_away)
    if _IMAGES.match(request.path) and not call.at_least(_IMAGES_END):
        # The others' images are not the region's.
        pods = [pod for pod in pods if not pod.has_own_images]
    failed: PodError | None = None
    for pod in pods:
        try:
            return await forward(call, pod, request)
        except PodTimeout as error:
            if request.method not in _SAFE:
                raise
            failed = error
        except PodUnreachable as error:
            failed = error
    if failed is None:
        raise Fault(503, "There is no pod in use to answer this.")
    raise from_pod_error(failed)


def reply(call: Call, answer: PodResponse, *, body: bytes | None = None) -> web.Response:
    """The client's response: the pod's, its links turned to our host.

    It has the pod's own request id: the pod's instance actions are known by that.
    """
    headers: CIMultiDict[str] = CIMultiDict()
    if is_request_id(request_id := answer.headers.get(REQUEST_ID, "")):
        headers[REQUEST_ID] = request_id
    for name in _ANSWER_HEADERS:
        for value in answer.headers.getall(name, ()):
            headers.add(name, value)
    if "Location" in headers:
        headers["Location"] = _rewrite_location(call, answer.pod, headers["Location"])
    if call.context.is_admin:
        headers["X-Tricircle-Pod"] = answer.pod.region_name
    content = rewrite_links(call, answer.pod, answer.body if body is None else body)
    return web.Response(status=answer.status, body=content, headers=headers)


def reply_with(call: Call, answer: PodResponse, document: Any) -> web.Response:
    """The client's response with what was made of the pod's document."""
    return reply(call, answer, body=orjson.dumps(document))


def pod_root(pod: Pod, service: str) -> str:
    """The pod's endpoint without its version: what its links begin with."""
    return _without_version(pod.endpoint(service))


@functools.lru_cache(maxsize=1024)
def _without_version(endpoint: str) -> str:
    return _VERSION.sub("", endpoint)


def rewrite_links(call: Call, pod: Pod, body: bytes) -> bytes:
    """``body`` with every link to the pod turned to our host; other text is left alone."""
    root = pod_root(pod, call.service).encode()
    if root not in body:
        return body
    ours = call.root.encode()
    return _link(root).sub(lambda found: found[1] + ours, body)


@functools.lru_cache(maxsize=1024)
def _link(root: bytes) -> re.Pattern[bytes]:
    return re.compile(rb'("href":\s*")' + re.escape(root) + rb'(?=[/"?])')


def _rewrite_location(call: Call, pod: Pod, location: str) -> str:
    root = pod_root(pod, call.service)
    return call.root + location[len(root) :] if location.startswith(root + "/") else location
