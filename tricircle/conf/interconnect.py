# SPDX-License-Identifier: Apache-2.0
"""How pods are joined with one another."""

from oslo_config import cfg

GROUP = cfg.OptGroup("interconnect", title="Networks between pods")

OPTS = [
    cfg.DictOpt(
        "physical_networks",
        default={},
        help="What a pod calls a physical network of central Neutron's, where the names differ: "
        "Pod2/physnet1:provider, Pod3/physnet1:datacentre.",
    ),
    cfg.StrOpt(
        "bridge_network_type",
        default="vlan",
        help="Network type of the networks that join the copies of a router in different pods.",
    ),
    cfg.StrOpt(
        "bridge_physical_network",
        help="Physical network the bridge networks are taken from. None: any that has a free "
        "segment.",
    ),
    cfg.ListOpt(
        "bridge_cidrs",
        default=["100.64.0.0/10"],
        help="IPv4 ranges for bridge networks. Each router has bridge networks of its own, so "
        "two routers may use the same addresses; a range is passed over where it overlaps with a "
        "subnet of the router.",
    ),
    cfg.IntOpt(
        "bridge_prefix_length",
        default=25,
        min=16,
        max=29,
        help="Size of a bridge network's IPv4 subnet: an address for each pod and floating IP.",
    ),
    cfg.ListOpt(
        "bridge_cidrs_v6",
        default=["fd64:7472:6963::/48"],
        help="IPv6 ranges for bridge networks; each takes a /64.",
    ),
]
