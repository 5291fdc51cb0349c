# SPDX-License-Identifier: Apache-2.0
"""What the gateway listens on and how it behaves toward clients."""

from oslo_config import cfg

GROUP = cfg.OptGroup("gateway", title="The API gateway")

OPTS = [
    cfg.HostAddressOpt("listen", default="0.0.0.0", help="Address all the gateway's APIs bind to."),
    cfg.PortOpt("compute_port", default=8774, help="Port of the Compute API; 0 turns it off."),
    cfg.PortOpt("volume_port", default=8776, help="Port of the Block Storage API; 0 turns it off."),
    cfg.PortOpt("admin_port", default=19999, help="Port of the Admin API; 0 turns it off."),
    cfg.PortOpt(
        "placement_port",
        default=0,
        help="Port of the Placement API, which shows what all pods' Placements have; 0 turns it "
        "off. Placement's own is 8778.",
    ),
    cfg.IntOpt("workers", default=1, min=1, help="Processes that share the ports."),
    cfg.StrOpt(
        "public_endpoint",
        help="Scheme, host and port to write into links instead of what the request says, "
        "for example https://cloud.example.org:8774.",
    ),
    cfg.BoolOpt(
        "enable_proxy_headers_parsing",
        default=False,
        help="Believe X-Forwarded-Proto, -Host and -Prefix: turn on behind a trusted proxy only.",
    ),
    cfg.IntOpt("max_limit", default=1000, min=1, help="Most items one page of a list holds."),
    cfg.FloatOpt("list_deadline", default=20.0, min=0.1, help="Seconds a list waits for a pod."),
    cfg.IntOpt(
        "lists_ask_all",
        default=8,
        min=0,
        help="In a region of at most so many pods each list asks all of them. In a larger one a "
        "list of a project's own things asks those in which the project has something.",
    ),
    cfg.FloatOpt(
        "look_elsewhere_seconds",
        default=60.0,
        min=0.0,
        help="Seconds after which a project's next list asks all pods again, for what was made "
        "straight in a pod.",
    ),
    cfg.FloatOpt(
        "nowhere_seconds",
        default=5.0,
        min=0.0,
        help="Seconds for which no pod is asked again, for the same caller, for an id that no pod "
        "has.",
    ),
    cfg.FloatOpt(
        "request_deadline", default=60.0, min=0.1, help="Seconds any other call may take."
    ),
    cfg.FloatOpt(
        "attach_patience",
        default=40.0,
        min=0.1,
        help="Seconds for which the attaching of a volume waits until the volume is in the pod of "
        "its server, less than clients and proxies before the gateway wait.",
    ),
    cfg.IntOpt(
        "attach_move_gigabytes",
        default=4,
        min=0,
        help="The most GB of a volume that holds something and is moved to the pod of the server "
        "it is to be attached to. The policy tricircle:moves:create says for whom.",
    ),
    cfg.IntOpt(
        "followed_volumes",
        default=10000,
        min=0,
        help="The most volumes in a pod that came there to be attached. Each keeps the id its "
        "users know, which every gateway remembers and turns into the pod's own.",
    ),
    cfg.IntOpt(
        "max_request_body_size",
        default=114688,
        min=1024,
        help="Bytes a request body may have (Nova's own limit by default).",
    ),
    cfg.FloatOpt(
        "unhealthy_after",
        default=15.0,
        min=0.1,
        max=3600.0,
        help="Seconds the database or the threads may fail until /healthcheck answers 503.",
    ),
    cfg.IntOpt(
        "max_connections",
        default=8192,
        min=1,
        max=1_000_000,
        help="Connections of clients a process has open, on all its ports. One more is answered "
        "503 and closed. Three quarters of the files a process may have open are the most.",
    ),
    cfg.FloatOpt(
        "header_deadline",
        default=20.0,
        min=0.1,
        max=3600.0,
        help="Seconds until a new connection must have sent the headers of a request.",
    ),
    cfg.FloatOpt(
        "body_deadline",
        default=60.0,
        min=0.1,
        max=3600.0,
        help="Seconds a client may take to send a request's body, and may let an answer wait.",
    ),
    cfg.FloatOpt(
        "keepalive_seconds",
        default=75.0,
        min=0.1,
        max=3600.0,
        help="Seconds a connection is kept for its next request. A load balancer's own idle time "
        "should be shorter.",
    ),
    cfg.StrOpt(
        "compute_link_prefix",
        default="",
        help="Path put before /v2.1 in links, when a proxy serves the API below a path.",
    ),
    cfg.StrOpt(
        "volume_public_endpoint",
        help="As public_endpoint, of the Block Storage API.",
    ),
    cfg.StrOpt(
        "volume_link_prefix",
        default="",
        help="Path put before /v3 in links, when a proxy serves the API below a path.",
    ),
    cfg.StrOpt(
        "admin_public_endpoint",
        help="As public_endpoint, of the Admin API.",
    ),
    cfg.ListOpt(
        "cors_allowed_origin",
        default=[],
        help="Origins CORS answers to; * for any, whose pages cannot use a browser's credentials.",
    ),
    cfg.FloatOpt(
        "token_cache_seconds", default=60.0, min=0.0, help="Seconds a validated token is believed."
    ),
    cfg.FloatOpt(
        "refused_token_seconds",
        default=10.0,
        min=0.0,
        max=300.0,
        help="Seconds it is believed that Keystone does not know a token.",
    ),
    cfg.FloatOpt(
        "keystone_deadline",
        default=10.0,
        min=0.1,
        max=300.0,
        help="Seconds a request waits for its token to be validated, before it is answered 503.",
    ),
    cfg.IntOpt(
        "keystone_threads",
        default=16,
        min=1,
        max=256,
        help="Tokens a process has validated at the same time.",
    ),
    cfg.IntOpt(
        "thread_queue",
        default=1000,
        min=0,
        max=100_000,
        help="Calls that wait while all threads are busy, of each kind: tokens, the database, "
        "the service user, pods. What comes beyond is answered 503 at once.",
    ),
    cfg.FloatOpt(
        "thread_patience",
        default=10.0,
        min=0.1,
        max=300.0,
        help="Seconds such a call waits for a thread, until its request is answered 503.",
    ),
]
