# SPDX-License-Identifier: Apache-2.0
"""Transactions on the Tricircle database.

The engine is oslo.db's, made at first use from ``[tricircle_database]``. All here blocks: code on
an event loop calls query functions through a thread.
"""

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from oslo_db.sqlalchemy import engines
from sqlalchemy.orm import Session

from tricircle.conf import CONF

_SQLITE_WAIT_MS = 30_000
_lock = threading.Lock()
_engine: sa.Engine | None = None


def engine() -> sa.Engine:
    """The process's engine; made once."""
    global _engine
    with _lock:
        if _engine is None:
            section = CONF.tricircle_database
            _engine = engines.create_engine(
                section.connection,
                sqlite_fk=True,
                max_pool_size=section.max_pool_size,
                max_overflow=section.max_overflow,
            )
            if _engine.dialect.name == "sqlite":
                _teach_sqlite_to_wait(_engine)
        return _engine


def _teach_sqlite_to_wait(made: sa.Engine) -> None:
    """Let writers wait for each other: SQLite fails at once when two that read want to write.

    So a transaction that will write says so when it begins; readers go on beside it (WAL).
    """

    @sa.event.listens_for(made, "connect")
    def connect(connection: Any, _: Any) -> None:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA busy_timeout = {_SQLITE_WAIT_MS}")

    @sa.event.listens_for(made, "begin")
    def begin(connection: sa.Connection) -> None:
        if connection.get_execution_options().get("tricircle_writes"):
            # Instead of the plain BEGIN that oslo.db has sent just now.
            connection.exec_driver_sql("ROLLBACK")
            connection.exec_driver_sql("BEGIN IMMEDIATE")

    # The connection that oslo.db tried the database with knows nothing of this.
    made.dispose()


def reset() -> None:
    """Forget the engine: after a fork, or when a test names another database."""
    global _engine
    with _lock:
        if _engine is not None:
            _engine.dispose()
        _engine = None


@contextlib.contextmanager
def read() -> Iterator[Session]:
    """A session that only reads; objects stay usable after it is closed."""
    with Session(engine(), expire_on_commit=False) as session:
        yield session


@contextlib.contextmanager
def write() -> Iterator[Session]:
    """A transaction: commits at the end, rolls back on any exception."""
    bind = engine().execution_options(tricircle_writes=True)
    with Session(bind, expire_on_commit=False) as session, session.begin():
        yield session
