# SPDX-License-Identifier: Apache-2.0
"""Rules: which pods projects and domains may use."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from tricircle.db.models import Timestamp

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

TABLE: dict[str, Any] = {
    "mysql_engine": "InnoDB",
    "mysql_charset": "utf8mb4",
    "mysql_collate": "utf8mb4_bin",
}


def upgrade() -> None:
    op.create_table(
        "rules",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("effect", sa.String(16), nullable=False),
        sa.Column("project_id", sa.String(64), nullable=True),
        sa.Column("domain_id", sa.String(64), nullable=True),
        sa.Column("property_of", sa.String(16), nullable=True),
        sa.Column("property_name", sa.String(255), nullable=True),
        sa.Column("property_value", sa.String(255), nullable=True),
        sa.Column("pods", sa.JSON(), nullable=False),
        sa.Column("created_at", Timestamp, nullable=False),
        **TABLE,
    )
    op.create_index(op.f("ix_rules_name"), "rules", ["name"], unique=True)
    op.create_index(op.f("ix_rules_project_id"), "rules", ["project_id"])
    op.create_index(op.f("ix_rules_domain_id"), "rules", ["domain_id"])
