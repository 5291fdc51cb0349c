# SPDX-License-Identifier: Apache-2.0
"""The log of changes, and indexes by which the work of one pod is found, whatever waits in others.

The index on ``pod_id`` alone stays: a release that still runs may look by it.
"""

import sqlalchemy as sa
from alembic import context, op
from sqlalchemy.dialects import mysql

revision = "tricircle_changes"
down_revision = "tricircle_router_homes"

REALIZATIONS, TABLE = "tricircle_realizations", "tricircle_changes"
Timestamp = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")
_NEUTRONS = sa.text(
    "SELECT character_set_name, collation_name FROM information_schema.columns"
    " WHERE table_schema = DATABASE() AND table_name = 'ports' AND column_name = 'id'"
)


def upgrade() -> None:
    for column in ("next_try_at", "resource_type"):
        op.create_index(f"ix_{REALIZATIONS}_pod_id_{column}", REALIZATIONS, ["pod_id", column])
    op.create_table(
        TABLE,
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True),
        sa.Column("resource_type", sa.String(32), nullable=False),
        sa.Column("resource_id", sa.String(255), nullable=False),
        sa.Column("pod_id", sa.String(36), nullable=True),
        sa.Column("created_at", Timestamp, nullable=False),
        mysql_engine="InnoDB",
        mysql_charset="utf8mb3",
    )
    if context.is_offline_mode() or op.get_bind().dialect.name not in ("mysql", "mariadb"):
        return
    if found := op.get_bind().execute(_NEUTRONS).first():
        op.execute(f"ALTER TABLE {TABLE} CONVERT TO CHARACTER SET {found[0]} COLLATE {found[1]}")
