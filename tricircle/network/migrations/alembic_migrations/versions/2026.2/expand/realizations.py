# SPDX-License-Identifier: Apache-2.0
"""Realizations of Neutron's resources."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "tricircle_realizations"
down_revision = "tricircle_start"
branch_labels = ("expand",)

TABLE = "tricircle_realizations"
Timestamp = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")


def upgrade() -> None:
    op.create_table(
        TABLE,
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("resource_type", sa.String(32), nullable=False),
        sa.Column("resource_id", sa.String(330), nullable=False),
        sa.Column("pod_id", sa.String(36), nullable=False),
        sa.Column("project_id", sa.String(64)),
        sa.Column("pod_resource_id", sa.String(255)),
        sa.Column("wanted_revision", sa.Integer, nullable=False),
        sa.Column("realized_revision", sa.Integer),
        sa.Column("absent", sa.Boolean, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("next_try_at", Timestamp),
        sa.Column("failing_since", Timestamp),
        sa.Column("last_error", sa.Text),
        sa.Column("claimed_by", sa.String(255)),
        sa.Column("claimed_until", Timestamp),
        sa.Column("created_at", Timestamp, nullable=False),
        sa.Column("updated_at", Timestamp, nullable=False),
        sa.UniqueConstraint("resource_type", "resource_id", "pod_id"),
        mysql_engine="InnoDB",
        mysql_charset="utf8mb3",
    )
    for column in ("pod_id", "project_id", "pod_resource_id", "next_try_at"):
        op.create_index(f"ix_{TABLE}_{column}", TABLE, [column])
