# SPDX-License-Identifier: Apache-2.0
"""Nova's proxies to floating IPs, and the actions that give one to a server and take it away."""

import ipaddress
import uuid
from typing import Any
from urllib.parse import quote

from aiohttp import web

from tricircle.gateway.call import Call
from tricircle.gateway.compute.networking.neutron import central, user
from tricircle.gateway.compute.proxies import server_ports
from tricircle.gateway.http.errors import Fault
from tricircle.gateway.http.responses import accepted, respond
from tricircle.gateway.transport.central_neutron import NeutronError
from tricircle.gateway.upstream import lookup
from tricircle.gateway.upstream.forward import reply

FloatingIp = dict[str, Any]

_NO_POOL = "Floating IP pool not found."
# What Nova asks for when no pool is named, unless it is configured otherwise.
_DEFAULT_POOL = "nova"
_EXHAUSTED = ("IpAddressGenerationFailure", "ExternalIpAddressExhausted")


async def list_pools(call: Call) -> web.Response:
    """GET /os-floating-ip-pools: external networks by name."""
    found = await _external(call)
    return respond({"floating_ip_pools": [{"name": one["name"] or one["id"]} for one in found]})


async def list_all(call: Call) -> web.Response:
    """GET /os-floating-ips: the project's."""
    project = call.context.project_id
    found = await central(call).list("floatingips", tenant_id=project, **user(call))
    return respond({"floating_ips": await _shown(call, found)})


async def show(call: Call) -> web.Response:
    """GET /os-floating-ips/{id}."""
    [shown] = await _shown(call, [await _one(call)])
    return respond({"floating_ip": shown})


async def create(call: Call) -> web.Response:
    """POST /os-floating-ips."""
    body = call.json() if call.body else None
    pool = body.get("pool") if isinstance(body, dict) else None
    if not isinstance(body, dict | None) or not isinstance(pool, str | None):
        raise Fault(400, "Invalid input for field/attribute pool. It must be a name or null.")
    network = await _pool(call, pool)
    try:
        made = await central(call).create(
            "floatingips", {"floating_network_id": network["id"]}, **user(call)
        )
    except NeutronError as error:
        raise _refused(error, pool) from None
    [shown] = await _shown(call, [made])
    return respond({"floating_ip": shown})


async def delete(call: Call) -> web.Response:
    """DELETE /os-floating-ips/{id}."""
    found = await _one(call)
    await central(call).delete("floatingips", found["id"], **user(call))
    return accepted()


async def add(call: Call, server_id: str, argument: Any) -> web.Response:
    """addFloatingIp."""
    if not _names(argument, "address", "fixed_address") or "address" not in argument:
        return reply(call, await lookup.ask(call, "server", server_id))
    held = await server_ports.of_server(call, server_id)
    addresses = [
        (ip["ip_address"], port["id"]) for port in held for ip in port.get("fixed_ips", ())
    ]
    if not addresses:
        raise Fault(400, "No fixed IPs associated to instance")
    address, fixed = argument["address"], argument.get("fixed_address")
    if fixed is not None:
        fitting = [one for one in addresses if one[0] == fixed]
        if not fitting:
            raise Fault(400, "Specified fixed address not assigned to instance")
    else:
        fitting = [one for one in addresses if ipaddress.ip_address(one[0]).version == 4]
        if not fitting:
            raise Fault(
                400,
                f"Unable to associate floating IP {address} to any fixed IPs for instance "
                f"{server_id}. Instance has no fixed IPv4 addresses to associate.",
            )
    found = await _by_address(call, address)
    if len(found) != 1:
        raise Fault(404 if not found else 400, _not_one(found, address, "floating IP not found"))
    wanted = {"port_id": fitting[0][1], "fixed_ip_address": fitting[0][0]}
    try:
        await central(call).update("floatingips", found[0]["id"], wanted, **user(call))
    except NeutronError as error:
        raise Fault(400 if error.status == 409 else error.status, error.message) from None
    return accepted()


