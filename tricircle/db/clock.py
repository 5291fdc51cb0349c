# SPDX-License-Identifier: Apache-2.0
"""The time all processes go by: the database's, whatever the clock of the machine we run on says.

Claims, leases and waits are moments that one process writes and others compare with theirs. So how
far our clock is from the database's is measured, now and then, on a connection that is about to be
used; until the first one our own clock is good enough, as it is with SQLite: that is this machine.
"""

import contextlib
import datetime
import threading
import time
from typing import Any

import sqlalchemy as sa

# Seconds between two measurements; one that took longer than the second is too vague to be kept.
_INTERVAL, _SURE = 30.0, 0.5
_QUESTIONS = {
    "mysql": "SELECT UTC_TIMESTAMP(6)",
    "mariadb": "SELECT UTC_TIMESTAMP(6)",
    "postgresql": "SELECT clock_timestamp() AT TIME ZONE 'UTC'",
}

_lock = threading.Lock()
#: the database's time when our monotonic clock was at zero, and when that was measured
_zero: datetime.datetime | None = None
_measured_at = float("-inf")


def now() -> datetime.datetime:
    """The time as the tables keep it: UTC, no zone."""
    zero = _zero
    if zero is None:
        return datetime.datetime.now(datetime.UTC).replace(tzinfo=None)
    return zero + datetime.timedelta(seconds=time.monotonic())


def follow(engine: sa.Engine) -> None:
    """Go by the clock of this engine's database from now on."""
    question = _QUESTIONS.get(engine.dialect.name)
    if question is None:
        forget()
        return

    @sa.event.listens_for(engine, "checkout")
    def checkout(connection: Any, _: Any, __: Any) -> None:
        if _due():
            # Whoever takes the connection learns what is wrong with it.
            with contextlib.suppress(engine.dialect.loaded_dbapi.Error):
                _measure(connection, question)


def forget() -> None:
    """Go by the machine's own clock."""
    global _zero, _measured_at
    with _lock:
        _zero, _measured_at = None, float("-inf")


def _due() -> bool:
    """Whether it is time to measure; True for one caller only."""
    global _measured_at
    with _lock:
        if time.monotonic() - _measured_at < _INTERVAL:
            return False
        _measured_at = time.monotonic()
        return True


def _measure(connection: Any, question: str) -> None:
    global _zero
    cursor = connection.cursor()
    before = time.monotonic()
    cursor.execute(question)
    ((told,),) = cursor.fetchall()
    after = time.monotonic()
    cursor.close()
    connection.rollback()
    if _zero is None or after - before < _SURE:
        _zero = told - datetime.timedelta(seconds=(before + after) / 2)
