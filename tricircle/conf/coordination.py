# SPDX-License-Identifier: Apache-2.0
"""How several xjob workers share the pods."""

from oslo_config import cfg

GROUP = cfg.OptGroup("coordination", title="Several xjob workers")

OPTS = [
    cfg.StrOpt(
        "backend_url",
        secret=True,
        help="Where workers find each other, as tooz wants it: memcached://, redis://, "
        "etcd3+http:// or, on one machine, file:///folder. Unset: this worker works on all pods.",
    ),
    cfg.IntOpt(
        "member_seconds",
        default=10,
        min=1,
        help="Seconds after which a worker that is not heard of counts as dead and the others "
        "take its pods.",
    ),
]
