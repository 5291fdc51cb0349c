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
from collections.abc import Iterable, Iterator, Mapping, Sequence
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
# Servers that central Neutron takes in one call.
_IN_A_CALL = 100


@dataclasses.dataclass(frozen=True, slots=True)
class _Known:
    """What central Neutron tells of one server: its ports by MAC and by address, floating IPs by
    port and address, and the names of the security groups of its ports.
    """

    by_mac: Mapping[str, Item]
    by_address: Mapping[str, Item]
    floating: Mapping[tuple[str, str], Sequence[str]]
    groups: Sequence[str]

    def has(self, server: Item) -> bool:
        """Whether each address in a server's document is of one of the ports, or floating."""
        with contextlib.suppress(*MISREAD):
            every = [entry for entries in server["addresses"].values() for entry in entries]
            return all(self._port(entry) or self._is_floating(entry) for entry in every)
        return True

    def put(self, told: Addresses) -> Addresses:
        """A pod's addresses as users know them: the fixed ones of each network, then the others."""
        fixed: Addresses = {}
        outside: Addresses = {}
        for label, entries in told.items():
            for entry in entries:
                port = self._port(entry)
                name = label if port is None else port["network_name"]
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


#: What central Neutron is being asked of servers, by server.
Ahead = asyncio.Future[dict[str, _Known]]


def _floating(entry: Item, address: str) -> Item:
    found = {**entry, "addr": address, "version": 4}
    return found | {_TYPE: _FLOATING} if _TYPE in entry else found


@contextlib.contextmanager
def ahead(call: Call, server_id: str) -> Iterator[Ahead | None]:
    """Have central Neutron asked about a server while its pod is; None where no pod is known to
    have the server."""
    if call.services.routings.get("server", server_id) is None:
        yield None
        return
    asking = asyncio.ensure_future(_read(call, [server_id]))
    try:
        yield asking
    finally:
        asking.cancel()


async def show(call: Call, *servers: Item, ahead: Ahead | None = None) -> None:
    """Let documents of servers, or of their addresses, show these as users know them. Changed in
    place; what is odd stays. ``ahead`` is what is being asked about them already.
    """
    wanted = {server["id"]: server for server in servers if server.get("addresses")}
    known = await (ahead or _read(call, wanted)) if wanted else {}
    if ahead is not None:
        known = {one: about for one, about in known.items() if one in wanted}
        if not all(about.has(wanted[one]) for one, about in known.items()):
            known = await _read(call, wanted)  # A port has come meanwhile.
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


async def _read(call: Call, servers: Iterable[str]) -> dict[str, _Known]:
    """What central Neutron tells the caller, by server; nothing of those without ports there."""
    wanted = sorted(servers)
    parts = [wanted[at : at + _IN_A_CALL] for at in range(0, len(wanted), _IN_A_CALL)]
    asked = (central(call).server_addresses(part, **user(call)) for part in parts)
    try:
        async with asyncio.timeout(CONF.gateway.list_deadline):
            found = await asyncio.gather(*asked)
    except (NeutronError, PodError, TimeoutError) as error:
        LOG.warning("Addresses of servers are shown as pods tell them: %s", error)
        return {}
    return {server: _known(ports) for told in found for server, ports in told.items()}


def _known(ports: Sequence[Item]) -> _Known:
    fixed = [(port, ip) for port in ports for ip in port["fixed_ips"]]
    return _Known(
        by_mac={port["mac_address"]: port for port in ports},
        by_address={ip["ip_address"]: port for port, ip in fixed},
        floating={(port["id"], ip["ip_address"]): ip["floating_ips"] for port, ip in fixed},
        groups=[name for port in ports for name in port[_GROUPS]],
    )