async def remove(call: Call, server_id: str, argument: Any) -> web.Response:
    """removeFloatingIp."""
    if not _names(argument, "address"):
        return reply(call, await lookup.ask(call, "server", server_id))
    address = argument["address"]
    held = {port["id"] for port in await server_ports.of_server(call, server_id)}
    found = await _by_address(call, address)
    if len(found) != 1:
        none = f"Floating IP not found for address {address}."
        raise Fault(404 if not found else 409, _not_one(found, address, none))
    if found[0]["port_id"] not in held:
        raise Fault(409, f"Floating IP {address} is not associated with instance {server_id}.")
    await central(call).update("floatingips", found[0]["id"], {"port_id": None}, **user(call))
    return accepted()


def _names(argument: Any, *known: str) -> bool:
    """Whether an action's argument is one Nova takes: some of these, each an address."""
    if not isinstance(argument, dict) or not argument or argument.keys() - set(known):
        return False
    try:
        for value in argument.values():
            ipaddress.ip_address(value if isinstance(value, str) else "")
    except ValueError:
        return False
    return True


def _not_one(found: list[FloatingIp], address: str, none: str) -> str:
    return f"Multiple floating IPs are found for address {address}." if found else none


async def _by_address(call: Call, address: str) -> list[FloatingIp]:
    return await central(call).list("floatingips", floating_ip_address=address, **user(call))


async def _one(call: Call) -> FloatingIp:
    try:
        item = quote(call.params["id"], safe="")
        return await central(call).show("floatingips", item, **user(call))
    except NeutronError as error:
        if error.status == 404:
            raise Fault(404, f"Floating IP not found for ID {call.params['id']}") from None
        raise


async def _external(call: Call, **filters: Any) -> list[dict[str, Any]]:
    filters["router:external"] = "True"
    return await central(call).list("networks", **filters, **user(call))


async def _pool(call: Call, name: str | None) -> dict[str, Any]:
    """The external network named; without a name the only one, or Nova's default of several."""
    if name is None:
        found = await _external(call)
        if len(found) > 1:
            found = [one for one in found if one["name"] == _DEFAULT_POOL]
    else:
        found = await _external(call, **{"id" if _is_uuid(name) else "name": name})
    if not found:
        raise Fault(404, _NO_POOL)
    if len(found) > 1:
        raise Fault(400, f"Multiple floating IP pools matches found for name '{name}'")
    return found[0]


def _is_uuid(text: str) -> bool:
    try:
        return str(uuid.UUID(text)) == text.lower()
    except ValueError:
        return False


def _refused(error: NeutronError, pool: str | None) -> Fault:
    """Neutron's refusal of a floating IP in Nova's words."""
    if error.kind in _EXHAUSTED:
        more = f"in pool {pool}." if pool else "available."
        return Fault(404, f"No more floating IPs {more}")
    if error.kind == "OverQuota":
        return Fault(403, f"IP allocation over quota{f' in pool {pool}' if pool else ''}.")
    return error


async def _shown(call: Call, found: list[FloatingIp]) -> list[FloatingIp]:
    """Floating IPs as Nova shows them: with the server behind the port, and the pool's name."""
    if not found:
        return []
    neutron = central(call)
    ids = sorted({one["floating_network_id"] for one in found})
    names = {one["id"]: one["name"] for one in await neutron.list("networks", id=ids, **user(call))}
    held = sorted({one["port_id"] for one in found if one["port_id"]})
    servers = {}
    if held:
        listed = await neutron.list("ports", id=held, **user(call))
        servers = {port["id"]: port["device_id"] for port in listed}
    return [
        {
            "fixed_ip": one["fixed_ip_address"],
            "id": one["id"],
            "instance_id": servers.get(one["port_id"]),
            "ip": one["floating_ip_address"],
            "pool": names.get(one["floating_network_id"]) or one["floating_network_id"],
        }
        for one in found
    ]
