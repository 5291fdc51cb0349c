# SPDX-License-Identifier: Apache-2.0
"""The actions that give a server one more address on a network it is on, and take one away.

The address is central Neutron's to give; the pod's copy of the port follows.
"""

import ipaddress
from typing import Any

from aiohttp import web
from oslo_log import log as logging

from tricircle.gateway.call import Call
from tricircle.gateway.compute.networking.neutron import central, user
from tricircle.gateway.compute.proxies import server_ports
from tricircle.gateway.http.responses import accepted
from tricircle.gateway.transport.central_neutron import NeutronError
from tricircle.gateway.upstream import lookup
from tricircle.gateway.upstream.forward import reply

LOG = logging.getLogger(__name__)

_MOST_CHARACTERS = 36


async def add(call: Call, server_id: str, argument: Any) -> web.Response:
    """addFixedIp. As with Nova, what cannot be done is accepted all the same."""
    network = _only(argument, "networkId")
    if not isinstance(network, str | int) or not 0 < len(str(network)) <= _MOST_CHARACTERS:
        return reply(call, await lookup.ask(call, "server", server_id))
    held = await server_ports.of_server(call, server_id, network_id=str(network))
    neutron = central(call)
    subnets = await neutron.list("subnets", network_id=str(network), **user(call))
    for port in held:
        for subnet in subnets:
            fixed_ips = [*port["fixed_ips"], {"subnet_id": subnet["id"]}]
            try:
                await neutron.update("ports", port["id"], {"fixed_ips": fixed_ips}, **user(call))
            except NeutronError as error:
                LOG.info("No address of subnet %s for %s: %s", subnet["id"], server_id, error)
            else:
                return accepted()
    LOG.warning("No address of network %s could be given to server %s", network, server_id)
    return accepted()


async def remove(call: Call, server_id: str, argument: Any) -> web.Response:
    """removeFixedIp."""
    address = _only(argument, "address")
    try:
        ipaddress.ip_address(address if isinstance(address, str) else "")
    except ValueError:
        return reply(call, await lookup.ask(call, "server", server_id))
    for port in await server_ports.of_server(call, server_id):
        kept = [ip for ip in port["fixed_ips"] if ip["ip_address"] != address]
        if len(kept) < len(port["fixed_ips"]):
            await central(call).update("ports", port["id"], {"fixed_ips": kept}, **user(call))
            return accepted()
    LOG.warning("Server %s has no address %s to be removed", server_id, address)
    return accepted()


def _only(argument: Any, name: str) -> Any:
    """The value of an argument's one key; None for what Nova refuses."""
    return argument.get(name) if isinstance(argument, dict) and len(argument) == 1 else None
