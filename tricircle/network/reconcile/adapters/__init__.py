# SPDX-License-Identifier: Apache-2.0
"""One module for each resource type; a new type is a new module and a row in ``ADAPTERS``."""

from tricircle.network.reconcile.adapters.address_group import AddressGroupAdapter
from tricircle.network.reconcile.adapters.base import Adapter
from tricircle.network.reconcile.adapters.east_west_router import EastWestRouterAdapter
from tricircle.network.reconcile.adapters.floating_ip import FloatingIpAdapter
from tricircle.network.reconcile.adapters.group_members import GroupMembersAdapter
from tricircle.network.reconcile.adapters.network import NetworkAdapter
from tricircle.network.reconcile.adapters.port import PortAdapter
from tricircle.network.reconcile.adapters.qos_policy import QosPolicyAdapter
from tricircle.network.reconcile.adapters.rbac_policy import RbacPolicyAdapter
from tricircle.network.reconcile.adapters.router import RouterAdapter
from tricircle.network.reconcile.adapters.security_group import SecurityGroupAdapter
from tricircle.network.reconcile.adapters.shadow_port import ShadowPortAdapter
from tricircle.network.reconcile.adapters.subnet import SubnetAdapter
from tricircle.network.reconcile.adapters.trunk import TrunkAdapter

ADAPTERS: dict[str, Adapter] = {
    adapter.resource_type: adapter
    for adapter in (
        QosPolicyAdapter(),
        NetworkAdapter(),
        AddressGroupAdapter(),
        GroupMembersAdapter(),
        SecurityGroupAdapter(),
        SubnetAdapter(),
        RbacPolicyAdapter(),
        EastWestRouterAdapter(),
        RouterAdapter(),
        PortAdapter(),
        ShadowPortAdapter(),
        TrunkAdapter(),
        FloatingIpAdapter(),
    )
}
