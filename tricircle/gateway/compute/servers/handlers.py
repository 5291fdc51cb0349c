# SPDX-License-Identifier: Apache-2.0
"""Create, delete and act on servers."""

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable
from typing import Any

import orjson
from aiohttp import web

from tricircle.db import server_groups as groups_table
from tricircle.db.models import ServerGroup
from tricircle.gateway import attach_moves
from tricircle.gateway.call import Call
from tricircle.gateway.compute import pod_server_groups, server_groups
from tricircle.gateway.compute.networking import networks, security_group_lookup, security_groups
from tricircle.gateway.compute.networking.networks import PlannedNic
from tricircle.gateway.compute.proxies import fixed_ips, floating_ips
from tricircle.gateway.compute.quota import allocation
from tricircle.gateway.compute.server_request import CreateRequest, RefusedByNova, parse
from tricircle.gateway.compute.servers import (
    addresses,
    consoles,
    creation,
    deletion,
    forced_hosts,
    multiple_creation,
    zones,
)
from tricircle.gateway.compute.servers.creation import Plan
from tricircle.gateway.http.errors import Fault
from tricircle.gateway.threads import in_thread
from tricircle.gateway.transport.client import PodResponse
from tricircle.gateway.upstream import host_names, image_places, lookup, scheduling
from tricircle.gateway.upstream.forward import ask_any, reply, reply_with
from tricircle.gateway.upstream.pod_request import PodRequest
from tricircle.pods.pod import Pod
from tricircle.scheduling.request import Group, Request
from tricircle.scheduling.scheduler import Choice
from tricircle.scheduling.zones import BadZone, Zone

# Nova's proxies for addresses end here.
_ADDRESS_ACTIONS = ("addFixedIp", "removeFixedIp", "addFloatingIp", "removeFloatingIp")
_ADDRESSES_END = (2, 44)
_VOLUMES = "os-extended-volumes:volumes_attached"


async def create(call: Call) -> web.Response:
    """POST /servers."""
    try:
        wanted = parse(call.json(), call.version or (2, 1))
    except RefusedByNova:
        return await _let_a_pod_refuse(call)
    group_ids = await security_group_lookup.find_all(call, wanted.security_groups)
    group = await server_groups.hinted(call, wanted.group)
    planned = await networks.plan(call, wanted.networks, group_ids)
    wanted, within = await forced_hosts.resolved(call, wanted)
    try:
        choice = await candidates(call, wanted, planned, group, within)
    except Fault as fault:
        if fault.status != 400 or not wanted.volumes:
            raise
        await _bring_volumes(call, wanted, planned, group, within)
        choice = await candidates(call, wanted, planned, group, within)
    for volume in wanted.volumes:
        await attach_moves.let_write(call, volume)
    begun = await allocation.reserve(call, wanted, planned, group.id if group else None)
    # As many as the quota has room for.
    wanted = dataclasses.replace(wanted, max_count=len(begun))
    plans = [
        Plan(wanted.one_of_many(index), creation_id, choice, planned, group_ids, group)
        for index, creation_id in enumerate(begun)
    ]
    if wanted.max_count > 1 or wanted.wants_reservation:

        async def choose() -> Choice:
            return await candidates(call, wanted, planned, group, within)

        return await multiple_creation.create(call, wanted, plans, choose)
    made = await creation.one(call, plans[0])
    return reply(call, made.answer, body=answer_body(wanted, made))


def answer_body(wanted: CreateRequest, made: creation.Made) -> bytes:
    """The pod's answer, naming the security groups the client named."""
    named = wanted.server.get("security_groups")
    if named is None:
        return made.answer.body
    document = made.answer.json()
    if "security_groups" in document.get("server", {}):
        document["server"]["security_groups"] = named
    return orjson.dumps(document)


async def candidates(
    call: Call,
    wanted: CreateRequest,
    planned: list[PlannedNic],
    group: ServerGroup | None = None,
    within: forced_hosts.Within = (),
) -> Choice:
    """The pods to try, best first. Raises Fault 400 and 503."""
    required = await scheduling.required_pods(call, wanted.needs)
    required |= await image_places.held(call, wanted.images)
    for nic in planned:
        if nic.port is not None and (region := _region_of(nic.port)):
            required[f"port {nic.port['id']}"] = region
    request = Request(
        project_id=call.context.project_id,
        zone=wanted.zone,
        networks=tuple(nic.placement for nic in planned),
        required_pods=required,
        within=within,
    )
    if group is not None:
        members = await in_thread(groups_table.spread, group.id)
        per_host = group.rules.get("max_server_per_host", 1)
        wish = Group(group.id, group.policy, per_host, members)
        request = dataclasses.replace(request, group=wish)
    return await scheduling.choose(
        call, request, images=wanted.images, flavor=wanted.server.get("flavorRef")
    )


def _region_of(port: dict[str, Any]) -> str:
    """The region name of the pod that a port is in; its host may be one of the pod's."""
    details = port.get("binding:vif_details") or {}
    return str(details.get("pod") or port.get("binding:host_id") or "")


async def _bring_volumes(
    call: Call,
    wanted: CreateRequest,
    planned: list[PlannedNic],
    group: ServerGroup | None,
    within: forced_hosts.Within,
) -> None:
    """Volumes that keep a server from every pod follow it to one: to that with most of them.

    Raises Fault 400 when one does not, 409 when it is not there in time.
    """
    others = tuple(need for need in wanted.needs if need[0] != "volume")
    apart = dataclasses.replace(wanted, needs=others)
    pods = (await candidates(call, apart, planned, group, within)).pods
    places = {
        volume: (await lookup.locate(call, "volume", volume)).pod for volume in wanted.volumes
    }
    here = [pod.id for pod in places.values() if pod is not None]
    target = max(pods, key=lambda pod: here.count(pod.id))
    await asyncio.gather(
        *(
            attach_moves.bring(call, None, target, volume, pod)
            for volume, pod in places.items()
            if pod is not None and pod.id != target.id
        )
    )


