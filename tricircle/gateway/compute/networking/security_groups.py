# SPDX-License-Identifier: Apache-2.0
"""Security groups of a server: those of its central ports."""

import asyncio
import functools
from typing import Any

from aiohttp import web

from tricircle.gateway.call import Call
from tricircle.gateway.compute.networking import security_group_lookup
from tricircle.gateway.compute.networking.neutron import central, user
from tricircle.gateway.http.errors import Fault
from tricircle.gateway.transport.client import PodResponse
from tricircle.gateway.upstream import lookup
from tricircle.gateway.upstream.forward import reply, reply_with
from tricircle.gateway.upstream.pod_request import PodRequest

_CANNOT_APPLY = (
    "Network requires port_security_enabled and subnet associated in order to apply security "
    "groups."
)


async def list_for_server(call: Call) -> web.Response:
    """GET /servers/{server_id}/os-security-groups.

    The pod proves the caller's right and the microversion; its groups and rules have ids of its
    own, so central Neutron's are told instead.
    """
    server_id = call.params["server_id"]
    answer = (await lookup.ask(call, "server", server_id)).raise_for_status()
    ports = await _ports(call, server_id)
    if not ports:
        return reply(call, answer)
    own = await _known(call, {group for port in ports for group in port["security_groups"]})
    known = await known_to(call, own)
    told = [as_nova(group, known) for group in own.values()]
    told.sort(key=lambda group: (group["tenant_id"], group["name"]))
    return reply_with(call, answer, {"security_groups": told})


async def known_to(call: Call, groups: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Groups by id, and those that their rules let in as far as the caller may see them."""
    remote = {
        rule["remote_group_id"]
        for group in groups.values()
        for rule in group["security_group_rules"]
        if rule.get("remote_group_id")
    }
    return groups | await _known(call, remote - groups.keys())


async def _known(call: Call, ids: set[str]) -> dict[str, dict[str, Any]]:
    if not ids:
        return {}
    found = await central(call).list("security-groups", id=sorted(ids), **user(call))
    return {group["id"]: group for group in found}


async def add(call: Call, server_id: str, argument: Any) -> web.Response:
    """addSecurityGroup."""
    name = _name(argument)
    if name is None:
        return reply(call, await lookup.ask(call, "server", server_id))
    await _must_exist(call, server_id)
    group_id = await _find(call, name)
    ports = await _held(call, server_id)
    for port in ports:
        if not port.get("port_security_enabled", True) or not (
            port.get("fixed_ips") or port.get("ip_allocation") == "deferred"
        ):
            raise Fault(400, _CANNOT_APPLY)
    return await _changed(call, ports, {group_id}, set())


async def remove(call: Call, server_id: str, argument: Any) -> web.Response:
    """removeSecurityGroup."""
    name = _name(argument)
    if name is None:
        return reply(call, await lookup.ask(call, "server", server_id))
    await _must_exist(call, server_id)
    group_id = await _find(call, name)
    ports = [p for p in await _held(call, server_id) if group_id in p["security_groups"]]
    if not ports:
        raise Fault(404, f"Security group {name} not associated with the instance {server_id}")
    return await _changed(call, ports, set(), {group_id})


def _name(argument: Any) -> str | None:
    """The group named; None for a body that Nova refuses by itself."""
    name = argument.get("name") if isinstance(argument, dict) and len(argument) == 1 else None
    return name if isinstance(name, str) and 0 < len(name.strip()) <= 255 else None


async def _must_exist(call: Call, server_id: str) -> None:
    """Raises Refused when the caller has no such server."""
    (await _look(call, server_id)).raise_for_status()


async def _find(call: Call, name: str) -> str:
    try:
        return await security_group_lookup.find(call, name)
    except Fault as fault:
        if fault.status == 404:
            project = call.context.project_id
            text = f"Security group {name} is not found for project {project}"
            raise Fault(404, text) from None
        raise


async def _held(call: Call, server_id: str) -> list[dict[str, Any]]:
    ports = await _ports(call, server_id)
    if not ports:
        raise Fault(404, f"instance_id {server_id} could not be found as device id on any ports")
    return ports


async def _ports(call: Call, server_id: str) -> list[dict[str, Any]]:
    return await central(call).list("ports", device_id=server_id, **user(call))


async def _changed(
    call: Call, ports: list[dict[str, Any]], more: set[str], less: set[str]
) -> web.Response:
    """Put all of a server's ports into more groups, and take them out of others.

    The server's document shows it at once, for it has the central ports' groups
    (``servers/addresses.py``); the pod has it a moment later.
    """
    groups = [(set(port.get("security_groups", ())) | more) - less for port in ports]
    await asyncio.gather(*map(functools.partial(_set, call), ports, groups))
    return web.Response(status=202, content_type="application/json")


async def _set(call: Call, port: dict[str, Any], groups: set[str]) -> None:
    wanted = {"security_groups": sorted(groups)}
    await central(call).update("ports", port["id"], wanted, **user(call))


async def _look(call: Call, server_id: str) -> PodResponse:
    request = PodRequest.of(call).get(lookup.path(call, "server", server_id))
    return await lookup.ask(call, "server", server_id, request)


def as_nova(group: dict[str, Any], known: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """A group as Nova writes it: only rules for what comes in."""
    rules = [
        rule_as_nova(rule, known)
        for rule in group["security_group_rules"]
        # A rule for a group the caller may not see is left out, as Nova does.
        if rule["direction"] == "ingress" and (rule.get("remote_group_id") or "") in {"", *known}
    ]
    return {
        "id": group["id"],
        "name": group["name"],
        "description": group["description"],
        "tenant_id": group["tenant_id"],
        "rules": rules,
    }


def rule_as_nova(rule: dict[str, Any], known: dict[str, dict[str, Any]]) -> dict[str, Any]:
    low, high = rule.get("port_range_min"), rule.get("port_range_max")
    if rule["protocol"] and low is None and high is None:
        low, high = (1, 65535) if rule["protocol"].upper() in ("TCP", "UDP") else (-1, -1)
    told: dict[str, Any] = {
        "id": rule["id"],
        "parent_group_id": rule["security_group_id"],
        "ip_protocol": rule["protocol"],
        "from_port": low,
        "to_port": high,
        "group": {},
        "ip_range": {},
    }
    if rule.get("remote_group_id"):
        remote = known[rule["remote_group_id"]]
        told["group"] = {"name": remote["name"], "tenant_id": remote["tenant_id"]}
    else:
        told["ip_range"] = {"cidr": rule.get("remote_ip_prefix") or "0.0.0.0/0"}
    return told
