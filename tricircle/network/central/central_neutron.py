# SPDX-License-Identifier: Apache-2.0
"""Reading central Neutron's resources, inside its own process or beside it."""

from collections.abc import Callable
from typing import Any

from neutron_lib import constants
from neutron_lib import context as n_context
from neutron_lib import exceptions as n_exc
from neutron_lib.plugins import constants as plugin_constants
from neutron_lib.plugins import directory

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


def takes_own_address(subnet: Resource) -> bool:
    """Whether a port derives its address from its MAC there (SLAAC, stateless DHCPv6)."""
    return subnet["ipv6_address_mode"] in _OWN_ADDRESS
