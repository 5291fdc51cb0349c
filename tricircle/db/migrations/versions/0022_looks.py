# SPDX-License-Identifier: Apache-2.0
"""When all pods were asked last for what a project has."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from tricircle.db.models import Timestamp

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

TABLE: dict[str, Any] = {
    "mysql_engine": "InnoDB",
    "mysql_charset": "utf8mb4",
    "mysql_collate": "utf8mb4_bin",
}


def upgrade() -> None:
    op.create_table(
        "looks",
        sa.Column("project_id", sa.String(64), primary_key=True),
        sa.Column("service", sa.String(16), primary_key=True),
        sa.Column("looked_at", Timestamp, nullable=False),
        **TABLE,
    )
