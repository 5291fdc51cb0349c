# SPDX-License-Identifier: Apache-2.0
"""A rule of a security group as Nova's proxy takes it, and what Neutron is asked for then."""

import dataclasses
import ipaddress
from typing import Any
from urllib.parse import unquote

from oslo_utils import netutils

from tricircle.gateway.http import bounds
from tricircle.gateway.http.errors import Fault

_ALL = "0.0.0.0/0"
_PORTS = (1, 65535)
_TYPES = (-1, 255)


@dataclasses.dataclass(frozen=True, slots=True)
class Rule:
    """What a rule lets in: from a group or from a network, by protocol and ports or ICMP types."""

    group_id: str | None
    cidr: str | None
    protocol: str | None = None
    low: int | None = None
    high: int | None = None

    def toward_neutron(self, parent: str) -> dict[str, Any]:
        """The body of Neutron's rule. Without a network it is one for IPv4 only, as with Nova."""
        version = ipaddress.ip_network(self.cidr, strict=False).version if self.cidr else 4
        body: dict[str, Any] = {
            "direction": "ingress",
            "security_group_id": parent,
            "ethertype": f"IPv{version}",
            "protocol": self.protocol,
            "remote_ip_prefix": self.cidr,
            "remote_group_id": self.group_id,
        }
        for name, value in (("port_range_min", self.low), ("port_range_max", self.high)):
            if value not in (None, -1):
                body[name] = value
        return body

    def is_same(self, told: dict[str, Any]) -> bool:
        """Whether a rule as Nova shows it lets in the same from the same network."""
        return (
            self.group_id is None
            and told["ip_range"].get("cidr") == self.cidr
            and told["ip_protocol"] == self.protocol
            and (told["from_port"], told["to_port"]) == (self.low, self.high)
        )


def parse(wanted: dict[str, Any]) -> Rule:
    """Raises Fault 400 as Nova words it."""
    group, protocol = wanted.get("group_id"), wanted.get("ip_protocol")
    low, high = wanted.get("from_port"), wanted.get("to_port")
    cidr = None if group is not None else _cidr(wanted.get("cidr"))
    if group is not None and low is None and high is None:
        low, high = _everything(protocol)
    if protocol and low is not None and high is not None:
        return Rule(group, cidr, str(protocol), *_range(str(protocol), low, high))
    if group is None:
        raise Fault(400, "Not enough parameters to build a valid rule.")
    return Rule(group, None)


def _everything(protocol: Any) -> tuple[int | None, int | None]:
    name = str(protocol or "").upper()
    if name == "ICMP":
        return -1, -1
    return _PORTS if name in ("TCP", "UDP") else (None, None)


def _range(protocol: str, low: Any, high: Any) -> tuple[int, int]:
    name = protocol.upper()
    low, high = (bounds.whole(port, bounds.STORED, -bounds.STORED) for port in (low, high))
    if low is None or high is None:
        what = "Type and Code" if name == "ICMP" else "To and From ports"
        more = " for ICMP protocol type" if name == "ICMP" else ""
        raise Fault(400, f"Invalid input received: {what} must be integers{more}")
    if name not in ("TCP", "UDP", "ICMP"):
        raise Fault(400, f"Invalid IP protocol {protocol}.")
    if name != "ICMP" and low > high:
        raise _no_range(low, high, "Former value cannot be greater than the later")
    if name != "ICMP" and (low < _PORTS[0] or high > _PORTS[1]):
        raise _no_range(low, high, f"Valid {name} ports should be between 1-65535")
    if name == "ICMP" and not all(_TYPES[0] <= one <= _TYPES[1] for one in (low, high)):
        raise _no_range(low, high, "For ICMP, the type:code must be valid")
    return low, high


def _no_range(low: int, high: int, why: str) -> Fault:
    return Fault(400, f"Invalid port range {low}:{high}. {why}")


def _cidr(text: Any) -> str:
    if not text:
        return _ALL
    cidr = unquote(str(text))
    if not netutils.is_valid_cidr(cidr):
        raise Fault(400, f"{text} is not a valid IP network.")
    network, _, length = cidr.partition("/")
    if length == "0" and network not in ("0.0.0.0", "::"):
        raise Fault(400, f"Bad prefix for network in cidr {cidr}")
    return cidr
