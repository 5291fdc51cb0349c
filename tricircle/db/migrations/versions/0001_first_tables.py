# SPDX-License-Identifier: Apache-2.0
"""The first tables."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TIMESTAMP = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")
TABLE: dict[str, Any] = {
    "mysql_engine": "InnoDB",
    "mysql_charset": "utf8mb4",
    "mysql_collate": "utf8mb4_bin",
}


def upgrade() -> None:
    op.create_table(
        "creations",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("resource_type", sa.String(length=32), nullable=False),
        sa.Column("project_id", sa.String(length=64), nullable=False),
        sa.Column("pod_id", sa.String(length=36), nullable=True),
        sa.Column("ports", sa.JSON(), nullable=False),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.Column("created_at", TIMESTAMP, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_creations"),
        **TABLE,
    )
    op.create_index("ix_creations_created_at", "creations", ["created_at"])
    op.create_table(
        "definitions",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("key", sa.String(length=330), nullable=False),
        sa.Column("body", sa.JSON(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("deleted", sa.Boolean(), nullable=False),
        sa.Column("created_at", TIMESTAMP, nullable=False),
        sa.Column("updated_at", TIMESTAMP, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_definitions"),
        sa.UniqueConstraint("kind", "key", name="uq_definitions_kind_key"),
        **TABLE,
    )
    op.create_table(
        "pods",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("region_name", sa.String(length=255), nullable=False),
        sa.Column("availability_zone", sa.String(length=255), nullable=False),
        sa.Column("pod_availability_zone", sa.String(length=255), nullable=False),
        sa.Column("dc_name", sa.String(length=255), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("versions", sa.JSON(), nullable=False),
        sa.Column("endpoints", sa.JSON(), nullable=False),
        sa.Column("health", sa.String(length=16), nullable=False),
        sa.Column("last_error", sa.Text(), nullable=False),
        sa.Column("latency_ms", sa.Float(), nullable=True),
        sa.Column("probed_at", TIMESTAMP, nullable=True),
        sa.Column("created_at", TIMESTAMP, nullable=False),
        sa.Column("updated_at", TIMESTAMP, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_pods"),
        sa.UniqueConstraint("region_name", name="uq_pods_region_name"),
        **TABLE,
    )
    op.create_index("ix_pods_availability_zone", "pods", ["availability_zone"])
    op.create_table(
        "realizations",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("resource_type", sa.String(length=32), nullable=False),
        sa.Column("resource_id", sa.String(length=330), nullable=False),
        sa.Column("pod_id", sa.String(length=36), nullable=False),
        sa.Column("project_id", sa.String(length=64), nullable=True),
        sa.Column("pod_resource_id", sa.String(length=255), nullable=True),
        sa.Column("wanted_revision", sa.Integer(), nullable=False),
        sa.Column("realized_revision", sa.Integer(), nullable=True),
        sa.Column("absent", sa.Boolean(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_try_at", TIMESTAMP, nullable=True),
        sa.Column("failing_since", TIMESTAMP, nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("claimed_by", sa.String(length=255), nullable=True),
        sa.Column("claimed_until", TIMESTAMP, nullable=True),
        sa.Column("created_at", TIMESTAMP, nullable=False),
        sa.Column("updated_at", TIMESTAMP, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_realizations"),
        sa.UniqueConstraint(
            "resource_type",
            "resource_id",
            "pod_id",
            name="uq_realizations_resource_type_resource_id_pod_id",
        ),
        **TABLE,
    )
    op.create_index("ix_realizations_next_try_at", "realizations", ["next_try_at"])
    op.create_index("ix_realizations_pod_id", "realizations", ["pod_id"])
    op.create_index("ix_realizations_pod_resource_id", "realizations", ["pod_resource_id"])
    op.create_index("ix_realizations_project_id", "realizations", ["project_id"])
    op.create_table(
        "bindings",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("project_id", sa.String(length=64), nullable=False),
        sa.Column("pod_id", sa.String(length=36), nullable=False),
        sa.Column("created_at", TIMESTAMP, nullable=False),
        sa.ForeignKeyConstraint(["pod_id"], ["pods.id"], name="fk_bindings_pod_id"),
        sa.PrimaryKeyConstraint("id", name="pk_bindings"),
        sa.UniqueConstraint("project_id", "pod_id", name="uq_bindings_project_id_pod_id"),
        **TABLE,
    )
    op.create_index("ix_bindings_pod_id", "bindings", ["pod_id"])
    op.create_index("ix_bindings_project_id", "bindings", ["project_id"])
    op.create_table(
        "routings",
        sa.Column("resource_type", sa.String(length=32), nullable=False),
        sa.Column("resource_id", sa.String(length=64), nullable=False),
        sa.Column("pod_id", sa.String(length=36), nullable=False),
        sa.Column("project_id", sa.String(length=64), nullable=True),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.Column("created_at", TIMESTAMP, nullable=False),
        sa.ForeignKeyConstraint(["pod_id"], ["pods.id"], name="fk_routings_pod_id"),
        sa.PrimaryKeyConstraint("resource_type", "resource_id", name="pk_routings"),
        **TABLE,
    )
    op.create_index("ix_routings_pod_id", "routings", ["pod_id"])
    op.create_index("ix_routings_project_id", "routings", ["project_id"])
    op.create_index("ix_routings_resource_id", "routings", ["resource_id"])
