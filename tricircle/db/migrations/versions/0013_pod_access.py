# SPDX-License-Identifier: Apache-2.0
"""Pods with a Keystone of their own: the way in, and who stands for whom there."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_TIMESTAMP = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")
_INNODB: dict[str, Any] = {
    "mysql_engine": "InnoDB",
    "mysql_charset": "utf8mb4",
    "mysql_collate": "utf8mb4_bin",
}


def upgrade() -> None:
    with op.batch_alter_table("pods") as table:
        table.add_column(
            sa.Column("access", sa.String(32), nullable=False, server_default="shared")
        )
        table.add_column(sa.Column("access_config", sa.JSON(none_as_null=True)))
        table.add_column(sa.Column("access_secrets", sa.Text))
    op.create_table(
        "pod_projects",
        sa.Column("pod_id", sa.String(36), nullable=False),
        sa.Column("project_id", sa.String(64), nullable=False),
        sa.Column("there", sa.String(64), nullable=False),
        sa.Column("created_at", _TIMESTAMP, nullable=False),
        sa.PrimaryKeyConstraint("pod_id", "project_id", name="pk_pod_projects"),
        sa.ForeignKeyConstraint(["pod_id"], ["pods.id"], name="fk_pod_projects_pod_id"),
        sa.UniqueConstraint("pod_id", "there", name="uq_pod_projects_pod_id_there"),
        **_INNODB,
    )
    op.create_table(
        "pod_users",
        sa.Column("pod_id", sa.String(36), nullable=False),
        sa.Column("there", sa.String(64), nullable=False),
        sa.Column("user_id", sa.String(64), nullable=False),
        sa.Column("level", sa.String(16), nullable=False),
        sa.Column("project_id", sa.String(64), nullable=False),
        sa.Column("created_at", _TIMESTAMP, nullable=False),
        sa.PrimaryKeyConstraint("pod_id", "there", name="pk_pod_users"),
        sa.ForeignKeyConstraint(["pod_id"], ["pods.id"], name="fk_pod_users_pod_id"),
        **_INNODB,
    )
    op.create_index("ix_pod_users_pod_id_user_id", "pod_users", ["pod_id", "user_id"])
    op.create_table(
        "pod_credentials",
        sa.Column("pod_id", sa.String(36), nullable=False),
        sa.Column("project_id", sa.String(64), nullable=False),
        sa.Column("secrets", sa.Text, nullable=False),
        sa.Column("created_at", _TIMESTAMP, nullable=False),
        sa.Column("updated_at", _TIMESTAMP, nullable=False),
        sa.PrimaryKeyConstraint("pod_id", "project_id", name="pk_pod_credentials"),
        sa.ForeignKeyConstraint(["pod_id"], ["pods.id"], name="fk_pod_credentials_pod_id"),
        **_INNODB,
    )
