# SPDX-License-Identifier: Apache-2.0
"""Make one server: its ports, the pod that takes it, and what is left if it fails.

1. Make a central port for each network of the request (``nics.make``).
2. For each pod that the scheduler chose, the best first: bind the ports there (``nics.bind``), and
   ask the pod for the server with the ids its ports have there. The first pod that takes it ends
   this. One that fell silent is asked what became of the server before another is tried.
3. Write down where the server is (``_write_down``), or undo what was made (``_undo``).

An operation was written down before. If this process dies, or if nobody knows whether there is
a server, xjob finds the row and adopts the server or removes what is left.
"""

import asyncio
import dataclasses
import itertools
import re
from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import quote

from oslo_log import log as logging

from tricircle.conf import CONF
from tricircle.db import allocations, operations
from tricircle.db import made as made_rows
from tricircle.db import server_groups as groups
from tricircle.db.errors import Elsewhere
from tricircle.db.models import ServerGroup, now
from tricircle.gateway.call import Call
from tricircle.gateway.compute import pod_keypairs, pod_server_groups
from tricircle.gateway.compute.networking import nics
from tricircle.gateway.compute.networking.networks import PlannedNic
from tricircle.gateway.compute.networking.nics import BoundPort, Nic
from tricircle.gateway.compute.server_request import CreateRequest, toward_pod
from tricircle.gateway.compute.servers import lost_creation
from tricircle.gateway.http.errors import Fault
from tricircle.gateway.threads import in_thread
from tricircle.gateway.transport.client import PodResponse, Refused
from tricircle.gateway.upstream import image_copies, lookup, tokens
from tricircle.gateway.upstream.background import at_work, written
from tricircle.gateway.upstream.forward import forward
from tricircle.gateway.upstream.pod_request import PodRequest
from tricircle.pods.errors import ImageStays, PodError, PodTimeout, PodUnreachable
from tricircle.pods.pod import Pod
from tricircle.scheduling.scheduler import Choice

LOG = logging.getLogger(__name__)

# Of as many pods it is told why they were left out, or what they weighed.
_MOST_REASONS = 50
_LONGEST_REASON = 300
# What Nova says to what one pod lacks and another may have: the type of a volume to be made, or,
# by a mistake of who registered the pod, the zone.
_NO_IMAGE = "Can not find requested image"
_OF_ONE_POD = re.compile(
    r"Volume type .* could not be found\.|The requested availability zone is not available\.?"
)


@dataclasses.dataclass(frozen=True, slots=True)
class Made:
    """A server, the pod it is in and that pod's answer; ``why`` tells why it is there."""

    server_id: str
    pod: Pod
    answer: PodResponse
    why: dict[str, Any] = dataclasses.field(default_factory=dict)


