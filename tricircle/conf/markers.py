# SPDX-License-Identifier: Apache-2.0
"""What tells objects in pods that Tricircle made from those of others."""

from oslo_config import cfg

GROUP = cfg.OptGroup("markers", title="Markers of what Tricircle makes in pods")

OPTS = [
    cfg.ListOpt(
        "secrets",
        default=[],
        secret=True,
        help="Long random texts of at least 16 letters, the same for every gateway, central "
        "Neutron and xjob. What Tricircle makes in a pod is signed with the first; what is signed "
        "with any is known to be Tricircle's. To change it put a new one first, wait until the "
        "audits find nothing more to sign, and take the old one away. Without any, an object that "
        "bears a marker is believed to be Tricircle's when it is of the right project.",
    ),
]
