# SPDX-License-Identifier: Apache-2.0
"""Addresses in documents of servers: under the names networks have for users, with the floating
IPs users have; and the security groups of servers.

A pod knows copies of networks and ports, which change a little later, and where it has no external
network a floating IP is another address there, of a bridge. So what central Neutron tells the
caller stands for what the pod does. While central Neutron does not answer, the pod's word stands.
"""

import asyncio
import contextlib
import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from aiohttp import web
from oslo_log import log as logging

from tricircle.conf import CONF
from tricircle.gateway.call import Call
from tricircle.gateway.compute.networking.neutron import central, user
from tricircle.gateway.http.errors import Fault
from tricircle.gateway.transport.central_neutron import NeutronError
from tricircle.gateway.upstream import lookup
from tricircle.gateway.upstream.forward import reply_with
from tricircle.gateway.upstream.pod_request import PodRequest
from tricircle.pods.document import MISREAD
from tricircle.pods.errors import PodError

LOG = logging.getLogger(__name__)

Item = dict[str, Any]
#: {name of a network: addresses there}, as a server's document has it.
Addresses = dict[str, list[Item]]

_TYPE, _MAC = "OS-EXT-IPS:type", "OS-EXT-IPS-MAC:mac_addr"
_FLOATING, _GROUPS = "floating", "security_groups"
# Rules would be asked for, else.
_NAMES = {"fields": ["id", "name"]}
# So many ids fit into one query.
_IN_A_QUERY = 100


@dataclasses.dataclass(frozen=True, slots=True)
class _Known:
    """What central Neutron tells of one server: its ports by MAC and by address, the names of
    networks, floating IPs by port and address, and the names of the security groups of its ports.
    """

    by_mac: Mapping[str, Item]
    by_address: Mapping[str, Item]
    networks: Mapping[str, str]
    floating: Mapping[tuple[str, str], Sequence[str]]
    groups: Sequence[str]

    def put(self, told: Addresses) -> Addresses:
        """A pod's addresses as users know them: the fixed ones of each network, then the others."""
        fixed: Addresses = {}
        outside: Addresses = {}
        for label, entries in told.items():
            for entry in entries:
                port = self._port(entry)
                name = label if port is None else self.networks.get(port["network_id"], label)
                fixed.setdefault(name, [])
                if self._is_floating(entry):
                    if port is None and _TYPE in entry:  # of a port that the caller does not see
                        outside.setdefault(name, []).append(entry)
                    continue
                fixed[name].append(entry)
                more = self.floating.get((port["id"], entry["addr"]), ()) if port else ()
                outside.setdefault(name, []).extend(_floating(entry, one) for one in more)
        return {name: [*entries, *outside.get(name, ())] for name, entries in fixed.items()}

    def _port(self, entry: Item) -> Item | None:
        mac = entry.get(_MAC)
        return self.by_address.get(entry["addr"]) if mac is None else self.by_mac.get(mac)

    def _is_floating(self, entry: Item) -> bool:
        # The list of addresses alone tells no types.
        return entry.get(_TYPE) == _FLOATING or (
            _TYPE not in entry and entry["addr"] not in self.by_address
        )


def _floating(entry: Item, address: str) -> Item:
    found = {**entry, "addr": address, "version": 4}
    return found | {_TYPE: _FLOATING} if _TYPE in entry else found


async def show(call: Call, *servers: Item) -> None:
    """Let documents of servers, or of their addresses, show these as users know them. Changed in
    place; what is odd stays.
    """
    wanted = {server["id"]: server for server in servers if server.get("addresses")}
    known = await _read(call, wanted) if wanted else {}
    for server_id, about in known.items():
        try:
            wanted[server_id]["addresses"] = about.put(wanted[server_id]["addresses"])
        except MISREAD as error:
            LOG.warning("The addresses of server %s are odd: %r", server_id, error)
        _show_groups(call, wanted[server_id], about.groups)


def _show_groups(call: Call, server: Item, groups: Sequence[str]) -> None:
    """As Nova does: one entry for each port and group, and no word where there are none."""
    # A document of a server that is read tells them at each microversion; others from some on.
    if groups and (_GROUPS in server or (call.method == "GET" and "status" in server)):
        server[_GROUPS] = [{"name": name} for name in groups]
    elif not groups:
        server.pop(_GROUPS, None)


async def list_all(call: Call) -> web.Response:
    """GET /servers/{server_id}/ips."""
    answer = (await lookup.ask(call, "server", call.params["server_id"])).raise_for_status()
    document = answer.json()
    await show(call, about := {"id": call.params["server_id"], **document})
    return reply_with(call, answer, {"addresses": about["addresses"]})


