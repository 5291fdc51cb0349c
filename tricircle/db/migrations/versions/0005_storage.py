# SPDX-License-Identifier: Apache-2.0
"""What projects use of storage, and limits by volume type, whose names are long."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

TIMESTAMP = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")
TABLE: dict[str, Any] = {
    "mysql_engine": "InnoDB",
    "mysql_charset": "utf8mb4",
    "mysql_collate": "utf8mb4_bin",
}


def upgrade() -> None:
    op.create_table(
        "storage_allocations",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("resource_type", sa.String(length=32), nullable=False),
        sa.Column("resource_id", sa.String(length=36), nullable=True),
        sa.Column("project_id", sa.String(length=64), nullable=False),
        sa.Column("pod_id", sa.String(length=36), nullable=True),
        sa.Column("gigabytes", sa.Integer(), nullable=False),
        sa.Column("volume_type", sa.String(length=255), nullable=True),
        sa.Column("created_at", TIMESTAMP, nullable=False),
        sa.Column("changed_at", TIMESTAMP, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_storage_allocations"),
        sa.UniqueConstraint(
            "resource_type", "resource_id", name="uq_storage_allocations_resource_type_resource_id"
        ),
        **TABLE,
    )
    for column in ("project_id", "pod_id", "created_at"):
        op.create_index(f"ix_storage_allocations_{column}", "storage_allocations", [column])
    with op.batch_alter_table("quota_limits") as table:
        table.alter_column(
            "resource",
            type_=sa.String(length=270),
            existing_type=sa.String(length=64),
            existing_nullable=False,
        )
