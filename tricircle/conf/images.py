# SPDX-License-Identifier: Apache-2.0
"""Images in pods that have a Glance of their own."""

from oslo_config import cfg

GROUP = cfg.OptGroup("images", title="Images in pods with a Glance of their own")

OPTS = [
    cfg.FloatOpt(
        "wait",
        default=20.0,
        min=0.0,
        help="Seconds that a request waits for an image that is being copied to a pod. After that "
        "it is answered with 503, which says how far the copy is.",
    ),
    cfg.IntOpt(
        "copies_per_pod",
        default=2,
        min=1,
        help="Images copied to or from a pod at the same time.",
    ),
    cfg.FloatOpt(
        "bandwidth",
        default=0.0,
        min=0.0,
        help="MiB a second that a tricircle-xjob copies at the most, all pods together; "
        "0: as many as go.",
    ),
    cfg.FloatOpt(
        "copy_deadline",
        default=6 * 3600.0,
        min=1.0,
        help="Seconds that the data of one image may be on their way. What does not move for "
        "[reconciler] call_deadline seconds is begun again.",
    ),
]
