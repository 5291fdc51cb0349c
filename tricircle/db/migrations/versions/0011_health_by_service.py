# SPDX-License-Identifier: Apache-2.0
"""The health of each service of a pod."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("pods", sa.Column("services", sa.JSON(), nullable=True))
