# SPDX-License-Identifier: Apache-2.0
"""Indexes by which the work of one pod is found, whatever waits in others."""

from alembic import op

revision = "0021"
down_revision = "0019"
branch_labels = None
depends_on = None

TABLE = "realizations"


def upgrade() -> None:
    for column in ("next_try_at", "resource_type"):
        op.create_index(f"ix_{TABLE}_pod_id_{column}", TABLE, ["pod_id", column])
    op.drop_index(f"ix_{TABLE}_pod_id", TABLE)
