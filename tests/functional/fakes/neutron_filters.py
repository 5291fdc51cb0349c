# SPDX-License-Identifier: Apache-2.0
"""The attributes by which stock Neutron lists: it refuses any other.

A test holds the table to the attributes of the Neutron that is installed.
"""

_TAGS = "not-tags not-tags-any tags tags-any"
_OWNED = "description id project_id tenant_id"
_TAGGED = f"{_OWNED} name revision_number {_TAGS}"
_ADDRESSED = "fixed_ip_address floating_ip_address floating_network_id port_id router_id"
_RANGE = "port_range_max port_range_min protocol direction ethertype"
_REMOTE = "remote_address_group_id remote_group_id remote_ip_prefix"

#: {collection: names}
FILTERS = {
    collection: frozenset(names.split())
    for collection, names in {
        "networks": f"{_TAGGED} admin_state_up is_default mtu provider:network_type qinq shared "
        "provider:physical_network provider:segmentation_id router:external status "
        "vlan_transparent",
        "subnets": f"{_TAGGED} cidr enable_dhcp gateway_ip ip_version ipv6_address_mode "
        "ipv6_ra_mode network_id router:external shared subnetpool_id",
        "ports": f"{_TAGGED} admin_state_up binding:host_id device_id device_owner fixed_ips "
        "mac_address network_id security_groups status",
        "security-groups": f"{_TAGGED} shared stateful",
        "security-group-rules": f"{_OWNED} {_RANGE} {_REMOTE} belongs_to_default_sg "
        "normalized_cidr revision_number security_group_id",
        "routers": f"{_TAGGED} admin_state_up enable_snat",
        "floatingips": f"{_OWNED} {_ADDRESSED} revision_number status {_TAGS}",
        "rbac-policies": "action id object_id object_type project_id target_tenant tenant_id",
        "address-groups": f"{_OWNED} name revision_number",
        "policies": f"{_TAGGED} is_default shared",
        "trunks": f"{_TAGGED} admin_state_up port_id status",
        "agents": "admin_state_up agent_type alive availability_zone binary description host id "
        "topic",
        "availability_zones": "name resource state",
    }.items()
}
