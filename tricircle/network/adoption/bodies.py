# SPDX-License-Identifier: Apache-2.0
"""What central Neutron is asked for in place of what a pod has."""

from typing import Any

from neutron_lib.api import attributes

from tricircle.network.adoption import default_group
from tricircle.network.adoption.items import Item, Plan
from tricircle.network.central.central_neutron import Resource
from tricircle.network.pod_api.pod_session import named

# What the region's resource is told of the pod's as it is; what is not given is not told.
PLURALS = {"floating_ip": "floatingips", "qos_policy": "policies"}
_POLICY = "qos_policy_id"
AS_IT_IS: dict[str, tuple[str, ...]] = {
    "network": ("name", "admin_state_up", "shared", "port_security_enabled", "dns_domain"),
    "subnet": (
        "name",
        "ip_version",
        "cidr",
        "gateway_ip",
        "enable_dhcp",
        "dns_nameservers",
        "host_routes",
        "allocation_pools",
        "dns_publish_fixed_ip",
    ),
    "security_group": ("name", "stateful"),
    "router": ("name", "admin_state_up"),
    "floating_ip": ("floating_ip_address",),
    "qos_policy": ("name", "shared"),
    "trunk": ("name", "admin_state_up"),
    "port": (
        "name",
        "admin_state_up",
        "mac_address",
        "device_id",
        "device_owner",
        "allowed_address_pairs",
        "extra_dhcp_opts",
        "port_security_enabled",
        "binding:vnic_type",
    ),
}
_NOT_EMPTY: dict[str, tuple[str, ...]] = {
    "network": ("mtu", "vlan_transparent", "qinq"),
    "subnet": ("ipv6_ra_mode", "ipv6_address_mode"),
    "port": (
        "numa_affinity_policy",
        "hints",
        "device_profile",
        "hardware_offload_type",
        "trusted",
        "propagate_uplink_status",
    ),
}


def body(plan: Plan, item: Item, **more: Any) -> Resource:
    """The body of a request for a resource, as Neutron's API would have it filled."""
    document = item.document
    known = attributes.RESOURCES[PLURALS.get(item.kind, f"{item.kind}s")]
    body = {name: document[name] for name in AS_IT_IS[item.kind] if name in document}
    body |= {name: document[name] for name in _NOT_EMPTY.get(item.kind, ()) if document.get(name)}
    if document.get(_POLICY):
        body[_POLICY] = plan.outside("qos_policy", document[_POLICY])
    body |= {"description": description(document), **more}
    owner = {"project_id": plan.project_id, "tenant_id": plan.project_id}
    body |= owner
    # Whoever asks by the API may call no group so; the rest of it is checked as always.
    is_default = item.kind == "security_group" and body["name"] == default_group.NAME
    filled = {name: value for name, value in body.items() if name in known}
    if is_default:
        filled["name"] = ""
    about = attributes.AttributeInfo(known)
    about.fill_post_defaults(filled)
    about.convert_values(filled)
    named_so = {"name": body["name"]} if is_default else {}
    return {**filled, **owner, **named_so, "id": item.outside}


def description(document: Resource) -> str:
    """What an object says of itself; nothing where that is a marker of ours."""
    return "" if named(document) else str(document.get("description") or "")
