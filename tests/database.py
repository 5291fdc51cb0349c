# SPDX-License-Identifier: Apache-2.0
"""Databases of tests: SQLite files that nobody needs after a crash of the machine."""

import functools
import sqlite3
import tempfile
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import command

from tricircle.db import migrations, models


def spare_the_disk() -> None:
    """Let no connection of this process to an SQLite file wait for the disk."""

    @sa.event.listens_for(sa.Engine, "connect")
    def connect(connection: Any, _: Any) -> None:
        if isinstance(connection, sqlite3.Connection):
            connection.execute("PRAGMA synchronous = OFF")


def make(url: str, *, by_migrations: bool = False) -> None:
    """Make the file of an SQLite URL: an empty Tricircle database, with all tables."""
    path = sa.make_url(url).database
    assert path
    Path(path).write_bytes(_empty(by_migrations))


@functools.cache
def _empty(by_migrations: bool) -> bytes:
    """Such a file, made once a process: to make tables takes longer than most tests."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "empty.sqlite")
        engine = sa.create_engine(f"sqlite:///{path}")
        with engine.connect() as connection:
            # As ``session`` has it: a file keeps that.
            connection.exec_driver_sql("PRAGMA journal_mode = WAL")
            if by_migrations:
                config = migrations.config()
                config.attributes["connection"] = connection
                command.upgrade(config, "head")
            else:
                models.Base.metadata.create_all(connection)
            connection.commit()
        engine.dispose()
        return path.read_bytes()
