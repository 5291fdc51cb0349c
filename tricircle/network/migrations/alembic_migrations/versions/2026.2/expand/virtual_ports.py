# SPDX-License-Identifier: Apache-2.0
"""Ports that servers answer for in turn."""

import sqlalchemy as sa
from alembic import context, op

revision = "tricircle_virtual_ports"
down_revision = "tricircle_character_set"

TABLE = "tricircle_virtual_ports"
_NEUTRONS = sa.text(
    "SELECT character_set_name, collation_name FROM information_schema.columns"
    " WHERE table_schema = DATABASE() AND table_name = 'ports' AND column_name = 'id'"
)


def upgrade() -> None:
    op.create_table(
        TABLE,
        sa.Column("port_id", sa.String(36), primary_key=True),
        sa.Column("network_id", sa.String(36), nullable=False),
        sa.Column("pod_id", sa.String(36), nullable=False),
        sa.Column("hosts", sa.Text, nullable=False),
        mysql_engine="InnoDB",
        mysql_charset="utf8mb3",
    )
    op.create_index(f"ix_{TABLE}_network_id", TABLE, ["network_id"])
    if context.is_offline_mode() or op.get_bind().dialect.name not in ("mysql", "mariadb"):
        return
    if found := op.get_bind().execute(_NEUTRONS).first():
        op.execute(f"ALTER TABLE {TABLE} CONVERT TO CHARACTER SET {found[0]} COLLATE {found[1]}")
