# SPDX-License-Identifier: Apache-2.0
"""Transactions on the Tricircle database.

The engine is oslo.db's, made at first use from ``[tricircle_database]``. All here blocks: code on
an event loop calls query functions through a thread.
"""

import contextlib
import threading
from collections.abc import Iterator

import sqlalchemy as sa
from oslo_db.sqlalchemy import engines
from sqlalchemy.orm import Session

from tricircle.conf import CONF

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
        return _engine


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
    with Session(engine(), expire_on_commit=False) as session, session.begin():
        yield session
