# SPDX-License-Identifier: Apache-2.0
"""Images of the region in pods that have a Glance of their own."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from tricircle.db.models import Timestamp

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

TABLE: dict[str, Any] = {
    "mysql_engine": "InnoDB",
    "mysql_charset": "utf8mb4",
    "mysql_collate": "utf8mb4_bin",
}


def upgrade() -> None:
    op.create_table(
        "image_copies",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("image_id", sa.String(36), nullable=False),
        sa.Column("pod_id", sa.String(36), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("why", sa.String(16), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=True),
        sa.Column("done", sa.BigInteger(), nullable=False),
        sa.Column("is_open", sa.Boolean(), nullable=False),
        sa.Column("project_id", sa.String(64), nullable=True),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.Column("used_at", Timestamp, nullable=False),
        sa.Column("created_at", Timestamp, nullable=False),
        sa.Column("updated_at", Timestamp, nullable=False),
        sa.UniqueConstraint("image_id", "pod_id", name=op.f("uq_image_copies_image_id_pod_id")),
        **TABLE,
    )
    op.create_index(op.f("ix_image_copies_pod_id"), "image_copies", ["pod_id"])
    op.create_table(
        "image_members",
        sa.Column("pod_id", sa.String(36), primary_key=True),
        sa.Column("image_id", sa.String(36), primary_key=True),
        sa.Column("project_id", sa.String(64), primary_key=True),
        sa.Column("granted", sa.Boolean(), nullable=False),
        **TABLE,
    )
    op.create_table(
        "image_names",
        sa.Column("pod_id", sa.String(36), primary_key=True),
        sa.Column("there", sa.String(36), primary_key=True),
        sa.Column("image_id", sa.String(36), nullable=False),
        **TABLE,
    )
