# SPDX-License-Identifier: Apache-2.0
"""Which bindings operators made."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "bindings", sa.Column("by_operator", sa.Boolean(), server_default="0", nullable=False)
    )
