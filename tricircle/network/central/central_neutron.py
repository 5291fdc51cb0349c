# SPDX-License-Identifier: Apache-2.0
"""Reading central Neutron's resources, inside its own process or beside it."""

from collections.abc import Callable, Collection, Iterable
from typing import Any

import sqlalchemy as sa
from neutron.db import models_v2
from neutron_lib import constants
from neutron_lib import context as n_context
from neutron_lib import exceptions as n_exc
from neutron_lib.plugins import constants as plugin_constants
from neutron_lib.plugins import directory
from sqlalchemy.orm import Session

Resource = dict[str, Any]

ROUTER_INTERFACES = (
    constants.DEVICE_OWNER_ROUTER_INTF,
    constants.DEVICE_OWNER_DVR_INTERFACE,
    constants.DEVICE_OWNER_ROUTER_HA_INTF,
    constants.DEVICE_OWNER_HA_REPLICATED_INT,
)
#: Those, and the port that joins a router to its external network.
ROUTER_PORTS = (*ROUTER_INTERFACES, constants.DEVICE_OWNER_ROUTER_GW)
_OWN_ADDRESS = (constants.IPV6_SLAAC, constants.DHCPV6_STATELESS)


def admin() -> Any:
    """A context that may see everything, with a database session of its own."""
    return n_context.get_admin_context()


def core() -> Any:
    return directory.get_plugin()


def routers() -> Any:
    """The router plugin, or None when none is loaded."""
    return directory.get_plugin(plugin_constants.L3)


def found(get: Callable[..., Resource], resource_id: str) -> Resource | None:
    """What ``get(context, id)`` gives, or None when there is no such resource."""
    try:
        return get(admin(), resource_id)
    except n_exc.NotFound:
        return None


def subnets_of(tx: Session, network_id: str) -> dict[str, bool]:
    """{subnet: whether a port derives its address from its MAC there} of a network.

    Every port asks for it when it is bound; Neutron's own list would read whole subnets.
    """
    subnet = models_v2.Subnet
    query = sa.select(subnet.id, subnet.ipv6_address_mode).where(subnet.network_id == network_id)
    return {one: mode in _OWN_ADDRESS for one, mode in tx.execute(query).tuples()}


def automatic(network_ids: Collection[str]) -> set[str]:
    """Those of the networks with a subnet where ports derive their addresses from their MACs."""
    subnets = core().get_subnets(admin(), filters={"network_id": list(network_ids)})
    return {subnet["network_id"] for subnet in subnets if takes_own_address(subnet)}


def interfaces_of(router_id: str) -> list[Resource]:
    """The ports by which a router is joined to networks (not its external gateway)."""
    filters = {"device_id": [router_id], "device_owner": list(ROUTER_INTERFACES)}
    ports: list[Resource] = core().get_ports(admin(), filters=filters)
    return ports


def router(router_id: str) -> Resource | None:
    """A router, or None when it is gone or there is no router plugin."""
    plugin = routers()
    return None if plugin is None else found(plugin.get_router, router_id)


def subnets(ids: Iterable[str]) -> dict[str, Resource]:
    """{id: subnet} of those that exist."""
    wanted = list(ids)
    listed = core().get_subnets(admin(), filters={"id": wanted}) if wanted else []
    return {subnet["id"]: subnet for subnet in listed}


def networks(ids: Iterable[str]) -> dict[str, Resource]:
    """{id: network} of those that exist."""
    wanted = list(ids)
    listed = core().get_networks(admin(), filters={"id": wanted}) if wanted else []
    return {network["id"]: network for network in listed}


def router_ports_on(network_id: str, subnet_id: str) -> list[Resource]:
    """The ports by which routers are joined to a subnet."""
    filters = {"network_id": [network_id], "device_owner": list(ROUTER_INTERFACES)}
    ports: list[Resource] = core().get_ports(admin(), filters=filters)
    return [port for port in ports if any(ip["subnet_id"] == subnet_id for ip in port["fixed_ips"])]


def takes_own_address(subnet: Resource) -> bool:
    """Whether a port derives its address from its MAC there (SLAAC, stateless DHCPv6)."""
    return subnet["ipv6_address_mode"] in _OWN_ADDRESS
