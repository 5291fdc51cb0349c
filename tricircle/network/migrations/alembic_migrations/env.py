# SPDX-License-Identifier: Apache-2.0
"""Alembic's environment, run by neutron-db-manage; our revisions have a version table of ours."""

from alembic import context
from neutron.db.migration.connection import DBConnection
from neutron_lib.db import model_base

from tricircle.network.central import models  # noqa: F401  (its table joins the metadata)

VERSION_TABLE = "alembic_version_tricircle"


def run_offline(url: str) -> None:
    context.configure(url=url, version_table=VERSION_TABLE)
    with context.begin_transaction():
        context.run_migrations()


def run_online(url: str) -> None:
    with DBConnection(url, context.config.attributes.get("connection")) as connection:
        context.configure(
            connection=connection,
            target_metadata=model_base.BASEV2.metadata,
            include_object=lambda item, name, kind, *_: (
                kind != "table" or str(name).startswith("tricircle_")
            ),
            version_table=VERSION_TABLE,
        )
        with context.begin_transaction():
            context.run_migrations()


_url = context.config.neutron_config.database.connection  # type: ignore[attr-defined]
(run_offline if context.is_offline_mode() else run_online)(_url)
