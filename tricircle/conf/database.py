# SPDX-License-Identifier: Apache-2.0
"""Where Tricircle's own tables are."""

from oslo_config import cfg

GROUP = cfg.OptGroup("tricircle_database", title="The Tricircle database")

OPTS = [
    cfg.StrOpt(
        "connection",
        default="sqlite:////var/lib/tricircle/tricircle.sqlite",
        secret=True,
        help="SQLAlchemy URL of the Tricircle database: MariaDB/MySQL or PostgreSQL in "
        "production, SQLite on a laptop. The name of the section differs from [database] "
        "because the same options are read inside central Neutron.",
    ),
    cfg.StrOpt(
        "neutron_connection",
        secret=True,
        help="SQLAlchemy URL of central Neutron's database, for the gateway: it shows the jobs of "
        "networks, ports and the like from there. Unset: the jobs of definitions only.",
    ),
    cfg.IntOpt(
        "max_pool_size",
        default=10,
        min=1,
        help="Connections kept open, a process; 30 in tricircle-xjob where nothing is set.",
    ),
    cfg.IntOpt("max_overflow", default=20, min=0, help="Connections opened beyond the pool."),
    cfg.FloatOpt(
        "pool_timeout",
        default=5.0,
        min=0,
        help="Seconds to wait for a connection when all are in use; the request is answered 503 "
        "then.",
    ),
    cfg.IntOpt(
        "answer_deadline",
        default=30,
        min=0,
        help="Seconds the database has to answer (MariaDB/MySQL with PyMySQL), or to confirm what "
        "it was sent (PostgreSQL); 0: without end. What the URLs say themselves holds before it.",
    ),
]
