# SPDX-License-Identifier: Apache-2.0
"""Numbers of pods."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("pods", sa.Column("number", sa.Integer(), nullable=True))
    pods = sa.table("pods", sa.column("id"), sa.column("region_name"), sa.column("number"))
    connection = op.get_bind()
    known = connection.execute(sa.select(pods.c.id).order_by(pods.c.region_name)).scalars().all()
    for number, pod_id in enumerate(known, 1):
        connection.execute(sa.update(pods).where(pods.c.id == pod_id).values(number=number))
    op.create_index("ix_pods_number", "pods", ["number"], unique=True)
