# SPDX-License-Identifier: Apache-2.0
"""The schema of the Tricircle database, step by step (alembic)."""

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from tricircle.db import session


def config() -> Config:
    """Alembic's configuration; the database is the one of ``[tricircle_database]``."""
    made = Config()
    made.set_main_option("script_location", "tricircle.db:migrations")
    return made


def sync(revision: str = "head") -> None:
    """Bring the schema up to ``revision``; harmless when it is there already."""
    with session.engine().begin() as connection:
        made = config()
        made.attributes["connection"] = connection
        command.upgrade(made, revision)


def version() -> str | None:
    """The revision the schema is at; None for a database that never had one."""
    with session.engine().connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def newest() -> str | None:
    """The revision that this release needs."""
    return ScriptDirectory.from_config(config()).get_current_head()
