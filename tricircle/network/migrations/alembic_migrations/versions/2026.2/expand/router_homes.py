# SPDX-License-Identifier: Apache-2.0
"""Where routers are at home, and until when a pod may be making something nobody has heard of."""

import sqlalchemy as sa
from alembic import context, op
from sqlalchemy.dialects import mysql

revision = "tricircle_router_homes"
down_revision = "tricircle_virtual_ports"

TABLE = "tricircle_router_homes"
Timestamp = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")
_NEUTRONS = sa.text(
    "SELECT character_set_name, collation_name FROM information_schema.columns"
    " WHERE table_schema = DATABASE() AND table_name = 'ports' AND column_name = 'id'"
)


def upgrade() -> None:
    op.add_column("tricircle_realizations", sa.Column("making_until", Timestamp, nullable=True))
    op.create_table(
        TABLE,
        sa.Column("router_id", sa.String(36), primary_key=True),
        sa.Column("pod_id", sa.String(36), nullable=False),
        sa.Column("exit_pod_id", sa.String(36)),
        sa.Column("well_since", Timestamp),
        mysql_engine="InnoDB",
        mysql_charset="utf8mb3",
    )
    for column in ("pod_id", "exit_pod_id"):
        op.create_index(f"ix_{TABLE}_{column}", TABLE, [column])
    # Until now a router was at home in the first of its pods by name: those that are there stay so.
    op.execute(
        f"INSERT INTO {TABLE} (router_id, pod_id) SELECT DISTINCT device_id, '' FROM ports"
        " WHERE device_owner = 'network:router_gateway' AND device_id <> ''"
    )
    if context.is_offline_mode() or op.get_bind().dialect.name not in ("mysql", "mariadb"):
        return
    if found := op.get_bind().execute(_NEUTRONS).first():
        op.execute(f"ALTER TABLE {TABLE} CONVERT TO CHARACTER SET {found[0]} COLLATE {found[1]}")
