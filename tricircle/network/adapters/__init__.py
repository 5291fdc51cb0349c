# SPDX-License-Identifier: Apache-2.0
"""One module for each resource type; a new type is a new module and a row in ``ADAPTERS``."""

from tricircle.network.adapters.address_group import AddressGroupAdapter
from tricircle.network.adapters.base import Adapter
from tricircle.network.adapters.east_west_router import EastWestRouterAdapter
from tricircle.network.adapters.floating_ip import FloatingIpAdapter
from tricircle.network.adapters.group_members import GroupMembersAdapter
from tricircle.network.adapters.network import NetworkAdapter
from tricircle.network.adapters.port import PortAdapter
from tricircle.network.adapters.qos_policy import QosPolicyAdapter
from tricircle.network.adapters.router import RouterAdapter
from tricircle.network.adapters.security_group import SecurityGroupAdapter
from tricircle.network.adapters.shadow_port import ShadowPortAdapter
from tricircle.network.adapters.subnet import SubnetAdapter
from tricircle.network.adapters.trunk import TrunkAdapter

ADAPTERS: dict[str, Adapter] = {
    adapter.resource_type: adapter
    for adapter in (
        QosPolicyAdapter(),
        NetworkAdapter(),
        AddressGroupAdapter(),
        GroupMembersAdapter(),
        SecurityGroupAdapter(),
        SubnetAdapter(),
        EastWestRouterAdapter(),
        RouterAdapter(),
        PortAdapter(),
        ShadowPortAdapter(),
        TrunkAdapter(),
        FloatingIpAdapter(),
    )
}
