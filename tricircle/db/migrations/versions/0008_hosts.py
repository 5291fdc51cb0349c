# SPDX-License-Identifier: Apache-2.0
"""The compute hosts pods have."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

TABLE: dict[str, Any] = {
    "mysql_engine": "InnoDB",
    "mysql_charset": "utf8mb4",
    "mysql_collate": "utf8mb4_bin",
}


def upgrade() -> None:
    op.create_table(
        "hosts",
        sa.Column("pod_id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.ForeignKeyConstraint(["pod_id"], ["pods.id"], name="fk_hosts_pod_id"),
        sa.PrimaryKeyConstraint("pod_id", "name", name="pk_hosts"),
        **TABLE,
    )
