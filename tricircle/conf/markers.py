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
        "with any is known to be Tricircle's. To change it add a new one; when all processes know "
        "it put it first; when the audits find nothing more to sign take the old one away. Without "
        "any, an object that bears a marker is believed to be Tricircle's when it is of the right "
        "project.",
    ),
]
