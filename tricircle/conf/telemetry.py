# SPDX-License-Identifier: Apache-2.0
"""What processes tell of themselves, and where."""

from oslo_config import cfg

GROUP = cfg.OptGroup("telemetry", title="Numbers for Prometheus, health, access log and traces")

OPTS = [
    cfg.HostAddressOpt(
        "listen",
        default="127.0.0.1",
        help="Address of the ports below. Whoever reaches them sees the pods' names and numbers: "
        "leave them to your monitoring.",
    ),
    cfg.PortOpt(
        "gateway_port",
        default=0,
        help="Port on which tricircle-gateway answers /metrics and /healthcheck; 0 turns it off.",
    ),
    cfg.PortOpt("xjob_port", default=0, help="The same of tricircle-xjob."),
    cfg.PortOpt("neutron_port", default=0, help="The same of central Neutron's API."),
    cfg.StrOpt(
        "neutron_folder",
        help="Folder of central Neutron's own in which several API processes keep their numbers. "
        "It must be empty when they start. Without it there must be only one process.",
    ),
    cfg.FloatOpt(
        "capacity_interval",
        default=60.0,
        min=1.0,
        help="Seconds between looks at what each pod has and uses, while xjob_port is set.",
    ),
    cfg.BoolOpt(
        "access_log",
        default=True,
        help="Write a line for each request to the log (logger tricircle.access, level INFO).",
    ),
    cfg.BoolOpt(
        "audit_events",
        default=False,
        help="Send an audit event (CADF) for each request of the Admin API that changes something, "
        "by the driver of [oslo_messaging_notifications] to its transport_url.",
    ),
    cfg.StrOpt(
        "traces_endpoint",
        help="Where tricircle-gateway sends OpenTelemetry's spans of requests and of the calls to "
        "pods they make (OTLP over HTTP, http://collector.example.org:4318/v1/traces say). It "
        "needs the extra 'tracing'. Without it a client's traceparent goes on to pods as it came.",
    ),
]
