# SPDX-License-Identifier: Apache-2.0
"""Interfaces of a server: the pod's, told by the ids of central Neutron."""

import asyncio
from typing import Any

from aiohttp import web
from oslo_utils import uuidutils

from tricircle.db import operations, routings
from tricircle.db.operations import InterfaceAttach
from tricircle.gateway.call import Call
from tricircle.gateway.compute import schemas
from tricircle.gateway.compute.networking import networks, nics
from tricircle.gateway.compute.networking.networks import PlannedNic
from tricircle.gateway.compute.networking.neutron import central, service
from tricircle.gateway.compute.networking.nics import BoundPort, Nic
from tricircle.gateway.compute.server_request import NetworkWish
from tricircle.gateway.compute.servers import detachment
from tricircle.gateway.failures import from_pod_error
from tricircle.gateway.http.errors import Fault
from tricircle.gateway.threads import in_thread
from tricircle.gateway.transport.central_neutron import NeutronError
from tricircle.gateway.transport.client import PodResponse
from tricircle.gateway.upstream import lookup
from tricircle.gateway.upstream.background import at_work
from tricircle.gateway.upstream.forward import forward, reply, reply_with
from tricircle.gateway.upstream.pod_request import PodRequest
from tricircle.pods import rights
from tricircle.pods.errors import PodTimeout
from tricircle.pods.pod import Pod
from tricircle.scheduling.zones import Zone

Port = dict[str, Any]


async def list(call: Call) -> web.Response:
    """GET /servers/{server_id}/os-interface."""
    server_id = call.params["server_id"]
    answer, ports = await asyncio.gather(
        lookup.ask(call, "server", server_id), nics.held_by(call, server_id)
    )
    if not answer.ok:
        return reply(call, answer)
    by_pod_id = {bound.pod_port_id: port for port in ports if (bound := BoundPort.of(port))}
    document = answer.json()
    shown = document["interfaceAttachments"]
    gone = by_pod_id.keys() - {entry["port_id"] for entry in shown}
    # What a client sees to be detached they may delete next: let go of it first.
    await asyncio.gather(*(detachment.settle(call, by_pod_id[one]["id"]) for one in gone))
    for entry in shown:
        if entry["port_id"] in by_pod_id:
            _translate(entry, by_pod_id[entry["port_id"]])
    return reply_with(call, answer, document)


async def show(call: Call) -> web.Response:
    """GET /servers/{server_id}/os-interface/{id}."""
    server_id = call.params["server_id"]
    port = await _port(call, server_id, call.params["id"])
    if port is None:
        return reply(call, await lookup.ask(call, "server", server_id))
    request = PodRequest.of(call).with_path(_path(call, server_id, port))
    return _told(call, await lookup.ask(call, "server", server_id, request), port)


async def create(call: Call) -> web.Response:
    """POST /servers/{server_id}/os-interface."""
    server_id = call.params["server_id"]
    wish = _wish(call)
    if wish is None:
        return reply(call, await lookup.ask(call, "server", server_id))
    pod = await _pod(call, server_id)
    planned = await _plan(call, wish)
    return await asyncio.shield(asyncio.ensure_future(_attach(call, server_id, pod, planned)))


async def delete(call: Call) -> web.Response:
    """DELETE /servers/{server_id}/os-interface/{id}."""
    server_id = call.params["server_id"]
    port = await _port(call, server_id, call.params["id"])
    if port is None:
        return reply(call, await lookup.ask(call, "server", server_id))
    request = PodRequest.of(call).with_path(_path(call, server_id, port))
    return reply(call, await detachment.run(call, server_id, port, request))


def _path(call: Call, server_id: str, port: Port) -> str:
    bound = BoundPort.of(port)
    inside = bound.pod_port_id if bound else port["id"]
    return f"{lookup.path(call, 'server', server_id)}/os-interface/{inside}"


async def _port(call: Call, server_id: str, port_id: str) -> Port | None:
    """The central port of a server; None for any other, of which the pod says what it is."""
    if not uuidutils.is_uuid_like(port_id):
        return None
    try:
        port = await central(call).show("ports", port_id, **service(call, rights.PORTS_SEEN))
    except NeutronError as error:
        if error.status in (400, 404):
            return None
        raise
    return port if port.get("device_id") == server_id and BoundPort.of(port) else None


async def _pod(call: Call, server_id: str) -> Pod:
    """Where the server is. Raises Refused when the caller has no such server."""
    request = PodRequest.of(call).get(lookup.path(call, "server", server_id))
    return (await lookup.ask(call, "server", server_id, request)).raise_for_status().pod