class _LeftOpen(Exception):
    """Nobody knows whether there is a server: xjob finds out, and adopts it or undoes the rest."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.message)
        self.fault = fault


@dataclasses.dataclass(frozen=True, slots=True)
class Plan:
    """What is decided about a server before a pod is asked for it.

    ``creation_id`` is of the operation, and the allocation, that was begun for it.
    """

    request: CreateRequest
    creation_id: str
    choice: Choice
    nics: Sequence[PlannedNic] = ()
    security_groups: Sequence[str] = ()
    group: ServerGroup | None = None

    @property
    def brought(self) -> list[str]:
        """Ids of the ports the user has brought."""
        return [nic.port["id"] for nic in self.nics if nic.port is not None]

    def why(self, refused: Sequence[str]) -> dict[str, Any]:
        """Why a pod was chosen, for the routing; ``refused`` are the answers of pods before it."""
        return {
            "at": f"{now().isoformat(timespec='seconds')}Z",
            "zone": self.request.zone.name,
            "group": self.group.id if self.group else None,
            "left_out": dict(list(self.choice.left_out.items())[:_MOST_REASONS]),
            "weights": dict(list(self.choice.weights.items())[:_MOST_REASONS]),
            "refused": [text[:_LONGEST_REASON] for text in refused[:_MOST_REASONS]],
        }


async def one(call: Call, plan: Plan, ports: Sequence[Nic] | None = None) -> Made:
    """Make a server in the first of the chosen pods that takes it; ``ports`` if it has them.

    Raises Refused with the pod's answer, Fault, PodUnreachable. What was made is undone then, or
    left to xjob.
    """
    # A client that hangs up does not stop it half-way.
    return await asyncio.shield(asyncio.ensure_future(_settled(call, plan, ports)))


async def _settled(call: Call, plan: Plan, ports: Sequence[Nic] | None) -> Made:
    """Make the server or undo all; xjob leaves it alone meanwhile."""
    async with at_work(plan.creation_id):
        if ports is None:
            ports = await _with_ports(call, plan)
        return await _made_or_undone(call, plan, ports)


async def _with_ports(call: Call, plan: Plan) -> Sequence[Nic]:
    owner = plan.request.zone.device_owner
    try:
        return await nics.make(call, plan.nics, plan.security_groups, plan.creation_id, owner)
    except BaseException as error:
        await undo(call, plan, error)
        raise


async def _made_or_undone(call: Call, plan: Plan, ports: Sequence[Nic]) -> Made:
    try:
        made = await _try_pods(call, plan, ports)
    except _LeftOpen as error:
        raise error.fault from None
    except BaseException:
        await undo(call, plan)
        raise
    await _write_down(call, made, ports, plan.creation_id)
    return made


async def undo(call: Call, plan: Plan, unmade: BaseException | None = None) -> None:
    """Remove the ports made and free the quota. What cannot be undone now is left to xjob.

    ``unmade`` is why its ports could not be made, if that is why: where Neutron did not refuse
    them, they may come to be yet.
    """
    await in_thread(allocations.give_back, plan.creation_id)
    brought = plan.brought
    if plan.nics:
        sure = unmade is None or (isinstance(unmade, Fault) and unmade.status < 500)
        gone = await nics.release(call, plan.creation_id, lambda port: port not in brought)
        if not (gone and sure):
            return
    await in_thread(operations.end, plan.creation_id)


async def drop(plans: Iterable[Plan]) -> None:
    """Give back what was set aside for plans that nothing was done about."""
    for plan in plans:
        await in_thread(allocations.give_back, plan.creation_id)
        await in_thread(operations.end, plan.creation_id)


async def _try_pods(call: Call, plan: Plan, ports: Sequence[Nic]) -> Made:
    """Ask the chosen pods, one after the other, until one takes the server.

    Raises Refused: at once where no other pod could do better, else with the first refusal. Fault
    503 when no pod refused and yet none took it, 403 when all lacked quota for its ports, 400 when
    its image can be in none; PodError when central Neutron is at fault.
    """
    request = plan.request
    troubles: list[str] = []
    refusal: PodResponse | None = None
    missing: str | None = None
    attempts = never = 0
    for pod in plan.choice.pods:
        if attempts == CONF.scheduling.max_attempts:
            break
        try:
            if missing is not None and not await _has(call, pod, missing):
                continue
            await _place(plan, pod)
            attempts += 1
            await tokens.ensure(call, pod)
            await image_copies.ensure(call, plan.choice.pods, pod, request.images)
            bound = await nics.bind(call, ports, pod)
            made = await _in_pod(call, plan, pod, ports, bound)
        except Elsewhere as error:
            troubles.append(_kept_elsewhere(call, plan, pod, error))
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
            never += isinstance(error, ImageStays)
        else:
            _tell(call, plan, made, troubles)
            return dataclasses.replace(made, why=plan.why(troubles))
        LOG.warning("Server %s not made: %s", request.name, troubles[-1])
    if refusal is not None:
        raise Refused(refusal)
    why = "; ".join(text.rstrip(". ") for text in troubles)
    message = f"No pod could make the server: {why}."
    if troubles and all(map(_is_quota, troubles)):
        # A pod's Neutron has quotas of its own: to try again later is of no use.
        raise Fault(403, message)
    if troubles and never == len(troubles):
        raise Fault(400, message)
    raise Fault(503, f"{message} Try again later.", {"Retry-After": "5"})


def _tell(call: Call, plan: Plan, made: Made, troubles: Sequence[str]) -> None:
    left_out = plan.choice.left_out.items()
    LOG.info(
        "Server %s of project %s is in pod %s of %s%s%s",
        made.server_id,
        call.context.project_id,
        made.pod.region_name,
        ", ".join(pod.region_name for pod in plan.choice.pods),
        "".join(f"; {name} {' and '.join(reasons)}" for name, reasons in left_out),
        "".join(f"; refused by {text}" for text in troubles),
    )


async def _place(plan: Plan, pod: Pod) -> None:
    """Write down in which pod a server of a group is about to be made.

    Raises Elsewhere when the group has to stay in another pod.
    """
    group = plan.group
    if group is not None:
        together = group.id if group.policy == pod_server_groups.AFFINITY else None
        await in_thread(allocations.place, plan.creation_id, pod.id, together)


def _kept_elsewhere(call: Call, plan: Plan, pod: Pod, error: Elsewhere) -> str:
    other = call.services.registry.get(error.pod_id)
    name = other.region_name if other else error.pod_id
    group = plan.group.id if plan.group else ""
    return f"{pod.region_name}: the servers of group {group} are in {name}"


async def _in_pod(
    call: Call, plan: Plan, pod: Pod, ports: Sequence[Nic], bound: Sequence[BoundPort]
) -> Made:
    """Ask one pod for the server, in the pod's own group if it has one.

    Raises Refused, PodError, and _LeftOpen when the pod does not say what became of the server.
    """
    if plan.group is None:
        return await _asked(call, plan, pod, ports, bound, None)
    inside = await pod_server_groups.ensure(call, plan.group, pod)
    try:
        return await _asked(call, plan, pod, ports, bound, inside)
    except Refused as error:
        if error.answer.message() != f"Instance group {inside} could not be found.":
            raise
    # Somebody deleted the pod's group behind our back.
    await in_thread(groups.lost, plan.group.id, pod.id, inside)
    inside = await pod_server_groups.ensure(call, plan.group, pod)
    return await _asked(call, plan, pod, ports, bound, inside)


async def _asked(
    call: Call,
    plan: Plan,
    pod: Pod,
    ports: Sequence[Nic],
    bound: Sequence[BoundPort],
    group: str | None,
) -> Made:
    request = plan.request
    entries = [port.entry(there) for port, there in zip(ports, bound, strict=True)]
    version = call.version or (2, 1)
    body, version = toward_pod(request, request.zone.toward(pod), entries, version, group)
    sought = lost_creation.Sought(request, tuple(there.pod_port_id for there in bound))
    await pod_keypairs.ensure(call, pod, request.server.get("key_name"))
    try:
        answer = await forward(call, pod, PodRequest.of(call).with_body(body).at(version))
    except PodTimeout as error:
        return await _found(call, pod, sought, f"{error}")
    if answer.status >= 500:
        try:
            return await _found(call, pod, sought, answer.message(), patience=2.0)
        except PodError:
            raise Refused(answer) from None
    answer.raise_for_status()
    try:
        told = answer.json()["server"]["id"]
        return Made(await lookup.learned("server", told, pod), pod, answer)
    except (PodUnreachable, KeyError, TypeError) as error:
        return await _found(call, pod, sought, f"{error}")


async def _found(
    call: Call, pod: Pod, sought: lost_creation.Sought, why: str, patience: float = 15.0
) -> Made:
    """The server a pod made although its answer was lost.

    Looks for ``patience`` seconds. Raises PodError when there is none, _LeftOpen when nobody knows.
    """
    try:
        found = await lost_creation.look(call, pod, sought, patience)
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
    return Made(await lookup.learned("server", found.server_id, pod), pod, found.answer)


def _another_may_take_it(answer: PodResponse) -> bool:
    """Whether a refusal is for lack of room, quota or of what a pod has, or its own failure."""
    if answer.status >= 500 or answer.status == 413:
        return True
    message = answer.message()
    if answer.status == 403:
        return _is_quota(message)
    if answer.status == 400 and not answer.pod.is_shared and message == _NO_IMAGE:
        return True  # Its Glance is its own.
    return answer.status == 400 and _OF_ONE_POD.fullmatch(message) is not None


def _is_quota(message: str) -> bool:
    return "exceeded" in message.lower()


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
    return (await forward(call, pod, PodRequest.of(call).get(path))).ok


async def _write_down(call: Call, made: Made, ports: Sequence[Nic], creation_id: str) -> None:
    """Write down where the server is. The server exists, so nothing that fails here undoes it."""
    project = call.context.project_id
    ours = [port.port_id for port in ports if not port.brought]
    where = (made.server_id, made.pod.id)
    call.services.routings.put("server", *where)
    tries = itertools.count()

    async def work() -> None:
        if next(tries):  # the database was away when the id was checked
            await lookup.learned("server", made.server_id, made.pod)
        await in_thread(
            made_rows.server, creation_id, *where, project, ours, made.why, ends=not ports
        )
        if ports and await nics.hand_over(call, ports, made.server_id):
            await in_thread(operations.end, creation_id)

    await written(call.services, f"Server {made.server_id}", work)
