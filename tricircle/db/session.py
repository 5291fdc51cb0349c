# SPDX-License-Identifier: Apache-2.0
"""Transactions on the Tricircle database, and on central Neutron's where that one is named.

The engines are oslo.db's, made at first use from ``[tricircle_database]``. All here blocks: code
on an event loop calls query functions through a thread.
"""

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from oslo_db import exception as db_exc
from oslo_db.sqlalchemy import engines
from sqlalchemy.orm import Session

from tricircle.conf import CONF
from tricircle.db import clock

# The options of [tricircle_database] that name a database.
OWN, NEUTRON = "connection", "neutron_connection"

_SQLITE_WAIT_MS = 30_000
# Seconds to open a connection.
_CONNECTING = 5
_lock = threading.Lock()
_engines: dict[str, sa.Engine] = {}


def engine(database: str = OWN) -> sa.Engine:
    """The process's engine for the database an option names; made once."""
    with _lock:
        if database not in _engines:
            section = CONF.tricircle_database
            url = getattr(section, database)
            made = engines.create_engine(
                url,
                sqlite_fk=True,
                max_pool_size=section.max_pool_size,
                max_overflow=section.max_overflow,
                # Only for green threads: those of the system need nobody to let them run.
                thread_checkin=False,
                # SQLite has no pool.
                pool_timeout=None if url.startswith("sqlite") else section.pool_timeout,
                connection_parameters=_deadlines(url, section.answer_deadline),
                # Whether the database is there shows at the first question.
                max_retries=0,
            )
            if database == OWN:
                clock.follow(made)
            if made.dialect.name == "sqlite":
                _teach_sqlite_to_wait(made)
                keep_connections(made, section.max_pool_size, section.max_overflow)
            _engines[database] = made
        return _engines[database]


def connections() -> dict[tuple[str, ...], float]:
    """{(database, state): number} of the pools of this process: in use, idle, and the limit."""
    with _lock:
        names = {OWN: "tricircle", NEUTRON: "neutron"}
        found = [(names[database], made.pool) for database, made in _engines.items()]
    told: dict[tuple[str, ...], float] = {}
    for name, pool in found:
        told.update(pool_of(name, pool))
    return told


def pool_of(name: str, pool: sa.Pool) -> dict[tuple[str, ...], float]:
    """The same of one pool; nothing of one that keeps no connections."""
    if not isinstance(pool, sa.QueuePool):
        return {}
    return {
        (name, "used"): pool.checkedout(),
        (name, "idle"): pool.checkedin(),
        (name, "limit"): pool.size() + max(0, pool._max_overflow),
    }


def _deadlines(url: str, seconds: int) -> str:
    """Parameters of a database's URL by which nobody waits for a silent database for ever."""
    if not seconds:
        return ""
    connecting = min(seconds, _CONNECTING)
    asked = sa.engine.make_url(url)
    wanted = {
        "pymysql": {
            "connect_timeout": connecting,
            "read_timeout": seconds,
            "write_timeout": seconds,
        },
        "psycopg2": {"connect_timeout": connecting, "tcp_user_timeout": seconds * 1000},
    }.get(asked.get_driver_name(), {})
    return "&".join(f"{name}={value}" for name, value in wanted.items() if name not in asked.query)


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


def keep_connections(made: sa.Engine, size: int, overflow: int) -> None:
    """Keep connections to SQLite in a pool; oslo.db opens and closes one for each transaction.

    Each new one reads the whole schema, and the last to close writes the whole log (WAL) back.
    """
    once = made.pool
    assert isinstance(once, sa.NullPool)
    made.pool = sa.QueuePool(
        once._creator,
        pool_size=size,
        max_overflow=overflow,
        dialect=made.dialect,
        _dispatch=once.dispatch,
    )

    @sa.event.listens_for(made, "reset")
    def reset(_: Any, record: Any, __: Any) -> None:
        # oslo.db's own mark, which it leaves where a transaction ended without COMMIT or ROLLBACK.
        record.info.pop("in_transaction", None)


def reset() -> None:
    """Forget the engines: after a fork, or when a test names another database."""
    with _lock:
        while _engines:
            _engines.popitem()[1].dispose()
    clock.forget()


@contextlib.contextmanager
def read(database: str = OWN) -> Iterator[Session]:
    """A session that only reads; objects stay usable after it is closed.

    Raises oslo_db's DBError, of which DBConnectionError says that the database cannot be asked now.
    """
    with _told_alike(), Session(engine(database), expire_on_commit=False) as session:
        yield session


@contextlib.contextmanager
def write(database: str = OWN) -> Iterator[Session]:
    """A transaction: commits at the end, rolls back on any exception. Raises as ``read`` does."""
    bind = engine(database).execution_options(tricircle_writes=True)
    with _told_alike(), Session(bind, expire_on_commit=False) as session, session.begin():
        yield session


@contextlib.contextmanager
def _told_alike() -> Iterator[None]:
    """oslo.db leaves some errors as they are: too many connections, a server that is stopping, none
    free in our own pool. They all mean that the database cannot be asked now."""
    try:
        yield
    except (sa.exc.OperationalError, sa.exc.TimeoutError) as error:
        raise db_exc.DBConnectionError(error) from error
