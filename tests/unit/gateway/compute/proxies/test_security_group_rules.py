# SPDX-License-Identifier: Apache-2.0
"""Rules of security groups as Nova's proxy takes them."""

from typing import Any

import pytest

from tricircle.gateway.compute.proxies.security_group_rules import Rule, parse

GROUP = "5f9a1c5e-0000-4000-8000-000000000000"


@pytest.mark.parametrize(
    ("wanted", "rule"),
    [
        ({"ip_protocol": "tcp", "from_port": 1, "to_port": "2"},
         Rule(None, "0.0.0.0/0", "tcp", 1, 2)),
        ({"ip_protocol": "UDP", "from_port": 1, "to_port": 1, "cidr": "2001:db8::%2F32"},
         Rule(None, "2001:db8::/32", "UDP", 1, 1)),
        ({"ip_protocol": "icmp", "from_port": -1, "to_port": -1, "cidr": ""},
         Rule(None, "0.0.0.0/0", "icmp", -1, -1)),
        ({"group_id": GROUP}, Rule(GROUP, None)),
        ({"group_id": GROUP, "ip_protocol": "tcp"}, Rule(GROUP, None, "tcp", 1, 65535)),
        ({"group_id": GROUP, "ip_protocol": "icmp"}, Rule(GROUP, None, "icmp", -1, -1)),
        ({"group_id": GROUP, "ip_protocol": "tcp", "from_port": 1}, Rule(GROUP, None)),
    ],
)  # fmt: skip
def test_what_a_request_means(wanted: dict[str, Any], rule: Rule) -> None:
    assert parse(wanted) == rule


@pytest.mark.parametrize(
    ("rule", "more"),
    [
        (Rule(None, "10.0.0.0/8", "tcp", 1, 2), {"ethertype": "IPv4", "port_range_min": 1,
                                                 "port_range_max": 2}),
        (Rule(None, "2001:db8::/32", "icmp", -1, -1), {"ethertype": "IPv6"}),
        (Rule(None, "0.0.0.0/0", "icmp", 8, -1), {"ethertype": "IPv4", "port_range_min": 8}),
        (Rule(GROUP, None), {"ethertype": "IPv4"}),
    ],
)  # fmt: skip
def test_what_neutron_is_asked_for(rule: Rule, more: dict[str, Any]) -> None:
    assert rule.toward_neutron("g") == {
        "direction": "ingress",
        "security_group_id": "g",
        "protocol": rule.protocol,
        "remote_ip_prefix": rule.cidr,
        "remote_group_id": rule.group_id,
        **more,
    }
