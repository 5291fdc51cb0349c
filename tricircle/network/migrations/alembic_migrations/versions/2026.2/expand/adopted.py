# SPDX-License-Identifier: Apache-2.0
"""Resources that a pod had before the region did."""

import sqlalchemy as sa
from alembic import context, op

revision = "tricircle_adopted"
down_revision = "tricircle_changes"

TABLE = "tricircle_adopted"
_NEUTRONS = sa.text(
    "SELECT character_set_name, collation_name FROM information_schema.columns"
    " WHERE table_schema = DATABASE() AND table_name = 'ports' AND column_name = 'id'"
)


def upgrade() -> None:
    op.create_table(
        TABLE,
        sa.Column("pod_id", sa.String(36), primary_key=True),
        sa.Column("resource_type", sa.String(32), primary_key=True),
        sa.Column("resource_id", sa.String(36), primary_key=True),
        sa.Column("pod_resource_id", sa.String(36), nullable=False),
        sa.Column("project_id", sa.String(255), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("made", sa.Boolean, nullable=False),
        sa.Column("before", sa.Text, nullable=False),
        mysql_engine="InnoDB",
        mysql_charset="utf8mb3",
    )
    op.create_index(f"ix_{TABLE}_resource_id", TABLE, ["resource_id"])
    if context.is_offline_mode() or op.get_bind().dialect.name not in ("mysql", "mariadb"):
        return
    if found := op.get_bind().execute(_NEUTRONS).first():
        op.execute(f"ALTER TABLE {TABLE} CONVERT TO CHARACTER SET {found[0]} COLLATE {found[1]}")
