# SPDX-License-Identifier: Apache-2.0
"""The front of the pods' console proxies."""

from oslo_config import cfg

GROUP = cfg.OptGroup("console", title="Remote consoles of servers")

OPTS = [
    cfg.URIOpt(
        "public_base_url",
        schemes=["http", "https"],
        help="Where users reach the console front, for example https://consoles.example.org. "
        "Console URLs then begin with it and lead through the gateway to the pod's own console "
        "proxy. Without it there is no front, and users get each pod's own URL.",
    ),
    cfg.StrOpt(
        "secret",
        secret=True,
        help="Any long random text, the same for every gateway: which console proxies the front "
        "may lead to is sealed with it. Needed with public_base_url.",
    ),
    cfg.PortOpt("port", default=6080, help="Port of the console front, once it has a URL."),
    cfg.ListOpt(
        "allowed_origins",
        default=[],
        help="Host names of other web sites whose pages may open consoles (the Origin header), "
        "besides that of public_base_url: a dashboard's, say.",
    ),
    cfg.ListOpt(
        "proxy_hosts",
        default=[],
        help="Hosts besides those of its endpoints that a pod's console URLs may lead to, as "
        "REGION:HOST or REGION:HOST:PORT (an IPv6 address in brackets); REGION:* for any. A "
        "console elsewhere is refused.",
    ),
    cfg.FloatOpt(
        "connect_deadline",
        default=10.0,
        min=0.1,
        help="Seconds a pod's console proxy has to take a connection, and to go on with a page.",
    ),
    cfg.FloatOpt(
        "idle_deadline",
        default=3600.0,
        min=0,
        help="Seconds after which a console nobody uses is closed; 0 for never.",
    ),
    cfg.IntOpt(
        "max_connections",
        default=1000,
        min=1,
        help="Consoles that each gateway process holds open at once.",
    ),
    cfg.IntOpt(
        "max_message_size",
        default=4 * 1024 * 1024,
        min=1024,
        help="Bytes one web socket message may have.",
    ),
]
