# SPDX-License-Identifier: Apache-2.0
"""Nova's proxies to networks: what central Neutron has, in the words Nova had for it once."""

from typing import Any
from urllib.parse import quote

from aiohttp import web

from tricircle.gateway.call import Call
from tricircle.gateway.compute.networking.neutron import central, user
from tricircle.gateway.http.errors import Fault
from tricircle.gateway.http.responses import respond
from tricircle.gateway.transport.central_neutron import NeutronError

Network = dict[str, Any]

# Nova's own networks had much that Neutron's have not: it is there and empty.
_EMPTY = ("cidr", "netmask", "gateway", "broadcast", "dns1", "dns2", "cidr_v6", "gateway_v6",
          "netmask_v6")  # fmt: skip
_EMPTY_FOR_ADMINS = (
    "created_at", "updated_at", "deleted_at", "deleted", "injected", "bridge", "vlan",
    "vpn_public_address", "vpn_public_port", "vpn_private_address", "dhcp_start", "project_id",
    "host", "bridge_interface", "multi_host", "priority", "rxtx_base", "mtu", "dhcp_server",
    "enable_dhcp", "share_address",
)  # fmt: skip


async def list_networks(call: Call) -> web.Response:
    """GET /os-networks."""
    return respond({"networks": [_network(call, network) for network in await _all(call)]})


async def show_network(call: Call) -> web.Response:
    """GET /os-networks/{id}."""
    return respond({"network": _network(call, await _one(call))})


async def list_tenant_networks(call: Call) -> web.Response:
    """GET /os-tenant-networks."""
    return respond({"networks": [_tenant_network(network) for network in await _all(call)]})


async def show_tenant_network(call: Call) -> web.Response:
    """GET /os-tenant-networks/{id}."""
    return respond({"network": _tenant_network(await _one(call))})


async def _all(call: Call) -> list[Network]:
    return await central(call).list("networks", **user(call))


async def _one(call: Call) -> Network:
    try:
        return await central(call).show("networks", quote(call.params["id"], safe=""), **user(call))
    except NeutronError as error:
        if error.status == 404:
            raise Fault(404, "Network not found") from None
        raise


def _network(call: Call, network: Network) -> Network:
    names = _EMPTY + (_EMPTY_FOR_ADMINS if call.context.is_admin else ())
    return {"id": network["id"], "label": network["name"], **dict.fromkeys(names)}


def _tenant_network(network: Network) -> Network:
    return {"id": network["id"], "cidr": "None", "label": network["name"]}
