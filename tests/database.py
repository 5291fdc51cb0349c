# SPDX-License-Identifier: Apache-2.0
"""Databases of tests: SQLite files that nobody needs after a crash of the machine."""

import functools
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command

from tricircle.conf import CONF
from tricircle.db import migrations, models, session
from tricircle.db.leases import Leases

_engines: dict[str, sa.Engine] = {}


def make(url: str, *, by_migrations: bool = False) -> None:
    """Make the file of an SQLite URL: an empty Tricircle database, with all tables."""
    write(url, _empty(by_migrations))


def write(url: str, content: bytes) -> None:
    """Make the file of an SQLite URL anew. Whoever has the old one open keeps that."""
    path = path_of(url)
    for old in (path, *(path.with_name(f"{path.name}-{kind}") for kind in ("wal", "shm"))):
        old.unlink(missing_ok=True)
    path.write_bytes(content)


def path_of(url: str) -> Path:
    path = sa.make_url(url).database
    assert path
    return Path(path)


def keep_engine(url: str) -> None:
    """Let ``session``, which has no engine now, work on ``url``, where ``CONF`` leads, by the one
    that this process had for it before: an engine compiles each statement once.
    """
    if url in _engines:
        session._engines[session.OWN] = _engines[url]
    else:
        _engines[url] = session.engine()


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


@pytest.fixture
def db(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An empty Tricircle database in a file, with foreign keys enforced.

    What a test leaves claimed is not renewed when the database is gone.
    """
    holders, hold = set[Leases](), Leases.hold

    def noted(self: Leases, token: str, row_id: str) -> None:
        holders.add(self)
        hold(self, token, row_id)

    monkeypatch.setattr(Leases, "hold", noted)
    session.reset()
    url = f"sqlite:///{tmp_path}/t.sqlite"
    make(url)
    CONF.set_override("connection", url, group="tricircle_database")
    yield
    for holder in holders:
        for token in holder.held():
            holder.drop(token)
    session.reset()
    CONF.clear_override("connection", group="tricircle_database")