async def of_network(call: Call) -> web.Response:
    """GET /servers/{server_id}/ips/{id}: of the network of a name."""
    server_id, name = call.params["server_id"], call.params["id"]
    request = PodRequest.of(call).get(f"{lookup.path(call, 'server', server_id)}/ips")
    answer = (await lookup.ask(call, "server", server_id, request)).raise_for_status()
    await show(call, about := {"id": server_id, **answer.json()})
    if name not in about["addresses"]:
        raise Fault(404, "Instance is not a member of specified network")
    return reply_with(call, answer, {name: about["addresses"][name]})


async def _read(call: Call, servers: Mapping[str, Item]) -> dict[str, _Known]:
    """What central Neutron tells the caller, by server; nothing of those without ports there."""
    try:
        async with asyncio.timeout(CONF.gateway.list_deadline):
            ports, networks, floating, groups = await _asked(call, servers)
    except (NeutronError, PodError, TimeoutError) as error:
        LOG.warning("Addresses of servers are shown as pods tell them: %s", error)
        return {}
    names = {network["id"]: network["name"] for network in networks}
    names |= {group["id"]: group["name"] or group["id"] for group in groups}
    leading: dict[tuple[str, str], list[str]] = {}
    for one in floating:
        where = (one["port_id"], one["fixed_ip_address"])
        leading.setdefault(where, []).append(one["floating_ip_address"])
    held: dict[str, list[Item]] = {}
    for port in ports:
        held.setdefault(port["device_id"], []).append(port)
    for server_id, own in held.items():
        on = frozenset(port["network_id"] for port in own)
        call.services.networks.put(server_id, on)
        call.services.groups.put(server_id, frozenset(_groups(own)))
    return {server_id: _known(own, names, leading) for server_id, own in held.items()}


async def _asked(
    call: Call, servers: Mapping[str, Item]
) -> tuple[list[Item], list[Item], list[Item], list[Item]]:
    """The ports of servers, their networks, the floating IPs that lead to them, and the security
    groups they are in."""
    cached = call.services
    remembered = {one for server in servers for one in cached.networks.get(server) or ()}
    grouped = {one for server in servers for one in cached.groups.get(server) or ()}
    # The addresses of an administrator's servers may be those of many projects' as well.
    by_address = () if call.context.is_admin else _fixed(servers.values())
    ports, networks, floating, groups = await asyncio.gather(
        _list(call, "ports", "device_id", servers),
        _list(call, "networks", "id", remembered),
        _list(call, "floatingips", "fixed_ip_address", by_address),
        _list(call, "security-groups", "id", grouped, **_NAMES),
    )
    new = {port["network_id"] for port in ports} - {network["id"] for network in networks}
    joined = _groups(ports) - {group["id"] for group in groups}
    of_ports = [port["id"] for port in ports] if call.context.is_admin else []
    more_networks, more_floating, more_groups = await asyncio.gather(
        _list(call, "networks", "id", new),
        _list(call, "floatingips", "port_id", of_ports),
        _list(call, "security-groups", "id", joined, **_NAMES),
    )
    return (
        ports, networks + more_networks, floating + more_floating, groups + more_groups
    )  # fmt: skip


def _groups(ports: Iterable[Item]) -> set[str]:
    return {group for port in ports for group in port[_GROUPS]}


def _fixed(servers: Iterable[Item]) -> set[str]:
    """The addresses that floating IPs may lead to; of documents that are odd none."""
    found: set[str] = set()
    for server in servers:
        with contextlib.suppress(*MISREAD):
            found |= {
                entry["addr"]
                for entries in server["addresses"].values()
                for entry in entries
                if entry.get("version", 4) == 4 and entry.get(_TYPE) != _FLOATING
            }
    return found


def _known(
    ports: Sequence[Item],
    names: Mapping[str, str],
    floating: Mapping[tuple[str, str], Sequence[str]],
) -> _Known:
    by_address = {ip["ip_address"]: port for port in ports for ip in port["fixed_ips"]}
    groups = [names[group] for port in ports for group in port[_GROUPS] if group in names]
    by_mac = {port["mac_address"]: port for port in ports}
    return _Known(by_mac, by_address, names, floating, groups)


async def _list(
    call: Call, collection: str, name: str, values: Iterable[str], **more: Any
) -> list[Item]:
    """Those of a collection with one of the values, asked for in as many queries as it takes."""
    wanted = sorted(values)
    parts = [wanted[at : at + _IN_A_QUERY] for at in range(0, len(wanted), _IN_A_QUERY)]
    found = await asyncio.gather(
        *(central(call).list(collection, **{name: part}, **more, **user(call)) for part in parts)
    )
    return [item for items in found for item in items]
