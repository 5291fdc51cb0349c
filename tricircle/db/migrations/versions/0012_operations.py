# SPDX-License-Identifier: Apache-2.0
"""The ports of an operation, which nobody reads, need not be written; they go a release later."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("creations") as table:
        table.alter_column("ports", existing_type=sa.JSON(), nullable=True)
