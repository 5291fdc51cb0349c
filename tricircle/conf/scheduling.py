# SPDX-License-Identifier: Apache-2.0
"""How a pod is chosen for a new resource."""

from oslo_config import cfg

GROUP = cfg.OptGroup("scheduling", title="Choosing a pod")

OPTS = [
    cfg.StrOpt(
        "default_availability_zone",
        help="Availability zone for requests that name none. None: any pod.",
    ),
    cfg.ListOpt(
        "filters",
        default=[
            "enabled",
            "healthy",
            "availability_zone",
            "placed_resources",
            "server_group",
            "network_zones",
            "rules",
        ],
        help="Filters (entry points tricircle.scheduling.filters), in order. The filter rules is "
        "there even if it is not named.",
    ),
    cfg.ListOpt(
        "weighers",
        default=["server_group", "bound", "image", "capacity"],
        help="Weighers (entry points tricircle.scheduling.weighers), most important first.",
    ),
    cfg.FloatOpt(
        "full_share",
        default=0.02,
        min=0,
        max=1,
        help="A pod is full when less than this share of its memory, of its processors or, for "
        "volumes, of its storage is free. What a project makes goes to its own pod until then.",
    ),
    cfg.IntOpt(
        "forget_unused_after",
        default=3600,
        min=60,
        help="Seconds for which a project is bound to a pod that holds nothing of it. A binding "
        "that an operator made stays.",
    ),
    cfg.IntOpt("max_attempts", default=3, min=1, help="Pods tried for one request at the most."),
]
