# SPDX-License-Identifier: Apache-2.0
"""Until when a pod may be making something that nobody has heard of yet."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

Timestamp = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")


def upgrade() -> None:
    op.add_column("realizations", sa.Column("making_until", Timestamp, nullable=True))
