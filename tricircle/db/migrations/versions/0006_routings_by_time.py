# SPDX-License-Identifier: Apache-2.0
"""Routings of a project in a pod by the time they were written: where a page may begin."""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    columns = ["project_id", "pod_id", "created_at"]
    op.create_index("ix_routings_project_id_pod_id_created_at", "routings", columns)
    # The new one begins with it.
    op.drop_index("ix_routings_project_id", "routings")
