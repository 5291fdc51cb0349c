# SPDX-License-Identifier: Apache-2.0
"""How pods are made to match what is wanted."""

from oslo_config import cfg

GROUP = cfg.OptGroup("reconciler", title="The reconcile loop")

OPTS = [
    cfg.FloatOpt("poll_interval", default=1.0, min=0.05, help="Seconds between looks for work."),
    cfg.IntOpt(
        "threads_per_pod", default=4, min=1, help="Realizations worked on at once in a pod."
    ),
    cfg.FloatOpt(
        "claim_seconds",
        default=60.0,
        min=1.0,
        help="Seconds a claimed row is one worker's at the most.",
    ),
    cfg.FloatOpt(
        "lease_seconds",
        default=10.0,
        min=0.5,
        help="Seconds until a row is free that a dead worker had claimed; living ones renew their "
        "claims.",
    ),
    cfg.FloatOpt(
        "pace",
        default=2.0,
        min=0.0,
        help="Least seconds between two updates, in a pod, of one security group's members in "
        "other pods. Changes in between go in one call; the first change after a quiet time goes "
        "at once. 0: no limit.",
    ),
    cfg.FloatOpt("backoff_first", default=1.0, min=0.05, help="Seconds before the first retry."),
    cfg.FloatOpt(
        "backoff_most", default=300.0, min=1.0, help="Seconds between retries at the most."
    ),
    cfg.FloatOpt(
        "call_deadline", default=30.0, min=0.1, help="Seconds one call to a pod may take."
    ),
    cfg.FloatOpt(
        "bind_deadline",
        default=45.0,
        min=1.0,
        help="Seconds that a port binding may wait for what the port depends on in its pod: its "
        "network, subnets, security groups, QoS policy.",
    ),
    cfg.FloatOpt(
        "port_deadline",
        default=15.0,
        min=1.0,
        help="Seconds that it may then take for the port itself.",
    ),
    cfg.FloatOpt(
        "bind_call_deadline",
        default=15.0,
        min=0.1,
        help="Seconds one call to a pod may take while a user of central Neutron waits for it.",
    ),
    cfg.IntOpt(
        "request_threads_per_pod",
        default=0,
        min=0,
        help="Threads of a process of central Neutron that may wait for one pod at the same time; "
        "while the pod does not answer, who comes beyond that is told so at once. 0: half of the "
        "threads that uWSGI has, 4 where that is not known.",
    ),
    cfg.FloatOpt(
        "creation_grace",
        default=120.0,
        min=1.0,
        help="Seconds after which an unfinished server creation is looked into and undone.",
    ),
    cfg.FloatOpt(
        "audit_interval",
        default=600.0,
        min=1.0,
        help="Seconds between audits of a pod: what was deleted or changed there behind "
        "Tricircle's back is put right.",
    ),
    cfg.FloatOpt(
        "unhealthy_after",
        default=60.0,
        min=0.1,
        max=3600.0,
        help="Seconds the database may fail until tricircle-xjob's /healthcheck answers 503.",
    ),
    cfg.FloatOpt(
        "orphan_grace",
        default=300.0,
        min=0.0,
        help="Seconds after which an object in a pod that Tricircle made and that nobody wants is "
        "removed by the audit. Objects that it did not make are never touched.",
    ),
    cfg.FloatOpt(
        "status_interval", default=2.0, min=0.1, help="Seconds between looks at port status."
    ),
]
