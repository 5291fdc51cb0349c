# SPDX-License-Identifier: Apache-2.0
"""How pods are watched and called."""

from oslo_config import cfg

GROUP = cfg.OptGroup("pods", title="Pods")

OPTS = [
    cfg.FloatOpt(
        "cache_seconds", default=2.0, min=0.0, help="Seconds the list of pods is believed."
    ),
    cfg.FloatOpt(
        "probe_interval", default=5.0, min=0.1, help="Seconds between two probes of a pod."
    ),
    cfg.FloatOpt("probe_deadline", default=5.0, min=0.1, help="Seconds a probe may take."),
    cfg.IntOpt(
        "probe_failures",
        default=3,
        min=1,
        max=100,
        help="Probes in a row that a service of a pod leaves unanswered, while it answers nothing "
        "else either, until it counts as down. One that refuses connections does at once.",
    ),
    cfg.FloatOpt("connect_deadline", default=3.0, min=0.1, help="Seconds a connection may take."),
    cfg.IntOpt(
        "breaker_failures",
        default=3,
        min=1,
        help="Failures in a row after which a pod is left alone.",
    ),
    cfg.FloatOpt(
        "breaker_seconds",
        default=5.0,
        min=0.1,
        help="Seconds until a pod left alone is tried again.",
    ),
    cfg.IntOpt("connections_per_pod", default=100, min=1, help="HTTP connections kept to a pod."),
    cfg.IntOpt(
        "max_answer",
        default=64 * 1024 * 1024,
        min=1024,
        help="Bytes of one answer of a pod, of Keystone or of central Neutron that are read; what "
        "has more is refused.",
    ),
]
