# SPDX-License-Identifier: Apache-2.0
"""When the databases were brought back from a backup."""

import sqlalchemy as sa
from alembic import op

from tricircle.db.models import Timestamp

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("pods", sa.Column("restored_at", Timestamp, nullable=True))