def _wish(call: Call) -> NetworkWish | None:
    """What is asked for; None for a body that Nova refuses by itself."""
    document = call.json() if call.body else {}
    wanted = document.get("interfaceAttachment", {}) if isinstance(document, dict) else None
    if not isinstance(wanted, dict) or not schemas.fits_interface(wanted):
        return None
    network, port, tag = wanted.get("net_id"), wanted.get("port_id"), wanted.get("tag")
    address = wanted["fixed_ips"][0]["ip_address"] if "fixed_ips" in wanted else None
    if (network and port) or (address and not network):
        return None
    return NetworkWish(network, port, address, tag)


async def _plan(call: Call, wish: NetworkWish) -> PlannedNic:
    """Raises Fault with the statuses Nova has for an attachment."""
    wanted = [wish] if wish.network_id or wish.port_id else None
    try:
        planned = await networks.plan(call, wanted)
    except networks.NotThere as fault:
        raise Fault(404, fault.message) from None
    except networks.Ambiguous as fault:
        raise Fault(400, fault.message) from None
    if not planned:
        project = call.context.project_id
        raise Fault(
            400,
            f"No specific network was requested and none are available for project '{project}'.",
        )
    nic = planned[0]
    return PlannedNic(nic.network, nic.port, nic.fixed_ip, wish.tag)


async def _attach(call: Call, server_id: str, pod: Pod, planned: PlannedNic) -> web.Response:
    """Make the port, bind it, plug it in; nothing is left of it when that fails."""
    attachment = InterfaceAttach(server_id, [planned.port["id"]] if planned.port else [])
    project = call.context.project_id
    operation_id = await in_thread(operations.begin, attachment, project, pod.id)
    async with at_work(operation_id):
        return await _plugged_or_undone(call, server_id, pod, planned, operation_id)


async def _plugged_or_undone(
    call: Call, server_id: str, pod: Pod, planned: PlannedNic, operation_id: str
) -> web.Response:
    brought = planned.port is not None
    owner = Zone(pod.availability_zone).device_owner
    try:
        [nic] = await nics.make(call, [planned], (), operation_id, owner)
        [bound] = await nics.bind(call, [nic], pod)
        answer = await _plug(call, pod, nic, bound)
    except PodTimeout as error:
        # It may be plugged in: xjob looks, and keeps or undoes it.
        raise from_pod_error(error) from None
    except BaseException as error:
        await _undo(call, operation_id, brought)
        if isinstance(error, nics.AddressTaken):
            raise Fault(409, error.message) from None
        if isinstance(error, nics.BindingFailed):
            raise Fault(500, f"Failed to attach network adapter device to {server_id}") from error
        raise
    if not answer.ok:
        await _undo(call, operation_id, brought)
        return reply(call, answer)
    if not brought:
        await in_thread(routings.change_ports, server_id, [nic.port_id])
    if await nics.hand_over(call, [nic], server_id):
        await in_thread(operations.end, operation_id)
    port = await central(call).show("ports", nic.port_id, **service(call, rights.PORTS_BOUND))
    return _told(call, answer, port)


async def _plug(call: Call, pod: Pod, nic: Nic, bound: BoundPort) -> PodResponse:
    wanted = {"port_id": bound.pod_port_id}
    if nic.tag is not None:
        wanted["tag"] = nic.tag
    request = PodRequest.of(call).with_body({"interfaceAttachment": wanted})
    return await forward(call, pod, request)


async def _undo(call: Call, operation_id: str, brought: bool) -> None:
    if await nics.release(call, operation_id, lambda _: not brought):
        await in_thread(operations.end, operation_id)


def _told(call: Call, answer: PodResponse, port: Port) -> web.Response:
    """The pod's answer about one interface, in central ids."""
    if not answer.ok:
        # The pod speaks of its own port; the client knows the central one.
        bound = BoundPort.of(port)
        inside = bound.pod_port_id if bound else port["id"]
        return reply(call, answer, body=answer.body.replace(inside.encode(), port["id"].encode()))
    document = answer.json()
    _translate(document["interfaceAttachment"], port)
    return reply_with(call, answer, document)


def _translate(entry: dict[str, Any], port: Port) -> None:
    """One interface, in place: port, network and subnets by their central ids."""
    entry["port_id"], entry["net_id"] = port["id"], port["network_id"]
    subnets = {ip["ip_address"]: ip["subnet_id"] for ip in port["fixed_ips"]}
    for address in entry.get("fixed_ips") or ():
        subnet = subnets.get(address["ip_address"])
        if subnet is not None:
            address["subnet_id"] = subnet
