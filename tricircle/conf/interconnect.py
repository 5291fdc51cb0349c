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
    cfg.DictOpt(
        "joined_by",
        default={},
        help="Which ways join two pods, by their region names in either order: "
        "Pod1/Pod2:vxlan, Pod1/*:vlan+vxlan. A way is an interconnect (vlan, vxlan); the first is "
        "taken for what Tricircle chooses itself. * stands for any pod; what names a pair more "
        "closely wins. Pairs that nothing names are joined by vlan.",
    ),
    cfg.MultiStrOpt(
        "message_buses",
        default=[],
        secret=True,
        help="The message bus of a pod's Neutron, as region:URL, once for each pod that is joined "
        "with another by vxlan: Pod1:rabbit://user:password@10.0.0.5:5672/vhost. A control "
        "exchange other than neutron is named at the end: ?exchange=name.",
    ),
    cfg.FloatOpt(
        "rpc_deadline", default=10.0, min=0.1, help="Seconds a call over a pod's bus may take."
    ),
    cfg.FloatOpt(
        "agent_report_interval",
        default=20.0,
        min=0.1,
        help="Seconds between signs of life that a pod gets for the hosts of other pods. Less than "
        "half of agent_down_time of any pod's Neutron.",
    ),
    cfg.StrOpt(
        "bridge_network_type",
        help="Network type of the networks that join the copies of a router in different pods. "
        "None: as joined_by says for the router's pods.",
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
    cfg.FloatOpt(
        "home_returns_after",
        default=300.0,
        min=0.0,
        help="Seconds that a pod which was down must be well without a break before routers whose "
        "home it is go out by it again, and not by the pod that stands in for it.",
    ),
    cfg.IntOpt(
        "few_segments",
        default=50,
        min=0,
        help="Operators are told, in xjob's log, when a network type (or a physical network of "
        "it) has fewer free segments than this in central Neutron. 0: never.",
    ),
    cfg.IntOpt(
        "routes_per_router",
        default=30,
        min=1,
        help="How many routes a router may have in a pod: the least that any pod's Neutron allows "
        "(quota_router_route, or max_routes in older releases).",
    ),
    cfg.IntOpt(
        "host_routes_per_subnet",
        default=20,
        min=1,
        help="How many host routes a subnet may have in a pod: the least that any pod's Neutron "
        "allows (max_subnet_host_routes).",
    ),
    cfg.ListOpt(
        "bridge_cidrs_v6",
        default=["fd64:7472:6963::/48"],
        help="IPv6 ranges for bridge networks; each takes a /64.",
    ),
]
