# SPDX-License-Identifier: Apache-2.0
"""Which server a volume was made with, and when it is to be looked at."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

TABLE = "storage_allocations"
Timestamp = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")


def upgrade() -> None:
    op.add_column(TABLE, sa.Column("made_with", sa.String(length=36), nullable=True))
    op.add_column(TABLE, sa.Column("check_at", Timestamp, nullable=True))
    for column in ("made_with", "check_at"):
        op.create_index(f"ix_{TABLE}_{column}", TABLE, [column])
