# SPDX-License-Identifier: Apache-2.0
"""Ports of pods that other pods are told of."""

import sqlalchemy as sa
from alembic import op

revision = "tricircle_endpoints"
down_revision = "tricircle_realizations"

TABLE = "tricircle_endpoints"


def upgrade() -> None:
    op.create_table(
        TABLE,
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("pod_id", sa.String(36), nullable=False),
        sa.Column("network_id", sa.String(36), nullable=False),
        sa.Column("mac_address", sa.String(32), nullable=False),
        sa.Column("fixed_ips", sa.Text, nullable=False),
        sa.Column("host", sa.String(255), nullable=False),
        sa.Column("tunnel_ip", sa.String(64), nullable=False),
        mysql_engine="InnoDB",
        mysql_charset="utf8mb3",
    )
    for column in ("pod_id", "network_id"):
        op.create_index(f"ix_{TABLE}_{column}", TABLE, [column])
