# SPDX-License-Identifier: Apache-2.0
"""Make one server: its ports, the pod that takes it, and what is left if it fails."""

import asyncio
import contextlib
import dataclasses
import uuid
from collections.abc import Sequence
from urllib.parse import quote

from oslo_db import exception as db_exc
from oslo_log import log as logging

from tricircle.conf import CONF
from tricircle.db import bindings, creations, models
from tricircle.db.errors import NotFound
from tricircle.gateway import lookup
from tricircle.gateway.call import Call
from tricircle.gateway.client import PodResponse
from tricircle.gateway.compute import nics, unknown
from tricircle.gateway.compute.background import at_work
from tricircle.gateway.compute.networks import PlannedNic
from tricircle.gateway.compute.nics import BoundPort, Nic
from tricircle.gateway.compute.request import CreateRequest, toward_pod
from tricircle.gateway.errors import Fault
from tricircle.gateway.forward import forward
from tricircle.gateway.threads import in_thread
from tricircle.pods.errors import PodError, PodTimeout, PodUnreachable
from tricircle.pods.pod import Pod

LOG = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, slots=True)
class Made:
    """A server and the pod's answer to its create."""

    server_id: str  # "" when the pod did not say
    pod: Pod
    answer: PodResponse


class Refused(Exception):
    """A pod refused the request: its answer is the user's."""

    def __init__(self, answer: PodResponse) -> None:
        super().__init__(answer.status)
        self.answer = answer


class _LeftOpen(Exception):
    """Whether there is a server is not known: xjob finds out and adopts or undoes it."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.message)
        self.fault = fault


async def one(
    call: Call,
    request: CreateRequest,
    planned: Sequence[PlannedNic],
    security_groups: Sequence[str],
    pods: Sequence[Pod],
) -> Made:
    """Make a server in the first of ``pods`` that takes it.

    Raises Refused with the pod's answer, Fault, PodUnreachable. Nothing is left behind then.
    """
    creation_id = str(uuid.uuid4())
    brought = [nic.port["id"] for nic in planned if nic.port is not None]
    if planned:
        # Without a NIC there is nothing of ours to undo: the pod's server is found by its id.
        began = models.now().isoformat()
        detail = {"name": request.name, "brought": brought, "began": began}
        await in_thread(
            creations.begin, "server", call.context.project_id, None, detail, creation_id
        )
    work = asyncio.ensure_future(
        _settled(call, request, planned, security_groups, pods, creation_id, brought)
    )
    # A client that hangs up does not stop it half-way.
    return await asyncio.shield(work)


async def _settled(
    call: Call,
    request: CreateRequest,
    planned: Sequence[PlannedNic],
    security_groups: Sequence[str],
    pods: Sequence[Pod],
    creation_id: str,
    brought: Sequence[str],
) -> Made:
    """``_try_pods`` and then either the routing or the undoing, and xjob kept off meanwhile."""
    async with contextlib.AsyncExitStack() as stack:
        if planned:
            await stack.enter_async_context(at_work(creation_id))
        return await _made_or_undone(
            call, request, planned, security_groups, pods, creation_id, brought
        )


async def _made_or_undone(
    call: Call,
    request: CreateRequest,
    planned: Sequence[PlannedNic],
    security_groups: Sequence[str],
    pods: Sequence[Pod],
    creation_id: str,
    brought: Sequence[str],
) -> Made:
    try:
        owner = request.zone.device_owner
        ports = await nics.make(call, planned, security_groups, creation_id, owner)
        made = await _try_pods(call, request, ports, pods)
    except _LeftOpen as error:
        raise error.fault from None
    except BaseException:
        if planned and await nics.release(call, creation_id, lambda port: port not in brought):
            await in_thread(creations.end, creation_id)
        raise
    await _write_down(call, made, ports, creation_id)
    return made


async def _try_pods(
    call: Call, request: CreateRequest, ports: Sequence[Nic], pods: Sequence[Pod]
) -> Made:
    troubles: list[str] = []
    refusal: PodResponse | None = None
    missing: str | None = None
    for pod in pods[: CONF.scheduling.max_attempts]:
        try:
            if missing is not None and not await _has(call, pod, missing):
                continue
            bound = await nics.bind(call, ports, pod)
            made = await _in_pod(call, request, pod, ports, bound)
        except Refused as error:
            missing = _missing(request, error.answer)
            if missing is None and not _another_may_take_it(error.answer):
                raise
            refusal = refusal or error.answer
            troubles.append(f"{pod.region_name}: {error.answer.message()}")
        except PodError as error:
            if error.pod != pod.region_name:
                raise  # central Neutron: no other pod would help
            troubles.append(str(error))
        else:
            LOG.info(
                "Server %s of project %s is in pod %s",
                made.server_id,
                call.context.project_id,
                pod.region_name,
            )
            return made
        LOG.warning("Server %s not made: %s", request.name, troubles[-1])
    if refusal is not None:
        raise Refused(refusal)
    raise Fault(503, f"No pod could make the server: {'; '.join(troubles)}")


async def _in_pod(
    call: Call,
    request: CreateRequest,
    pod: Pod,
    ports: Sequence[Nic],
    bound: Sequence[BoundPort],
) -> Made:
    """Ask one pod. Raises Refused, PodUnreachable, and _LeftOpen when the pod fell silent."""
    entries = [port.entry(there) for port, there in zip(ports, bound, strict=True)]
    version = call.version or (2, 1)
    body, version = toward_pod(request, request.zone.toward(pod), entries, version)
    sought = unknown.Sought(request, tuple(there.pod_port_id for there in bound))
    try:
        answer = await forward(dataclasses.replace(call, version=version), pod, body=body)
    except PodTimeout as error:
        return await _found(call, pod, sought, f"{error}")
    if answer.status >= 500:
        try:
            return await _found(call, pod, sought, answer.message(), patience=2.0)
        except PodError:
            raise Refused(answer) from None
    if not answer.ok:
        raise Refused(answer)
    try:
        # Asked for a reservation id, Nova tells no server: it is learned at its first use.
        return Made(answer.json().get("server", {}).get("id", ""), pod, answer)
    except PodUnreachable as error:
        return await _found(call, pod, sought, f"{error}")


async def _found(
    call: Call, pod: Pod, sought: unknown.Sought, why: str, patience: float = 15.0
) -> Made:
    """The server a pod made without telling us. Raises PodError when there is none."""
    try:
        found = await unknown.look(call, pod, sought, patience)
    except PodError as error:
        raise _LeftOpen(
            Fault(
                504,
                f"{why} Whether it made server {sought.request.name} is not known: what is "
                f"left of it will be adopted or removed. {error}",
            )
        ) from None
    if found is None:
        raise PodError(pod.region_name, why)
    return Made(found.server_id, pod, found.answer)


def _another_may_take_it(answer: PodResponse) -> bool:
    """Whether a refusal is for lack of room or quota, or the pod's own failure."""
    return answer.status >= 500 or (answer.status == 403 and "exceeded" in answer.message().lower())


