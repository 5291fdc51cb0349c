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
    cfg.ListOpt(
        "ahead",
        default=[],
        help="Images that are brought to every such pod before anybody uses them there, by what "
        "they have, each as member=value or property=value: visibility=public, os_distro=debian.",
    ),
    cfg.FloatOpt(
        "look_interval",
        default=30.0,
        min=0.05,
        help="Seconds between looks at fifty of the copies in a pod: those of images that are gone "
        "or not used any more are removed, and what has changed is changed there.",
    ),
    cfg.FloatOpt(
        "drop_unused_after",
        default=0.0,
        min=0.0,
        help="Days after which a copy that nobody has used is removed from its pod. 0: never.",
    ),
    cfg.FloatOpt(
        "copy_deadline",
        default=6 * 3600.0,
        min=1.0,
        help="Seconds that the data of one image may be on their way. What does not move for "
        "[reconciler] call_deadline seconds is begun again.",
    ),
]
