# SPDX-License-Identifier: Apache-2.0
"""Make a volume, or a group of them, in the first pod that takes it."""

import asyncio
import dataclasses

from aiohttp import web
from oslo_log import log as logging

from tricircle.conf import CONF
from tricircle.db import bindings, storage
from tricircle.db.storage import Use
from tricircle.gateway.call import Call
from tricircle.gateway.http.errors import Fault
from tricircle.gateway.threads import in_thread
from tricircle.gateway.transport.client import PodResponse
from tricircle.gateway.upstream import image_copies, image_places, lookup, scheduling
from tricircle.gateway.upstream.background import written
from tricircle.gateway.upstream.forward import ask_any, reply
from tricircle.gateway.upstream.pod_request import PodRequest
from tricircle.gateway.volume import documents, lost_creation
from tricircle.gateway.volume.quota import project_quota, usage
from tricircle.gateway.volume.request import CreateRequest, RefusedByCinder, parse
from tricircle.pods.errors import ImageStays, PodUnreachable
from tricircle.pods.pod import Pod
from tricircle.scheduling.request import Request

LOG = logging.getLogger(__name__)

_TYPE = "volume_type"

_NO_IMAGE = "unable to access requested image"
_NOT_THERE = "could not be found"


async def volume(call: Call) -> web.Response:
    """POST /volumes."""
    return await _create(call, "volume")


async def group(call: Call) -> web.Response:
    """POST /groups."""
    return await _create(call, "group")


async def consistencygroup(call: Call) -> web.Response:
    """POST /consistencygroups."""
    return await _create(call, "consistencygroup")


async def _create(call: Call, kind: str) -> web.Response:
    try:
        wanted = parse(call.json(), kind)
    except RefusedByCinder:
        return reply(call, await ask_any(call))
    wanted = await _of_its_images_type(call, wanted)
    pods = await _candidates(call, wanted)
    # A client that hangs up does not stop it half-way.
    return await asyncio.shield(asyncio.ensure_future(_made(call, wanted, pods)))


async def _of_its_images_type(call: Call, wanted: CreateRequest) -> CreateRequest:
    """A request that says of which type a volume is to be, where its image's property says so.

    Cinder would read the property, but in no pod but one is that the type's id.
    """
    image = next((one for one in wanted.images if one), None)
    if wanted.kind != "volume" or wanted.wanted.get(_TYPE) or not isinstance(image, str):
        return wanted
    if (named := await image_places.volume_type(call, image)) is None:
        return wanted
    body = {**wanted.body, wanted.kind: {**wanted.wanted, _TYPE: named}}
    return dataclasses.replace(wanted, body=body)


async def _made(call: Call, wanted: CreateRequest, pods: list[Pod]) -> web.Response:
    use = await usage.of_request(call, wanted)
    async with project_quota.set_aside(call, use) as row_id:
        answer = await _tried(call, wanted, pods)
        if answer.ok:
            await _write_down(call, wanted, answer, row_id, use)
    return documents.shown(call, answer)


async def _candidates(call: Call, wanted: CreateRequest) -> list[Pod]:
    """The pods to try, best first. Raises Fault 400, 404 and 503."""
    servers = [need for need in wanted.needs if need[0] == "server"]
    required = await scheduling.required_pods(call, servers)
    required |= await image_places.held(call, wanted.images)
    for kind, item in wanted.needs:
        if kind != "server":
            required[f"{kind} {item}"] = (await lookup.find(call, kind, item)).region_name
    request = Request(
        project_id=call.context.project_id,
        zone=wanted.zone,
        required_pods=required,
        what=wanted.kind,
    )
    unknown_zone = f"Invalid input received: Availability zone '{wanted.zone.name}' is invalid."
    return (await scheduling.choose(call, request, unknown_zone, images=wanted.images)).pods


async def _tried(call: Call, wanted: CreateRequest, pods: list[Pod]) -> PodResponse:
    """The answer of the first pod that takes it, or the first refusal. Raises Fault 503, 504."""
    troubles: list[str] = []
    refusal: PodResponse | None = None
    pods = pods[: CONF.scheduling.max_attempts]
    for pod in pods:
        sought = lost_creation.Sought(wanted.kind, wanted.name, {"size": wanted.wanted.get("size")})
        try:
            await image_copies.ensure(call, pods, pod, wanted.images)
            request = PodRequest.of(call).with_body(wanted.toward(pod))
            answer = await lost_creation.ask(call, pod, sought, request)
        except (PodUnreachable, ImageStays) as error:
            if isinstance(error, ImageStays) and pod is pods[-1] and refusal is None:
                raise
            troubles.append(str(error))
            continue
        if answer.ok:
            return answer
        refusal = refusal or answer
        troubles.append(f"{pod.region_name}: {answer.message()}")
        if not _another_may_take_it(answer):
            break
        LOG.warning("%s not made: %s", wanted.kind, troubles[-1])
    if refusal is not None:
        return refusal
    why = "; ".join(text.rstrip(". ") for text in troubles)
    raise Fault(
        503, f"No pod could make the {wanted.kind}: {why}. Try again later.", {"Retry-After": "5"}
    )


def _another_may_take_it(answer: PodResponse) -> bool:
    """Whether a refusal is for lack of room or of what a pod has, or the pod's own failure."""
    if answer.status >= 500 or answer.status == 413:
        return True
    message = answer.message().lower()
    # The zone is the pod's own, and right unless who registered the pod was wrong.
    lacks_zone = answer.status == 400 and "availability zone" in message
    lacks_type = answer.status in (400, 404) and "type" in message and _NOT_THERE in message
    # Where all have one Glance, another pod lacks the image, too.
    lacks_image = answer.status == 400 and not answer.pod.is_shared and _NO_IMAGE in message
    return lacks_zone or lacks_type or lacks_image


async def _write_down(
    call: Call, wanted: CreateRequest, answer: PodResponse, row_id: str, use: Use
) -> None:
    """Remember where it is. It exists whatever fails here."""
    project, kind = call.context.project_id, wanted.kind
    told, used = answer.json()[kind]["id"], usage.told(kind, answer, use)

    async def work() -> None:
        new = await lookup.learned(kind, told, answer.pod)
        await in_thread(storage.confirm, row_id, new, answer.pod.id, used)
        await lookup.remember(call, kind, new, answer.pod, wanted.detail, project_id=project)
        await in_thread(bindings.ensure, project, answer.pod.id)

    await written(call.services, f"A new {kind}", work)