async def _let_a_pod_refuse(call: Call) -> web.Response:
    answer = await ask_any(call)
    if answer.ok and (told := answer.json().get("server")):
        # Nova took what we thought it would not.
        told_id = told.get("id") if isinstance(told, dict) else None
        server_id = await lookup.learned("server", told_id, answer.pod)
        project = call.context.project_id
        await lookup.remember(call, "server", server_id, answer.pod, project_id=project)
    return reply(call, answer)


async def delete(call: Call) -> web.Response:
    """DELETE /servers/{id}."""
    server_id = call.params["id"]
    answer = await deletion.run(call, server_id, lambda: lookup.ask(call, "server", server_id))
    return reply(call, answer)


async def action(call: Call) -> web.Response:
    """POST /servers/{id}/action."""
    server_id = call.params["id"]
    name, argument = call.action()
    if name in _ADDRESS_ACTIONS and call.at_least(_ADDRESSES_END):
        return reply(call, await lookup.ask(call, "server", server_id))
    if special := _ACTIONS.get(name):
        return await special(call, server_id, argument)
    request = PodRequest.of(call)
    if isinstance(argument, dict) and isinstance(host := argument.get("host"), str) and "@" in host:
        pod = await lookup.find(call, "server", server_id)
        inside = {**argument, "host": host_names.inward(call, pod, host)}
        request = request.with_body({name: inside})
    return await _shown(call, await lookup.ask(call, "server", server_id, request))


async def _shown(call: Call, answer: PodResponse) -> web.Response:
    """A rebuild answers with the server's document."""
    if answer.status == 202 and b'"server"' in answer.body[:12]:
        document = answer.json()
        zones.show(answer.pod, document["server"])
        await addresses.show(call, document["server"])
        await pod_server_groups.show((answer.pod, document["server"]))
        return reply_with(call, answer, document)
    return reply(call, answer)


async def _force_delete(call: Call, server_id: str, argument: Any) -> web.Response:
    answer = await deletion.run(call, server_id, lambda: lookup.ask(call, "server", server_id))
    return reply(call, answer)


async def _resize(call: Call, server_id: str, argument: Any) -> web.Response:
    """What the server will use more is set aside first; xjob sees what it uses in the end."""
    flavor = argument.get("flavorRef") if isinstance(argument, dict) else None
    if isinstance(flavor, str):
        await allocation.grow(call, server_id, flavor)
    return await _resized(call, server_id, argument)


async def _resized(call: Call, server_id: str, argument: Any) -> web.Response:
    try:
        return reply(call, await lookup.ask(call, "server", server_id))
    finally:
        await allocation.look_soon(server_id)


async def _create_image(call: Call, server_id: str, argument: Any) -> web.Response:
    """Of a server that has no image of its own, the pod makes snapshots of its volumes."""
    showing = PodRequest.of(call).get(lookup.path(call, "server", server_id))
    shown = (await lookup.ask(call, "server", server_id, showing)).raise_for_status()
    server = shown.json()["server"]
    of_volumes = not server.get("image")
    volumes = [one["id"] for one in server.get(_VOLUMES) or ()] if of_volumes else []
    async with allocation.snapshots(call, server_id, volumes):
        answer = (await lookup.ask(call, "server", server_id)).raise_for_status()
    return reply(call, answer)


async def _restore(call: Call, server_id: str, argument: Any) -> web.Response:
    await allocation.restore(call, server_id)
    return await _resized(call, server_id, argument)


async def _unshelve(call: Call, server_id: str, argument: Any) -> web.Response:
    """A zone or a host named for a server that lives in a pod already is one of that pod."""
    request = PodRequest.of(call)
    told = argument if isinstance(argument, dict) else {}
    zone, host = (told.get(name) for name in ("availability_zone", "host"))
    if isinstance(zone, str) or isinstance(host, str):
        pod = await lookup.find(call, "server", server_id)
        inside = dict(told)
        if isinstance(zone, str):
            del inside["availability_zone"]
            if (named := _zone_in(pod, zone)) is not None:
                inside["availability_zone"] = named
        if isinstance(host, str):
            inside["host"] = host_names.inward(call, pod, host)
        request = request.with_body({"unshelve": inside or None})
    return reply(call, await lookup.ask(call, "server", server_id, request))


def _zone_in(pod: Pod, text: str) -> str | None:
    """A zone named for what lives in a pod, in the pod's words. Raises Fault 400."""
    try:
        zone = Zone.parse(text)
    except BadZone as error:
        raise Fault(400, str(error)) from None
    if zone.name != pod.availability_zone:
        raise Fault(400, "The requested availability zone is not available")
    return zone.toward(pod)


_ACTIONS: dict[str, Callable[[Call, str, Any], Awaitable[web.Response]]] = {
    "addFixedIp": fixed_ips.add,
    "removeFixedIp": fixed_ips.remove,
    "addFloatingIp": floating_ips.add,
    "removeFloatingIp": floating_ips.remove,
    "addSecurityGroup": security_groups.add,
    "removeSecurityGroup": security_groups.remove,
    "forceDelete": _force_delete,
    "createImage": _create_image,
    "unshelve": _unshelve,
    "resize": _resize,
    "confirmResize": _resized,
    "revertResize": _resized,
    "restore": _restore,
    **dict.fromkeys(consoles.ACTIONS, consoles.action),
}
