# SPDX-License-Identifier: Apache-2.0
"""Adoptions: what is to become of what a project had in a pod before."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from tricircle.db.models import Timestamp

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

TABLE: dict[str, Any] = {
    "mysql_engine": "InnoDB",
    "mysql_charset": "utf8mb4",
    "mysql_collate": "utf8mb4_bin",
}


def upgrade() -> None:
    op.create_table(
        "adoptions",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("pod_id", sa.String(36), nullable=False),
        sa.Column("project_id", sa.String(64), nullable=False),
        sa.Column("action", sa.String(16), nullable=False),
        sa.Column("dry_run", sa.Boolean(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("objects", sa.JSON(), nullable=False),
        sa.Column("created_at", Timestamp, nullable=False),
        sa.Column("updated_at", Timestamp, nullable=False),
        **TABLE,
    )
    op.create_index(op.f("ix_adoptions_pod_id"), "adoptions", ["pod_id"])
    op.create_index(op.f("ix_adoptions_project_id"), "adoptions", ["project_id"])