def _missing(request: CreateRequest, answer: PodResponse) -> str | None:
    """The path of the flavor or keypair that a pod refuses the request for lack of.

    It may not have reached that pod yet, or never have been made through us.
    """
    message = answer.message() if answer.status == 400 else ""
    if message.startswith("Flavor ") and message.endswith("could not be found."):
        flavor = str(request.server.get("flavorRef", "")).rpartition("/")[2]
        return f"/flavors/{quote(flavor, safe='')}"
    if message == "Invalid key_name provided.":
        return f"/os-keypairs/{quote(str(request.server.get('key_name')), safe='')}"
    return None


async def _has(call: Call, pod: Pod, path: str) -> bool:
    return (await forward(call, pod, method="GET", path=path, body=b"", query="")).ok


async def _write_down(call: Call, made: Made, ports: Sequence[Nic], creation_id: str) -> None:
    """Remember where the server is. It exists whatever fails here: xjob or a lookup mends it."""
    project = call.context.project_id
    ours = [port.port_id for port in ports if not port.brought]
    try:
        if made.server_id:
            detail = {"ports": ours}
            await lookup.remember(
                call, "server", made.server_id, made.pod, project_id=project, detail=detail
            )
        handed_over = await nics.hand_over(call, ports, made.server_id)
        if ports and handed_over:
            await in_thread(creations.end, creation_id)
        await in_thread(bindings.ensure, project, made.pod.id)
    except (db_exc.DBError, NotFound) as error:
        LOG.warning("Server %s is made but not written down: %s", made.server_id, error)
