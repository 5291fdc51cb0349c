# SPDX-License-Identifier: Apache-2.0
"""What operators say of a pod besides its zones: its endpoints and labels; and when it was seen."""

import sqlalchemy as sa
from alembic import op

from tricircle.db.models import Timestamp

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("pods", sa.Column("given_endpoints", sa.JSON(), nullable=True))
    op.add_column("pods", sa.Column("labels", sa.JSON(), nullable=True))
    op.add_column("pods", sa.Column("seen_at", Timestamp, nullable=True))
