# SPDX-License-Identifier: Apache-2.0
"""Security group rules: what a pod's must be, and when two of them mean the same."""

import ipaddress
from collections.abc import Mapping
from typing import Any

from neutron_lib import constants

from tricircle.network.central.central_neutron import Resource

_ANY = (None, "any")
_ALL_ADDRESSES = (None, constants.IPv4_ANY, constants.IPv6_ANY)
_ALL_PORTS = (constants.PORT_RANGE_MIN, constants.PORT_RANGE_MAX)
_SAME = (
    "direction",
    "ethertype",
    "protocol",
    "port_range_min",
    "port_range_max",
    "remote_ip_prefix",
    "project_id",
)


def copy(rule: Resource, group_id: str, **remote: str | None) -> Resource:
    """A central rule as the pod's group ``group_id`` must have it.

    ``remote`` has the pod's id of the ``remote_group_id`` or ``remote_address_group_id``.
    """
    body = {name: rule[name] for name in _SAME}
    body["security_group_id"] = group_id
    body["description"] = rule.get("description") or ""
    body["remote_group_id"] = remote.get("remote_group_id")
    # A pod that does not know the attribute is not to be told of it.
    if remote.get("remote_address_group_id"):
        body["remote_address_group_id"] = remote["remote_address_group_id"]
    return body


def identity(rule: Mapping[str, Any]) -> tuple[Any, ...]:
    """Equal for rules that admit the same, in whatever words a release of Neutron tells them."""
    ports = (rule["port_range_min"], rule["port_range_max"])
    return (
        rule["direction"],
        rule["ethertype"],
        _protocol(rule["protocol"], rule["ethertype"]),
        (None, None) if ports == _ALL_PORTS else ports,
        _prefix(rule["remote_ip_prefix"]),
        rule.get("remote_group_id"),
        rule.get("remote_address_group_id"),
    )


def _protocol(spelled: object, ethertype: str) -> str | None:
    """The protocol's number; None for any."""
    if spelled in _ANY:
        return None
    name = str(spelled).lower()
    number = str(constants.IP_PROTOCOL_MAP.get(name, name))
    if ethertype == constants.IPv6 and number == str(constants.PROTO_NUM_ICMP):
        return str(constants.PROTO_NUM_IPV6_ICMP)
    return number


def _prefix(spelled: object) -> str | None:
    if spelled in _ALL_ADDRESSES:
        return None
    return str(ipaddress.ip_network(str(spelled), strict=False))
